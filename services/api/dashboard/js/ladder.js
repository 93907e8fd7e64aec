// Panel: the order book as a ladder.

import { Canvas } from "./canvas.js";
import { fromUnits, grouped, multiply } from "./decimal.js";
import { connection, market, trust, useTrust, useWorld } from "./desk.js";
import { html, useCell } from "./dom.js";
import { LadderPainter } from "./ladder_painter.js";
import { Panel } from "./panel.js";
import { choose, settings } from "./settings.js";
import { fillPrice } from "./ticket_state.js";

const GROUPINGS = [1, 5, 10, 50, 100, 1000];

export function nextGrouping() {
  const at = GROUPINGS.indexOf(settings.value.grouping);
  choose({ grouping: GROUPINGS[(at + 1) % GROUPINGS.length] });
}

export function Ladder() {
  const world = useWorld();
  const { ticker, terms } = useCell(market);
  const { grouping } = useCell(settings);
  const state = useTrust(world);
  const book = world.book.value;
  // Of a venue's instrument that the house does not list no tick is known: the finest that its prices show.
  const tick = terms?.tick_size ?? fromUnits(1n, book.digits);
  const step = multiply(tick, String(grouping));
  const choice = () => ({ ticker, step, trust: trust(world) });
  const make = (invalidate) => {
    const painter = new LadderPainter(world, choice, fillPrice, invalidate);
    painter.cells.push(connection.state);
    return painter;
  };
  const best = (level) => (level ? `${grouped(level.price)} for ${level.qty}` : "none");
  const label = `Order book of ${ticker}: best bid ${best(book.bestBid)}, best offer ${best(book.bestAsk)}, ${state.text}`;
  const more = html`<button class="quiet num" title="Put prices together (g)" onClick=${nextGrouping}>±${grouped(step)}</button>`;
  return html`<${Panel}
    name="ladder"
    title="Book"
    state=${state}
    more=${more}
    data=${{
      "data-best-bid": book.bestBid?.price ?? "",
      "data-best-ask": book.bestAsk?.price ?? "",
      "data-book-seq": book.bookSeq,
      "data-levels": book.bids.length + book.asks.length,
    }}
  >
    <div class="ladder-head"><span>own</span><span>price</span><span>size</span><span>sum</span></div>
    <${Canvas} make=${make} deps=${[world, ticker, step, terms]} label=${label} />
  <//>`;
}
