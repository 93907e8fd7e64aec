// Latency over time: percentiles and a histogram of each stretch, out of counts that only ever grow.

export const KEPT = 300; // messages, a second each
export const BINS = 36; // four a decade, from 10 ns to 10 s

export const binOf = (ns) => Math.min(BINS - 1, Math.max(0, Math.floor((Math.log10(Math.max(ns, 1)) - 1) * 4)));
export const binStart = (bin) => 10 ** (1 + bin / 4);

export class LatencyHistory {
  constructor() {
    /** Stage → columns, oldest first: {at, p50, p90, p99, p999, count, bins}. */
    this.stages = new Map();
    this.before = new Map();
    this.version = 0;
  }

  /** Takes the stages of one message; `at` in seconds. */
  add(stages, at) {
    for (const [name, stage] of Object.entries(stages)) {
      const before = this.before.get(name);
      const columns = this.stages.get(name) ?? [];
      // The first counts everything since the process began: it is no stretch of a second.
      if (before) columns.push(stretch(before, stage, at));
      if (columns.length > KEPT) columns.shift();
      this.stages.set(name, columns);
      this.before.set(name, stage);
    }
    this.version += 1;
  }
}

/** What came since the message before: with buckets exactly, else as the stage tells it since its process began. */
function stretch(before, stage, at) {
  const isRestarted = stage.count < before.count;
  const earlier = new Map(isRestarted ? [] : before.buckets);
  const counts = (stage.buckets ?? []).map(([ns, n]) => [ns, n - (earlier.get(ns) ?? 0)]).filter(([, n]) => n > 0);
  const total = counts.reduce((sum, [, n]) => sum + n, 0);
  const bins = new Float64Array(BINS);
  for (const [ns, n] of counts) bins[binOf(ns)] += n;
  if (!stage.buckets) {
    const { p50, p90, p99, p999 } = stage;
    return { at, p50, p90, p99, p999, count: stage.count - (isRestarted ? 0 : before.count), bins };
  }
  const of = (share) => (total ? percentile(counts, total, share) : null);
  return { at, p50: of(0.5), p90: of(0.9), p99: of(0.99), p999: of(0.999), count: total, bins };
}

/** The upper bound of the bucket that holds it; `counts` rise by ns. */
export function percentile(counts, total, share) {
  const wanted = Math.ceil(total * share);
  let seen = 0;
  for (const [ns, n] of counts) {
    seen += n;
    if (seen >= wanted) return ns;
  }
  return counts.at(-1)[0];
}
