// Exposure and limits of the account, and its kill switch.

import { grouped, rounded, trimmed } from "./decimal.js";
import { dialog, may } from "./desk.js";
import { html, useCell } from "./dom.js";
import { clock, count, signed, tone, words } from "./format.js";

/** 0 means the platform's bound alone. */
const limit = (n) => (n ? count(n) : "platform");

/** `brief`: without notionals. */
export function Risk({ world, brief }) {
  const risk = useCell(world.risk, 200);
  if (!risk) return html`<div class="empty">Risk knows nothing of this account yet.</div>`;
  const limits = [
    ["Order", risk.limits.max_order_qty],
    ["Notional", risk.limits.max_notional],
    ["Position", risk.limits.max_position],
  ];
  return html`<div class="risk" data-killed=${String(risk.killed)}>
    <div class="risk-head">
      <span class="chip ${risk.killed ? "bad" : "good"}">${risk.killed ? "killed" : "may trade"}</span>
      ${risk.killed && risk.kill_ts && html`<span class="dim">${clock(risk.kill_ts)} ${risk.kill_reason ?? ""}</span>`}
      <span><span class="dim">Live orders</span> <b class="num">${risk.live_orders}</b></span>
      ${limits.map(([name, n]) => html`<span><span class="dim">Max ${name.toLowerCase()}</span> <span class="num">${limit(n)}</span></span>`)}
      <span><span class="dim">Self-trade</span> ${words(risk.limits.self_trade)}</span>
      <span class="space"></span>
      <button class="danger" disabled=${world.isPast || !may("risk")} onClick=${() => dialog.set("kill")}>
        ${risk.killed ? "Release…" : "Kill switch…"}
      </button>
    </div>
    <table>
      <thead>
        <tr>
          <th>Instrument</th><th class="right">Net</th><th class="right">Open buy</th><th class="right">Open sell</th>
          ${!brief && html`<th class="right">Buy notional</th><th class="right">Sell notional</th>`}<th class="bar-column">Of the position limit</th>
        </tr>
      </thead>
      <tbody>
        ${risk.exposures.map((one) => html`<${Exposure} key=${one.ticker} one=${one} brief=${brief} />`)}
      </tbody>
    </table>
  </div>`;
}

function Exposure({ one, brief }) {
  const isBound = one.max_position !== "0";
  const used = Math.min(1, one.used);
  const level = used >= 0.9 ? "bad" : used >= 0.7 ? "warn" : "";
  return html`<tr data-exposure=${one.ticker}>
    <td>${one.ticker}</td>
    <td class="right num ${tone(one.net)}">${signed(one.net)}</td>
    <td class="right num">${grouped(one.open_buy)}</td>
    <td class="right num">${grouped(one.open_sell)}</td>
    ${!brief &&
    html`<td class="right num dim">${grouped(rounded(one.open_buy_notional, 2))}</td>
      <td class="right num dim">${grouped(rounded(one.open_sell_notional, 2))}</td>`}
    <td class="bar-column">
      ${isBound
        ? html`<div class="bar ${level}" title=${`reaches ${one.reach_long} long, ${one.reach_short} short, of ${one.max_position}`}>
            <meter min="0" max="1" value=${used} aria-label=${`${(one.used * 100).toFixed(0)} % of the limit`}></meter>
            <span class="num">${(one.used * 100).toFixed(one.used < 0.1 ? 1 : 0)} %</span>
            <span class="num dim">of ${grouped(trimmed(one.max_position))}</span>
          </div>`
        : html`<span class="dim">no limit of its own</span>`}
    </td>
  </tr>`;
}
