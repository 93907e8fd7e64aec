// The rows of the ladder: levels put together by price steps, with the sum from the best price on. Exact: text and BigInt.

import { add, fromUnits, scale, toUnits } from "./decimal.js";

/** Rows of one side, best first: {price, units, amount, sum, orders}; amounts at the book's scale. `step` is decimal text. */
export function rowsOf(levels, isBid, step, digits) {
  const finest = Math.max(digits, scale(step));
  const width = toUnits(step, finest);
  const lift = 10n ** BigInt(finest - digits);
  const rows = [];
  let sum = 0n;
  for (const { units, amount, orders } of levels) {
    const at = rounded(units * lift, width, isBid);
    sum += amount;
    const last = rows.at(-1);
    if (last?.units === at) {
      last.amount += amount;
      last.sum = sum;
      last.orders += orders;
    } else {
      rows.push({ price: fromUnits(at, finest), units: at, amount, sum, orders });
    }
  }
  return rows;
}

/** Bids fall to the step below, asks rise to the one above: a group never looks better than what is in it. */
function rounded(units, width, isBid) {
  const rest = units % width;
  if (rest === 0n) return units;
  return isBid ? units - rest : units - rest + width;
}

/** Own live quantity, as text, by row price, for one side. */
export function ownRows(orders, ticker, side, step) {
  const own = new Map();
  for (const order of orders.values()) {
    const isShown = order.ticker === ticker && order.side === side && !order.waiting;
    if (!isShown || (order.status !== "new" && order.status !== "partially_filled")) continue;
    const digits = Math.max(scale(order.price), scale(step));
    const at = rounded(toUnits(order.price, digits), toUnits(step, digits), side === "buy");
    const price = fromUnits(at, digits);
    own.set(price, add(own.get(price) ?? "0", order.leaves_qty));
  }
  return own;
}
