// The rows of the ladder: levels put together by price steps, with the sum from the best price on.

import { fromUnits, scale, toUnits } from "./decimal.js";

/** Rows of one side, best first: {price, units, size, sum, orders, levels}. `step` is decimal text. */
export function rowsOf(levels, isBid, step, digits) {
  const width = toUnits(step, Math.max(digits, scale(step)));
  const lift = 10n ** BigInt(Math.max(0, scale(step) - digits));
  const rows = [];
  let sum = 0;
  for (const level of levels) {
    const at = rounded(level.units * lift, width, isBid);
    sum += level.size;
    const last = rows.at(-1);
    if (last?.units === at) {
      last.size += level.size;
      last.sum = sum;
      last.orders += level.orders;
    } else {
      rows.push({ price: fromUnits(at, Math.max(digits, scale(step))), units: at, size: level.size, sum, orders: level.orders });
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

/** Own live quantity by row price, for one side. */
export function ownRows(orders, ticker, side, step) {
  const own = new Map();
  for (const order of orders.values()) {
    const isShown = order.ticker === ticker && order.side === side && !order.waiting;
    if (!isShown || (order.status !== "new" && order.status !== "partially_filled")) continue;
    const digits = Math.max(scale(order.price), scale(step));
    const at = rounded(toUnits(order.price, digits), toUnits(step, digits), side === "buy");
    const price = fromUnits(at, digits);
    own.set(price, (own.get(price) ?? 0) + Number(order.leaves_qty));
  }
  return own;
}
