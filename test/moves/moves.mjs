// Calls during which phones change networks; see moves_test.go, which starts this in
// a network namespace of its own and says in a line of JSON what to do:
//
//   links     what each group's address is reached by: { address, links: [{ dev, net }] }
//   port      of the server, or of the proxy before it
//   each      calls for each way to leave and each who leaves
//   held      whether the server holds relays (RECONNECT_GRACE)
//   wave      0, 1, …
//
// It prints a line of JSON for each call that failed, and one of totals.

import { execFileSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { Oodaa, Volli } from './phones.mjs';

const relays = Array.from({ length: 21 }, (_, i) =>
  i === 0 ? { n: 1, type: 'offer', field: 'offer' } : { n: i + 1, type: 'ice-candidate', field: 'candidate' },
);
const spacing = 1200 / relays.length; // ms
const patience = 30_000; // ms
const random = (from, to) => from + Math.random() * (to - from);

// Many phones share this process. Before one of them acts on its own, it has read what
// has arrived, as a phone with a processor of its own has.
const haveRead = () => turn().then(turn);
const ip = (...args) => execFileSync('ip', args);

// A group of phones has an address of the server's to itself, and so a network.
class Group {
  constructor({ address, links }) {
    Object.assign(this, { address, links, at: -1, host: 2 });
    for (const { dev } of links) ip('link', 'set', dev, 'up');
    this.join();
  }

  // join has the phones use the next network.
  join() {
    this.at = (this.at + 1) % this.links.length;
    const { dev, net } = this.links[this.at];
    this.own = `${net}.${this.host++}/24`;
    ip('addr', 'add', this.own, 'dev', dev);
    ip('route', 'replace', this.address, 'via', `${net}.1`, 'dev', dev);
  }

  // leave takes the phones' network away: nothing that they or the server send
  // arrives any more, and neither is told.
  leave() {
    ip('addr', 'del', this.own, 'dev', this.links[this.at].dev);
  }
}

// How a connection ends. gone begins it, and back follows once the phone has a
// network again.
const departures = {
  'link down': { gone() {}, back: (phone) => phone.notice() },
  reset: { gone: (phone) => phone.wires.reset(), back() {} },
  killed: { gone: (phone, call) => call.unread.push(...phone.kill()), back: (phone, call, role) => call.start(role) },
};
const movers = { callee: ['callee'], caller: ['caller'], both: ['callee', 'caller'] };
const kinds = {
  websocket: (name, url) => new Oodaa(name, url, ['websocket']),
  polling: (name, url) => new Oodaa(name, url, ['polling']),
  upgrade: (name, url) => new Oodaa(name, url),
  volli: (name, url) => new Volli(name, url),
};

class Call {
  heard = []; // numbers of the relays that arrived, in order
  unread = []; // those that a process which was killed had not read
  acks = new Map(); // by number, of those that were answered
  phones = {};

  // urls are those of a network that goes down, and of one that stays.
  constructor(index, departure, mover, urls) {
    const names = Object.keys(kinds);
    Object.assign(this, { index, departure, mover, urls });
    this.kinds = { callee: names[index % names.length], caller: names[Math.floor(index / names.length) % names.length] };
    this.names = { callee: `callee ${index}`, caller: `caller ${index}` };
    for (const role in this.names) this.start(role);
  }

  // start starts the app of a phone.
  start(role) {
    const goesDown = this.departure === 'link down' && movers[this.mover].includes(role);
    const phone = kinds[this.kinds[role]](this.names[role], this.urls[goesDown ? 0 : 1]);
    this.phones[role] = phone;
    if (role === 'callee') {
      phone.told = (event, body) => relays.some(({ type }) => type === event) && this.heard.push(body.n);
      return;
    }
    phone.back = () => {
      for (const relay of relays.slice(0, this.sent)) if (this.moved && !this.acks.get(relay.n)?.ok) this.#send(relay);
    };
  }

  get ready() {
    return this.phones.callee.online && this.phones.caller.online;
  }

  #send(relay) {
    const phone = this.phones.caller;
    if (phone.online) phone.send(relay, this.names.callee, (answer) => this.acks.set(relay.n, answer));
  }

  // run sends the relays. What is sent while the caller is not registered is not,
  // until it is.
  async run(begin) {
    await sleep(begin);
    this.moved = movers[this.mover].includes('caller');
    for (this.sent = 0; this.sent < relays.length; await sleep(spacing)) this.#send(relays[this.sent++]);
  }

  // move breaks the connections of those who move, and brings them back.
  async move(gone, back) {
    const { departure, mover } = this;
    await Promise.all(
      movers[mover].map(async (role) => {
        await sleep(gone);
        await haveRead();
        await departures[departure].gone(this.phones[role], this);
        await sleep(back);
        await haveRead();
        departures[departure].back(this.phones[role], this, role);
      }),
    );
  }

  get missing() {
    return relays.filter(({ n }) => !this.heard.includes(n)).map(({ n }) => n);
  }

  get unanswered() {
    if (this.kinds.caller === 'volli') return [];
    return relays.filter(({ n }) => !this.acks.get(n)?.ok).map(({ n }) => `${n}: ${this.acks.get(n)?.error}`);
  }

  get over() {
    return this.missing.length === this.lost.length && this.unanswered.length === 0;
  }

  // lost are the relays that nobody but the kernel of a killed process has had.
  get lost() {
    return this.missing.filter((n) => this.unread.includes(n));
  }

  // faults are what is wrong with the call in the end.
  get faults() {
    const missing = this.missing.filter((n) => !this.unread.includes(n));
    const first = this.heard.filter((n, i) => this.heard.indexOf(n) === i);
    return {
      ...(missing.length > 0 && { missing }),
      ...(this.unanswered.length > 0 && { unanswered: this.unanswered }),
      ...(first.some((n, i) => n < first[i - 1]) && { order: this.heard }),
    };
  }

  // twice is how many relays arrived again, not counting those that the caller sent
  // again.
  get twice() {
    return this.moved ? 0 : this.heard.length - new Set(this.heard).size;
  }
}

async function eventually(what, ok) {
  for (const begun = Date.now(); !ok(); await sleep(20)) if (Date.now() - begun > patience) throw new Error(`no ${what}`);
}

// makeWave has the calls of one wave made.
async function makeWave({ port, each, held, wave }, groups) {
  const calls = [];
  const urls = groups.map(({ address }) => `http://${address}:${port}`);
  for (const departure in departures)
    for (const mover in movers)
      for (let i = 0; i < each; i++) calls.push(new Call(calls.length + wave * 100_000, departure, mover, urls));
  await eventually('room for all', () => calls.every((call) => call.ready));

  const told = []; // of presence
  const observer = new Oodaa(`observer ${wave}`, urls[1], ['websocket']);
  await eventually('observer', () => observer.online);
  await new Promise((resolve) => observer.watch(calls.flatMap(({ names }) => Object.values(names)).slice(0, 1000), resolve));
  observer.told = (event, name) => event.startsWith('peer-') && told.push(`${event} ${name}`);

  const linkDown = random(500, 700);
  const linkUp = 300; // after that
  await Promise.all([
    ...calls.map((call) => call.run(random(0, 400))),
    ...calls.map((call) => call.move(call.departure === 'link down' ? linkDown : random(200, 1200), random(linkUp, 1800))),
    sleep(linkDown)
      .then(() => groups[0].leave())
      .then(() => sleep(linkUp))
      .then(() => groups[0].join()),
  ]);
  await eventually('end', () => !held || calls.every((call) => call.over)).catch(() => {});
  if (!held) await sleep(5000);

  for (const { departure, mover, kinds, faults, index } of calls)
    if (Object.keys(faults).length > 0) console.log(JSON.stringify({ index, departure, mover, ...kinds, ...faults }));
  const failed = {};
  for (const { departure, faults } of calls) failed[departure] = (failed[departure] ?? 0) + (Object.keys(faults).length > 0);
  const sum = (count) => calls.reduce((sum, call) => sum + count(call), 0);
  const counts = { twice: sum(({ twice }) => twice), lost: sum(({ lost }) => (lost.length > 0 ? 1 : 0)) };
  console.log(JSON.stringify({ calls: calls.length, failed, ...counts, told }));
  observer.leave();
  for (const { phones } of calls) for (const phone of Object.values(phones)) phone.leave();
}

let groups;
console.log('ready'); // to be given links
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  groups ??= request.links.map((links) => new Group(links));
  await makeWave(request, groups);
}
process.exit(0);
