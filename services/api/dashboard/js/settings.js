// What a person has chosen, remembered by the browser. Each name has a default; what is stored otherwise is ignored.

import { Cell } from "./cells.js";

const KEY = "tapewire.settings";

const DEFAULTS = {
  theme: "system",
  workspace: "trade",
  market: "",
  account: 0,
  chart: "depth",
  blotter: "orders",
  platform: "tape",
  interval: "1m",
  grouping: 1,
  confirm: true,
  bookIntervalMs: 16,
};

function stored() {
  try {
    return JSON.parse(localStorage.getItem(KEY) ?? "{}");
  } catch (error) {
    console.warn("what was remembered cannot be read and is forgotten:", error);
    return {};
  }
}

function known(found) {
  const fits = ([name, value]) => name in DEFAULTS && typeof value === typeof DEFAULTS[name];
  return { ...DEFAULTS, ...Object.fromEntries(Object.entries(found).filter(fits)) };
}

export const settings = new Cell(known(stored()));

export function choose(changes) {
  settings.set({ ...settings.value, ...changes });
  localStorage.setItem(KEY, JSON.stringify(settings.value));
}
