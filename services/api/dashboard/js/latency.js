// Panel: what each stage costs: percentiles now, over time, and as a histogram over time.

import uPlot from "../vendor/uplot.js";
import { Canvas } from "./canvas.js";
import { live } from "./desk.js";
import { html, useCell, useEffect, useRef, useState } from "./dom.js";
import { count, duration } from "./format.js";
import { BINS, binStart, KEPT } from "./latency_history.js";
import { clear } from "./paint.js";
import { Panel } from "./panel.js";
import { colours } from "./theme.js";

const LINES = [["p50", "bid"], ["p90", "accent"], ["p99", "warn"], ["p999", "ask"]];

export function Latency() {
  const stages = useCell(live.world.latency, 500) ?? {};
  const names = Object.keys(stages);
  const [chosen, setChosen] = useState("");
  const stage = names.includes(chosen) ? chosen : (names.find((name) => name === "decide") ?? names[0]);
  return html`<${Panel} name="latency" title="Latency">
    ${names.length
      ? html`<div class="latency-box">
          <div class="latency-table">
            <table>
              <thead>
                <tr>
                  <th>Stage</th><th class="right">p50</th><th class="right">p90</th><th class="right">p99</th><th class="right">p99.9</th>
                  <th class="right">Max</th><th class="right">Count</th>
                </tr>
              </thead>
              <tbody>
                ${names.map(
                  (name) => html`<tr key=${name} class="choosable ${name === stage ? "chosen" : ""}" data-stage=${name} onClick=${() => setChosen(name)}>
                    <td><button class="plain" aria-pressed=${String(name === stage)}>${name}</button></td>
                    ${["p50", "p90", "p99", "p999", "max"].map((one) => html`<td class="right num">${duration(stages[name][one])}</td>`)}
                    <td class="right num dim">${count(stages[name].count)}</td>
                  </tr>`,
                )}
              </tbody>
            </table>
          </div>
          <${Percentiles} stage=${stage} key=${stage} />
          <${Histogram} stage=${stage} />
        </div>`
      : html`<div class="empty">No stage has told its latency yet.</div>`}
  <//>`;
}

function plotOptions(c, width, height) {
  const axis = { stroke: c.dim, grid: { stroke: c.line, width: 1 }, ticks: { show: false }, font: `10px ${c.mono}` };
  return {
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, points: { size: 5 } },
    scales: { y: { distr: 3 } },
    axes: [
      { ...axis, size: 22, values: (_, ticks) => ticks.map((at) => new Date(at * 1000).toISOString().slice(11, 19)), space: 70 },
      { ...axis, size: 58, values: (_, ticks) => ticks.map((ns) => (ns === null ? "" : duration(ns))), space: 22 },
    ],
    series: [{}, ...LINES.map(([name, colour]) => ({ label: name, stroke: c[colour], width: 1.25, points: { show: false }, spanGaps: true }))],
  };
}

function Percentiles({ stage }) {
  const place = useRef(null);
  useCell(colours);
  useEffect(() => {
    const element = place.current;
    const data = () => {
      const columns = live.latencies.stages.get(stage) ?? [];
      return [columns.map((one) => one.at), ...LINES.map(([name]) => columns.map((one) => one[name] || null))];
    };
    const plot = new uPlot(plotOptions(colours.value, element.clientWidth || 300, element.clientHeight || 120), data(), element);
    const observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width && height) plot.setSize({ width, height });
    });
    observer.observe(element);
    const end = live.world.latency.listen(() => plot.setData(data()));
    return () => {
      end();
      observer.disconnect();
      plot.destroy();
    };
  }, [stage, colours.value.name]);
  return html`<figure class="plot">
    <figcaption>
      <b>${stage}</b>, percentiles over time
      ${LINES.map(([name, colour]) => html`<span class="key ${colour}">${name === "p999" ? "p99.9" : name}</span>`)}
    </figcaption>
    <div class="plot-place" ref=${place}></div>
  </figure>`;
}

function Histogram({ stage }) {
  const make = (invalidate) => ({ cells: [live.world.latency], paint: (...rest) => paintHistogram(stage, ...rest), invalidate });
  return html`<figure class="plot">
    <figcaption><b>${stage}</b>, histogram over time</figcaption>
    <${Canvas} make=${make} deps=${[stage]} label=${`Histogram of the latency of ${stage} over time`} />
  </figure>`;
}

const AXIS = 58;

function paintHistogram(stage, context, width, height, c) {
  clear(context, width, height, c.panel);
  const columns = live.latencies.stages.get(stage) ?? [];
  const told = columns.filter((one) => one.bins.some((n) => n > 0));
  context.font = `10px ${c.mono}`;
  context.textBaseline = "middle";
  context.fillStyle = c.faint;
  if (!told.length) {
    context.textAlign = "center";
    context.fillText("nothing in the last minutes", width / 2, height / 2);
    return;
  }
  let low = BINS;
  let high = 0;
  for (const one of told) {
    one.bins.forEach((n, bin) => {
      if (n) {
        low = Math.min(low, bin);
        high = Math.max(high, bin);
      }
    });
  }
  low = Math.max(0, low - 1);
  high = Math.min(BINS - 1, high + 1);
  const plotHeight = height - 6;
  const tall = plotHeight / (high - low + 1);
  const step = Math.max(2, (width - AXIS - 8) / KEPT);
  context.fillStyle = c.accent;
  columns.forEach((one, i) => {
    const x = width - 8 - (columns.length - i) * step;
    if (x < AXIS) return;
    const most = Math.max(...one.bins) || 1;
    for (let bin = low; bin <= high; bin += 1) {
      if (!one.bins[bin]) continue;
      context.globalAlpha = 0.12 + 0.88 * (one.bins[bin] / most) ** 0.6;
      context.fillRect(x, plotHeight - (bin - low + 1) * tall, step + 0.3, tall + 0.3);
    }
  });
  context.globalAlpha = 1;
  context.fillStyle = c.dim;
  context.textAlign = "right";
  for (let bin = low + 1; bin <= high; bin += 1) {
    if (bin % 4 === 0) context.fillText(duration(binStart(bin)), AXIS - 8, plotHeight - (bin - low) * tall);
  }
}
