// Panel: health of the feeds: state, quality of each book, gaps, resyncs, and how long ago something came.

import { live } from "./desk.js";
import { stateOf, TONES } from "./feed_state.js";
import { html, useCell, useEffect, useState } from "./dom.js";
import { clock, count, short } from "./format.js";
import { Panel } from "./panel.js";

function age(ts, now) {
  if (!ts || ts === "0") return "never";
  const seconds = Math.max(0, (now - Number(BigInt(ts) / 1_000_000n)) / 1000);
  return seconds < 10 ? `${seconds.toFixed(1)} s` : seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

export function Feeds() {
  const feeds = useCell(live.world.feeds, 250);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  const names = Object.keys(feeds).sort();
  const bad = names.filter((name) => stateOf(feeds[name]) !== "live").length;
  const state = names.length ? (bad ? { name: "stale", tone: "bad", text: `${bad} not live` } : { name: "live", tone: "good", text: "all live" }) : undefined;
  return html`<${Panel} name="feeds" title="Feeds" state=${state}>
    ${names.length
      ? html`<table>
          <thead>
            <tr>
              <th>Feed</th><th>State</th><th>Books</th><th class="right">Rate</th><th class="right">Last</th><th class="right">Gaps</th>
              <th class="right">Resyncs</th><th class="right">Dropped</th>
            </tr>
          </thead>
          <tbody>
            ${names.map((name) => html`<${Row} key=${name} name=${name} feed=${feeds[name]} now=${now} />`)}
          </tbody>
        </table>`
      : html`<div class="empty">No feed has told of itself.</div>`}
  <//>`;
}

function Row({ name, feed, now }) {
  return html`<tr data-feed=${name} data-state=${stateOf(feed)} data-quality=${feed.quality}>
    <td>${name}</td>
    <td><span class="chip ${TONES[stateOf(feed)] ?? ""}" title=${feed.reason ?? ""}>${stateOf(feed)}</span></td>
    <td><div class="books">
      ${Object.entries(feed.tickers).map(
        ([ticker, quality]) => html`<span class="book-quality ${TONES[quality] ?? ""}" title=${`${ticker}: ${quality}`}>${ticker}</span>`,
      )}</div>
    </td>
    <td class="right num">${short(feed.rate)}<span class="dim">/s</span></td>
    <td class="right num dim">${feed.last_ts ? html`<span title=${clock(feed.last_ts)}>${age(feed.last_ts, now)}</span>` : "–"}</td>
    <td class="right num ${feed.gaps ? "warn" : "dim"}">${count(feed.gaps)}</td>
    <td class="right num ${feed.resyncs ? "warn" : "dim"}">${count(feed.resyncs)}</td>
    <td class="right num ${feed.dropped ? "alarm" : "dim"}">${count(feed.dropped)}</td>
  </tr>`;
}
