// What stands in the order ticket, wherever it was put in: typed, by keys, or by a click in the book.

import { Cell } from "./cells.js";
import { isDecimal, sign, step } from "./decimal.js";
import { market, past, shownWorld } from "./desk.js";

export const EMPTY = { side: "buy", type: "limit", time_in_force: "day", price: "", qty: "", stop_price: "", display_qty: "" };

export const ticket = new Cell({ ...EMPTY, post_only: false, hidden: false });

export const write = (changes) => ticket.set({ ...ticket.value, ...changes });

export function fillPrice(price) {
  if (past.isOn) return;
  write(needsPrice(ticket.value.type) ? { price } : { price, type: "limit" });
}

export const needsPrice = (type) => type === "limit" || type === "stop_limit";
export const needsStop = (type) => type === "stop" || type === "stop_limit";

/** The side is chosen; an empty price becomes the best one of that side. */
export function chooseSide(side) {
  const { bestBid, bestAsk } = shownWorld().book.value;
  const near = (side === "buy" ? bestBid : bestAsk) ?? bestBid ?? bestAsk;
  const price = ticket.value.price || near?.price || market.value.terms?.reference_price || "";
  write({ side, price });
}

/** Price or quantity moved by ticks or lots. */
export function move(field, steps) {
  const { terms } = market.value;
  if (!terms) return;
  const size = field === "qty" ? terms.lot_size : terms.tick_size;
  const now = ticket.value[field];
  const from = isDecimal(now) && sign(now) > 0 ? now : field === "qty" ? "0" : nearPrice();
  if (from) write({ [field]: step(from, size, steps) });
}

function nearPrice() {
  const { bestBid, bestAsk } = shownWorld().book.value;
  const near = ticket.value.side === "buy" ? (bestBid ?? bestAsk) : (bestAsk ?? bestBid);
  return near?.price ?? market.value.terms.reference_price ?? "";
}

/** The body of the order, or {problem, field}. */
export function order(account) {
  const { type, side, time_in_force, price, qty, stop_price, display_qty, post_only, hidden } = ticket.value;
  const body = { account, ticker: market.value.ticker, side, type, qty, time_in_force };
  const wanted = [["qty", qty]];
  if (needsPrice(type)) wanted.push(["price", price]);
  if (needsStop(type)) wanted.push(["stop_price", stop_price]);
  if (display_qty) wanted.push(["display_qty", display_qty]);
  for (const [field, text] of wanted) {
    if (!isDecimal(text) || sign(text) <= 0) return { field, problem: `${field.replace("_", " ")} must be a number above 0` };
    body[field] = text;
  }
  if (post_only && needsPrice(type)) body.post_only = true;
  if (hidden && needsPrice(type)) body.hidden = true;
  return { body };
}
