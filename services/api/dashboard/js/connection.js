// The WebSocket: opened with a ticket, opened again when lost, every subscription gone on with.

import { Cell } from "./cells.js";
import { ask, Refused } from "./rest.js";
import { backoff, Subscriptions } from "./resume.js";

const PING_MS = 5_000;
const SILENCE_MS = 12_000;

export class Connection {
  constructor() {
    /** {name: "connecting" | "live" | "lost", since, attempt, reason} */
    this.state = new Cell({ name: "connecting", since: Date.now(), attempt: 0, reason: "" });
    this.subscriptions = new Subscriptions();
    this.notices = new Cell(null);
    /** Called when the API no longer knows who we are. */
    this.onStranger = () => {};
    this.received = 0;
    this.bytes = 0;
    this.socket = null;
    this.open = false;
    this.heard = 0;
    this.attempt = 0;
    this.ended = false;
    setInterval(() => this.#watch(), 1_000);
  }

  /** Begins, and goes on until `stop`. */
  async start() {
    this.ended = false;
    this.#tell(this.attempt ? "lost" : "connecting");
    try {
      const { url, ticket } = await ask("POST", "stream/ticket");
      if (!this.ended) this.#connect(url, ticket);
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.onStranger();
      else this.#again(error.message);
    }
  }

  stop() {
    this.ended = true;
    this.socket?.close();
  }

  /** Returns the id; `handler(message)` gets every message of it. */
  subscribe(terms, handler) {
    const id = this.subscriptions.add(terms, handler);
    if (this.open) this.send(this.subscriptions.request(id));
    return id;
  }

  unsubscribe(id) {
    if (this.subscriptions.remove(id) && this.open) this.send({ op: "unsubscribe", id });
  }

  send(message) {
    this.socket.send(JSON.stringify(message));
  }

  #connect(url, ticket) {
    const socket = new WebSocket(url);
    this.socket = socket;
    this.heard = performance.now();
    socket.onopen = () => {
      this.send({ op: "auth", ticket });
      this.open = true;
      for (const request of this.subscriptions.requests()) this.send(request);
    };
    socket.onmessage = (event) => this.#take(event.data);
    socket.onclose = (event) => {
      if (this.socket !== socket) return;
      this.#again(event.reason || (event.code === 1006 ? "the connection broke" : `closed with ${event.code}`));
    };
  }

  #take(text) {
    this.heard = performance.now();
    this.received += 1;
    this.bytes += text.length;
    const message = JSON.parse(text);
    if (this.state.value.name !== "live") {
      this.attempt = 0;
      this.#tell("live");
    }
    if (message.op === "notice") this.notices.set(message);
    if (message.op === "error") this.#refused(message);
    if (message.type !== undefined && this.subscriptions.take(message) === "anew") this.#anew(message.id);
  }

  /** A log from which too much is gone begins again with a snapshot; other refusals a person must see. */
  #refused(message) {
    if (message.reason !== "gone" || !this.subscriptions.has(message.id)) return this.notices.set(message);
    this.subscriptions.forget(message.id);
    this.send(this.subscriptions.request(message.id));
  }

  #anew(id) {
    this.subscriptions.forget(id);
    this.send({ op: "unsubscribe", id });
    this.send(this.subscriptions.request(id));
  }

  #again(reason) {
    this.open = false;
    this.socket = null;
    if (this.ended) return;
    this.attempt += 1;
    this.#tell("lost", reason);
    setTimeout(() => this.start(), backoff(this.attempt, Math.random()));
  }

  #tell(name, reason = "") {
    const before = this.state.value;
    const since = before.name === name ? before.since : Date.now();
    this.state.set({ name, since, attempt: this.attempt, reason: reason || (name === "lost" ? before.reason : "") });
  }

  #watch() {
    if (!this.open) return;
    const silent = performance.now() - this.heard;
    if (silent > SILENCE_MS) this.socket.close();
    else if (silent > PING_MS) this.send({ op: "ping" });
  }
}
