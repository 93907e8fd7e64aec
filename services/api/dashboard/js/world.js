// Everything the panels show, for one market and one account: a bag of cells. There are two: of now, and of a past seq.

import { Book } from "./book.js";
import { Cell } from "./cells.js";
import { DepthHistory } from "./depth_history.js";

export const TRADES_KEPT = 4_000;
export const BARS_KEPT = 2_000;
export const FILLS_KEPT = 500;
export const ORDERS_KEPT = 500;
export const RECORDS_KEPT = 300;

export class World {
  constructor(isPast) {
    this.isPast = isPast;
    this.book = new Cell(new Book());
    this.depth = new DepthHistory();
    this.trades = new Cell([]); // oldest first
    this.status = new Cell(null);
    this.bars = new Cell([]); // oldest first
    this.orders = new Cell(new Map()); // by order id
    this.fills = new Cell([]); // newest first
    this.positions = new Cell([]);
    this.risk = new Cell(null); // of the account
    this.risks = new Cell({ accounts: [], killed: false });
    this.parents = new Cell(new Map());
    this.state = new Cell(null);
    this.latency = new Cell(null);
    this.feeds = new Cell({});
    this.services = new Cell({});
    this.records = new Cell([]); // newest first
    /** {seq, ts} of what is shown: it moves on with every message of now, and stands still in the past. */
    this.at = new Cell({ seq: 0, ts: "0" });
  }

  forgetMarket() {
    this.book.set(new Book());
    this.depth.clear();
    this.trades.set([]);
    this.status.set(null);
    this.bars.set([]);
  }

  forgetAccount() {
    this.orders.set(new Map());
    this.fills.set([]);
    this.positions.set([]);
    this.risk.set(null);
    this.parents.set(new Map());
  }
}
