// Panel: the order ticket.

import { grouped, isDecimal, multiply, rounded } from "./decimal.js";
import { account, dialog, market, may, past, useTrust, useWorld } from "./desk.js";
import { html, useCell, useState } from "./dom.js";
import { notify } from "./notices.js";
import { Panel } from "./panel.js";
import { sentence } from "./rest.js";
import { choose, settings } from "./settings.js";
import { move, needsPrice, needsStop, order, ticket, write } from "./ticket_state.js";
import { submit } from "./trading.js";

const TYPES = [["limit", "Limit"], ["market", "Market"], ["stop", "Stop"], ["stop_limit", "Stop limit"]];
const TIMES = [["day", "Day"], ["gtc", "GTC"], ["ioc", "IOC"], ["fok", "FOK"], ["at_open", "At open"], ["at_close", "At close"]];

/** What is said of an order before and after it is sent. */
export function told(body) {
  const at = body.price ? `at ${grouped(body.price)}` : body.type === "market" ? "at market" : "";
  const stop = body.stop_price ? `, stop ${grouped(body.stop_price)}` : "";
  return `${body.side === "buy" ? "Buy" : "Sell"} ${grouped(body.qty)} ${body.ticker} ${at}${stop}`.replace(/ +/g, " ").trim();
}

let sending = false;

/** Sends what stands in the ticket, or first asks, if that is chosen. */
export function send(isConfirmed = false) {
  if (past.isOn) return notify("bad", "This is the past: go back to now (t) to trade.");
  if (!may("trade")) return notify("bad", "You may look, but not trade.");
  if (market.value.feed !== "house") return notify("bad", `Orders go to the house market; this is the feed ${market.value.feed}.`);
  const { body, problem, field } = order(account.value);
  if (problem) {
    document.querySelector(`[data-field="${field}"]`)?.focus();
    return notify("bad", problem);
  }
  if (settings.value.confirm && !isConfirmed) return dialog.set("confirm");
  if (sending) return; // one Enter, one order
  sending = true;
  dialog.set("");
  submit(body)
    .then((answer) => {
      const became = answer.status ? answer.status.replaceAll("_", " ") : "taken in, not answered yet";
      notify(answer.status === "rejected" ? "bad" : "good", `${told(body)}: ${became}${answer.reason ? ` (${answer.reason})` : ""}`);
    })
    .catch((error) => notify("bad", `${told(body)}: ${sentence(error)}`))
    .finally(() => {
      sending = false;
    });
}

function Field({ field, label, hint, disabled }) {
  const value = useCell(ticket)[field];
  const terms = useCell(market).terms;
  const isBad = value !== "" && !isDecimal(value);
  const keys = (event) => {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    move(field, by * (event.shiftKey ? 10 : 1));
  };
  return html`<label class="field">
    <span>${label}</span>
    <input
      class="num ${isBad ? "bad" : ""}"
      data-field=${field}
      inputmode="decimal"
      autocomplete="off"
      spellcheck=${false}
      placeholder=${hint ?? (field.endsWith("qty") ? terms?.lot_size : terms?.tick_size)}
      value=${value}
      disabled=${disabled}
      onInput=${(event) => write({ [field]: event.target.value.trim().replaceAll(",", "") })}
      onKeyDown=${keys}
    />
  </label>`;
}

function Choice({ field, label, options, disabled }) {
  const value = useCell(ticket)[field];
  return html`<label class="field">
    <span>${label}</span>
    <select data-field=${field} value=${value} disabled=${disabled} onChange=${(event) => write({ [field]: event.target.value })}>
      ${options.map(([id, text]) => html`<option value=${id}>${text}</option>`)}
    </select>
  </label>`;
}

function Flag({ field, label, disabled }) {
  const value = useCell(ticket)[field];
  return html`<label class="flag">
    <input type="checkbox" data-field=${field} checked=${value} disabled=${disabled} onChange=${() => write({ [field]: !value })} />
    ${label}
  </label>`;
}

export function Ticket() {
  const world = useWorld();
  const now = useCell(ticket);
  const { ticker, terms, feed } = useCell(market);
  const { confirm } = useCell(settings);
  const risk = useCell(world.risk, 250);
  const status = useCell(world.status);
  const state = useTrust(world);
  const [more, setMore] = useState(false);
  const why = closed(world, feed, risk, status, state);
  const off = world.isPast || !may("trade") || feed !== "house";
  const limited = needsPrice(now.type);
  const price = limited ? now.price : (now.side === "buy" ? world.book.value.bestAsk : world.book.value.bestBid)?.price;
  const notional = isDecimal(now.qty) && isDecimal(price ?? "") ? grouped(rounded(multiply(price, now.qty), 2)) : "–";
  const submitForm = (event) => {
    event.preventDefault();
    send();
  };
  return html`<${Panel} name="ticket" title="Order" state=${state.name === "live" ? undefined : state}>
    <form class="ticket-form" data-side=${now.side} onSubmit=${submitForm}>
      <div class="sides" role="radiogroup" aria-label="Side">
        ${["buy", "sell"].map(
          (side) => html`<button
            type="button"
            role="radio"
            aria-checked=${String(now.side === side)}
            class="side ${side}"
            data-side=${side}
            disabled=${off}
            onClick=${() => write({ side })}
          >
            ${side === "buy" ? "Buy" : "Sell"} <kbd>${side[0]}</kbd>
          </button>`,
        )}
      </div>
      <div class="fields">
        <${Choice} field="type" label="Type" options=${TYPES} disabled=${off} />
        <${Choice} field="time_in_force" label="In force" options=${TIMES} disabled=${off} />
        <${Field} field="price" label="Price" disabled=${off || !limited} hint=${limited ? undefined : "market"} />
        <${Field} field="qty" label="Quantity" disabled=${off} />
        ${needsStop(now.type) && html`<${Field} field="stop_price" label="Stop" disabled=${off} />`}
        ${more && limited && html`<${Field} field="display_qty" label="Shown" hint="all" disabled=${off} />`}
      </div>
      <div class="flags">
        <${Flag} field="post_only" label="Post only" disabled=${off || !limited} />
        <${Flag} field="hidden" label="Hidden" disabled=${off || !limited} />
        <label class="flag">
          <input type="checkbox" checked=${confirm} onChange=${() => choose({ confirm: !confirm })} /> Confirm
        </label>
        <button type="button" class="quiet" aria-expanded=${String(more)} onClick=${() => setMore(!more)}>${more ? "Less" : "More"}</button>
      </div>
      <div class="send">
        <button class="strong ${now.side}" data-action="send" disabled=${off}>
          ${now.side === "buy" ? "Buy" : "Sell"} ${now.qty ? grouped(now.qty) : ""} ${ticker} <kbd>↵</kbd>
        </button>
        <span class="notional"><span class="dim">Notional</span> <span class="num">${notional}</span></span>
      </div>
      ${why && html`<p class="why" role="alert">${why}</p>`}
    </form>
  <//>`;
}

/** Why an order would not be taken, or should not be sent blindly; "" if nothing speaks against it. */
function closed(world, feed, risk, status, state) {
  if (world.isPast) return "This is the past. Order entry is off.";
  if (!may("trade")) return "You may look, but not trade.";
  if (feed !== "house") return `Orders go to the house market; this is ${feed}.`;
  if (risk?.killed) return "The kill switch of this account is engaged.";
  if (state.name !== "live" && state.name !== "waiting") return `The book is ${state.text}: its prices may be old.`;
  if (status && status.status !== "trading") return `The market is in ${status.status.replaceAll("_", " ")}.`;
  return "";
}
