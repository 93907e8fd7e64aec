// Panel: the market over time, as depth heat-map or as candles; both beside each other where there is room.

import { Candles } from "./candles.js";
import { Canvas } from "./canvas.js";
import { DepthPainter } from "./depth_painter.js";
import { scale } from "./decimal.js";
import { chooseInterval, market, trust, useTrust, useWorld } from "./desk.js";
import { html, useCell } from "./dom.js";
import { Panel, Tabs } from "./panel.js";
import { choose, settings } from "./settings.js";
import { useWide } from "./wide.js";

const INTERVALS = ["1s", "5s", "15s", "1m", "5m", "15m", "1h"];

export function Chart() {
  const isWide = useWide();
  const { chart, interval } = useCell(settings);
  const intervals = html`<select aria-label="Interval" value=${interval} onChange=${(event) => chooseInterval(event.target.value)}>
    ${INTERVALS.map((one) => html`<option value=${one}>${one}</option>`)}
  </select>`;
  if (isWide) {
    return html`<div class="pair charts">
      <${Panel} name="depth" title="Depth"><${Depth} /><//>
      <${Panel} name="candles" title="Candles" more=${intervals}><${Candles} /><//>
    </div>`;
  }
  const tabs = [
    { id: "depth", title: "Depth", panel: () => html`<${Depth} />` },
    { id: "candles", title: "Candles", panel: () => html`<${Candles} />`, more: intervals },
  ];
  return html`<${Tabs} name="chart" tabs=${tabs} chosen=${chart} onChoose=${(id) => choose({ chart: id })} />`;
}

function Depth() {
  const world = useWorld();
  const { ticker, terms } = useCell(market);
  const state = useTrust(world);
  const digits = terms ? scale(terms.tick_size) : world.book.value.digits;
  const make = (invalidate) => new DepthPainter(world, () => ({ trust: trust(world), digits }), invalidate);
  const label = `Depth of ${ticker} over time, ${state.text}`;
  return html`<${Canvas} make=${make} deps=${[world, ticker, digits]} label=${label} className="depth-map" />`;
}
