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

  /** The columns up to a past seq. */
  until(seq) {
    let end = this.columns.length;
    while (end > 0 && this.columns[end - 1].seq > seq) end -= 1;
    return this.columns.slice(0, end);
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
