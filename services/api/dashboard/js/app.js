// The page: door, workspaces, dialogs.

import { Blotter, Standing } from "./blotter.js";
import { Chart } from "./chart.js";
import { onKey } from "./commands.js";
import { connection, dialog, enter, me, past, useWorld } from "./desk.js";
import { html, render, useCell, useEffect } from "./dom.js";
import { Confirm, Help, Markets, Palette } from "./help.js";
import { KillDialog } from "./kill.js";
import { Ladder } from "./ladder.js";
import { Login } from "./login.js";
import { notify, Notices } from "./notices.js";
import { Platform } from "./platform.js";
import { ask, Refused, sentence } from "./rest.js";
import { settings } from "./settings.js";
import "./theme.js";
import { Ticket } from "./ticket.js";
import { TimeMachine } from "./timemachine.js";
import { Topbar } from "./topbar.js";
import { Trades } from "./trades.js";
import { useWide } from "./wide.js";

const DIALOGS = { help: Help, kill: KillDialog, palette: Palette, market: Markets, confirm: Confirm };
const NOBODY = { name: "", scopes: [], accounts: [] };

function Trade() {
  const blotter = useWide() ? html`<div class="pair blotters"><${Blotter} /><${Standing} /></div>` : html`<${Blotter} />`;
  return html`<main class="workspace trade"><${Ladder} /><${Chart} />${blotter}<${Ticket} /><${Trades} /></main>`;
}

function Desk() {
  const world = useWorld();
  const { workspace } = useCell(settings);
  const open = useCell(dialog);
  const link = useCell(connection.state);
  const seq = useCell(past.seq);
  useEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  const logout = () => ask("POST", "logout").finally(() => location.reload());
  const OpenDialog = DIALOGS[open];
  return html`<div class="desk" data-world=${world.isPast ? "past" : "now"} data-connection=${link.name}>
    <${Topbar} onLogout=${logout} />
    ${world.isPast && html`<div class="past-banner" role="status"><b>Past</b> as of record <span class="num">${seq}</span>. Nothing here is of now; order entry is off.</div>`}
    ${workspace === "platform" ? html`<${Platform} />` : html`<${Trade} />`}
    <${TimeMachine} />
    ${OpenDialog && html`<${OpenDialog} key=${open} />`}
  </div>`;
}

function Page() {
  const person = useCell(me);
  if (!person) return html`<div class="empty">…</div>`;
  if (!person.name) return html`<${Login} onEnter=${begin} />`;
  return html`<${Desk} />`;
}

/** Enters with what the login answered, or asks who is there. */
async function begin(known) {
  try {
    await enter(known);
  } catch (error) {
    if (!(error instanceof Refused && error.status === 401)) notify("bad", sentence(error));
    me.set(NOBODY);
  }
}

// A login lives in the API's memory: after its restart one enters anew, and finds everything as it was chosen.
connection.onStranger = () => location.reload();
connection.notices.listen((message) => message && notify("bad", `The stream says: ${message.detail ?? message.reason}`));
render(html`<${Page} /><${Notices} />`, document.getElementById("app"));
begin();
