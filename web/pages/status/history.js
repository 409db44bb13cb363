// The samples of the last minutes, and what is read from them.

const longest = 5 * 60_000; // ms
const shortest = 60_000;
const gap = 5000; // ms between two samples, past which nothing is known between them

export class History {
  #samples = []; // {at, sample}, at in ms

  add(sample, at) {
    this.#samples.push({ at, sample });
    while (this.#samples[0].at < at - longest - gap) this.#samples.shift();
  }

  get last() {
    return this.#samples.at(-1);
  }

  // start and end are the times, in ms, between which there is something to be
  // shown: whole minutes, up to five.
  get start() {
    const minutes = Math.ceil((this.end - this.#samples[0].at) / shortest);
    return this.end - Math.min(Math.max(shortest, minutes * shortest), longest);
  }

  get end() {
    return this.last.at;
  }

  // restarts are when a server that had started anew was first heard of.
  restarts() {
    return this.#pairs()
      .filter(([a, b]) => a.sample.start !== b.sample.start)
      .map(([, b]) => b.at);
  }

  // values are the points of a value: {at, value}, null where it is unknown.
  values(read) {
    return this.#points((before, { sample }) => read(sample));
  }

  // rates are the points of how much a counter grew a second. Counters begin
  // anew with the server, so nothing is counted across its start.
  rates(read) {
    return this.#points((before, { sample }) => {
      if (!before || before.sample.start !== sample.start) return null;
      const seconds = sample.uptime - before.sample.uptime;
      return seconds > 0 ? (read(sample) - read(before.sample)) / seconds : null;
    });
  }

  #points(read) {
    const points = [];
    let before;
    for (const s of this.#samples) {
      if (before && (s.at - before.at > gap || before.sample.start !== s.sample.start)) {
        points.push({ at: (before.at + s.at) / 2, value: null });
      }
      points.push({ at: s.at, value: read(before, s) });
      before = s;
    }
    return points;
  }

  #pairs() {
    return this.#samples.slice(1).map((s, i) => [this.#samples[i], s]);
  }
}
