// Where the services stand in the drawing, and what flows between them. Pure: it is given the room there is.

import { count, short } from "./format.js";

const TALL = 44; // a row, where there is room
const GAP = 5;
const CLIENTS = new Set(["api", "gateway", "router", "simulator", "client"]);
const CORE = new Set(["engine"]);
const FEEDS_SHOWN = 4;

const family = (name) => name.split(".")[0];
const columnOf = (name) => (CLIENTS.has(family(name)) ? 0 : CORE.has(family(name)) ? 1 : 3);
const cut = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Boxes of services, feeds and the tape: {id, name, kind, column, x, y, width, height, state, detail, title, rate, lag?}. */
export function layout(services, feeds, state, width, height) {
  const boxes = [];
  for (const name of Object.keys(services).sort()) {
    const { state: is, detail, pid } = services[name];
    if (family(name) === "connector") continue; // told as its feed
    const column = columnOf(name);
    const title = `${name}: ${is}, ${detail} (process ${pid})`;
    boxes.push({ id: name, name, kind: column === 1 ? "core" : "service", column, state: is, detail: detail || is, title });
  }
  if (!boxes.some((one) => one.kind === "core")) {
    boxes.push({ id: "engine", name: "engine", kind: "core", column: 1, state: "", detail: "not heard of", title: "engine" });
  }
  const written = state ? `#${count(state.written_seq)}` : "";
  const title = "The tape: one owner of the order of events";
  boxes.push({ id: "tape", name: "orders tape", kind: "tape", column: 2, detail: written, title, rate: state?.rates?.all ?? 0 });
  const outside = Object.keys(feeds).filter((name) => name !== "house").sort();
  for (const name of outside.slice(0, FEEDS_SHOWN)) {
    const feed = feeds[name];
    const detail = `${short(feed.rate)}/s${feed.gaps ? `, ${feed.gaps} gaps` : ""}`;
    boxes.push({ id: `feed ${name}`, name, kind: "feed", column: 0, state: feed.state, detail, title: `${name}: ${feed.quality}`, rate: feed.rate });
  }
  for (const one of boxes) one.lag = lagOf(one.id, state?.lag ?? {});
  place(boxes, width, height);
  return boxes;
}

function lagOf(id, lags) {
  const found = Object.entries(lags).filter(([consumer]) => consumer.split(/[. ]/)[0] === family(id));
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
      one.detail = cut(one.detail, Math.floor(wide / 6.6));
    });
  });
}

/** Lines from clients to the engine, from it to the tape, from there to whoever reads it; feeds go to the flusher. */
export function arrows(boxes) {
  const tape = boxes.find((one) => one.kind === "tape");
  const engine = boxes.find((one) => one.kind === "core");
  const flusher = boxes.find((one) => family(one.id) === "flusher");
  const { rate } = tape;
  const found = [line(engine, tape, rate, rate ? `${short(rate)}/s` : "")];
  for (const one of boxes) {
    if (one.kind === "feed" && flusher) found.push(line(one, flusher, one.state === "live" ? one.rate : 0, ""));
    if (one.kind !== "service") continue;
    if (one.column === 0) found.push(line(one, engine, one.state && rate ? 1 : 0, ""));
    else if (one !== flusher) found.push(line(tape, one, one.lag === undefined ? 0 : rate, one.lag ? `−${count(one.lag)}` : ""));
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
