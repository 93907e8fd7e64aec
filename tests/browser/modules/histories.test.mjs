import assert from "node:assert/strict";
import test from "node:test";

import { Book } from "../../../services/api/dashboard/js/book.js";
import { COLUMNS, DepthHistory, STEP_MS } from "../../../services/api/dashboard/js/depth_history.js";
import { binOf, binStart, KEPT, LatencyHistory, percentile } from "../../../services/api/dashboard/js/latency_history.js";
import { clock, duration, short } from "../../../services/api/dashboard/js/format.js";

function bookAt(seq, bid) {
  const book = new Book();
  book.take({ type: "snapshot", book_seq: seq, seq, quality: "live", bids: [[bid, "2", 1]], asks: [["101", "3", 1]] });
  return book;
}

test("the history has one column per step, and never more than it keeps", () => {
  const history = new DepthHistory();
  history.add(bookAt(1, "99"), 0);
  history.add(bookAt(2, "98"), STEP_MS - 1);
  assert.deepEqual(history.columns.map(({ seq, bid, ask }) => [seq, bid, ask]), [[2, 98, 101]]);
  for (let i = 1; i < COLUMNS + 50; i += 1) history.add(bookAt(i + 2, "99"), i * STEP_MS);
  assert.equal(history.columns.length, COLUMNS);
});

test("as of a past seq it holds what was known then", () => {
  const history = new DepthHistory();
  for (let i = 0; i < 5; i += 1) history.add(bookAt(10 + i, "99"), i * STEP_MS);
  const past = new DepthHistory();
  past.standAt(history, 12, bookAt(12, "97"), 2 * STEP_MS);
  assert.deepEqual(past.columns.map(({ seq, bid, slot }) => [seq, bid, slot]), [[10, 99, 0], [11, 99, 1], [12, 99, 2], [12, 97, 3]]);
  past.standAt(history, 3, new Book(), 0);
  assert.deepEqual(past.columns, []);
});

test("latency of a stretch is the difference of two counts", () => {
  const history = new LatencyHistory();
  const stage = (buckets) => ({ count: buckets.reduce((n, [, more]) => n + more, 0), buckets });
  history.add({ decide: stage([[100, 1000]]) }, 1);
  assert.equal(history.stages.get("decide").length, 0);
  history.add({ decide: stage([[100, 1090], [1000, 10]]) }, 2);
  const [column] = history.stages.get("decide");
  assert.deepEqual([column.p50, column.p90, column.p99, column.p999, column.count], [100, 100, 1000, 1000, 100]);
  assert.deepEqual([column.bins[binOf(100)], column.bins[binOf(1000)]], [90, 10]);
});

test("a process that began again is counted from its beginning, and a quiet second has no percentile", () => {
  const history = new LatencyHistory();
  history.add({ decide: { count: 50, buckets: [[100, 50]] } }, 1);
  history.add({ decide: { count: 3, buckets: [[200, 3]] } }, 2);
  history.add({ decide: { count: 3, buckets: [[200, 3]] } }, 3);
  assert.deepEqual(history.stages.get("decide").map(({ p50, count }) => [p50, count]), [[200, 3], [null, 0]]);
  for (let i = 0; i < KEPT + 5; i += 1) history.add({ decide: { count: 3, buckets: [[200, 3]] } }, 4 + i);
  assert.equal(history.stages.get("decide").length, KEPT);
});

test("a percentile is the bucket in which it falls", () => {
  const counts = [[1, 50], [2, 40], [3, 10]];
  assert.deepEqual([0.5, 0.51, 0.9, 0.91, 1].map((share) => percentile(counts, 100, share)), [1, 2, 2, 3, 3]);
  assert.equal(binOf(binStart(7) * 1.01), 7);
});

test("numbers and times as people read them", () => {
  assert.equal(clock("1763755503123000000"), "20:05:03.123");
  assert.equal(clock("0"), "");
  assert.deepEqual([999, 1000, 12345, 1.5e6, 2.5e9].map(duration), ["999 ns", "1.00 µs", "12.3 µs", "1.50 ms", "2.50 s"]);
  assert.deepEqual([0, 5, 1234, 3.4e6].map(short), ["0", "5", "1.23k", "3.4M"]);
});
