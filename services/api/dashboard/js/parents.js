// Parent orders: how far each algorithm is, and what it has cost against its benchmarks.

import { grouped, sign, trimmed } from "./decimal.js";
import { html, useCell } from "./dom.js";
import { clock, tone, words } from "./format.js";

const TONES = { working: "good", waiting: "", filled: "", suspended: "warn", cancelling: "warn" };

/** Basis points; worse than the benchmark is positive, and red. */
function Slippage({ text, title }) {
  if (text === undefined) return html`<td class="right num dim">–</td>`;
  const worse = { up: "down", down: "up", dim: "dim" }[tone(text)];
  return html`<td class="right num ${worse}" title=${title}>${text.startsWith("-") ? text : `+${text}`}</td>`;
}

/** How much of its time is over, 0 to 1; null: it has no end. */
function elapsed(one, now) {
  if (!one.start_time || !one.end_time || one.end_time === "0") return null;
  const [start, end, at] = [BigInt(one.start_time), BigInt(one.end_time), BigInt(now)];
  if (end <= start) return null;
  const share = Number(((at - start) * 1000n) / (end - start)) / 1000;
  return Math.min(1, Math.max(0, share));
}

export function Parents({ world }) {
  const parents = useCell(world.parents, 250);
  if (world.isPast) return html`<div class="empty">The time machine follows the orders tape; parents are on the router's.</div>`;
  if (!parents.size) return html`<div class="empty">No parent orders. “tapewire parent” begins one.</div>`;
  const newest = [...parents.values()].sort((a, b) => b.parent_id - a.parent_id);
  return html`<table class="parents">
    <thead>
      <tr>
        <th>Parent</th><th>Instrument</th><th>Side</th><th>Algorithm</th><th>State</th><th class="bar-column">Progress</th>
        <th class="right">Average</th><th class="right">bp arrival</th><th class="right">bp VWAP</th>
        <th class="right">bp TWAP</th><th class="right">Children</th>
      </tr>
    </thead>
    <tbody>
      ${newest.map((one) => html`<${Row} key=${one.parent_id} one=${one} />`)}
    </tbody>
  </table>`;
}

function Row({ one }) {
  const done = Number(one.qty) ? Number(one.cum_qty) / Number(one.qty) : 0;
  const due = elapsed(one, one.ts);
  const planned = one.scheduled_qty !== undefined && Number(one.qty) ? Number(one.scheduled_qty) / Number(one.qty) : due;
  const title = `${one.cum_qty} of ${one.qty} done, ${one.open_qty} open${planned === null ? "" : `, ${(planned * 100).toFixed(0)} % planned by now`}`;
  return html`<tr data-parent=${one.parent_id} data-state=${one.state} class=${one.state === "working" ? "" : "done"}>
    <td class="num dim" title=${clock(one.start_time)}>${one.parent_id}</td>
    <td>${one.ticker}</td>
    <td class=${one.side}>${one.side}</td>
    <td>${one.algorithm}</td>
    <td><span class="chip ${TONES[one.state] ?? ""}" title=${words(one.reason)}>${one.state}</span></td>
    <td class="bar-column">
      <div class="bar" title=${title}>
        <svg class="progress" viewBox="0 0 100 8" preserveAspectRatio="none" role="img" aria-label=${title}>
          <rect class="rail" width="100" height="8" />
          <rect class="done" width=${done * 100} height="8" />
          ${planned !== null && html`<rect class="plan" x=${Math.min(98.8, planned * 100)} width="1.2" height="8" />`}
        </svg>
        <span class="num">${grouped(trimmed(one.cum_qty))}<span class="dim">/${grouped(trimmed(one.qty))}</span></span>
      </div>
    </td>
    <td class="right num">${sign(one.cum_qty) ? grouped(one.avg_price) : "–"}</td>
    <${Slippage} text=${one.slippage_arrival} title=${one.arrival && `arrival ${one.arrival}`} />
    <${Slippage} text=${one.slippage_vwap} title=${one.vwap && `VWAP ${one.vwap}`} />
    <${Slippage} text=${one.slippage_twap} title=${one.twap && `TWAP ${one.twap}`} />
    <td class="right num dim">${one.children}</td>
  </tr>`;
}
