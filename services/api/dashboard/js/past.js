// The time machine: the world right after a past seq, as the API folds it.

import { Book } from "./book.js";
import { Cell } from "./cells.js";
import { ask, sentence } from "./rest.js";
import { World } from "./world.js";
import { keyOf } from "./live.js";

const NS = { s: 1_000_000_000n, m: 60_000_000_000n, h: 3_600_000_000_000n, d: 86_400_000_000_000n };

export class Past {
  constructor(live) {
    this.live = live;
    this.world = new World(true);
    this.seq = new Cell(0); // 0: of now
    this.trouble = new Cell("");
    this.busy = new Cell(false);
    this.answer = null;
    this.choice = { feed: "house", ticker: "", account: 0, interval: "1m" };
    this.wanted = 0;
  }

  get isOn() {
    return this.seq.value > 0;
  }

  /** Shows the world as of `seq`; of several calls the last one counts. Resolves once it is shown. */
  async show(seq) {
    this.seq.set(seq);
    this.wanted = seq;
    if (this.busy.value) return;
    this.busy.set(true);
    while (this.wanted) {
      const asked = this.wanted;
      this.wanted = 0;
      try {
        const answer = await ask("GET", `as-of/${asked}`);
        if (!this.isOn) break;
        this.answer = answer;
        this.trouble.set("");
        this.#fill();
      } catch (error) {
        this.trouble.set(sentence(error));
      }
    }
    this.busy.set(false);
  }

  leave() {
    this.wanted = 0;
    this.seq.set(0);
    this.answer = null;
    this.trouble.set("");
  }

  /** Another market or account is looked at. */
  choose(choice) {
    Object.assign(this.choice, choice);
    if (this.answer) this.#fill();
  }

  #fill() {
    const { answer, choice, world } = this;
    const { seq, ts } = answer;
    const here = (one) => one.ticker === choice.ticker && choice.feed === "house";
    const mine = (one) => one.account === choice.account;
    const book = new Book();
    const found = answer.books.find(here);
    if (found) book.take({ type: "snapshot", ...found });
    world.book.set(book);
    world.depth.standAt(this.live.world.depth, seq, book, Number(BigInt(ts) / 1_000_000n));
    const told = answer.trades.filter(here).sort((a, b) => a.seq - b.seq);
    const seen = choice.feed === "house" ? this.live.world.trades.value.filter((one) => one.seq <= seq) : [];
    world.trades.set(seen.length > told.length ? seen : told);
    world.status.set(answer.statuses.find(here) ?? null);
    world.bars.set(finished(this.live.world.bars.value, choice.interval, BigInt(ts)));
    world.orders.set(new Map(answer.orders.filter(mine).map((one) => [keyOf(one), one])));
    world.positions.set(answer.positions.filter(mine));
    world.risks.set(answer.risk);
    world.risk.set(answer.risk.accounts.find(mine) ?? null);
    world.fills.set((answer.fills ?? this.live.world.fills.value).filter((one) => mine(one) && one.seq <= seq));
    world.records.set(this.live.world.records.value.filter((one) => one.seq <= seq));
    const state = this.live.world.state.value;
    world.state.set(state && { ...state, written_seq: seq, released_seq: seq, durable_seq: Math.min(seq, state.durable_seq) });
    world.at.set({ seq, ts });
  }
}

/** Bars that had ended by `ts`: one under way would show what came after. */
export function finished(bars, interval, ts) {
  const length = BigInt(interval.slice(0, -1)) * NS[interval.at(-1)];
  return bars.filter((bar) => BigInt(bar[0]) + length <= ts);
}

