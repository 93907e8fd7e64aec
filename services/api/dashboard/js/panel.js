// The frame of every panel: a head with its name, how far it can be trusted, and its own controls; tabs where there are some.

import { html } from "./dom.js";

/** `state` {name, tone, text} shows when what is in the panel is not of now, or not whole. */
export function Panel({ name, title, state, more, data = {}, children }) {
  return html`<section class="panel ${name}" data-panel=${name} data-quality=${state?.name ?? ""} ...${data}>
    <header>
      <h2>${title}</h2>
      ${state && html`<span class="chip ${state.tone}" data-chip="quality">${state.text}</span>`}
      <span class="space"></span>
      ${more}
    </header>
    <div class="body">${children}</div>
  </section>`;
}

/** `tabs` are {id, title, count?, panel}; `chosen` the id of the one shown. */
export function Tabs({ name, tabs, chosen, onChoose, more }) {
  const shown = tabs.find((tab) => tab.id === chosen) ?? tabs[0];
  const move = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs[(tabs.indexOf(shown) + by + tabs.length) % tabs.length];
    onChoose(next.id);
    event.currentTarget.querySelector(`[data-tab="${next.id}"]`).focus();
  };
  return html`<section class="panel ${name}" data-panel=${name}>
    <header>
      <div class="tabs" role="tablist" onKeyDown=${move}>
        ${tabs.map(
          (tab) => html`<button
            key=${tab.id}
            role="tab"
            data-tab=${tab.id}
            aria-selected=${String(tab === shown)}
            tabindex=${tab === shown ? 0 : -1}
            onClick=${() => onChoose(tab.id)}
          >
            ${tab.title}${tab.count ? html` <span class="count num">${tab.count}</span>` : ""}
          </button>`,
        )}
      </div>
      <span class="space"></span>
      ${shown.more ?? more}
    </header>
    <div class="body" role="tabpanel">${shown.panel()}</div>
  </section>`;
}
