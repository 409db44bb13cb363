// The routes and the headers of every HTTP answer.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';
import { cases } from './cases.mjs';
import * as contract from './contract.mjs';
import { eventually, within } from './deadline.mjs';
import { clientless, mode } from './modes.mjs';
import { handshake, json, polling, request, upgrade } from './web.mjs';

// assertHeaders asserts Helmet's headers, value for value.
function assertHeaders(what, { status, headers }, want) {
  const got = Object.fromEntries(Object.keys(contract.headers).map((name) => [name, headers[name]]));
  assert.deepEqual({ what, status, headers: got }, { what, status: want, headers: contract.headers });
  assert.equal(headers['x-powered-by'], undefined, `${what}: X-Powered-By`);
}

const shape = (object) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, typeof value]));
const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const isCount = (n) => Number.isInteger(n) && n >= 0;

cases('http', [
  {
    name: 'GET / names the server and its endpoints',
    ...clientless,
    async run({ server }) {
      const { status, headers, body } = await request(server, '/');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json\b/);
      const { name, version, description, endpoints } = JSON.parse(body);
      assert.equal(name, 'Oodaa Signaling Server');
      assert.match(version, /./);
      assert.match(description, /./);
      assert.equal(endpoints.health, '/health');
      assert.equal(endpoints.stats, '/stats');
    },
  },
  {
    name: 'GET /health',
    fresh: true,
    async run(stage) {
      await stage.room('a', 'b');
      await stage.connect(); // no user
      const { status, headers, body } = await request(stage.server, '/health');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json\b/);
      const health = JSON.parse(body);
      assert.deepEqual(shape(health), { status: 'string', timestamp: 'string', connectedUsers: 'number', uptime: 'number' });
      assert.deepEqual([health.status, health.connectedUsers], ['ok', 2]);
      assert.match(health.timestamp, iso);
      assert.ok(Math.abs(Date.now() - Date.parse(health.timestamp)) < 60_000, health.timestamp);
      assert.ok(health.uptime > 0 && health.uptime < 60, `uptime ${health.uptime}`);
      assert.match(body, /"uptime":\d+\.\d+/);
    },
  },
  {
    name: 'GET /ready',
    ...clientless,
    async run({ server }) {
      const { status, headers, body } = await request(server, '/ready');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json\b/);
      assert.deepEqual(JSON.parse(body), { status: 'ready' });
    },
  },
  {
    name: 'GET /stats counts users, connections, relays and errors',
    fresh: true,
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const watcher = await stage.connect();
      for (const peer of [a, b, watcher]) await peer.upgraded();
      for (const n of [1, 2, 3]) a.send('offer', { to: 'b', from: 'a', offer: n });
      a.send('ice-candidate', { to: 'b', from: 'a', candidate: 1 });
      for (const n of [1, 2, 3]) await b.expect('offer', { from: 'a', offer: n });
      await b.expect('ice-candidate', { from: 'a', candidate: 1 });
      a.send('register', {});
      await a.expect('error', 'Invalid user ID');
      for (const ghost of ['ghost-1', 'ghost-2']) {
        a.send('offer', { to: ghost, from: 'a', offer: 1 });
        await a.expect('error', `User ${ghost} not found`);
      }

      const { status, headers, body } = await request(stage.server, '/stats');
      assert.equal(status, 200);
      assert.match(headers['content-type'], /^application\/json\b/);
      const stats = JSON.parse(body);
      assert.equal(stats.connectedUsers, 2);
      assert.match(stats.timestamp, iso);
      assert.ok(stats.uptime > 0);
      assert.deepEqual(Object.keys(stats.memory).sort(), ['external', 'heapTotal', 'heapUsed', 'rss']);
      for (const [name, value] of Object.entries(stats.memory)) assert.ok(isCount(value), `${name}: ${value}`);
      assert.ok(stats.memory.rss > 1_000_000, 'rss is in bytes');
      assert.deepEqual(stats.connections, {
        socketio: { websocket: 0, polling: 0, [mode.final]: 3 },
        volli: { websocket: 0 },
      });
      assert.equal(stats.relays.offer, 3);
      assert.equal(stats.relays['ice-candidate'], 1);
      assert.equal(stats.errors['Invalid user ID'], 1);
      assert.ok(isCount(stats.goroutines), 'goroutines');
      assert.deepEqual(shape(stats.build), { version: 'string', revision: 'string', go: 'string' });
      // One text is one key, however many names there are.
      assert.doesNotMatch(body, /ghost/);
      assert.equal(Object.entries(stats.errors).reduce((sum, [, n]) => sum + n, 0), 3);
    },
  },
  {
    name: 'GET /stats and /health follow who comes and goes',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      assert.equal((await json(stage.server, '/stats')).connectedUsers, 2);
      const b = stage.only('b');
      b.leave();
      await b.gone();
      await a.expect('peer-disconnected', { peerId: 'b' });
      assert.equal((await json(stage.server, '/stats')).connectedUsers, 1);
      assert.equal((await json(stage.server, '/health')).connectedUsers, 1);
    },
  },
  {
    name: 'GET /stats counts Volli connections apart, GET /health their users along',
    ...clientless,
    async run({ server }) {
      const ws = new WebSocket(`ws://${server.host}/ws`);
      const counts = async () => [(await json(server, '/stats')).connections.volli.websocket, (await json(server, '/health')).connectedUsers];
      await within('the upgrade', once(ws, 'open'));
      ws.send('{"type":"discover","userId":"v"}');
      await within('the answer', once(ws, 'message'));
      assert.deepEqual(await counts(), [1, 0]);
      ws.send('{"type":"register","userId":"v","publicKey":"k"}');
      await within('the answer', once(ws, 'message'));
      assert.deepEqual(await counts(), [1, 1]);
      ws.close();
      await within('the close', once(ws, 'close'));
      await eventually('the user to be gone', async () => String(await counts()) === '0,0');
    },
  },
  {
    name: 'every answer carries the headers',
    ...clientless,
    async run({ server }) {
      for (const [what, want, options] of [
        ['/', 200],
        ['/health', 200],
        ['/ready', 200],
        ['/stats', 200],
        ['/unheard-of', 404],
        ['/unheard-of', 404, { method: 'POST' }],
        ['/', 405, { method: 'POST' }],
        ['/health', 405, { method: 'POST' }],
        ['/stats', 405, { method: 'DELETE' }],
        ['/socket.io/', 400],
        [`${polling}&sid=unheard-of`, 400],
      ]) {
        assertHeaders(what, await request(server, what, options), want);
      }
      assertHeaders('a foreign origin', await upgrade(server, { Origin: 'https://evil.example' }), 403);
    },
  },
  {
    name: 'long-polling answers carry the headers',
    only: ['websocket'],
    why: 'no client takes part, and the other engine has WebSocket alone',
    async run({ server }) {
      const opened = await request(server, polling);
      assertHeaders('handshake', opened, 200);
      const session = `${polling}&sid=${JSON.parse(opened.body.slice(1)).sid}`;
      assertHeaders('POST', await request(server, session, { method: 'POST', body: '40' }), 200);
      assertHeaders('GET', await request(server, session), 200);
      assertHeaders('a foreign origin', await handshake(server, { Origin: 'https://evil.example' }), 403);
      await request(server, session, { method: 'POST', body: '1' });
    },
  },
  {
    name: '429 carries the headers',
    env: { RATE_LIMIT: '1' },
    ...clientless,
    async run({ server }) {
      assertHeaders('within', await request(server, '/'), 200);
      assertHeaders('over', await request(server, '/'), 429);
    },
  },
  {
    name: '503 carries the headers',
    env: { MAX_CONNECTIONS: '1' },
    async run(stage) {
      await stage.room('a');
      assertHeaders('over', await upgrade(stage.server), 503);
    },
  },
]);
