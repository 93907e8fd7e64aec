// Draws the depth heat-map: time to the right, price upward, size as light; the best prices as lines, trades as dots.

import { approx, grouped } from "./decimal.js";
import { COLUMNS, STEP_MS } from "./depth_history.js";
import { clear, veil } from "./paint.js";

const AXIS = 74;
const FOOT = 18;
const SHADES = 24;
const BRIDGED = 12; // steps; longer ones are a gap

export class DepthPainter {
  constructor(world, choice, invalidate) {
    Object.assign(this, { world, choice, invalidate, zoom: 1, cells: [world.trades], drawn: -1 });
    // The history has its own clock: columns come whether or not the book changes.
    this.timer = setInterval(() => {
      if (this.world.depth.version !== this.drawn) this.invalidate();
    }, STEP_MS);
  }

  close() {
    clearInterval(this.timer);
  }

  paint(context, width, height, colours) {
    const { trust, digits } = this.choice();
    const { columns } = this.world.depth;
    this.drawn = this.world.depth.version;
    clear(context, width, height, colours.panel);
    const plot = { width: width - AXIS, height: height - FOOT };
    const step = Math.max(2, Math.ceil(plot.width / COLUMNS)); // whole pixels: columns must neither overlap nor gap
    const first = Math.max(0, columns.length - Math.floor(plot.width / step));
    const shown = columns.slice(first);
    const range = this.#range(shown);
    if (!range) {
      context.fillStyle = colours.faint;
      context.font = `12px ${colours.sans}`;
      context.textAlign = "center";
      context.fillText("The book over time appears here as it changes.", plot.width / 2, height / 2);
      return;
    }
    const y = (price) => plot.height - ((price - range.low) / (range.high - range.low)) * plot.height;
    const lastSlot = shown.at(-1).slot;
    const x = (slot) => Math.floor(plot.width) - (lastSlot - slot + 1) * step;
    // A step that the page had no time for shows what was before it.
    const widths = shown.map((one, i) => step * Math.min(BRIDGED, (shown[i + 1]?.slot ?? lastSlot + 1) - one.slot));
    this.#heat(context, shown, { x, y, widths, plot, colours, range });
    this.#trades(context, { x, y, step, lastSlot, plot, colours });
    this.#tops(context, shown, { x, y, widths, colours });
    this.#axes(context, { plot, range, y, shown, step, width, height, colours, digits });
    if (trust.name !== "live" && trust.name !== "past") {
      veil(context, plot.width, plot.height, trust.tone === "warn" ? colours.warn : colours.alarm, colours.panel, trust.text.toUpperCase());
    }
  }

  /** Prices from low to high: around the best ones of what is shown, wider or closer by the wheel. */
  #range(shown) {
    let low = Infinity;
    let high = -Infinity;
    for (const one of shown) {
      if (one.bid < low) low = one.bid;
      if (one.ask > high) high = one.ask;
      if (Number.isNaN(one.bid) && one.ask < low) low = one.ask;
      if (Number.isNaN(one.ask) && one.bid > high) high = one.bid;
    }
    if (low === Infinity || high === -Infinity) return null;
    const last = shown.at(-1);
    const reach = reachOf(last);
    const centre = (low + high) / 2;
    const half = Math.max((high - low) / 2 + reach * 0.5, reach, centre * 1e-6) * this.zoom;
    return { low: centre - half, high: centre + half };
  }

  #heat(context, shown, { x, y, widths, plot, colours, range }) {
    let largest = 0;
    for (const one of shown) for (const size of one.sizes) largest = Math.max(largest, Math.abs(size));
    const thick = Math.round(Math.max(3, Math.min(16, 0.9 * rowHeight(shown.at(-1), y))));
    // Painted shade by shade, so that the colour is set a few dozen times and not once for each of the levels.
    const boxes = [new Array(SHADES).fill(null).map(() => []), new Array(SHADES).fill(null).map(() => [])];
    for (const [at, one] of shown.entries()) {
      const left = x(one.slot);
      for (let i = 0; i < one.prices.length; i += 1) {
        const price = one.prices[i];
        if (price < range.low || price > range.high) continue;
        const share = Math.sqrt(Math.abs(one.sizes[i]) / largest);
        const shade = Math.min(SHADES - 1, Math.floor(share * SHADES));
        boxes[one.sizes[i] > 0 ? 0 : 1][shade].push(left, Math.round(y(price) - thick / 2), widths[at]);
      }
    }
    boxes.forEach((side, isAsk) => {
      context.fillStyle = isAsk ? colours.ask : colours.bid;
      side.forEach((points, shade) => {
        context.globalAlpha = 0.06 + 0.7 * ((shade + 1) / SHADES) ** 1.4;
        for (let i = 0; i < points.length; i += 3) context.fillRect(points[i], points[i + 1], points[i + 2], thick);
      });
    });
    context.globalAlpha = 1;
    // Times in which the book could not be trusted are darkened.
    context.fillStyle = colours.panel;
    context.globalAlpha = 0.65;
    for (const [at, one] of shown.entries()) if (!one.isLive) context.fillRect(x(one.slot), 0, widths[at], plot.height);
    context.globalAlpha = 1;
  }

  #tops(context, shown, { x, y, widths, colours }) {
    context.lineWidth = 1.25;
    for (const [side, colour] of [["bid", colours.bid], ["ask", colours.ask]]) {
      context.strokeStyle = colour;
      context.beginPath();
      let isDown = false;
      for (const [at, one] of shown.entries()) {
        const price = one[side];
        if (Number.isNaN(price)) {
          isDown = false;
          continue;
        }
        const left = x(one.slot);
        if (isDown) context.lineTo(left, y(price));
        else context.moveTo(left, y(price));
        context.lineTo(left + widths[at], y(price));
        isDown = true;
      }
      context.stroke();
    }
  }

  #trades(context, { x, y, step, lastSlot, plot, colours }) {
    const trades = this.world.trades.value;
    let largest = 0;
    for (const trade of trades) largest = Math.max(largest, approx(trade.qty));
    context.globalAlpha = 0.7;
    for (const trade of trades) {
      const slot = Number(BigInt(trade.ts) / 1_000_000n) / STEP_MS;
      const left = x(slot) + step / 2;
      if (left < 0 || slot > lastSlot + 2) continue;
      context.fillStyle = { buy: colours.bid, sell: colours.ask }[trade.aggressor] ?? colours.accent;
      const radius = 0.75 + 3.5 * Math.sqrt(approx(trade.qty) / largest);
      context.beginPath();
      context.arc(Math.min(left, plot.width), y(approx(trade.price)), radius, 0, 2 * Math.PI);
      context.fill();
    }
    context.globalAlpha = 1;
  }

  #axes(context, { plot, range, y, shown, step, width, height, colours, digits }) {
    context.fillStyle = colours.panel;
    context.fillRect(plot.width, 0, AXIS, height);
    context.fillRect(0, plot.height, width, FOOT);
    context.strokeStyle = colours.line;
    context.beginPath();
    context.moveTo(plot.width + 0.5, 0);
    context.lineTo(plot.width + 0.5, plot.height + 0.5);
    context.lineTo(0, plot.height + 0.5);
    context.stroke();
    context.font = `10px ${colours.mono}`;
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = colours.dim;
    const every = niceStep((range.high - range.low) / Math.max(2, plot.height / 46));
    for (let price = Math.ceil(range.low / every) * every; price < range.high; price += every) {
      context.fillText(grouped(price.toFixed(digits)), plot.width + 6, y(price));
    }
    const last = shown.at(-1);
    const { bestBid, bestAsk } = this.world.book.value;
    for (const [price, level, colour] of [[last.bid, bestBid, colours.bid], [last.ask, bestAsk, colours.ask]]) {
      if (Number.isNaN(price) || !level) continue;
      const at = y(price) + (level === bestAsk ? -7 : 7);
      context.fillStyle = colour;
      context.fillRect(plot.width + 1, at - 7, AXIS - 1, 14);
      context.fillStyle = colours.panel;
      context.fillText(grouped(level.price), plot.width + 6, at + 0.5);
    }
    context.fillStyle = colours.faint;
    context.textAlign = "center";
    for (let seconds = 30; (seconds * 1000 * step) / STEP_MS < plot.width - 20; seconds += 30) {
      context.fillText(`−${seconds} s`, plot.width - (seconds * 1000 * step) / STEP_MS, plot.height + FOOT / 2);
    }
  }

  pointer(kind, x, y, event) {
    if (kind !== "wheel") return;
    event.preventDefault();
    this.zoom = Math.min(8, Math.max(0.15, this.zoom * (event.deltaY > 0 ? 1.15 : 1 / 1.15)));
    this.invalidate();
  }
}

/** How far from the best prices most of what is shown lies: the twelfth level of the deeper side. */
function reachOf(one) {
  const bids = one.prices.filter((_, i) => one.sizes[i] > 0);
  const asks = one.prices.filter((_, i) => one.sizes[i] < 0);
  const far = (side) => (side.length ? Math.abs(side[0] - side[Math.min(11, side.length - 1)]) : 0);
  return Math.max(far(bids), far(asks));
}

/** Pixels between neighbouring levels, so that bands touch but do not hide each other. */
function rowHeight(one, y) {
  const gaps = [];
  for (let i = 1; i < one.prices.length; i += 1) {
    if (Math.sign(one.sizes[i]) === Math.sign(one.sizes[i - 1])) gaps.push(Math.abs(y(one.prices[i]) - y(one.prices[i - 1])));
  }
  gaps.sort((a, b) => a - b);
  return gaps[gaps.length >> 1] ?? 6;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * [1, 2, 5, 10].find((one) => one * power >= least);
}
