// The book over time for the heat-map: one column per step, the same memory for ever.

import { approx } from "./decimal.js";

export const STEP_MS = 250;
export const COLUMNS = 720; // three minutes
const LEVELS = 40; // of each side

export class DepthHistory {
  constructor() {
    this.clear();
  }

  clear() {
    /** Oldest first; each {at, seq, bid, ask, prices, sizes, quality}: floats, for pixels. */
    this.columns = [];
    this.version = 0;
  }

  /** Writes the book of now into the column of its time; `now` in ms. */
  add(book, now) {
    const slot = Math.floor(now / STEP_MS);
    const last = this.columns.at(-1);
    if (last?.slot === slot) this.columns.pop();
    this.columns.push(column(book, slot));
    if (this.columns.length > COLUMNS) this.columns.shift();
    this.version += 1;
  }

  /** Holds the columns of `other` up to a past seq, and behind them the book of that seq; `at` in ms. */
  standAt(other, seq, book, at) {
    let end = other.columns.length;
    while (end > 0 && other.columns[end - 1].seq > seq) end -= 1;
    this.columns = other.columns.slice(0, end);
    const slot = Math.max(Math.floor(at / STEP_MS), (this.columns.at(-1)?.slot ?? 0) + 1);
    if (book.known) this.columns.push(column(book, slot));
    this.version += 1;
  }
}

function column(book, slot) {
  const bids = book.bids.slice(0, LEVELS);
  const asks = book.asks.slice(0, LEVELS);
  const prices = new Float64Array(bids.length + asks.length);
  const sizes = new Float32Array(prices.length);
  bids.forEach((level, i) => {
    prices[i] = approx(level.price);
    sizes[i] = level.size;
  });
  asks.forEach((level, i) => {
    prices[bids.length + i] = approx(level.price);
    sizes[bids.length + i] = -level.size; // the sign tells the side
  });
  const bid = bids.length ? prices[0] : NaN;
  const ask = asks.length ? prices[bids.length] : NaN;
  return { slot, seq: book.seq, bid, ask, prices, sizes, isLive: book.isLive };
}
