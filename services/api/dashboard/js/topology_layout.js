// Where the services stand in the drawing, and what flows between them. Pure: it is given the room there is.

import { count, short } from "./format.js";

const TALL = 44; // a row, where there is room
const GAP = 5;
const CLIENTS = new Set(["api", "gateway", "router", "simulator", "client"]);
const CORE = new Set(["engine"]);
const ROLES = {
  api: "HTTP, WebSocket",
  archive: "to Parquet",
  engine: "risk, order, match",
  flusher: "to tapes",
  gateway: "FIX clients",
  journal: "to the bus",
  matcher: "for the engine",
  monitor: "metrics, traces",
  relay: "rings of other hosts",
  replica: "tapes on other hosts",
  risk: "for the engine",
  router: "parent orders",
  sink: "to a store",
};
const FEEDS_SHOWN = 4;
const TAPE = "orders tape";
const FEED_TAPES = "feed tapes";

const family = (name) => name.split(/[. -]/)[0];
const columnOf = (name) => (CLIENTS.has(family(name)) ? 0 : CORE.has(family(name)) ? 1 : 3);
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** `stateOf(feed)` says how a feed is. Boxes of services, feeds and the tape: {id, name, kind, column, x, y, width, height, state, detail, title, rate, lag?}. */
export function layout(services, feeds, state, stateOf, width, height) {
  const rate = state?.rates?.all ?? 0;
  const boxes = told(services);
  const has = (name) => boxes.some((one) => family(one.id) === name);
  // Who says nothing of its health is known by what it does: it reads the tape, writes it, or answers this page.
  for (const consumer of Object.keys({ ...state?.lag, ...state?.kept })) {
    const name = family(consumer);
    if (has(name) || name === "engine" || name === "api") continue;
    boxes.push(box(name, "service", columnOf(name), "reading", ROLES[name] ?? "reads the tape", `${consumer}: known by its position on the tape`));
  }
  if (!has("engine")) boxes.push(box("engine", "core", 1, state ? "running" : "", "risk, order, match", "engine: known by its tape"));
  if (!has("api")) boxes.push(box("api", "service", 0, "running", "answers this page", "api"));
  const written = state ? `#${count(state.written_seq)}${rate ? ` ${short(rate)}/s` : ""}` : "";
  boxes.push({ ...box(TAPE, "tape", 2, "", written, "The tape: one owner of the order of events"), rate });
  const outside = Object.keys(feeds).filter((name) => name !== "house").sort();
  for (const name of outside.slice(0, FEEDS_SHOWN)) {
    const feed = feeds[name];
    const detail = `${short(feed.rate)}/s${feed.gaps ? `, ${feed.gaps} gaps` : ""}`;
    boxes.push({ ...box(name, "feed", 1, stateOf(feed), detail, `${name}: ${feed.quality}`), rate: feed.rate });
  }
  if (outside.length) {
    const all = outside.reduce((sum, name) => sum + feeds[name].rate, 0);
    boxes.push({ ...box(FEED_TAPES, "tape", 2, "", `${outside.length} ${short(all)}/s`, "Each feed has a tape of its own"), rate: all });
  }
  for (const one of boxes) {
    if (one.kind === "feed") continue;
    one.lag = lagOf(one.id, state?.lag ?? {});
    one.reads = one.lag !== undefined || lagOf(one.id, state?.kept ?? {}) !== undefined;
  }
  place(boxes, width, height);
  return boxes;
}

function box(name, kind, column, state, detail, title) {
  return { id: name, name, kind, column, state, detail, title };
}

function told(services) {
  const names = Object.keys(services).sort().filter((name) => family(name) !== "connector"); // told as its feed
  return names.map((name) => {
    const { state, detail, pid } = services[name];
    const column = columnOf(name);
    // Figures are for the title; in the box stands what it is for, and, where something is wrong, what.
    const shown = (state === "ready" && ROLES[family(name)]) || detail || state;
    return box(name, column === 1 ? "core" : "service", column, state, shown, `${name}: ${state}, ${detail} (process ${pid})`);
  });
}

function lagOf(id, lags) {
  const found = Object.entries(lags).filter(([consumer]) => family(consumer) === family(id));
  return found.length ? Math.max(...found.map(([, n]) => n)) : undefined;
}

/** Columns over the whole width, rows as tall as the fullest column allows, each column in the middle. */
function place(boxes, width, height) {
  const columns = [0, 1, 2, 3].map((n) => boxes.filter((one) => one.column === n));
  const most = Math.max(...columns.map((column) => column.length));
  const pitch = Math.min(TALL, (height - GAP) / most);
  const wide = Math.min(158, width / 4 - 34);
  columns.forEach((column, n) => {
    const top = (height - column.length * pitch) / 2;
    column.forEach((one, row) => {
      one.x = 8 + (n * (width - 16 - wide)) / 3;
      one.y = top + row * pitch + GAP / 2;
      one.width = wide;
      one.height = pitch - GAP;
      one.name = cut(one.name, Math.floor(wide / 7.5));
      one.detail = cut(one.detail, Math.floor(wide / 6.4) - 3);
    });
  });
}

/** Lines from clients to the engine, from it to the tape, from there to whoever reads it; feeds go to their tapes. */
export function arrows(boxes) {
  const tape = boxes.find((one) => one.id === TAPE);
  const feedTapes = boxes.find((one) => one.id === FEED_TAPES);
  const engine = boxes.find((one) => family(one.id) === "engine");
  const { rate } = tape;
  const found = [line(engine, tape, rate, "")];
  for (const one of boxes) {
    if (one.kind === "feed") found.push(line(one, feedTapes, one.state === "live" ? one.rate : 0, ""));
    if (one.kind !== "service") continue;
    if (one.column === 0) found.push(line(one, engine, one.state && rate ? 1 : 0, ""));
    else if (family(one.id) === "flusher" && feedTapes) found.push(line(feedTapes, one, feedTapes.rate, ""));
    else found.push(line(tape, one, one.reads ? rate : 0, one.lag ? `−${short(one.lag)}` : ""));
  }
  return found;
}

function line(from, to, rate, label) {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x - 2, to.y + to.height / 2];
  const bend = Math.min(60, (x2 - x1) / 2);
  return {
    id: `${from.id} ${to.id}`,
    path: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`,
    x: x2 - 12,
    y: y2 - 5,
    rate,
    speed: rate > 1000 ? 3 : rate > 50 ? 2 : 1,
    label,
  };
}
