// Panels: where the tape stands (durability, lag of each consumer), and its newest records.

import { live, may, useWorld } from "./desk.js";
import { html, useCell } from "./dom.js";
import { clock, count, short } from "./format.js";
import { Panel } from "./panel.js";
import { goTo } from "./timemachine.js";

const FAR = 10_000; // records behind: worth a colour

export function TapeState() {
  const world = useWorld();
  const state = useCell(world.state, 250);
  if (!state) return html`<${Panel} name="tape-state" title="Tape"><div class="empty">Nothing known of the tape yet.</div><//>`;
  const { written_seq: written, released_seq: released, durable_seq: durable, lag, kept } = state;
  const positions = [["Written", written], ["Released", released], ["Durable", durable], ["In this view", state.folded_seq ?? released]];
  const types = Object.entries(state.rates ?? {}).filter(([name, rate]) => name !== "all" && rate > 0);
  types.sort((a, b) => b[1] - a[1]);
  const fastest = types[0]?.[1] ?? 1;
  const behind = Object.entries(lag ?? {}).sort();
  const restarts = Object.entries(kept ?? {}).sort();
  return html`<${Panel} name="tape-state" title="Tape" state=${written === durable ? { name: "durable", tone: "good", text: "all durable" } : undefined}>
    <div class="tape-figures">
      ${positions.map(
        ([name, seq]) => html`<div class="figure" data-position=${name.toLowerCase()}>
          <span class="dim">${name}</span><b class="num">${count(seq)}</b>
          <span class="num ${written - seq > FAR ? "warn" : "dim"}">${written === seq ? "" : `−${count(written - seq)}`}</span>
        </div>`,
      )}
      <div class="figure"><span class="dim">Rate</span><b class="num">${short(state.rates?.all ?? 0)}<span class="dim">/s</span></b></div>
      <div class="figure"><span class="dim">Epoch</span><b class="num">${state.epoch ?? "–"}</b></div>
    </div>
    <div class="two">
      <table class="lag">
        <thead><tr><th>Consumer</th><th class="right">Behind</th></tr></thead>
        <tbody>
          ${behind.map(([name, n]) => html`<tr key=${name} data-consumer=${name}><td>${name}</td><td class="right num ${n > FAR ? "warn" : n ? "" : "dim"}">${count(n)}</td></tr>`)}
          ${!behind.length && html`<tr><td colspan="2" class="dim">none registered</td></tr>`}
          ${restarts.map(([name, n]) => html`<tr key=${`kept ${name}`} data-kept=${name} title="Where it would go on after a restart: these records are kept for it"><td class="dim">${name}, after a restart</td><td class="right num dim">${count(n)}</td></tr>`)}
        </tbody>
      </table>
      <table class="rates">
        <thead><tr><th>Record</th><th class="right">A second</th><th></th></tr></thead>
        <tbody>
          ${types.slice(0, 12).map(
            ([name, rate]) => html`<tr key=${name}>
              <td>${name}</td><td class="right num">${short(rate)}</td>
              <td class="rate-bar"><meter min="0" max=${fastest} value=${rate} aria-label=${name}></meter></td>
            </tr>`,
          )}
          ${!types.length && html`<tr><td colspan="3" class="dim">quiet</td></tr>`}
        </tbody>
      </table>
    </div>
  <//>`;
}

const told = (fields) =>
  Object.entries(fields)
    .filter(([, value]) => value !== "" && value !== 0 && value !== "0" && value !== false)
    .map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("  ");

export function Records() {
  const world = useWorld();
  const records = useCell(world.records, 250);
  const isAllowed = may("risk") || may("admin");
  return html`<${Panel} name="records" title="Newest records">
    ${records.length
      ? html`<table>
          <thead><tr><th class="right">Seq</th><th>Time</th><th>Type</th><th class="right">Cause</th><th>What it says</th></tr></thead>
          <tbody>
            ${records.slice(0, 60).map(
              (one) => html`<tr key=${one.seq} data-record=${one.seq}>
                <td class="right num"><button class="plain" title="See everything as of here" onClick=${() => goTo(one.seq)}>${one.seq}</button></td>
                <td class="num dim">${clock(one.ts)}</td>
                <td>${one.type}</td>
                <td class="right num dim">${one.cause || ""}</td>
                <td class="dim fields" title=${told(one.fields)}>${told(one.fields)}</td>
              </tr>`,
            )}
          </tbody>
        </table>`
      : html`<div class="empty">${isAllowed ? "No record yet." : "The tape is for who may set risk."}</div>`}
  <//>`;
}
