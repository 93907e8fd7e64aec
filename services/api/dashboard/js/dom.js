// Components are functions of preact; htm gives them markup without a compiler. Text from outside only ever becomes text.

import htm from "../vendor/htm.js";
import { h, render } from "../vendor/preact.js";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.js";

export const html = htm.bind(h);
export { render, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState };

/** The cell's value; draws anew when it changes, at most every `ms` milliseconds. */
export function useCell(cell, ms = 0) {
  const [, draw] = useState(0);
  useEffect(() => {
    let timer = 0;
    let last = 0;
    const now = () => {
      timer = 0;
      last = performance.now();
      draw((n) => n + 1);
    };
    const ended = cell.listen(() => {
      if (timer) return;
      const wait = last + ms - performance.now();
      if (wait <= 0) now();
      else timer = setTimeout(now, wait);
    });
    now();
    return () => {
      ended();
      clearTimeout(timer);
    };
  }, [cell, ms]);
  return cell.value;
}
