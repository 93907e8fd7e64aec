// Keeps the world of now: subscribes, and folds what the stream says into its cells.

import { BARS_KEPT, FILLS_KEPT, ORDERS_KEPT, RECORDS_KEPT, TRADES_KEPT, World } from "./world.js";
import { STEP_MS } from "./depth_history.js";
import { LatencyHistory } from "./latency_history.js";
import { settings } from "./settings.js";

const DEPTH = 40;

export class Live {
  constructor(connection) {
    this.connection = connection;
    this.world = new World(false);
    this.latencies = new LatencyHistory();
    this.market = [];
    this.account = [];
    setInterval(() => this.#sampleDepth(), STEP_MS);
  }

  /** What is shown whatever is chosen. `tape`: more terms of the tape's subscription; null: it may not be read. */
  watchPlatform(tape) {
    const w = this.world;
    const into = (cell, name) => (message) => cell.set(message[name]);
    this.#subscribe({ channel: "state" }, (message) => w.state.set(message));
    this.#subscribe({ channel: "latency" }, (message) => {
      this.latencies.add(message.stages, Date.now() / 1000);
      w.latency.set(message.stages);
    });
    this.#subscribe({ channel: "feeds" }, into(w.feeds, "feeds"));
    this.#subscribe({ channel: "services" }, into(w.services, "services"));
    if (tape) this.#subscribe({ channel: "tape", ...tape }, (message) => this.#takeRecords(message));
  }

  watchMarket(feed, ticker, interval) {
    for (const id of this.market) this.connection.unsubscribe(id);
    this.world.forgetMarket();
    const of = { feed, ticker };
    const books = { channel: "book", depth: DEPTH, interval_ms: settings.value.bookIntervalMs, ...of };
    this.market = [
      this.#subscribe(books, (message) => this.#takeBook(message)),
      this.#subscribe({ channel: "trades", ...of }, (message) => this.#takeTrades(message)),
      this.#subscribe({ channel: "bars", interval, ...of }, (message) => this.#takeBars(message)),
    ];
    if (feed === "house") {
      this.market.push(this.#subscribe({ channel: "status", ticker }, (message) => this.#takeStatus(message)));
    }
  }

  watchAccount(account) {
    for (const id of this.account) this.connection.unsubscribe(id);
    const w = this.world;
    w.forgetAccount();
    this.account = [
      this.#subscribe({ channel: "orders", account }, (message) => this.#takeOrders(message)),
      this.#subscribe({ channel: "fills", account }, (message) => this.#takeFills(message)),
      this.#subscribe({ channel: "positions", account }, (message) => this.#takePositions(message)),
      this.#subscribe({ channel: "risk", account }, (message) => this.#takeRisk(message, account)),
      this.#subscribe({ channel: "parents", account }, (message) => this.#takeParents(message)),
    ];
  }

  #subscribe(terms, handler) {
    return this.connection.subscribe(terms, handler);
  }

  #reached(message) {
    const seq = message.seq ?? 0;
    if (seq > this.world.at.value.seq) this.world.at.set({ seq, ts: message.ts ?? "0" });
  }

  #takeBook(message) {
    const { book } = this.world;
    if (!book.value.take(message)) return "anew";
    book.touch();
  }

  #sampleDepth() {
    const book = this.world.book.value;
    if (book.known && this.connection.state.value.name === "live") this.world.depth.add(book, Date.now());
  }

  #takeTrades(message) {
    const { trades } = this.world;
    const kept = message.type === "snapshot" ? [] : trades.value;
    trades.set(kept.concat(message.trades).slice(-TRADES_KEPT));
  }

  #takeBars(message) {
    const { bars } = this.world;
    if (message.type === "snapshot") return bars.set(message.bars);
    const first = message.bars[0]?.[0];
    const kept = bars.value.filter((bar) => BigInt(bar[0]) < BigInt(first ?? "0"));
    if (first) bars.set(kept.concat(message.bars).slice(-BARS_KEPT));
  }

  #takeStatus(message) {
    this.world.status.set(message);
    this.#reached(message);
  }

  #takeOrders(message) {
    const { orders } = this.world;
    const kept = message.type === "snapshot" ? new Map() : new Map(orders.value);
    for (const one of message.orders) kept.set(keyOf(one), one);
    for (const [id, one] of kept) {
      if (kept.size <= ORDERS_KEPT) break;
      if (!isLive(one)) kept.delete(id);
    }
    orders.set(kept);
    this.#reached(message);
  }

  #takeFills(message) {
    const { fills } = this.world;
    const kept = message.type === "snapshot" ? [] : fills.value;
    fills.set([...message.fills].reverse().concat(kept).slice(0, FILLS_KEPT));
  }

  #takePositions(message) {
    this.world.positions.set([...message.positions].sort((a, b) => (a.ticker < b.ticker ? -1 : 1)));
  }

  #takeRisk(message, account) {
    this.world.risks.set(message);
    this.world.risk.set(message.accounts.find((one) => one.account === account) ?? null);
  }

  #takeParents(message) {
    this.world.parents.set(new Map(message.parents.map((one) => [one.parent_id, one])));
  }

  #takeRecords(message) {
    const { records } = this.world;
    const kept = message.type === "snapshot" ? [] : records.value;
    records.set([...message.records].reverse().concat(kept).slice(0, RECORDS_KEPT));
  }
}

export const isLive = (order) => order.status === "new" || order.status === "partially_filled";
/** A refused order has no id: the record that refused it stands for it. */
export const keyOf = (order) => order.order_id || `refused ${order.seq}`;
