// What several canvases draw alike.

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

/** Sizes as they are best read in a column: at most seven places. */
export function sizeText(size, decimals) {
  if (size >= 1e6) return `${(size / 1e6).toFixed(2)}M`;
  if (size >= 1e5) return `${(size / 1e3).toFixed(1)}k`;
  return size.toFixed(Math.max(0, Math.min(decimals, 6 - Math.floor(Math.log10(Math.max(1, size))))));
}
