// Own fills, newest first.

import { grouped, multiply, rounded } from "./decimal.js";
import { html, useCell } from "./dom.js";
import { clock } from "./format.js";

const SHOWN = 200;

export function Fills({ world }) {
  const fills = useCell(world.fills, 100);
  if (!fills.length) return html`<div class="empty">No fills.</div>`;
  return html`<table class="fills">
    <thead>
      <tr>
        <th>Time</th><th>Instrument</th><th>Side</th><th class="right">Price</th><th class="right">Quantity</th>
        <th class="right">Notional</th><th>Liquidity</th><th class="right">Order</th><th class="right">Match</th><th class="right">Seq</th>
      </tr>
    </thead>
    <tbody>
      ${fills.slice(0, SHOWN).map(
        (one) => html`<tr key=${`${one.seq} ${one.order_id}`} data-fill=${one.match_id}>
          <td class="num dim">${clock(one.ts)}</td>
          <td>${one.ticker}</td>
          <td class=${one.side}>${one.side}</td>
          <td class="right num">${grouped(one.price)}</td>
          <td class="right num">${grouped(one.qty)}</td>
          <td class="right num dim">${grouped(rounded(multiply(one.price, one.qty), 2))}</td>
          <td class="dim">${one.kind === "fill" ? one.liquidity : html`<span class="chip bad">${one.kind}</span>`}</td>
          <td class="right num dim">${one.order_id}</td>
          <td class="right num dim">${one.match_id}</td>
          <td class="right num dim">${one.seq}</td>
        </tr>`,
      )}
    </tbody>
  </table>`;
}
