// How many requests and connections one client IP may make in a minute.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { eventually } from './deadline.mjs';
import { clientless } from './modes.mjs';
import { handshake, json, polling, request, statusOf, upgrade, volli } from './web.mjs';

const from = (address) => ({ headers: { 'X-Forwarded-For': address } });

// statuses are those of so many requests in a row.
async function statuses(server, count, options, path = '/') {
  const all = [];
  while (all.length < count) all.push((await request(server, path, options)).status);
  return all;
}

// refused asserts that a Socket.IO client is turned away for its rate with 429,
// upon which a stock client tries again.
async function refused(stage, options) {
  const peer = stage.open(options);
  const [event] = await peer.next();
  assert.equal(event, 'connect_error');
  assert.equal(statusOf(peer.refusal), 429);
}

const table = [
  {
    name: 'over RATE_LIMIT, HTTP requests get 429 with Retry-After',
    env: { RATE_LIMIT: '5' },
    ...clientless,
    async run({ server }) {
      const paths = ['/', '/stats', '/unheard-of', '/', '/stats'];
      for (const path of paths) assert.notEqual((await request(server, path)).status, 429, path);
      for (const path of paths) {
        const { status, headers } = await request(server, path);
        assert.equal(status, 429, path);
        assert.match(headers['retry-after'], /^[1-9]\d*$/);
        assert.ok(Number(headers['retry-after']) <= 120, headers['retry-after']);
      }
    },
  },
  {
    name: '/health and /ready neither count nor are refused',
    env: { RATE_LIMIT: '3' },
    ...clientless,
    async run({ server }) {
      for (const path of ['/health', '/healthz', '/livez', '/ready', '/readyz']) assert.deepEqual(await statuses(server, 5, {}, path), Array(5).fill(200));
      assert.deepEqual(await statuses(server, 5), [200, 200, 200, 429, 429]);
      for (const path of ['/health', '/healthz', '/livez', '/ready', '/readyz']) assert.deepEqual(await statuses(server, 5, {}, path), Array(5).fill(200));
    },
  },
  {
    name: 'new connections and HTTP requests draw on the same limit',
    env: { RATE_LIMIT: '4' },
    async run(stage) {
      await stage.room('a', 'b');
      assert.deepEqual(await statuses(stage.server, 1), [200]);
      await stage.join('c');
      await refused(stage);
      await refused(stage);
      assert.deepEqual(await statuses(stage.server, 1), [429]);
    },
  },
  {
    name: 'a refused client takes no place and is told nothing else',
    env: { RATE_LIMIT: '1' },
    async run(stage) {
      const [a] = await stage.room('a');
      await refused(stage);
      a.send('get-users');
      await a.expectUsers();
      assert.equal((await json(stage.server, '/health')).connectedUsers, 1);
    },
  },
  {
    name: 'a long-polling handshake over the limit gets 429 with Retry-After',
    env: { RATE_LIMIT: '1' },
    only: ['websocket'],
    why: 'no client takes part, and the other engine has WebSocket alone',
    async run({ server }) {
      assert.equal((await handshake(server)).status, 200);
      const { status, headers } = await handshake(server);
      assert.equal(status, 429);
      assert.match(headers['retry-after'], /^[1-9]\d*$/);
    },
  },
  {
    name: 'a Volli upgrade over the limit gets 429 with Retry-After',
    env: { RATE_LIMIT: '3' },
    ...clientless,
    async run({ server }) {
      for (const path of volli) assert.equal((await upgrade(server, {}, path)).status, 101, path);
      for (const path of volli) {
        const { status, headers } = await upgrade(server, {}, path);
        assert.equal(status, 429, path);
        assert.match(headers['retry-after'], /^[1-9]\d*$/);
      }
    },
  },
  {
    name: 'the requests of an established session do not count, its upgrade included',
    env: { RATE_LIMIT: '2' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await a.upgraded();
      for (let n = 1; n <= 20; n++) {
        a.send('offer', { to: 'b', from: 'a', offer: n });
        await b.expect('offer', { from: 'a', offer: n });
      }
    },
  },
  {
    name: 'an invented session does not evade the limit',
    env: { RATE_LIMIT: '2' },
    ...clientless,
    async run({ server }) {
      const all = await statuses(server, 4, {}, `${polling}&sid=unheard-of`);
      assert.deepEqual(all, [400, 400, 429, 429]);
    },
  },
  {
    name: 'RATE_LIMIT=0: no limit',
    env: { RATE_LIMIT: '0' },
    ...clientless,
    async run({ server }) {
      assert.deepEqual(await statuses(server, 150), Array(150).fill(200));
    },
  },
  {
    name: 'by default 100',
    env: { RATE_LIMIT: null },
    ...clientless,
    async run({ server }) {
      assert.deepEqual(await statuses(server, 100), Array(100).fill(200));
      // A slow machine may see some of the minute pass.
      await eventually('429', async () => (await request(server, '/')).status === 429);
    },
  },
  {
    name: 'X-Forwarded-For counts for nothing without TRUSTED_PROXIES',
    env: { RATE_LIMIT: '2' },
    async run(stage) {
      assert.deepEqual(await statuses(stage.server, 1, from('203.0.113.1')), [200]);
      assert.deepEqual(await statuses(stage.server, 1, from('203.0.113.2')), [200]);
      assert.deepEqual(await statuses(stage.server, 1, from('203.0.113.3')), [429]);
      await refused(stage, { extraHeaders: { 'X-Forwarded-For': '203.0.113.4' } });
    },
  },
  {
    name: 'TRUSTED_PROXIES=1: the address that the one proxy saw',
    env: { RATE_LIMIT: '2', TRUSTED_PROXIES: '1' },
    async run(stage) {
      const { server } = stage;
      assert.deepEqual(await statuses(server, 3, from('203.0.113.1')), [200, 200, 429]);
      assert.deepEqual(await statuses(server, 3, from('203.0.113.2')), [200, 200, 429]);
      // What stands before it is the client's invention.
      assert.deepEqual(await statuses(server, 1, from('198.51.100.1, 203.0.113.1')), [429]);
      assert.deepEqual(await statuses(server, 1, from('203.0.113.1, 198.51.100.2')), [200]);
      await refused(stage, { extraHeaders: { 'X-Forwarded-For': '203.0.113.1' } });
      await stage.join('a', { extraHeaders: { 'X-Forwarded-For': '203.0.113.3' } });
    },
  },
  {
    name: 'TRUSTED_PROXIES as networks: the last address outside of them',
    env: { RATE_LIMIT: '2', TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.0/8' },
    ...clientless,
    async run({ server }) {
      assert.deepEqual(await statuses(server, 3, from('203.0.113.1, 10.1.2.3')), [200, 200, 429]);
      assert.deepEqual(await statuses(server, 1, from('198.51.100.9, 203.0.113.1')), [429]);
      assert.deepEqual(await statuses(server, 1, from('203.0.113.1, 203.0.113.2')), [200]);
    },
  },
  {
    name: 'IPv6 addresses count by /64',
    env: { RATE_LIMIT: '2', TRUSTED_PROXIES: '1' },
    ...clientless,
    async run({ server }) {
      assert.deepEqual(await statuses(server, 1, from('2001:db8::1')), [200]);
      assert.deepEqual(await statuses(server, 1, from('2001:db8:0:0:ffff::2')), [200]);
      assert.deepEqual(await statuses(server, 1, from('2001:db8::3')), [429]);
      assert.deepEqual(await statuses(server, 1, from('2001:db8:0:1::1')), [200]);
    },
  },
];

// Each begins with the whole limit.
cases('rate limit', table.map((row) => ({ ...row, fresh: true })));
