// Panel: the platform as it lives: who is there, what flows between them, and who lags.

import { live } from "./desk.js";
import { html, useCell, useEffect, useRef, useState } from "./dom.js";
import { stateOf, TONES } from "./feed_state.js";
import { arrows, layout } from "./topology_layout.js";
import { Panel } from "./panel.js";

const STATES = { running: "good", reading: "good", live: "good", ready: "good", starting: "warn", stopping: "warn", degraded: "warn", failed: "bad", ...TONES };

export function Topology() {
  const services = useCell(live.world.services, 500);
  const feeds = useCell(live.world.feeds, 500);
  const state = useCell(live.world.state, 500);
  const place = useRef(null);
  const [[width, height], setSize] = useState([700, 260]);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setSize([entry.contentRect.width || 700, entry.contentRect.height || 260]));
    observer.observe(place.current);
    return () => observer.disconnect();
  }, []);
  const boxes = layout(services, feeds, state, stateOf, width, height);
  const lines = arrows(boxes);
  return html`<${Panel} name="topology" title="Topology">
    <div class="map" ref=${place}><svg width=${width} height=${height} role="img" aria-label="Services and what flows between them">
      <defs>
        <marker id="tip" viewBox="0 0 6 6" refX="5.5" refY="3" markerWidth="6" markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6z" /></marker>
      </defs>
      ${lines.map((one) => html`<g key=${one.id} class="flow ${one.rate > 0 ? "flows" : ""}" data-flow=${one.id}>
        <path d=${one.path} marker-end="url(#tip)" />
        ${one.rate > 0 && html`<path class="pulse-line speed-${one.speed}" d=${one.path} />`}
        ${one.label && html`<text x=${one.x} y=${one.y}>${one.label}</text>`}
      </g>`)}
      ${boxes.map((one) => html`<${Box} key=${one.id} one=${one} />`)}
    </svg></div>
  <//>`;
}

function Box({ one }) {
  const isTape = one.kind === "tape";
  const tone = isTape ? "tape" : (STATES[one.state] ?? (one.state ? "" : "absent"));
  const middle = one.height / 2;
  const left = isTape ? 9 : 19;
  return html`<g class="node ${tone} ${one.kind}" transform=${`translate(${one.x} ${one.y})`} data-node=${one.id} data-state=${one.state ?? ""}>
    <title>${one.title}</title>
    <rect width=${one.width} height=${one.height} rx=${isTape ? 2 : 5} />
    ${!isTape && html`<circle cx="10" cy=${middle - 6} r="3.5" />`}
    <text class="name" x=${left} y=${middle - 2}>${one.name}</text>
    <text class="detail" x=${left} y=${middle + 10}>${one.detail}</text>
  </g>`;
}
