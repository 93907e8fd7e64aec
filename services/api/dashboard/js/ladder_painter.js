// Draws the ladder: asks above, bids below, the spread always in the middle, so that the eye needs not follow.

import { fromUnits, grouped, scale, trimmed } from "./decimal.js";
import { ownRows, rowsOf } from "./ladder_rows.js";
import { clear, ROW, sizeText, veil } from "./paint.js";

const MIDDLE = 30; // height of the spread's row
const FLASH_MS = 200;

export class LadderPainter {
  /** `choice()` gives {ticker, step, qtyDecimals, trust}; `pick(price, side)` is told what was clicked. */
  constructor(world, choice, pick, invalidate) {
    Object.assign(this, { world, choice, pick, invalidate });
    this.cells = [world.book, world.orders];
    this.sizes = new Map();
    this.changed = new Map();
    this.hover = -1;
    this.rowsAt = [];
  }

  paint(context, width, height, colours) {
    const { ticker, step, trust } = this.choice();
    const book = this.world.book.value;
    clear(context, width, height, colours.panel);
    const room = Math.floor((height - MIDDLE) / 2 / ROW);
    const asks = rowsOf(book.asks, false, step, book.digits);
    const bids = rowsOf(book.bids, true, step, book.digits);
    const seen = [...asks.slice(0, room), ...bids.slice(0, room)];
    const frame = {
      context,
      width,
      colours,
      qtyDigits: book.qtyDigits,
      largest: Math.max(...seen.map((row) => Number(row.amount)), 1),
      deepest: Math.max(...seen.map((row) => Number(row.sum)), 1),
      now: performance.now(),
    };
    this.#notice(asks, bids, frame.now);
    this.rowsAt = [];
    const middle = Math.round(height / 2);
    const own = { sell: ownRows(this.world.orders.value, ticker, "sell", step), buy: ownRows(this.world.orders.value, ticker, "buy", step) };
    asks.slice(0, room).forEach((row, i) => this.#row(frame, row, middle - MIDDLE / 2 - (i + 1) * ROW, "sell", own.sell));
    bids.slice(0, room).forEach((row, i) => this.#row(frame, row, middle + MIDDLE / 2 + i * ROW, "buy", own.buy));
    this.#spread(frame, book, middle, step);
    if (trust.name !== "live" && trust.name !== "past") {
      veil(context, width, height, trust.tone === "warn" ? colours.warn : colours.alarm, colours.panel, trust.text.toUpperCase());
    }
    if (this.changed.size) setTimeout(this.invalidate, FLASH_MS / 3);
  }

  /** Which rows have another size than when they were last drawn. */
  #notice(asks, bids, now) {
    const sizes = new Map();
    for (const row of [...asks, ...bids]) {
      sizes.set(row.price, row.amount);
      if (this.sizes.size && this.sizes.get(row.price) !== row.amount) this.changed.set(row.price, now);
    }
    this.sizes = sizes;
    for (const [price, at] of this.changed) if (now - at > FLASH_MS) this.changed.delete(price);
  }

  #row(frame, row, y, side, own) {
    const { context, width, colours, largest, deepest } = frame;
    const tone = side === "buy" ? colours.bid : colours.ask;
    const wash = side === "buy" ? colours["bid-wash"] : colours["ask-wash"];
    this.rowsAt.push({ y, price: row.price, side });
    context.fillStyle = wash;
    context.globalAlpha = 0.45;
    const sum = (Number(row.sum) / deepest) * (width - 8);
    context.fillRect(width - sum, y, sum, ROW - 1);
    context.globalAlpha = 1;
    const bar = (Number(row.amount) / largest) * (width * 0.42);
    context.fillRect(width - bar, y, bar, ROW - 1);
    if (this.hover >= y && this.hover < y + ROW) {
      context.strokeStyle = colours.dim;
      context.strokeRect(0.5, y - 0.5, width - 1, ROW);
    }
    context.textBaseline = "middle";
    const line = y + ROW / 2;
    const mine = own.get(row.price);
    if (mine !== undefined) {
      context.fillStyle = colours.own;
      context.fillRect(0, y, 3, ROW - 1);
      context.font = `600 11px ${colours.mono}`;
      context.textAlign = "left";
      context.fillText(sizeText(mine), 8, line);
    }
    context.font = `12px ${colours.mono}`;
    context.textAlign = "right";
    context.fillStyle = tone;
    context.fillText(grouped(row.price), width * 0.46, line);
    context.fillStyle = this.changed.has(row.price) ? tone : colours.text;
    context.fillText(sizeText(fromUnits(row.amount, frame.qtyDigits)), width * 0.73, line);
    context.fillStyle = colours.faint;
    context.font = `11px ${colours.mono}`;
    context.fillText(sizeText(fromUnits(row.sum, frame.qtyDigits)), width - 8, line);
  }

  #spread({ context, width, colours }, book, middle, step) {
    context.fillStyle = colours.raised;
    context.fillRect(0, middle - MIDDLE / 2, width, MIDDLE - 1);
    const bid = book.bids[0];
    const ask = book.asks[0];
    if (!bid || !ask) {
      context.fillStyle = colours.faint;
      context.font = `11px ${colours.sans}`;
      context.textAlign = "center";
      context.fillText(bid ? "nobody offers" : ask ? "nobody bids" : "the book is empty", width / 2, middle);
      return;
    }
    // The middle of two prices needs one more decimal: half their sum, times ten.
    const mid = trimmed(fromUnits((bid.units + ask.units) * 5n, book.digits + 1), scale(step));
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.font = `600 15px ${colours.mono}`;
    context.fillStyle = colours.text;
    context.fillText(grouped(mid), 10, middle);
    const gap = ask.units - bid.units;
    const bps = fromUnits((gap * 2_000_000n) / (bid.units + ask.units), 2);
    context.textAlign = "right";
    context.font = `11px ${colours.mono}`;
    context.fillStyle = colours.dim;
    const told = gap > 0n ? `${fromUnits(gap, book.digits)} · ${bps} bp` : gap === 0n ? "locked" : "crossed";
    context.fillText(told, width - 8, middle);
  }

  pointer(kind, x, y) {
    if (kind === "pointermove") this.hover = y;
    else if (kind === "pointerleave") this.hover = -1;
    else if (kind === "click") {
      const row = this.rowsAt.find((one) => y >= one.y && y < one.y + ROW);
      if (row) this.pick(row.price, row.side);
    }
    this.invalidate();
  }
}
