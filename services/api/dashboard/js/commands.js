// Everything a person can do by a key or by name: one table for keyboard, palette and help.

import { dialog, past } from "./desk.js";
import { nextGrouping } from "./ladder.js";
import { dismissAll } from "./notices.js";
import { cancelEverything } from "./orders.js";
import { choose, settings } from "./settings.js";
import { switchTheme } from "./theme.js";
import { send } from "./ticket.js";
import { chooseSide, EMPTY, move, write } from "./ticket_state.js";
import { play, stepBy, toggle, toNow } from "./timemachine.js";

const TYPING = new Set(["INPUT", "SELECT", "TEXTAREA"]);

/** At once if it is there: the next key is meant for it. Else once the command's panel has been drawn. */
function focus(name, isLast = false) {
  const field = document.querySelector(name);
  if (!field && !isLast) return setTimeout(() => focus(name, true), 50);
  field?.focus();
  field?.select?.();
}

function side(name) {
  choose({ workspace: "trade" });
  chooseSide(name);
  focus('.ticket [data-field="qty"]');
}

function tab(id) {
  choose({ workspace: "trade", blotter: id });
}

/** {keys, group, text, run}: `keys` as the browser names them; the first is shown. */
export const COMMANDS = [
  { keys: ["b"], group: "Order", text: "Buy: begin an order at the best bid", run: () => side("buy") },
  { keys: ["s"], group: "Order", text: "Sell: begin an order at the best offer", run: () => side("sell") },
  { keys: ["ArrowUp"], group: "Order", text: "Price up a tick (Shift: ten)", run: (event) => move("price", event?.shiftKey ? 10 : 1) },
  { keys: ["ArrowDown"], group: "Order", text: "Price down a tick (Shift: ten)", run: (event) => move("price", event?.shiftKey ? -10 : -1) },
  { keys: ["ArrowRight"], group: "Order", text: "A lot more (Shift: ten)", run: (event) => move("qty", event?.shiftKey ? 10 : 1) },
  { keys: ["ArrowLeft"], group: "Order", text: "A lot less (Shift: ten)", run: (event) => move("qty", event?.shiftKey ? -10 : -1) },
  { keys: ["Enter"], group: "Order", text: "Send the order", run: () => send() },
  { keys: ["x"], group: "Order", text: "Cancel all own orders", run: cancelEverything },
  { keys: ["k"], group: "Order", text: "Kill switch", run: () => dialog.set("kill") },
  { keys: ["c"], group: "Order", text: "Ask before sending, or not", run: () => choose({ confirm: !settings.value.confirm }) },
  { keys: ["Escape"], group: "Order", text: "Empty the ticket; close what is open", run: escape },
  { keys: ["m"], group: "View", text: "Choose a market", run: () => dialog.set("market") },
  { keys: ["1"], group: "View", text: "Trade", run: () => choose({ workspace: "trade" }) },
  { keys: ["2"], group: "View", text: "Platform", run: () => choose({ workspace: "platform" }) },
  { keys: ["o"], group: "View", text: "Own orders", run: () => tab("orders") },
  { keys: ["f"], group: "View", text: "Fills", run: () => tab("fills") },
  { keys: ["p"], group: "View", text: "Positions", run: () => tab("positions") },
  { keys: ["r"], group: "View", text: "Risk and limits", run: () => tab("risk") },
  { keys: ["a"], group: "View", text: "Algos", run: () => tab("algos") },
  { keys: ["v"], group: "View", text: "Depth or candles", run: () => choose({ chart: settings.value.chart === "depth" ? "candles" : "depth" }) },
  { keys: ["g"], group: "View", text: "Put prices of the book together", run: nextGrouping },
  { keys: ["d"], group: "View", text: "Dark or light", run: switchTheme },
  { keys: ["t"], group: "Time machine", text: "Into the past, and back to now", run: toggle },
  { keys: ["["], group: "Time machine", text: "Back one record (Shift: a hundred)", run: () => stepBy(-1) },
  { keys: ["]"], group: "Time machine", text: "On one record (Shift: a hundred)", run: () => stepBy(1) },
  { keys: ["{"], group: "", text: "Back a hundred records", run: () => stepBy(-100) },
  { keys: ["}"], group: "", text: "On a hundred records", run: () => stepBy(100) },
  { keys: [" "], group: "Time machine", text: "Play and pause", run: play },
  { keys: ["q"], group: "Time machine", text: "Type a sequence number", run: () => focus('[data-field="seq"]') },
  { keys: ["/", "ctrl+k"], group: "Help", text: "All commands by name", run: () => dialog.set("palette") },
  { keys: ["?"], group: "Help", text: "These keys", run: () => dialog.set("help") },
];

function escape() {
  const at = document.activeElement;
  if (TYPING.has(at.tagName)) return at.blur(); // what was typed stays
  if (dismissAll()) return;
  if (past.isOn) return toNow();
  write(EMPTY);
}

const byKey = new Map(COMMANDS.flatMap((one) => one.keys.map((key) => [key, one])));

/** Listens to the whole page. Letters typed into a field are text there; Esc always leaves. */
export function onKey(event) {
  if (dialog.value || event.defaultPrevented || event.altKey || event.isComposing) return;
  const name = event.ctrlKey || event.metaKey ? `ctrl+${event.key.toLowerCase()}` : event.key;
  const command = byKey.get(name);
  if (!command) return;
  const at = event.target;
  const isField = TYPING.has(at.tagName) && at.type !== "checkbox" && at.type !== "range";
  if (at.type === "range" && name.startsWith("Arrow")) return;
  if (isField && !["Escape", "ctrl+k"].includes(name)) return;
  // A button that has the keyboard takes Enter and space for itself.
  if (at.tagName === "BUTTON" && (name === "Enter" || name === " ")) return;
  if (at.type === "checkbox" && name === " ") return;
  event.preventDefault();
  command.run(event);
}
