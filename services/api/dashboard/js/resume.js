// What is subscribed, and from where each log goes on after the connection was lost.

/** Channels that are logs: nothing of them may be missing or come twice. The others tell the state of now. */
const LOGS = new Set(["trades", "fills", "tape"]);

export class Subscriptions {
  constructor() {
    this.next = 1;
    this.byId = new Map();
  }

  /** Returns the id. `handler(message)` gets each message once. */
  add(terms, handler) {
    const id = this.next;
    this.next += 1;
    this.byId.set(id, { id, terms, handler, after: terms.after ?? 0, whole: false });
    return id;
  }

  remove(id) {
    return this.byId.delete(id);
  }

  /** What to send on a fresh connection: a log goes on behind what was seen, a state comes whole. */
  requests() {
    return [...this.byId.values()].map((one) => this.request(one.id));
  }

  request(id) {
    const { terms, after } = this.byId.get(id);
    const resumed = LOGS.has(terms.channel) && after > 0 ? { after } : {};
    return { op: "subscribe", id, ...terms, ...resumed };
  }

  /** Hands a message to its handler; says "taken", "repeated" (seen before the connection was lost) or "unknown". */
  take(message) {
    const one = this.byId.get(message.id);
    if (!one) return "unknown";
    if (LOGS.has(one.terms.channel)) {
      const seq = Number(message.seq ?? 0);
      if (one.whole && message.type === "update" && seq > 0 && seq <= one.after) return "repeated";
      one.after = Math.max(one.after, seq);
      one.whole = true;
    }
    one.handler(message);
    return "taken";
  }
}

/** Milliseconds to wait before attempt `attempt` (from 1): doubling up to ten seconds, spread by `random` in [0, 1). */
export function backoff(attempt, random) {
  const ceiling = Math.min(10_000, 250 * 2 ** (attempt - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
