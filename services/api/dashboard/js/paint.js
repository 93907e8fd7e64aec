// What several canvases draw alike.

import { grouped } from "./decimal.js";

export const ROW = 19;

export function clear(context, width, height, ground) {
  context.fillStyle = ground;
  context.fillRect(0, 0, width, height);
}

/** A book that cannot be trusted: hatched over, and it says why. */
export function veil(context, width, height, colour, panel, text) {
  context.save();
  context.strokeStyle = colour;
  context.globalAlpha = 0.16;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = -height; x < width; x += 9) {
    context.moveTo(x, height);
    context.lineTo(x + height, 0);
  }
  context.stroke();
  context.globalAlpha = 1;
  if (text) {
    context.font = "600 11px sans-serif";
    const room = context.measureText(text).width + 20;
    context.fillStyle = panel;
    context.fillRect((width - room) / 2, 10, room, 22);
    context.strokeRect((width - room) / 2 + 0.5, 10.5, room - 1, 21);
    context.fillStyle = colour;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, width / 2, 21.5);
  }
  context.restore();
}

const WIDEST = 7; // digits of a size in a column

/** A quantity, cut (never rounded up) to what a column holds. */
export function sizeText(text) {
  const [whole, fraction = ""] = text.split(".");
  if (whole.length > WIDEST) return grouped(whole);
  const shown = fraction.slice(0, WIDEST - whole.length);
  return shown ? `${whole}.${shown}` : whole;
}
