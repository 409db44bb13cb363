// 200 users of each family, each of whom calls ten others, all at once.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { within } from './deadline.mjs';
import { kinds, VolliClient } from './volli.mjs';
import { Peer } from './peer.mjs';
import { json } from './web.mjs';

const users = 400;
const calls = 10; // by each
const candidates = 5; // in each

// The ten that user n calls: five of each family.
const called = (n) => Array.from({ length: calls }, (_, k) => (n + 1 + 37 * k) % users);

// A user is a client of either family, reduced to what a call needs: relay
// sends, and hear is called for what arrives.
class VolliUser {
  constructor(server, id, hear) {
    this.client = new VolliClient(server, id);
    this.ready = new Promise((resolve, reject) => {
      this.client.onevent = (event) => {
        if (typeof event !== 'string') return event[0] === 'close' && hear(id, `close ${event[1]}`);
        const { type, from, ...rest } = JSON.parse(event);
        if (type === 'registered') return resolve();
        const body = kinds.find((kind) => kind.type === type)?.body;
        if (!body) reject(new Error(event));
        hear(id, type, from, rest[body] ?? event);
      };
    });
    this.relay = (type, body, to, value) => this.client.send({ type, from: id, to, [body]: value });
  }

  leave() {
    this.client.onevent = () => {};
    this.client.abandon();
  }
}

class OodaaUser {
  constructor(server, id, hear) {
    const { socket } = (this.client = new Peer(server.url));
    this.ready = new Promise((resolve) => socket.once('user-list', resolve));
    for (const { type, body } of kinds) socket.on(type, (message) => hear(id, type, message.from, message[body]));
    socket.on('error', (text) => hear(id, 'error', text));
    socket.on('disconnect', (reason) => hear(id, 'disconnect', reason));
    socket.emit('register', { userId: id });
    this.relay = (type, body, to, value) => socket.emit(type, { to, from: id, [body]: value });
  }

  leave() {
    this.client.socket.off('disconnect');
    this.client.leave();
  }
}

cases('volli-mixed', [
  {
    name: `${users} users of both families, each calling ${calls} others: nothing lost, order kept`,
    only: ['websocket', 'zishang'],
    why: 'one run for each engine',
    fresh: true,
    async run({ server }) {
      const start = performance.now();
      const heard = new Map(); // by "callee caller": what came, in order
      let missing = users * calls * (2 + candidates);
      let done;
      const all = new Promise((resolve, reject) => {
        done = (unexpected) => (unexpected ? reject(new Error(unexpected)) : resolve());
      });
      all.catch(() => {});

      const hear = (id, type, from, body) => {
        if (!kinds.some((kind) => kind.type === type)) return done(`${id}: ${type} ${from ?? ''} ${body ?? ''}`);
        const key = `${id} ${from}`;
        if (!heard.has(key)) heard.set(key, []);
        heard.get(key).push([type, body]);
        if (type === 'offer') people.get(id).relay('answer', 'answer', from, `to ${body}`);
        if (--missing === 0) done();
      };
      const people = new Map();
      try {
        for (let n = 0; n < users; n++) {
          const Kind = n % 2 ? OodaaUser : VolliUser;
          people.set(`user ${n}`, new Kind(server, `user ${n}`, hear));
        }
        await within('all to be registered', Promise.all([...people.values()].map(({ ready }) => ready)), 60_000);
        const registered = performance.now();

        for (let n = 0; n < users; n++) {
          const caller = people.get(`user ${n}`);
          for (const m of called(n)) {
            caller.relay('offer', 'offer', `user ${m}`, `offer ${n}-${m}`);
            for (let c = 1; c <= candidates; c++) caller.relay('ice-candidate', 'candidate', `user ${m}`, c);
          }
        }
        await within(() => `all to be heard; ${missing} are missing`, all, 60_000);
        const stats = await json(server, '/stats');
        const end = performance.now();

        for (let n = 0; n < users; n++) {
          for (const m of called(n)) {
            const back = called(m).includes(n); // then m calls n, too
            assert.ok(!back, 'the pairs are such that nobody is called back');
            const there = [['offer', `offer ${n}-${m}`], ...Array.from({ length: candidates }, (_, c) => ['ice-candidate', c + 1])];
            assert.deepEqual(heard.get(`user ${m} user ${n}`), there);
            assert.deepEqual(heard.get(`user ${n} user ${m}`), [['answer', `to offer ${n}-${m}`]]);
          }
        }
        assert.equal(heard.size, 2 * users * calls);
        assert.deepEqual(stats.relays, {
          offer: users * calls,
          answer: users * calls,
          'ice-candidate': users * calls * candidates,
          'custom-message': 0,
        });
        assert.deepEqual([stats.connectedUsers, stats.errors], [users, {}]);
        console.log(
          `${users} users registered in ${Math.round(registered - start)} ms; ` +
            `${users * calls * (2 + candidates)} relays in ${Math.round(end - registered)} ms`,
        );
      } finally {
        for (const user of people.values()) user.leave();
      }
    },
  },
]);
