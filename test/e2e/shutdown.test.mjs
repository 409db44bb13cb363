// SIGTERM and SIGINT: every client's transport is closed, nothing that was sent is lost.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import WebSocket from 'ws';
import { cases } from './cases.mjs';
import { ok } from './contract.mjs';
import { eventually, within } from './deadline.mjs';
import { request, websocket } from './web.mjs';

// The reason after which a stock client reconnects by itself.
const stopped = 'transport close';

// A client that does not read, with more waiting for it than the kernels take:
// it holds up a server that is stopping.
const roomy = { MAX_OUTBOX_BYTES: '100000000' };
async function holdUp(a, b) {
  await b.deafen();
  const message = Buffer.alloc(700_000);
  const relay = () => a.ask('custom-message', { to: b.userId, from: a.userId, message });
  for (const answer of await Promise.all(Array.from({ length: 10 }, relay))) assert.deepEqual(answer, [ok]);
}

cases('shutdown', [
  ...['SIGTERM', 'SIGINT'].map((signal) => ({
    name: `${signal}: every client's transport is closed, exit code 0`,
    async run(stage) {
      const peers = [...(await stage.room('a', 'b')), await stage.connect()];
      for (const peer of peers) await peer.upgraded();
      stage.server.signal(signal);
      for (const peer of peers) {
        await peer.skip('peer-disconnected'); // of those who were told before
        assert.equal(await peer.gone(), stopped);
      }
      assert.equal(await stage.server.exited(), 0);
    },
  })),
  {
    name: 'clients in the middle of their upgrade too',
    only: ['default'],
    why: 'only this mode upgrades',
    async run(stage) {
      const peers = await Promise.all(Array.from({ length: 10 }, () => stage.connect()));
      stage.server.signal('SIGTERM');
      for (const peer of peers) assert.equal(await peer.gone(), stopped);
      assert.equal(await stage.server.exited(), 0);
    },
  },
  {
    name: 'a WebSocket without a Socket.IO client is closed with 1001',
    async run(stage) {
      const { host } = stage.server;
      const closed = [];
      for (const path of [websocket, '/ws']) {
        const ws = new WebSocket(`ws://${host}${path}`);
        await within('the upgrade', once(ws, 'open'));
        closed.push(once(ws, 'close'));
      }
      stage.server.signal('SIGTERM');
      for (const [code] of await within('both closes', Promise.all(closed))) assert.equal(code, 1001);
      assert.equal(await stage.server.exited(), 0);
    },
  },
  {
    name: 'no presence events while everybody is disconnected',
    async run(stage) {
      const peers = await stage.room('a', 'b', 'c', 'd', 'e');
      stage.server.signal('SIGTERM');
      for (const peer of peers) assert.equal(await peer.gone(), stopped);
      assert.equal(await stage.server.exited(), 0);
    },
  },
  {
    name: 'what was acknowledged arrives before the goodbye',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await b.upgraded();
      const total = 1000;
      const candidate = (n) => [n, 'x'.repeat(500)];
      const acks = Array.from({ length: total }, (_, n) =>
        a.ask('ice-candidate', { to: 'b', from: 'a', candidate: candidate(n) }),
      );
      for (const answer of await Promise.all(acks)) assert.deepEqual(answer, [ok]);
      stage.server.signal('SIGTERM');
      for (let n = 0; n < total; n++) await b.expect('ice-candidate', { from: 'a', candidate: candidate(n) });
      assert.equal(await b.gone(), stopped);
      assert.equal(await a.gone(), stopped);
      assert.equal(await stage.server.exited(), 0);
    },
  },
  {
    name: 'while it stops, /ready answers 503 and new connections are refused',
    env: { ...roomy, SHUTDOWN_TIMEOUT: '5s' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await holdUp(a, b);
      stage.server.signal('SIGTERM');
      assert.equal(await a.gone(), stopped);
      const { status, body } = await request(stage.server, '/ready');
      assert.equal(status, 503);
      assert.match(JSON.parse(body).reason, /./);
      assert.equal((await request(stage.server, '/health')).status, 200);
      const [event] = await stage.open().next();
      assert.equal(event, 'connect_error');
      stage.dismiss(b); // and with it what held the server up
      assert.equal(await stage.server.exited(), 0);
    },
  },
  {
    name: 'a client that does not read holds it up for no longer than SHUTDOWN_TIMEOUT',
    env: { ...roomy, SHUTDOWN_TIMEOUT: '2s' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await holdUp(a, b);
      const start = performance.now();
      stage.server.signal('SIGTERM');
      assert.equal(await a.gone(), stopped);
      assert.equal(await stage.server.exited(), 0);
      const took = performance.now() - start;
      assert.ok(took < 3000, `took ${took} ms`); // some for the process itself
      stage.dismiss(b);
    },
  },
  {
    name: 'a second SIGTERM changes nothing, a second SIGINT ends it at once',
    env: { DRAIN_DELAY: '60s' },
    async run(stage) {
      const { server } = stage;
      const peers = await stage.room('a', 'b');
      server.signal('SIGTERM');
      await eventually('/ready is 503', async () => (await request(server, '/ready')).status === 503);
      server.signal('SIGTERM');
      server.signal('SIGINT');
      assert.equal((await request(server, '/health')).status, 200);
      // Two that come before the process looks are one.
      const again = setInterval(() => server.signal('SIGINT'), 100);
      try {
        assert.equal(await server.exited(), 1);
      } finally {
        clearInterval(again);
      }
      for (const peer of peers) await peer.gone();
    },
  },
  {
    name: 'during DRAIN_DELAY only /ready changes',
    env: { DRAIN_DELAY: '2s' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      stage.server.signal('SIGTERM');
      await eventually('/ready is 503', async () => (await request(stage.server, '/ready')).status === 503);
      const c = await stage.join('c');
      assert.deepEqual(await c.ask('offer', { to: 'a', from: 'c', offer: 1 }), [ok]);
      await a.expect('offer', { from: 'c', offer: 1 });
      for (const peer of [a, b, c]) {
        await peer.skip('peer-disconnected');
        assert.equal(await peer.gone(), stopped);
      }
      assert.equal(await stage.server.exited(), 0);
    },
  },
]);
