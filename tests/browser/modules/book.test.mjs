import assert from "node:assert/strict";
import test from "node:test";

import { Book } from "../../../services/api/dashboard/js/book.js";
import { ownRows, rowsOf } from "../../../services/api/dashboard/js/ladder_rows.js";

const told = (levels) => levels.map(({ price, qty, orders }) => [price, qty, orders]);
const snapshot = (bids, asks, book_seq = 1) => ({ type: "snapshot", book_seq, quality: "live", seq: book_seq, ts: "1", bids, asks });

test("a snapshot is taken whole, an update changes what it names", () => {
  const book = new Book();
  assert.equal(book.take(snapshot([["100.00", "3", 1], ["99.90", "5", 2]], [["100.10", "2", 1]])), true);
  const update = { type: "update", book_seq: 4, prev: 1, seq: 9, quality: "live", bids: [["100.00", "0", 0], ["99.95", "7", 1]], asks: [["100.05", "1", 1]] };
  assert.equal(book.take(update), true);
  assert.deepEqual(told(book.bids), [["99.95", "7", 1], ["99.90", "5", 2]]);
  assert.deepEqual(told(book.asks), [["100.05", "1", 1], ["100.10", "2", 1]]);
  assert.deepEqual([book.bookSeq, book.seq, book.bestBid.price], [4, 9, "99.95"]);
});

test("an update that builds on another book is refused and changes nothing", () => {
  const book = new Book();
  assert.equal(book.take({ type: "update", book_seq: 2, prev: 1, bids: [["1", "1", 1]], asks: [] }), false);
  book.take(snapshot([["100", "3", 1]], [], 5));
  assert.equal(book.take({ type: "update", book_seq: 9, prev: 7, bids: [["100", "0", 0]], asks: [] }), false);
  assert.deepEqual(told(book.bids), [["100", "3", 1]]);
});

test("quality is told apart from levels: a stale book is not live though it has some", () => {
  const book = new Book();
  assert.equal(book.isLive, false);
  book.take(snapshot([["100", "3", 1]], []));
  assert.equal(book.isLive, true);
  book.take({ type: "update", book_seq: 1, prev: 1, quality: "stale", bids: [], asks: [] });
  assert.equal(book.isLive, false);
  assert.equal(book.bids.length, 1);
});

test("any stream of updates gives what a plain map gives", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const book = new Book();
  book.take(snapshot([], []));
  const plain = { bids: new Map(), asks: new Map() };
  for (let i = 1; i <= 3000; i += 1) {
    const side = random(2) ? "bids" : "asks";
    const price = `${100 + random(20)}.${String(random(100)).padStart(2, "0")}`;
    const qty = random(3) ? String(1 + random(50)) : "0";
    book.take({ type: "update", book_seq: i + 1, prev: i, quality: "live", bids: [], asks: [], [side]: [[price, qty, 1]] });
    if (qty === "0") plain[side].delete(price);
    else plain[side].set(price, qty);
  }
  for (const [side, down] of [["bids", -1], ["asks", 1]]) {
    const wanted = [...plain[side]].sort(([a], [b]) => down * (Number(a) - Number(b)));
    assert.deepEqual(book[side].map(({ price, qty }) => [price, qty]), wanted);
  }
});

test("rows put levels together away from the market, and sum from the best on", () => {
  const book = new Book();
  book.take(snapshot([["100.04", "1", 1], ["100.01", "2", 1], ["99.99", "4", 2]], [["100.06", "3", 1], ["100.10", "1", 1]]));
  const rows = (levels, isBid) => rowsOf(levels, isBid, "0.10", book.digits).map(({ price, amount, sum, orders }) => [price, amount, sum, orders]);
  assert.deepEqual(rows(book.bids, true), [["100.00", 3n, 3n, 2], ["99.90", 4n, 7n, 2]]);
  assert.deepEqual(rows(book.asks, false), [["100.10", 4n, 4n, 2]]);
});

test("own orders stand at the row that their price falls into; what waits or is done does not", () => {
  const order = (more) => ({ ticker: "A", side: "buy", status: "new", price: "100.04", leaves_qty: "2", ...more });
  const orders = new Map(
    [order({}), order({ price: "100.07", status: "partially_filled" }), order({ status: "filled" }), order({ waiting: true }), order({ side: "sell" }), order({ ticker: "B" })].map(
      (one, i) => [i, one],
    ),
  );
  assert.deepEqual([...ownRows(orders, "A", "buy", "0.10")], [["100.00", "4"]]);
  assert.deepEqual([...ownRows(orders, "A", "sell", "0.10")], [["100.10", "2"]]);
});
