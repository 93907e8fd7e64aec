// Dialogs that lead to everything else: the keys, commands by name, the choice of a market, the last word before an order.

import { COMMANDS } from "./commands.js";
import { account, chooseMarket, instruments, live } from "./desk.js";
import { close, Dialog } from "./dialog.js";
import { html, useCell, useState } from "./dom.js";
import { send, told } from "./ticket.js";
import { order } from "./ticket_state.js";
import { words } from "./format.js";

const NAMES = { " ": "space", Escape: "Esc", Enter: "↵", ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", "ctrl+k": "Ctrl K" };
const keyName = (key) => NAMES[key] ?? key;

export function Help() {
  const groups = Object.entries(Object.groupBy(COMMANDS.filter((one) => one.group), (one) => one.group));
  return html`<${Dialog} name="help" title="Keys" kind="wide">
    <div class="keys">
      ${groups.map(
        ([group, commands]) => html`<section>
          <h3>${group}</h3>
          <dl>
            ${commands.map((one) => html`<div><dt>${one.keys.map((key) => html`<kbd>${keyName(key)}</kbd>`)}</dt><dd>${one.text}</dd></div>`)}
          </dl>
        </section>`,
      )}
    </div>
    <p class="dim">A click on a price in the book puts it into the ticket. In a field, arrows move by ticks or lots and Enter sends.</p>
  <//>`;
}

/** A list that is searched by typing; arrows choose, Enter takes. */
function Search({ name, title, items, hint }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found = items.filter((one) => wanted.every((word) => `${one.text} ${one.more ?? ""}`.toLowerCase().includes(word)));
  const chosen = Math.min(at, found.length - 1);
  const take = (one) => {
    close();
    one.run();
  };
  const keys = (event) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by && found.length) {
      event.preventDefault();
      setAt((chosen + by + found.length) % found.length);
    }
    if (event.key === "Enter" && found[chosen]) {
      event.preventDefault();
      take(found[chosen]);
    }
  };
  return html`<${Dialog} name=${name} title=${title}>
    <input
      class="search"
      autofocus
      placeholder=${hint}
      value=${text}
      onInput=${(event) => {
        setText(event.target.value);
        setAt(0);
      }}
      onKeyDown=${keys}
    />
    <ul class="found" role="listbox">
      ${found.map(
        (one, i) => html`<li key=${one.text + (one.more ?? "")} role="option" aria-selected=${String(i === chosen)} onClick=${() => take(one)}>
          <span>${one.text}</span> <span class="dim">${one.more}</span> <span class="space"></span> ${one.end}
        </li>`,
      )}
      ${!found.length && html`<li class="dim">Nothing of that name.</li>`}
    </ul>
  <//>`;
}

export function Palette() {
  const items = COMMANDS.filter((one) => one.group && one.keys[0] !== "/").map((one) => ({
    text: one.text,
    more: one.group,
    end: html`<kbd>${keyName(one.keys[0])}</kbd>`,
    run: () => one.run(),
  }));
  return html`<${Search} name="palette" title="Commands" items=${items} hint="What do you want to do?" />`;
}

export function Markets() {
  const listed = useCell(instruments).flatMap((one) => one.feeds.map((feed) => [feed, one.ticker, feed === "house" ? one.status : ""]));
  // Venues have instruments that the house does not list.
  const feeds = Object.entries(useCell(live.world.feeds, 1000));
  const others = feeds.flatMap(([feed, { tickers }]) => Object.entries(tickers).map(([ticker, quality]) => [feed, ticker, quality]));
  const found = new Map([...others, ...listed].map((one) => [`${one[0]} ${one[1]}`, one]));
  const order = ([a], [b]) => (b === "house") - (a === "house") || (a < b ? -1 : a > b ? 1 : 0);
  const items = [...found.values()].sort(order).map(([feed, ticker, status]) => ({
    text: ticker,
    more: feed,
    end: status && html`<span class="chip">${words(status)}</span>`,
    run: () => chooseMarket(feed, ticker),
  }));
  return html`<${Search} name="market" title="Markets" items=${items} hint="Ticker or feed" />`;
}

export function Confirm() {
  const { body } = order(account.value);
  const sent = (event) => {
    event.preventDefault();
    send(true);
  };
  return html`<${Dialog} name="confirm" title="Send this order?">
    <form onSubmit=${sent}>
      <p class="order ${body.side}">${told(body)}</p>
      <p class="dim">
        ${words(body.type)}, ${words(body.time_in_force)}${body.post_only ? ", post only" : ""}${body.hidden ? ", hidden" : ""}, account ${body.account}
      </p>
      <div class="buttons">
        <button type="button" onClick=${close}>No <kbd>Esc</kbd></button>
        <button class="strong ${body.side}" data-action="confirm" autofocus>Send <kbd>↵</kbd></button>
      </div>
    </form>
  <//>`;
}
