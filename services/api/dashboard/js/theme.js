// Dark or light: as the system has it, or as chosen. Canvases ask here for the colours of the style sheet.

import { Cell } from "./cells.js";
import { choose, settings } from "./settings.js";

const light = matchMedia("(prefers-color-scheme: light)");
const NAMES = ["ground", "panel", "raised", "line", "line-strong", "text", "dim", "faint", "bid", "bid-wash", "ask"];
NAMES.push("ask-wash", "accent", "accent-wash", "own", "warn", "warn-wash", "alarm", "mono", "sans");

/** {name, ground, panel, ...}: read anew with each change of theme. */
export const colours = new Cell({});

function apply() {
  const chosen = settings.value.theme;
  const name = chosen === "system" ? (light.matches ? "light" : "dark") : chosen;
  if (colours.value.name === name) return;
  document.documentElement.dataset.theme = name;
  const style = getComputedStyle(document.documentElement);
  colours.set({ name, ...Object.fromEntries(NAMES.map((one) => [one, style.getPropertyValue(`--${one}`).trim()])) });
}

export function switchTheme() {
  choose({ theme: colours.value.name === "dark" ? "light" : "dark" });
  apply();
}

settings.listen(apply);
light.addEventListener("change", apply);
apply();
