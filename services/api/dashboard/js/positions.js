// Positions of the account, with what they have earned.

import { add, grouped, rounded, scale, trimmed } from "./decimal.js";
import { html, useCell } from "./dom.js";
import { signed, tone } from "./format.js";

/** What the API cannot know is left out of its answer: it is shown as that, never as nothing. */
const UNKNOWN = "?";
const known = (text, shown) => (text === undefined ? UNKNOWN : shown(text));
const money = (text) => known(text, (one) => signed(rounded(one, 2)));
/** Average prices are told finer than the market's tick. */
const price = (text, like) => known(text, (one) => grouped(trimmed(one, Math.max(2, scale(like ?? "")))));
const amount = (text) => known(text, grouped);
const toned = (text) => (text === undefined ? "" : tone(text));

/** `brief`: without what was bought and sold in all. */
export function Positions({ world, brief }) {
  const positions = useCell(world.positions, 200);
  if (!positions.length) return html`<div class="empty">No positions.</div>`;
  const total = (field) => {
    const each = positions.map((one) => one[field]);
    return each.includes(undefined) ? undefined : each.reduce(add, "0");
  };
  return html`<table class="positions">
    <thead>
      <tr>
        <th>Instrument</th><th class="right">Net</th><th class="right">Average</th><th class="right">Mark</th>
        <th class="right">Unrealised</th><th class="right">Realised</th>
        ${!brief && html`<th class="right">Bought</th><th class="right">Sold</th>`}
      </tr>
    </thead>
    <tbody>
      ${positions.map(
        (one) => html`<tr key=${one.ticker} data-position=${one.ticker}>
          <td>${one.ticker}</td>
          <td class="right num ${tone(one.net)}">${signed(one.net)}</td>
          <td class="right num">${price(one.avg_price, one.mark)}</td>
          <td class="right num dim">${amount(one.mark)}</td>
          <td class="right num ${toned(one.unrealised)}" title=${one.unrealised}>${money(one.unrealised)}</td>
          <td class="right num ${toned(one.realised)}" title=${one.realised}>${money(one.realised)}</td>
          ${!brief && html`<td class="right num dim">${amount(one.bought)}</td><td class="right num dim">${amount(one.sold)}</td>`}
        </tr>`,
      )}
    </tbody>
    <tfoot>
      <tr>
        <td colspan="4" class="dim">All instruments</td>
        <td class="right num ${toned(total("unrealised"))}">${money(total("unrealised"))}</td>
        <td class="right num ${toned(total("realised"))}">${money(total("realised"))}</td>
        ${!brief && html`<td colspan="2"></td>`}
      </tr>
    </tfoot>
  </table>`;
}
