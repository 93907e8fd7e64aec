// What a person is told in passing: in a corner, for some seconds; refusals stay until they are read.

import { Cell } from "./cells.js";
import { html, useCell } from "./dom.js";

const SECONDS = { good: 3.5, plain: 4, bad: 12 };
const MOST = 4;

const notices = new Cell([]);
let next = 1;

/** `kind` is good, plain or bad. */
export function notify(kind, text) {
  const one = { id: next++, kind, text };
  notices.set([...notices.value, one].slice(-MOST));
  setTimeout(() => dismiss(one.id), SECONDS[kind] * 1000);
}

function dismiss(id) {
  notices.set(notices.value.filter((one) => one.id !== id));
}

export function dismissAll() {
  const had = notices.value.length > 0;
  notices.set([]);
  return had;
}

export function Notices() {
  const shown = useCell(notices);
  return html`<div class="notices" role="status" aria-live="polite">
    ${shown.map((one) => html`<div key=${one.id} class="notice ${one.kind}" onClick=${() => dismiss(one.id)}>${one.text}</div>`)}
  </div>`;
}
