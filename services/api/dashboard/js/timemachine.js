// The time machine's bar: a slider over the whole tape, a field for a seq, steps, and play.

import { Cell } from "./cells.js";
import { live, past } from "./desk.js";
import { html, useCell, useEffect, useRef } from "./dom.js";
import { clock, count, day } from "./format.js";

const SPEEDS = [1, 10, 100, 1000]; // records a second
const FRAME_MS = 100;

export const playing = new Cell(0); // records a second; 0: stands still

function bounds() {
  const state = live.world.state.value;
  // The state comes four times a second; an order's answer may have told of a later record.
  const last = Math.max(1, state?.released_seq ?? 1, live.world.at.value.seq);
  return { first: Math.max(1, state?.oldest_as_of ?? 1), last };
}

export function goTo(seq) {
  const { first, last } = bounds();
  return past.show(Math.min(last, Math.max(first, seq)));
}

export function stepBy(records) {
  playing.set(0);
  return goTo((past.isOn ? past.seq.value : bounds().last) + records);
}

export function toNow() {
  playing.set(0);
  past.leave();
}

export function toggle() {
  if (past.isOn) toNow();
  else stepBy(0);
}

/** Goes on from where it stands; at the end of the tape it stops. */
export function play() {
  if (playing.value) return playing.set(0);
  playing.set(speed.value);
  if (!past.isOn) goTo(bounds().first);
  run();
}

const speed = new Cell(10);

async function run() {
  let at = past.seq.value;
  let then = performance.now();
  while (playing.value && past.isOn) {
    await new Promise((done) => setTimeout(done, FRAME_MS));
    if (!playing.value || !past.isOn) return;
    const now = performance.now();
    at += (playing.value * (now - then)) / 1000;
    then = now;
    if (Math.floor(at) > past.seq.value) await goTo(Math.floor(at));
    if (past.seq.value >= bounds().last) playing.set(0);
  }
}

function faster() {
  speed.set(SPEEDS[(SPEEDS.indexOf(speed.value) + 1) % SPEEDS.length]);
  if (playing.value) playing.set(speed.value);
}

export function TimeMachine() {
  const seq = useCell(past.seq);
  const busy = useCell(past.busy, 150);
  const trouble = useCell(past.trouble);
  const rate = useCell(playing);
  const chosen = useCell(speed);
  useCell(live.world.state, seq ? 1000 : 250);
  const at = useCell((seq ? past : live).world.at, 100);
  const { first, last } = bounds();
  const field = useRef(null);
  useEffect(() => {
    if (document.activeElement !== field.current) field.current.value = String(seq || last);
  }, [seq, last]);
  const typed = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") event.currentTarget.blur();
    if (event.key !== "Enter") return;
    const wanted = Number(event.currentTarget.value.replaceAll(/[^0-9]/g, ""));
    if (wanted) stepBy(0), goTo(wanted);
  };
  const shown = seq || last;
  return html`<footer class="timebar" data-time=${seq ? "past" : "now"} data-seq=${shown} data-shown=${seq ? at.seq : shown}>
    <button data-action="time" class=${seq ? "strong warn" : ""} title="Now or past (t)" onClick=${toggle}>
      ${seq ? "Back to now" : "Time machine"} <kbd>t</kbd>
    </button>
    <button class="quiet tight" title="Back one record ([)" aria-label="Back one record" onClick=${() => stepBy(-1)}>‹</button>
    <button class="quiet tight" data-action="play" title="Play (space)" aria-label=${rate ? "Pause" : "Play"} onClick=${play}>${rate ? "❚❚" : "▶"}</button>
    <button class="quiet tight" title="On one record (])" aria-label="On one record" onClick=${() => stepBy(1)}>›</button>
    <button class="quiet tight num" title="Records a second, when played" onClick=${faster}>${count(chosen)}/s</button>
    <input
      type="range"
      aria-label="Position on the tape"
      min=${first}
      max=${last}
      step="1"
      value=${shown}
      onInput=${(event) => {
        playing.set(0);
        goTo(Number(event.target.value));
      }}
    />
    <input class="num seq" data-field="seq" aria-label="Sequence number" inputmode="numeric" ref=${field} onKeyDown=${typed} />
    <span class="num dim">of ${count(last)}</span>
    <span class="when num">${seq && at.ts !== "0" ? `${day(at.ts)} ${clock(at.ts)} UTC` : ""}</span>
    ${trouble ? html`<span class="alarm" role="alert">${trouble}</span>` : busy && html`<span class="dim">folding…</span>`}
  </footer>`;
}
