// Candles with volume, drawn by TradingView's Lightweight Charts.

import { CandlestickSeries, createChart, HistogramSeries } from "../vendor/lightweight-charts.js";
import { approx, grouped, scale } from "./decimal.js";
import { market, useTrust, useWorld } from "./desk.js";
import { html, useCell, useEffect, useRef } from "./dom.js";
import { colours } from "./theme.js";

function options(c) {
  return {
    autoSize: true,
    layout: {
      background: { color: c.panel },
      textColor: c.dim,
      fontSize: 10,
      fontFamily: c.mono,
      // Its logo brings a style element, which the content security policy forbids: the credit is a line of our own.
      attributionLogo: false,
      panes: { separatorColor: c.line },
    },
    grid: { vertLines: { color: c.line }, horzLines: { color: c.line } },
    crosshair: { mode: 0, vertLine: { color: c.faint, labelBackgroundColor: c.faint }, horzLine: { color: c.faint, labelBackgroundColor: c.faint } },
    rightPriceScale: { borderColor: c.line },
    timeScale: { borderColor: c.line, timeVisible: true, secondsVisible: true, rightOffset: 4, barSpacing: 7 },
  };
}

const candle = ([ts, open, high, low, close]) => ({
  time: Number(BigInt(ts) / 1_000_000_000n),
  open: approx(open),
  high: approx(high),
  low: approx(low),
  close: approx(close),
});

export function Candles() {
  const world = useWorld();
  const place = useRef(null);
  const { ticker, terms } = useCell(market);
  const state = useTrust(world);
  useEffect(() => {
    const chart = createChart(place.current, options(colours.value));
    const digits = terms ? scale(terms.tick_size) : world.book.value.digits;
    const format = { type: "price", precision: digits, minMove: 1 / 10 ** digits };
    chart.applyOptions({ localization: { priceFormatter: (price) => grouped(price.toFixed(digits)) } });
    const prices = chart.addSeries(CandlestickSeries, { priceFormat: format, borderVisible: false });
    const volumes = chart.addSeries(HistogramSeries, {
      priceScaleId: "",
      priceFormat: { type: "volume" },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    volumes.priceScale().applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    prices.priceScale().applyOptions({ scaleMargins: { top: 0.08, bottom: 0.22 } });
    let shown = [];
    const volume = (bar, c) => ({
      time: Number(BigInt(bar[0]) / 1_000_000_000n),
      value: approx(bar[5]),
      color: `${approx(bar[4]) >= approx(bar[1]) ? c.bid : c.ask}55`,
    });
    const draw = () => {
      const bars = world.bars.value;
      const c = colours.value;
      const isMore = shown.length > 1 && bars.length >= shown.length && bars[0]?.[0] === shown[0][0];
      if (isMore) {
        for (const bar of bars.slice(shown.length - 1)) {
          prices.update(candle(bar));
          volumes.update(volume(bar, c));
        }
      } else {
        prices.setData(bars.map(candle));
        volumes.setData(bars.map((bar) => volume(bar, c)));
      }
      shown = bars;
    };
    const dress = () => {
      const c = colours.value;
      chart.applyOptions(options(c));
      prices.applyOptions({ upColor: c.bid, downColor: c.ask, wickUpColor: c.bid, wickDownColor: c.ask });
      shown = [];
      draw();
    };
    dress();
    const ends = [world.bars.listen(draw), colours.listen(dress)];
    return () => {
      for (const end of ends) end();
      chart.remove();
    };
  }, [world, ticker, terms]);
  return html`<div class="candle-box" data-quality=${state.name}>
    <div class="candle-place" ref=${place}></div>
    <a class="credit" href="https://www.tradingview.com/" target="_blank" rel="noopener noreferrer">Charts by TradingView</a>
  </div>`;
}
