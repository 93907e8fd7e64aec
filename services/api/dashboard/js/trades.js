// Panel: the trades tape.

import { Canvas } from "./canvas.js";
import { connection, market, trust, useTrust, useWorld } from "./desk.js";
import { html, useCell } from "./dom.js";
import { Panel } from "./panel.js";
import { TradesPainter } from "./trades_painter.js";

export function Trades() {
  const world = useWorld();
  const { ticker } = useCell(market);
  const trades = useCell(world.trades, 500);
  const state = useTrust(world);
  const choice = () => ({ trust: trust(world) });
  const make = (invalidate) => {
    const painter = new TradesPainter(world, choice, invalidate);
    painter.cells.push(connection.state, world.book);
    return painter;
  };
  const last = trades.at(-1);
  const label = `Trades of ${ticker}${last ? `, the last at ${last.price} for ${last.qty}` : ", none yet"}`;
  return html`<${Panel}
    name="trades"
    title="Trades"
    state=${state.name === "live" ? undefined : state}
    data=${{ "data-trades": trades.length, "data-last": last?.price ?? "" }}
  >
    ${trades.length ? html`<${Canvas} make=${make} deps=${[world, ticker]} label=${label} />` : html`<div class="empty">No trade yet.</div>`}
  <//>`;
}
