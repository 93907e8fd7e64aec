import assert from "node:assert/strict";
import test from "node:test";

import { backoff, Subscriptions } from "../../../services/api/dashboard/js/resume.js";

function followed(terms) {
  const subscriptions = new Subscriptions();
  const got = [];
  const id = subscriptions.add(terms, (message) => got.push(message.seq));
  return { subscriptions, got, id };
}

test("a log goes on behind the last seq that was seen, and nothing comes twice", () => {
  const { subscriptions, got, id } = followed({ channel: "fills", account: 7 });
  assert.deepEqual(subscriptions.requests(), [{ op: "subscribe", id, channel: "fills", account: 7 }]);
  subscriptions.take({ id, type: "snapshot", seq: 10 });
  subscriptions.take({ id, type: "update", seq: 12 });
  assert.deepEqual(subscriptions.requests(), [{ op: "subscribe", id, channel: "fills", account: 7, after: 12 }]);
  assert.equal(subscriptions.take({ id, type: "update", seq: 12 }), "repeated");
  assert.equal(subscriptions.take({ id, type: "update", seq: 13 }), "taken");
  assert.deepEqual(got, [10, 12, 13]);
});

test("a state is asked for whole, whatever was seen of it", () => {
  const { subscriptions, id } = followed({ channel: "book", feed: "house", ticker: "A" });
  subscriptions.take({ id, type: "snapshot", seq: 50 });
  assert.deepEqual(subscriptions.requests(), [{ op: "subscribe", id, channel: "book", feed: "house", ticker: "A" }]);
});

test("a snapshot counts even where it stands earlier: the tape may have lost its tail", () => {
  const { subscriptions, got, id } = followed({ channel: "trades", feed: "house", ticker: "A" });
  subscriptions.take({ id, type: "update", seq: 90 });
  assert.equal(subscriptions.take({ id, type: "snapshot", seq: 40 }), "taken");
  assert.equal(subscriptions.take({ id, type: "update", seq: 41 }), "taken");
  assert.deepEqual(got, [90, 40, 41]);
});

test("a log that cannot be gone on with begins anew", () => {
  const { subscriptions, id } = followed({ channel: "orders", account: 7 });
  subscriptions.take({ id, type: "update", seq: 90 });
  subscriptions.forget(id);
  assert.equal(subscriptions.request(id).after, undefined);
});

test("what was unsubscribed is not handed on", () => {
  const { subscriptions, got, id } = followed({ channel: "fills", account: 7 });
  assert.equal(subscriptions.remove(id), true);
  assert.equal(subscriptions.take({ id, type: "update", seq: 3 }), "unknown");
  assert.deepEqual(got, []);
});

test("a handler can ask for everything anew", () => {
  const subscriptions = new Subscriptions();
  const id = subscriptions.add({ channel: "book", feed: "house", ticker: "A" }, () => "anew");
  assert.equal(subscriptions.take({ id, type: "update", seq: 1 }), "anew");
});

test("waiting doubles, is spread, and has a bound", () => {
  assert.deepEqual([1, 2, 3].map((n) => backoff(n, 0)), [125, 250, 500]);
  assert.equal(backoff(1, 1), 250);
  assert.equal(backoff(40, 1), 10_000);
});
