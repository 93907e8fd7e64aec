// The kill switch: asks once more, then says how long it took until nothing was open.

import { account, may, me } from "./desk.js";
import { close, Dialog } from "./dialog.js";
import { html, useCell, useState } from "./dom.js";
import { duration } from "./format.js";
import { live } from "./desk.js";
import { sentence } from "./rest.js";
import { kill } from "./trading.js";

const ALL = 0;

export function KillDialog() {
  const mine = useCell(account);
  const risks = useCell(live.world.risks, 100);
  const one = useCell(live.world.risk, 100);
  const [whose, setWhose] = useState(mine);
  const [reason, setReason] = useState("");
  const [state, setState] = useState({ name: "asking" });
  const isKilled = whose === ALL ? risks.killed : one?.account === whose && one.killed;
  const engage = !isKilled;
  const go = (event) => {
    event.preventDefault();
    setState({ name: "sent" });
    kill(whose, engage, reason)
      .then((answer) => setState({ name: "done", engaged: engage, ...answer }))
      .catch((error) => setState({ name: "refused", text: sentence(error) }));
  };
  if (state.name === "done") return html`<${Done} state=${state} whose=${whose} />`;
  return html`<${Dialog} name="kill" title=${engage ? "Kill switch" : "Release the kill switch"} kind="grave">
    <form onSubmit=${go}>
      <p>
        ${engage
          ? html`Cancels every open order of <b>${whose === ALL ? "all accounts" : `account ${whose}`}</b> and refuses new ones until it is released.
              Positions stay as they are.`
          : html`<b>${whose === ALL ? "All accounts" : `Account ${whose}`}</b> may trade again.`}
      </p>
      <label class="field">
        <span>Whose</span>
        <select data-field="whose" value=${String(whose)} onChange=${(event) => setWhose(Number(event.target.value))}>
          ${me.value.accounts.map((number) => html`<option value=${String(number)}>account ${number}</option>`)}
          ${may("risk") && html`<option value="0">all accounts</option>`}
        </select>
      </label>
      <label class="field">
        <span>Reason</span>
        <input data-field="reason" maxlength="63" value=${reason} onInput=${(event) => setReason(event.target.value)} />
      </label>
      ${state.name === "refused" && html`<p class="alarm" role="alert">${state.text}</p>`}
      <div class="buttons">
        <button type="button" onClick=${close}>Leave it <kbd>Esc</kbd></button>
        <button class=${engage ? "danger strong" : "strong buy"} data-action="kill" autofocus disabled=${state.name === "sent"}>
          ${engage ? "Cancel all and stop" : "Release"} <kbd>↵</kbd>
        </button>
      </div>
    </form>
  <//>`;
}

function Done({ state, whose }) {
  const who = whose === ALL ? "All accounts" : `Account ${whose}`;
  const body = state.engaged
    ? html`<p class="flat">
          Flat after <b class="num" data-flat-ns=${state.flat_after_ns}>${duration(Number(state.flat_after_ns))}</b>
        </p>
        <p class="dim">
          ${who}: ${state.cancelled} ${state.cancelled === 1 ? "order" : "orders"} cancelled, record ${state.seq}. From the last byte of the request
          until the last cancel was released; seen from this browser ${duration(state.roundTripMs * 1e6)}.
        </p>`
    : html`<p>${who} may trade again, since record ${state.seq}.</p>`;
  return html`<${Dialog} name="killed" title=${state.engaged ? "Stopped" : "Released"} kind=${state.engaged ? "grave" : ""}>
    ${body}
    <div class="buttons"><button class="strong" autofocus onClick=${close}>Good <kbd>↵</kbd></button></div>
  <//>`;
}
