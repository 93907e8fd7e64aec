// A canvas that fills its place: sharp on any screen, painted only in a frame for which something has changed.

import { html, useEffect, useRef } from "./dom.js";
import { colours } from "./theme.js";

/** `make(invalidate)` returns {paint(context, width, height, colours), cells, pointer?(kind, x, y, event)}. */
export function Canvas({ make, deps = [], label, className = "" }) {
  const element = useRef(null);
  useEffect(() => {
    const canvas = element.current;
    const context = canvas.getContext("2d", { alpha: false });
    let width = 0;
    let height = 0;
    let asked = 0;
    const invalidate = () => {
      if (!asked) asked = requestAnimationFrame(paint);
    };
    const painter = make(invalidate);
    function paint() {
      asked = 0;
      if (!width || !height) return;
      const ratio = devicePixelRatio;
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      painter.paint(context, width, height, colours.value);
    }
    const observer = new ResizeObserver(([entry]) => {
      ({ width, height } = entry.contentRect);
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
      cancelAnimationFrame(asked);
      paint(); // in this frame: a resized canvas is empty
    });
    observer.observe(canvas.parentElement);
    const ends = [...painter.cells, colours].map((cell) => cell.listen(invalidate));
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      painter.pointer(event.type, event.clientX - box.left, event.clientY - box.top, event);
    };
    const kinds = painter.pointer ? ["pointermove", "pointerleave", "click", "wheel"] : [];
    for (const kind of kinds) canvas.addEventListener(kind, point, { passive: kind !== "wheel" });
    invalidate();
    return () => {
      observer.disconnect();
      cancelAnimationFrame(asked);
      for (const end of ends) end();
      for (const kind of kinds) canvas.removeEventListener(kind, point);
      painter.close?.();
    };
  }, deps);
  return html`<div class="canvas ${className}"><canvas ref=${element} role="img" aria-label=${label}></canvas></div>`;
}

/** A text cut to fit `room` pixels. */
export function fitted(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let end = text.length;
  while (end > 1 && context.measureText(`${text.slice(0, end)}…`).width > room) end -= 1;
  return `${text.slice(0, end)}…`;
}
