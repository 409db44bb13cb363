// The samples of the last hour, and what is read from them. Times are the
// server's, in ms.

const hour = 60 * 60_000;
const fine = 5 * 60_000; // for which every sample is kept; before that, one in ten seconds
const coarse = 9_500;
const gap = 25_000; // ms between two samples, past which nothing is known between them

export class History {
  #old = []; // {start, at, figures}
  #recent = [];

  // add takes a live sample.
  add({ start, figures }) {
    const at = figures.at;
    if (this.last && at <= this.last.at) return;
    this.#recent.push({ start, at, figures });
    while (this.#recent[0].at < at - fine) this.#keep(this.#recent.shift());
    while (this.#old[0]?.at < at - hour) this.#old.shift();
  }

  // fill takes the server's own past, for the time that this page has not seen.
  fill({ start, names, rows }) {
    const known = [...this.#old, ...this.#recent];
    const seen = known.map(({ at }) => at);
    const past = rows
      .map((row) => Object.fromEntries(row.map((value, i) => [names[i], value])))
      .filter(({ at }) => !seen.some((other) => Math.abs(other - at) < coarse))
      .map((figures) => ({ start, at: figures.at, figures }));
    const all = [...known, ...past].sort((a, b) => a.at - b.at);
    const from = (all.at(-1)?.at ?? 0) - fine;
    this.#old = [];
    for (const sample of all) if (sample.at < from) this.#keep(sample);
    this.#recent = all.filter(({ at }) => at >= from);
  }

  #keep(sample) {
    const before = this.#old.at(-1);
    if (!before || sample.at - before.at >= coarse || sample.start !== before.start) this.#old.push(sample);
  }

  get first() {
    return this.#old[0] ?? this.#recent[0];
  }

  get last() {
    return this.#recent.at(-1);
  }

  has(name) {
    return this.last?.figures[name] !== undefined;
  }

  // names are those of the figures that begin with a prefix.
  names(prefix) {
    return Object.keys(this.last?.figures ?? {}).filter((name) => name.startsWith(prefix));
  }

  // restarts are when a server that had restarted was first heard of.
  restarts(from) {
    return this.#since(from).filter((s, i, all) => i > 0 && s.start !== all[i - 1].start).map(({ at }) => at);
  }

  // points are {at, value}, with a null where nothing is known. read gets a
  // sample, the one before it, and one from at least ten seconds before it, as
  // far as there are such.
  points(from, read) {
    const points = [];
    const all = this.#since(from);
    let window = 0;
    all.forEach((s, i) => {
      let before = all[i - 1];
      if (before && (s.at - before.at > gap || before.start !== s.start)) {
        points.push({ at: (before.at + s.at) / 2, value: null });
        window = i;
        before = undefined;
      }
      while (all[window + 1] && s.at - all[window + 1].at >= coarse) window++;
      points.push({ at: s.at, value: read(s.figures, before?.figures, window < i ? all[window].figures : undefined) });
    });
    return points;
  }

  #since(from) {
    return [...this.#old, ...this.#recent].filter(({ at }) => at >= from);
  }
}

// value reads a figure as it is.
export const value = (name) => (now) => now[name] ?? null;

// rate reads how much counters grew per second. They begin at zero when the
// server starts, so nothing is counted across a restart.
export const rate = (...names) => (now, before) => {
  const seconds = now.uptime - before?.uptime;
  if (!(seconds > 0)) return null;
  return names.reduce((sum, name) => sum + (now[name] ?? 0) - (before[name] ?? 0), 0) / seconds;
};

// quantile reads, of the last ten seconds, the time below which a share of the
// counted were; the buckets are named prefix + upper bound.
export const quantile = (prefix, share) => (now, _, before) => {
  if (!before) return null;
  const buckets = Object.keys(now)
    .filter((name) => name.startsWith(prefix))
    .map((name) => ({ bound: Number(name.slice(prefix.length).replace('+Inf', 'Infinity')), n: now[name] - before[name] }))
    .sort((a, b) => a.bound - b.bound);
  const wanted = share * buckets.reduce((sum, { n }) => sum + n, 0);
  if (wanted === 0) return null;
  let below = 0;
  let lower = 0;
  for (const { bound, n } of buckets) {
    // Within a bucket, as if they were spread evenly. Beyond the last bound
    // nothing is known but that.
    if (below + n >= wanted) return bound === Infinity ? lower : lower + ((bound - lower) * (wanted - below)) / n;
    below += n;
    lower = bound;
  }
  return lower;
};
