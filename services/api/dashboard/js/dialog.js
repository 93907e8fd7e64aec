// The frame of all dialogs: over everything, closed by Esc or a click beside it, the keyboard held inside.

import { dialog } from "./desk.js";
import { html, useLayoutEffect, useRef } from "./dom.js";

export const close = () => dialog.set("");

export function Dialog({ name, title, kind = "", children }) {
  const place = useRef(null);
  const shown = useRef(false);
  useLayoutEffect(() => {
    const element = place.current;
    const before = document.activeElement;
    element.showModal();
    shown.current = true;
    return () => {
      shown.current = false; // what it says of its end is no news then
      element.close();
      before?.focus?.();
    };
  }, []);
  const beside = (event) => event.target === place.current && close();
  const closed = () => shown.current && close();
  return html`<dialog ref=${place} class="dialog ${kind}" data-dialog=${name} aria-label=${title} onClick=${beside} onClose=${closed}>
    <div class="dialog-body">
      <h2>${title}</h2>
      ${children}
    </div>
  </dialog>`;
}
