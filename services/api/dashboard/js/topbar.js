// The line on top: market, its top of book and status, connection, account, the ways to other places.

import { grouped, subtract } from "./decimal.js";
import { account, chooseAccount, connection, dialog, live, market, me, past, useTrust, useWorld } from "./desk.js";
import { html, useCell, useEffect, useState } from "./dom.js";
import { clock, count, words } from "./format.js";
import { choose, settings } from "./settings.js";
import { switchTheme } from "./theme.js";

const STATUS_TONES = { trading: "good", halted: "bad", closed: "" };

function Market() {
  const world = useWorld();
  const { feed, ticker } = useCell(market);
  const state = useTrust(world);
  const trades = useCell(world.trades, 100);
  const status = useCell(world.status);
  const book = useCell(world.book, 50);
  const last = trades.at(-1);
  const before = trades.at(-2);
  const change = last && before ? subtract(last.price, before.price) : "0";
  const tone = change.startsWith("-") ? "sell" : /[1-9]/.test(change) ? "buy" : "";
  const title = `${state.name === "live" ? "" : `${state.text}: `}${last ? grouped(last.price) : ""} ${ticker} · Tapewire`;
  useEffect(() => {
    document.title = title; // in the browser's row of tabs
  }, [title]);
  return html`<div class="market" data-quality=${state.name}>
    <button class="ticker" data-action="market" title="Choose a market (m)" onClick=${() => dialog.set("market")}>
      <b>${ticker || "no market"}</b> <span class="dim">${feed}</span> <span class="caret">▾</span>
    </button>
    <span class="last num ${tone}">${last ? grouped(last.price) : "–"}</span>
    <span class="tops num">
      <span class="buy">${book.bestBid ? grouped(book.bestBid.price) : "–"}</span>
      <span class="dim">×</span>
      <span class="sell">${book.bestAsk ? grouped(book.bestAsk.price) : "–"}</span>
    </span>
    ${status && html`<span class="chip ${STATUS_TONES[status.status] ?? "warn"}" data-chip="status">${words(status.status)}</span>`}
    ${status && status.limit_state !== "normal" && status.limit_state !== "unspecified" && html`<span class="chip warn">${words(status.limit_state)}</span>`}
    ${status?.auction && html`<span class="dim">would trade <span class="num">${grouped(status.auction.qty)}</span> at <span class="num">${grouped(status.auction.price)}</span></span>`}
    ${state.name !== "live" && html`<span class="chip ${state.tone}">${state.text}</span>`}
  </div>`;
}

function Link() {
  const { name, since, attempt, reason } = useCell(connection.state);
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const state = useCell(live.world.state, 250);
  const seconds = Math.max(0, Math.round((now - since) / 1000));
  const text = { live: "live", connecting: "connecting", lost: `lost ${seconds} s` }[name];
  const tone = { live: "good", connecting: "warn", lost: "bad" }[name];
  const title = name === "lost" ? `${reason}; attempt ${attempt}` : "The connection to the API";
  return html`<div class="link" data-connection=${name} title=${title}>
    <span class="pulse ${tone}"></span><span class=${tone === "good" ? "dim" : tone}>${text}</span>
    ${state && html`<span class="num dim" title="The last record that was released">#${count(state.released_seq)}</span>`}
    <span class="num dim clock" title="UTC">${clock(`${now}000000`, false)}</span>
  </div>`;
}

export function Topbar({ onLogout }) {
  const { workspace } = useCell(settings);
  const person = useCell(me);
  const number = useCell(account);
  useCell(past.seq);
  const places = [["trade", "Trade", "1"], ["platform", "Platform", "2"]];
  return html`<header class="topbar">
    <span class="mark" aria-label="Tapewire"><i></i><i></i><i></i></span>
    <nav>
      ${places.map(
        ([id, text, key]) => html`<button
          class="place"
          data-place=${id}
          aria-current=${workspace === id ? "page" : "false"}
          title=${`${text} (${key})`}
          onClick=${() => choose({ workspace: id })}
        >
          ${text}
        </button>`,
      )}
    </nav>
    <${Market} />
    <span class="space"></span>
    <${Link} />
    <label class="account">
      <span class="dim">Account</span>
      <select data-field="account" value=${String(number)} onChange=${(event) => chooseAccount(Number(event.target.value))}>
        ${person.accounts.map((one) => html`<option value=${String(one)}>${one}</option>`)}
      </select>
    </label>
    <button class="quiet tight" title="Dark or light (d)" aria-label="Dark or light" onClick=${switchTheme}>◐</button>
    <button class="quiet tight" title="Keys (?)" aria-label="Keys" onClick=${() => dialog.set("help")}>?</button>
    <button class="quiet tight" title="Log out" onClick=${onLogout}>${person.name}</button>
    <button class="danger" data-action="open-kill" title="Kill switch (k)" onClick=${() => dialog.set("kill")}>Kill</button>
  </header>`;
}
