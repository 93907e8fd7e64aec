// Panel with tabs: own orders, fills, positions, risk, algos.

import { account, useWorld } from "./desk.js";
import { Fills } from "./fills.js";
import { html, useCell } from "./dom.js";
import { isLive } from "./live.js";
import { CancelAll, Orders } from "./orders.js";
import { Panel, Tabs } from "./panel.js";
import { Parents } from "./parents.js";
import { Positions } from "./positions.js";
import { Risk } from "./risk.js";
import { choose, settings } from "./settings.js";

export function Blotter() {
  const world = useWorld();
  const { blotter } = useCell(settings);
  useCell(account);
  const orders = useCell(world.orders, 100);
  const fills = useCell(world.fills, 250);
  const parents = useCell(world.parents, 500);
  const live = [...orders.values()].filter(isLive).length;
  const tabs = [
    { id: "orders", title: "Orders", count: live, panel: () => html`<${Orders} world=${world} />`, more: html`<${CancelAll} live=${live} />` },
    { id: "fills", title: "Fills", count: fills.length, panel: () => html`<${Fills} world=${world} />` },
    { id: "positions", title: "Positions", panel: () => html`<${Positions} world=${world} />` },
    { id: "risk", title: "Risk", panel: () => html`<${Risk} world=${world} />` },
    { id: "algos", title: "Algos", count: parents.size, panel: () => html`<${Parents} world=${world} />` },
  ];
  return html`<${Tabs} name="blotter" tabs=${tabs} chosen=${blotter} onChoose=${(id) => choose({ blotter: id })} />`;
}

/** Beside the blotter where the screen is wide: what is otherwise a tab. */
export function Standing() {
  const world = useWorld();
  return html`<${Panel} name="standing" title="Positions and risk">
    <${Positions} world=${world} brief />
    <${Risk} world=${world} brief />
  <//>`;
}
