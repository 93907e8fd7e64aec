// Draws the trades tape: newest on top, larger trades stand out.

import { approx, grouped } from "./decimal.js";
import { clock } from "./format.js";
import { clear, ROW, sizeText, veil } from "./paint.js";

export class TradesPainter {
  constructor(world, choice, invalidate) {
    Object.assign(this, { world, choice, invalidate, cells: [world.trades], scrolled: 0 });
  }

  paint(context, width, height, colours) {
    clear(context, width, height, colours.panel);
    const trades = this.world.trades.value;
    const { trust } = this.choice();
    const rows = Math.ceil(height / ROW);
    const newest = trades.length - 1 - this.scrolled;
    let largest = 0;
    for (const trade of trades) largest = Math.max(largest, approx(trade.qty));
    context.textBaseline = "middle";
    for (let i = 0; i < rows && newest - i >= 0; i += 1) {
      const trade = trades[newest - i];
      const y = i * ROW;
      const line = y + ROW / 2;
      const tone = { buy: colours.bid, sell: colours.ask }[trade.aggressor] ?? colours.accent;
      const share = Math.sqrt(approx(trade.qty) / (largest || 1));
      context.globalAlpha = 0.1 + 0.22 * share;
      context.fillStyle = tone;
      context.fillRect(width * (1 - 0.5 * share), y, width * 0.5 * share, ROW - 1);
      context.globalAlpha = 1;
      context.font = `11px ${colours.mono}`;
      context.textAlign = "left";
      context.fillStyle = colours.faint;
      context.fillText(clock(trade.ts, width > 270), 8, line);
      context.textAlign = "right";
      context.font = `12px ${colours.mono}`;
      context.fillStyle = tone;
      const before = trades[newest - i - 1];
      context.fillText(grouped(trade.price), width * 0.7, line);
      if (before && before.price !== trade.price) arrow(context, width * 0.7 + 8, line, approx(trade.price) > approx(before.price));
      context.fillStyle = share > 0.7 ? colours.text : colours.dim;
      context.fillText(sizeText(trade.qty), width - 8, line);
      if (trade.kind !== undefined && trade.kind !== "trade") strike(context, width, line, colours.alarm);
    }
    if (trust.name !== "live" && trust.name !== "past") veil(context, width, height, colours.warn, colours.panel, "");
  }

  pointer(kind, x, y, event) {
    if (kind !== "wheel") return;
    event.preventDefault();
    const most = Math.max(0, this.world.trades.value.length - 5);
    this.scrolled = Math.min(most, Math.max(0, this.scrolled + Math.sign(event.deltaY) * 3));
    this.invalidate();
  }
}

function arrow(context, x, y, up) {
  const tip = up ? -3 : 3;
  context.beginPath();
  context.moveTo(x - 3, y - tip / 2);
  context.lineTo(x + 3, y - tip / 2);
  context.lineTo(x, y + tip);
  context.fill();
}

/** Busted or corrected: struck through. */
function strike(context, width, y, colour) {
  context.fillStyle = colour;
  context.fillRect(6, y, width - 12, 1);
}
