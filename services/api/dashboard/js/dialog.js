// The frame of all dialogs: over everything, closed by Esc or a click beside it, the keyboard held inside.

import { dialog } from "./desk.js";
import { html, useEffect, useRef } from "./dom.js";

export const close = () => dialog.set("");

export function Dialog({ name, title, kind = "", children }) {
  const place = useRef(null);
  useEffect(() => {
    const element = place.current;
    const before = document.activeElement;
    element.showModal();
    return () => {
      element.close();
      before?.focus?.();
    };
  }, []);
  const beside = (event) => event.target === place.current && close();
  const cancelled = (event) => {
    event.preventDefault(); // whether it is shown is ours to say
    close();
  };
  return html`<dialog ref=${place} class="dialog ${kind}" data-dialog=${name} aria-label=${title} onClick=${beside} onCancel=${cancelled}>
    <div class="dialog-body">
      <h2>${title}</h2>
      ${children}
    </div>
  </dialog>`;
}
