import assert from "node:assert/strict";
import test from "node:test";

import { stateOf } from "../../../services/api/dashboard/js/feed_state.js";
import { arrows, layout } from "../../../services/api/dashboard/js/topology_layout.js";

const feed = (state, rate = 10) => ({ state, quality: "live", rate, gaps: 0, resyncs: 0, dropped: 0, tickers: {} });
const service = (state) => ({ state, detail: "", pid: 1, ts: "1" });
const state = { written_seq: 100, rates: { all: 50 }, lag: { "journal.publisher": 3 }, kept: { archive: 90 } };

test("who says nothing of its health is known by what it does", () => {
  const boxes = layout({ journal: service("running") }, { house: feed("live") }, state, stateOf, 700, 260);
  assert.deepEqual(boxes.map(({ id, column, state: is }) => [id, column, is]), [
    ["journal", 3, "running"],
    ["archive", 3, "reading"],
    ["engine", 1, "running"],
    ["api", 0, "running"],
    ["orders tape", 2, ""],
  ]);
  assert.equal(boxes[0].lag, 3);
});

test("a box says what its service is for, and once something is wrong, what", () => {
  const said = (state, detail) => ({ state, detail, pid: 7, ts: "1" });
  const services = { journal: said("ready", "shard=0 seq=9"), gateway: said("degraded", "bus away"), other: said("ready", "x=1") };
  const boxes = Object.fromEntries(layout(services, {}, state, stateOf, 700, 260).map((one) => [one.id, one]));
  assert.equal(boxes.journal.detail, "to the bus");
  assert.equal(boxes.journal.title, "journal: ready, shard=0 seq=9 (process 7)");
  assert.equal(boxes.gateway.detail, "bus away");
  assert.equal(boxes.other.detail, "x=1");
});

test("boxes stay within the room there is, however many there are", () => {
  const services = Object.fromEntries(Array.from({ length: 14 }, (_, i) => [`service${i}`, service("running")]));
  const boxes = layout(services, { kraken: feed("stale"), binance: feed("live") }, state, stateOf, 640, 240);
  for (const one of boxes) {
    assert.ok(one.x >= 0 && one.x + one.width <= 640, one.id);
    assert.ok(one.y >= 0 && one.y + one.height <= 240, one.id);
  }
});

test("flows go from clients by the engine to the tape and on to its readers; what is stale does not flow", () => {
  const services = { gateway: service("running"), flusher: service("running"), journal: service("running") };
  const lines = arrows(layout(services, { kraken: feed("stale"), binance: feed("live") }, state, stateOf, 700, 260));
  const flows = Object.fromEntries(lines.map(({ id, rate }) => [id, rate > 0]));
  assert.deepEqual(flows, {
    "engine orders tape": true,
    "gateway engine": true,
    "api engine": true,
    "orders tape journal": true,
    "orders tape archive": true,
    "binance feed tapes": true,
    "kraken feed tapes": false,
    "feed tapes flusher": true,
  });
});

test("an empty platform is drawn, too", () => {
  assert.equal(arrows(layout({}, {}, null, stateOf, 300, 100)).length, 2);
});

test("a feed that has not told its state is as bad as its worst book", () => {
  const silent = (tickers) => ({ ...feed("unspecified"), tickers });
  assert.equal(stateOf(silent({ A: "live", B: "live" })), "live");
  assert.equal(stateOf(silent({ A: "live", B: "resync", C: "stale" })), "stale");
  assert.equal(stateOf(silent({})), "unspecified");
  assert.equal(stateOf({ ...silent({ A: "live" }), state: "down" }), "down");
});
