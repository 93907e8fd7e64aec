// What changes something: orders, amendments, cancels, kill switch. Every call rejects with what the API refused.

import { ask } from "./rest.js";

const HEAD = Array.from(crypto.getRandomValues(new Uint8Array(5)), (byte) => byte.toString(16).padStart(2, "0")).join("");
let number = 0;

/** A ClOrdID that nobody has used: this page's own random head, and a number that rises. */
export function clOrdId() {
  number += 1;
  return `web-${HEAD}-${number}`;
}

export const submit = (terms) => ask("POST", "orders", { cl_ord_id: clOrdId(), ...terms });

export function amend(order, changes) {
  return ask("PATCH", `orders/${order.order_id}`, { cl_ord_id: clOrdId(), account: order.account, ...changes });
}

export function cancel(order) {
  const query = new URLSearchParams({ account: order.account, cl_ord_id: clOrdId() });
  return ask("DELETE", `orders/${order.order_id}?${query}`);
}

export const cancelAll = (account, ticker) =>
  ask("POST", "orders/cancel", { cl_ord_id: clOrdId(), account, ...(ticker ? { ticker } : {}) });

/** Resolves with {seq, ts, cancelled, flat_after_ns, roundTripMs}. */
export async function kill(account, engaged, reason) {
  const began = performance.now();
  const answer = await ask("POST", "risk/kill", { account, engaged, cancel_open: engaged, reason });
  return { ...answer, roundTripMs: performance.now() - began };
}
