// How a feed is, and the tone in which that is told.

export const TONES = { live: "good", connecting: "warn", resync: "warn", stale: "bad", crossed: "bad", down: "bad", silent: "bad" };

const WORST_FIRST = ["stale", "crossed", "resync", "unspecified", "live"];

/** A feed that was live before the API began to listen has not told its state yet: the worst of its books tells. */
export function stateOf(feed) {
  if (feed.state !== "unspecified") return feed.state;
  const told = Object.values(feed.tickers);
  return WORST_FIRST.find((quality) => told.includes(quality)) ?? "unspecified";
}
