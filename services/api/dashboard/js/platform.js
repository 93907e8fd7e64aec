// The second workspace: how the platform itself is.

import { Feeds } from "./feeds.js";
import { html } from "./dom.js";
import { Latency } from "./latency.js";
import { Records, TapeState } from "./tape.js";
import { Topology } from "./topology.js";

export function Platform() {
  return html`<main class="workspace platform"><${Topology} /><${Feeds} /><${TapeState} /><${Latency} /><${Records} /></main>`;
}
