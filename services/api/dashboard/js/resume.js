// What is subscribed, and from where each log goes on after the connection was lost.

/** Channels that are logs: nothing of them may be missing or come twice. The others tell the state of now. */
const LOGS = new Set(["trades", "orders", "fills", "tape"]);

export class Subscriptions {
  constructor() {
    this.next = 1;
    this.byId = new Map();
  }

  /** Returns the id. `handler(message)` gets each message once; what it answers with "anew" is asked for from the start. */
  add(terms, handler) {
    const id = this.next;
    this.next += 1;
    this.byId.set(id, { id, terms, handler, after: 0 });
    return id;
  }

  remove(id) {
    return this.byId.delete(id);
  }

  has(id) {
    return this.byId.has(id);
  }

  /** What to send on a fresh connection: a log goes on behind what was seen, a state comes whole. */
  requests() {
    return [...this.byId.keys()].map((id) => this.request(id));
  }

  request(id) {
    const { terms, after } = this.byId.get(id);
    return { op: "subscribe", id, ...terms, ...(after > 0 ? { after } : {}) };
  }

  /** The log cannot be gone on with: the next request is for a snapshot. */
  forget(id) {
    const one = this.byId.get(id);
    if (!one) return;
    one.after = 0;
    const { after, ...terms } = one.terms;
    one.terms = terms;
  }

  /** Hands a message to its handler; says "taken", "anew" (ask for it from the start), "repeated" or "unknown". */
  take(message) {
    const one = this.byId.get(message.id);
    if (!one) return "unknown";
    if (LOGS.has(one.terms.channel)) {
      const seq = message.seq ?? 0;
      // What was seen before the connection was lost comes not twice; a snapshot always counts.
      if (message.type === "update" && seq > 0 && seq <= one.after) return "repeated";
      one.after = message.type === "snapshot" ? seq : Math.max(one.after, seq);
    }
    return one.handler(message) === "anew" ? "anew" : "taken";
  }
}

/** Milliseconds to wait before attempt `attempt` (from 1): doubling up to ten seconds, spread by `random` in [0, 1). */
export function backoff(attempt, random) {
  const ceiling = Math.min(10_000, 250 * 2 ** (attempt - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
