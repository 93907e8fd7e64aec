import assert from "node:assert/strict";
import test from "node:test";

import { add, compare, fromUnits, grouped, isDecimal, multiply, rounded, sign, step, subtract, toUnits, trimmed } from "../../../services/api/dashboard/js/decimal.js";

test("what a float would get wrong stays exact", () => {
  assert.equal(add("0.1", "0.2"), "0.3");
  assert.equal(subtract("0.3", "0.1"), "0.2");
  assert.equal(multiply("1.10", "3"), "3.30");
  assert.equal(add("9007199254740993.01", "0.01"), "9007199254740993.02");
  assert.equal(multiply("-0.5", "0.25"), "-0.125");
});

test("units and text are the same at every scale", () => {
  for (const [text, digits] of [["0", 0], ["0.00", 2], ["-0.01", 2], ["65000.10", 2], ["1", 8], ["-123.456", 3]]) {
    const again = fromUnits(toUnits(text, digits), digits);
    assert.equal(compare(again, text), 0);
    assert.equal(toUnits(again, digits), toUnits(text, digits));
  }
  assert.equal(fromUnits(-5n, 2), "-0.05");
});

test("what is no number, or too fine, is refused and not rounded", () => {
  for (const text of ["", "abc", "1e5", ".5", "1.", "1,000", "0x10", " 1"]) assert.throws(() => toUnits(text, 2), RangeError);
  assert.throws(() => toUnits("1.005", 2), /more than 2 decimals/);
  assert.equal(toUnits("1.500", 1), 15n);
  assert.equal(isDecimal(1.5), false);
});

test("a price moves by ticks, and comes onto the grid first", () => {
  assert.equal(step("100.00", "0.05", 1), "100.05");
  assert.equal(step("100.00", "0.05", -10), "99.50");
  assert.equal(step("100.03", "0.05", 1), "100.05");
  assert.equal(step("100.03", "0.05", -1), "100.00");
  assert.equal(step("0.05", "0.05", -1), "0.05");
  assert.equal(step("0", "0.001", 10), "0.010");
});

test("people read thousands apart", () => {
  assert.equal(grouped("1234567.8901"), "1,234,567.8901");
  assert.equal(grouped("-1000"), "-1,000");
  assert.equal(grouped("999"), "999");
  assert.equal(trimmed("0.50000", 2), "0.50");
  assert.equal(trimmed("5.000"), "5");
  assert.equal(trimmed("100"), "100");
});

test("signs and order", () => {
  assert.deepEqual(["-0.00", "0", "0.01", "-3"].map(sign), [0, 0, 1, -1]);
  assert.equal(compare("10", "9.99"), 1);
  assert.equal(compare("1.0", "1.000"), 0);
});

test("rounding is for people, and goes half away from zero", () => {
  assert.deepEqual(["1.005", "-1.005", "1.0049", "7", "0.994", "-0.004"].map((text) => rounded(text, 2)), ["1.01", "-1.01", "1.00", "7", "0.99", "0.00"]);
});
