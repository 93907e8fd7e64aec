// One order book as the stream tells it: a snapshot, then the levels that changed.

import { approx, scale, toUnits } from "./decimal.js";

/** Where `units` stands or belongs in levels sorted from best to worst. */
function place(levels, units, isBid) {
  let low = 0;
  let high = levels.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const better = isBid ? levels[middle].units > units : levels[middle].units < units;
    if (better) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class Book {
  constructor() {
    /**
     * Best first; each {price, units, qty, amount, size, orders}: text for people, whole units of the price and of the
     * quantity to reckon with, size for pixels.
     */
    this.bids = [];
    this.asks = [];
    /** Decimals that units and amounts are at. */
    this.digits = 0;
    this.qtyDigits = 0;
    this.bookSeq = 0;
    this.seq = 0;
    this.ts = "0";
    this.quality = "unspecified";
    this.known = false;
    this.version = 0;
  }

  /** Takes a snapshot or an update; false: the update builds on another book, a snapshot is needed. */
  take(message) {
    if (message.type === "snapshot") {
      this.bids = [];
      this.asks = [];
      this.digits = 0;
      this.qtyDigits = 0;
      this.known = true;
    } else if (!this.known || message.prev !== this.bookSeq) {
      return false;
    }
    for (const level of message.bids ?? []) this.#set(this.bids, level, true);
    for (const level of message.asks ?? []) this.#set(this.asks, level, false);
    this.bookSeq = message.book_seq ?? this.bookSeq;
    this.seq = message.seq ?? this.seq;
    this.ts = message.ts ?? this.ts;
    this.quality = message.quality ?? this.quality;
    this.version += 1;
    return true;
  }

  #set(levels, [price, qty, orders], isBid) {
    if (scale(price) > this.digits || scale(qty) > this.qtyDigits) this.#widen(scale(price), scale(qty));
    const units = toUnits(price, this.digits);
    const at = place(levels, units, isBid);
    const found = levels[at]?.units === units;
    const amount = toUnits(qty, this.qtyDigits);
    if (amount === 0n) {
      if (found) levels.splice(at, 1);
    } else {
      levels.splice(at, found ? 1 : 0, { price, units, qty, amount, size: approx(qty), orders: orders ?? 0 });
    }
  }

  /** Something has more decimals than all before: everything is told at that scale from then on. */
  #widen(digits, qtyDigits) {
    this.digits = Math.max(this.digits, digits);
    this.qtyDigits = Math.max(this.qtyDigits, qtyDigits);
    for (const level of [...this.bids, ...this.asks]) {
      level.units = toUnits(level.price, this.digits);
      level.amount = toUnits(level.qty, this.qtyDigits);
    }
  }

  get bestBid() {
    return this.bids[0];
  }

  get bestAsk() {
    return this.asks[0];
  }

  /** Whether what it shows may be acted upon. */
  get isLive() {
    return this.known && this.quality === "live";
  }
}
