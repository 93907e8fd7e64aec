// What the whole page shares: who is there, what is looked at, and the two worlds.

import { Cell } from "./cells.js";
import { Connection } from "./connection.js";
import { useCell } from "./dom.js";
import { Live } from "./live.js";
import { Past } from "./past.js";
import { ask, setCsrf } from "./rest.js";
import { choose, settings } from "./settings.js";

const RECORDS_AT_FIRST = 60;

export const connection = new Connection();
export const live = new Live(connection);
export const past = new Past(live);

/** null: not known yet; {name: ""}: nobody is logged in. */
export const me = new Cell(null);
export const instruments = new Cell([]);
/** {feed, ticker, terms}: terms is the instrument, as the API describes it. */
export const market = new Cell({ feed: "house", ticker: "", terms: null });
export const account = new Cell(0);
/** The dialog that is open: "", "help", "kill", "palette", "market", "confirm". */
export const dialog = new Cell("", true);

export const may = (scope) => Boolean(me.value?.scopes?.includes(scope));

/** The world that is shown: of now, or of a past seq. */
export function useWorld() {
  return useCell(past.seq) > 0 ? past.world : live.world;
}

export const shownWorld = () => (past.isOn ? past.world : live.world);

/** Asks who is logged in, and, if somebody is, begins. */
export async function enter(known) {
  const found = known ?? (await ask("GET", "me"));
  setCsrf(found.csrf);
  me.set(found);
  const answer = await ask("GET", "instruments");
  instruments.set(answer.instruments.sort((a, b) => a.instrument - b.instrument));
  await watchPlatform();
  await chooseAccounts(found);
  const [feed] = settings.value.market.split(" ");
  const ticker = settings.value.market.slice(feed.length + 1); // a ticker may have spaces
  const remembered = instruments.value.find((one) => one.ticker === ticker && one.feeds.includes(feed));
  const first = instruments.value.find((one) => one.feeds.includes("house")) ?? instruments.value[0];
  if (remembered) chooseMarket(feed, ticker);
  else if (first) chooseMarket(first.feeds.includes("house") ? "house" : first.feeds[0], first.ticker);
  await connection.start();
}

/** The tape is for who may set risk; its last records come first, so that there is something to look at. */
async function watchPlatform() {
  const mayRead = may("risk") || may("admin");
  const newest = mayRead ? (await ask("GET", "tape/state")).released_seq : 0;
  live.watchPlatform(mayRead ? { after: Math.max(1, newest - RECORDS_AT_FIRST) } : null);
}

/** Whose accounts are not bound to a list may choose among all that risk knows. */
async function chooseAccounts(found) {
  if (!found.accounts.length) {
    const { accounts } = await ask("GET", "risk");
    found.accounts = accounts.map((one) => one.account);
    me.set({ ...found });
  }
  const wanted = settings.value.account;
  chooseAccount(found.accounts.includes(wanted) ? wanted : (found.accounts[0] ?? 0));
}

export function chooseMarket(feed, ticker) {
  const terms = instruments.value.find((one) => one.ticker === ticker);
  market.set({ feed, ticker, terms });
  live.watchMarket(feed, ticker, settings.value.interval);
  past.choose({ feed, ticker });
  choose({ market: `${feed} ${ticker}` });
}

export function chooseAccount(number) {
  account.set(number);
  live.watchAccount(number);
  past.choose({ account: number });
  choose({ account: number });
}

export function chooseInterval(interval) {
  choose({ interval });
  past.choose({ interval });
  const { feed, ticker } = market.value;
  live.watchMarket(feed, ticker, interval);
}

/** {name, tone, text}: how far the book that is shown may be trusted. */
export function trust(world) {
  if (world.isPast) return { name: "past", tone: "warn", text: `as of ${world.at.value.seq}` };
  if (connection.state.value.name !== "live") return { name: "disconnected", tone: "bad", text: "disconnected" };
  const book = world.book.value;
  if (!book.known) return { name: "waiting", tone: "", text: "waiting" };
  if (book.isLive) return { name: "live", tone: "good", text: "live" };
  return { name: book.quality, tone: book.quality === "resync" ? "warn" : "bad", text: book.quality };
}

/** Draws anew when trust may have changed. */
export function useTrust(world) {
  useCell(connection.state);
  useCell(world.book, 250);
  return trust(world);
}
