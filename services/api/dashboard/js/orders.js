// Own orders: live ones first, amended in place, cancelled one by one or all.

import { approx, grouped, scale, sign, trimmed } from "./decimal.js";
import { account, market, may, past } from "./desk.js";
import { html, useCell, useRef, useState } from "./dom.js";
import { clock, words } from "./format.js";
import { isLive } from "./live.js";
import { notify } from "./notices.js";
import { sentence } from "./rest.js";
import { amend, cancel, cancelAll } from "./trading.js";

const SHOWN = 200;
const SHORT = { partially_filled: "partial" };
const TONES = { new: "good", partially_filled: "good", filled: "", cancelled: "", expired: "", rejected: "bad" };

export function cancelEverything() {
  if (past.isOn || !may("trade")) return;
  cancelAll(account.value)
    .then(() => notify("good", `All orders of account ${account.value} cancelled`))
    .catch((error) => notify("bad", `Cancel all: ${sentence(error)}`));
}

export function CancelAll({ live }) {
  const off = past.isOn || !may("trade") || !live;
  return html`<button class="quiet" data-action="cancel-all" disabled=${off} onClick=${cancelEverything}>Cancel all <kbd>x</kbd></button>`;
}

/** Left out by an API that does not know at which prices it traded before. */
function average({ avg_price, cum_qty, price }) {
  if (avg_price === undefined) return "?";
  return sign(cum_qty) ? grouped(trimmed(avg_price, scale(price))) : "–";
}

function sorted(orders) {
  const all = [...orders.values()];
  return all.sort((a, b) => isLive(b) - isLive(a) || (b.created_seq ?? 0) - (a.created_seq ?? 0) || b.seq - a.seq).slice(0, SHOWN);
}

export function Orders({ world }) {
  const orders = useCell(world.orders, 50);
  const { ticker } = useCell(market);
  if (!orders.size) return html`<div class="empty">No orders. <span><kbd>b</kbd> or <kbd>s</kbd> begins one.</span></div>`;
  return html`<table class="orders">
    <thead>
      <tr>
        <th>Time</th><th>Instrument</th><th>Side</th><th>Type</th><th class="right">Price</th><th class="right">Quantity</th>
        <th class="right">Filled</th><th class="right">Average</th><th>Status</th><th></th>
      </tr>
    </thead>
    <tbody>
      ${sorted(orders).map((one) => html`<${Row} key=${one.order_id || one.seq} order=${one} here=${one.ticker === ticker} isPast=${world.isPast} />`)}
    </tbody>
  </table>`;
}

function Row({ order, here, isPast }) {
  const live = isLive(order);
  const off = isPast || !may("trade");
  const drop = () => cancel(order).catch((error) => notify("bad", `Cancel: ${sentence(error)}`));
  const type = [words(order.type), order.time_in_force, order.post_only && "post", order.hidden && "hidden", order.display_qty && "iceberg"];
  const field = { limit: "price", stop_limit: "price", stop: "stop_price" }[order.type];
  return html`<tr class=${live ? "" : "done"} data-order=${order.order_id} data-status=${order.status}>
    <td class="num dim" title=${clock(order.created_ts)}>${clock(order.created_ts, false)}</td>
    <td class=${here ? "" : "dim"}>${order.ticker}</td>
    <td class=${order.side}>${order.side}</td>
    <td class="dim">${type.filter(Boolean).join(" · ")}</td>
    <td class="right num">
      ${live && field && !off ? html`<${Amendable} order=${order} field=${field} />` : grouped(order.price)}
    </td>
    <td class="right num">${live && !off ? html`<${Amendable} order=${order} field="qty" />` : grouped(order.qty)}</td>
    <td class="right num"><${Filled} order=${order} /></td>
    <td class="right num dim">${average(order)}</td>
    <td>
      <span class="chip ${TONES[order.status] ?? ""}">${order.waiting ? "waiting" : (SHORT[order.status] ?? order.status)}</span>
      ${order.reason && html` <span class="dim reason">${words(order.reason)}</span>`}
    </td>
    <td class="right">
      ${live && html`<button class="quiet tight" data-action="cancel" aria-label=${`Cancel order ${order.order_id}`} disabled=${off} onClick=${drop}>✕</button>`}
    </td>
  </tr>`;
}

function Filled({ order }) {
  const share = sign(order.qty) ? approx(order.cum_qty) / approx(order.qty) : 0;
  return html`<span class="filled"><meter min="0" max="1" value=${share} aria-label="Filled"></meter>${grouped(order.cum_qty)}</span>`;
}

/** A value that becomes a field when it is clicked: Enter sends the amendment, Esc leaves it. */
function Amendable({ order, field }) {
  const [text, setText] = useState(null);
  const left = useRef(false);
  const value = order[field] ?? order.price;
  if (text === null) {
    return html`<button class="amendable" data-amend=${field} title="Amend" onClick=${() => setText(value)}>${grouped(value)}</button>`;
  }
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === "Escape") setText(null);
    if (event.key !== "Enter" || left.current) return;
    left.current = true;
    amend(order, { [field]: text.trim() })
      .then(() => notify("good", `Order ${order.order_id}: ${words(field)} ${text}`))
      .catch((error) => notify("bad", `Amend ${order.order_id}: ${sentence(error)}`))
      .finally(() => {
        left.current = false;
        setText(null);
      });
  };
  return html`<input
    class="num amending"
    data-amending=${field}
    ref=${(element) => element && document.activeElement !== element && text === value && element.select()}
    value=${text}
    onInput=${(event) => setText(event.target.value)}
    onKeyDown=${keys}
    onBlur=${() => !left.current && setText(null)}
  />`;
}
