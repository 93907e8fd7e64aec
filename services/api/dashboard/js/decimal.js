// Decimal text, exact: money never becomes a float, except for pixels (`approx`).

const FORM = /^(-?)(\d+)(?:\.(\d+))?$/;

/** Digits behind the point: scale("65000.10") is 2. */
export function scale(text) {
  const point = text.indexOf(".");
  return point < 0 ? 0 : text.length - point - 1;
}

export function isDecimal(text) {
  return typeof text === "string" && FORM.test(text);
}

/** The whole number of 10^-digits that `text` is. Throws a RangeError if it is no number or has more digits than that. */
export function toUnits(text, digits) {
  const found = FORM.exec(text);
  if (!found) throw new RangeError(`“${text}” is not a number`);
  const [, minus, whole, fraction = ""] = found;
  const rest = fraction.slice(digits);
  if (/[^0]/.test(rest)) throw new RangeError(`${text} has more than ${digits} decimals`);
  const units = BigInt(whole + fraction.slice(0, digits).padEnd(digits, "0"));
  return minus ? -units : units;
}

export function fromUnits(units, digits) {
  const minus = units < 0n ? "-" : "";
  const text = (units < 0n ? -units : units).toString().padStart(digits + 1, "0");
  return digits === 0 ? minus + text : `${minus}${text.slice(0, -digits)}.${text.slice(-digits)}`;
}

function common(a, b, fold) {
  const digits = Math.max(scale(a), scale(b));
  return [fold(toUnits(a, digits), toUnits(b, digits)), digits];
}

export const add = (a, b) => fromUnits(...common(a, b, (x, y) => x + y));
export const subtract = (a, b) => fromUnits(...common(a, b, (x, y) => x - y));
export const multiply = (a, b) => fromUnits(toUnits(a, scale(a)) * toUnits(b, scale(b)), scale(a) + scale(b));
export const compare = (a, b) => common(a, b, (x, y) => (x < y ? -1 : x > y ? 1 : 0))[0];
export const sign = (text) => (!/[1-9]/.test(text) ? 0 : text.startsWith("-") ? -1 : 1);

/** `price` moved by `ticks` ticks, first brought down onto the grid; never below one tick. */
export function step(price, tick, ticks) {
  const digits = Math.max(scale(price), scale(tick));
  const size = toUnits(tick, digits);
  const at = toUnits(price, digits);
  const onGrid = at - (at % size);
  // Off the grid, the neighbour below is already a step down.
  const steps = BigInt(ticks) + (ticks < 0 && onGrid !== at ? 1n : 0n);
  const moved = onGrid + steps * size;
  return fromUnits(moved < size ? size : moved, digits);
}

/** With thousands separated, for people: "65,000.10". */
export function grouped(text) {
  const [whole, fraction] = text.split(".");
  const parted = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? parted : `${parted}.${fraction}`;
}

/** Without zeros at the end: "0.50000000" is "0.5"; at least `least` decimals stay. */
export function trimmed(text, least = 0) {
  const point = text.indexOf(".");
  if (point < 0) return text;
  let end = text.length;
  while (end > point + 1 + least && text[end - 1] === "0") end -= 1;
  return text.slice(0, end === point + 1 ? point : end);
}

/** To `digits` decimals, half away from zero: for people; what is reckoned with stays exact. */
export function rounded(text, digits) {
  const more = scale(text) - digits;
  if (more <= 0) return text;
  const units = toUnits(text, scale(text));
  const unit = 10n ** BigInt(more);
  const half = units < 0n ? -unit / 2n : unit / 2n;
  return fromUnits((units + half) / unit, digits);
}

/** A float near it: for pixels only. */
export const approx = (text) => Number(text);
