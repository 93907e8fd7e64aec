// Numbers and times as people read them.

import { grouped, sign } from "./decimal.js";

const pad = (n, width = 2) => String(n).padStart(width, "0");

/** "20:15:03.123" UTC of ns as text; "" of "0". */
export function clock(ts, withMillis = true) {
  if (!ts || ts === "0") return "";
  const ms = Number(BigInt(ts) / 1_000_000n);
  const at = new Date(ms);
  const text = `${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}:${pad(at.getUTCSeconds())}`;
  return withMillis ? `${text}.${pad(at.getUTCMilliseconds(), 3)}` : text;
}

export function day(ts) {
  return new Date(Number(BigInt(ts) / 1_000_000n)).toISOString().slice(0, 10);
}

/** "850 ns", "12.3 µs", "1.2 ms", "3.4 s"; a dash for nothing. */
export function duration(ns) {
  if (!ns) return "–";
  if (ns < 1_000) return `${Math.round(ns)} ns`;
  for (const [unit, size] of [["µs", 1e3], ["ms", 1e6], ["s", 1e9]]) {
    const value = ns / size;
    if (value < 1_000 || unit === "s") return `${value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0)} ${unit}`;
  }
}

export const count = (n) => grouped(String(n));

/** "1.2k", "3.4M": for rates and axis labels. */
export function short(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(n) >= size) return `${(n / size).toPrecision(3).replace(/\.?0+$/, "")}${unit}`;
  }
  return n >= 100 || Number.isInteger(n) ? String(Math.round(n)) : n.toFixed(n < 10 ? 2 : 1).replace(/\.?0+$/, "");
}

/** With a plus where it is one; the class that colours it. */
export const signed = (text) => (sign(text) > 0 ? `+${grouped(text)}` : grouped(text));
export const tone = (text) => ["down", "dim", "up"][sign(text) + 1];

export const words = (name) => String(name ?? "").replaceAll("_", " ");
