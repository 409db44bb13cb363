// What the signaling did for one conversation, step by step, and the path that
// came of it.

import { roundTrip } from './quality.js';
import { append, clone, keepAtEnd } from './rows.js';

export class Steps {
  #part; // finds the elements
  #began = 0;

  constructor(part) {
    this.#part = part;
    keepAtEnd(part('steps'));
    // There is room for it beside the messages, but not below them.
    part('how').open = matchMedia('(min-width: 62rem)').matches;
  }

  // begin forgets the steps of a former connection.
  begin() {
    this.#part('steps').replaceChildren();
    this.#part('path').hidden = true;
    this.#began = performance.now();
  }

  trace(way, what, detail) {
    const [item, part] = clone('step');
    item.dataset.way = way;
    const ms = Math.round(performance.now() - this.#began);
    part('when').textContent = ms < 10_000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
    part('way').textContent = { out: 'Sent:', in: 'Received:', here: 'Here:' }[way];
    part('what').textContent = what;
    part('detail').textContent = detail;
    append(this.#part('steps'), item);
  }

  // path shows how the two are connected, and says whether that is news.
  path({ local, remote, relayed, ms }) {
    const news = this.#part('path').hidden || this.#part('local').textContent !== local;
    this.#part('path').hidden = false;
    this.#part('kind').textContent = relayed ? 'Relayed by a TURN server' : 'Direct, browser to browser';
    this.#part('local').textContent = local;
    this.#part('remote').textContent = remote;
    this.#part('time').textContent = roundTrip(ms);
    if (news) this.trace('here', relayed ? 'relayed' : 'direct', `${local} ↔ ${remote}, round trip ${roundTrip(ms)}`);
    return news;
  }
}
