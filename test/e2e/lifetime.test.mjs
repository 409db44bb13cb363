// Who is disconnected for being silent, and who is not.

import assert from 'node:assert/strict';
import { Socket as Engine } from 'engine.io-client';
import { cases } from './cases.mjs';
import { within } from './deadline.mjs';
import { mode } from './modes.mjs';

// Slow enough for a busy machine, fast enough to wait for.
const heartbeat = { PING_INTERVAL: '100ms', PING_TIMEOUT: '3s', INACTIVITY_TIMEOUT: '3100ms' };

// idle resolves when heartbeats are all that the client has sent for so long.
function idle(peer, ms) {
  const end = performance.now() + ms;
  return within(
    `heartbeats for ${ms} ms`,
    new Promise((resolve) => peer.engine.on('ping', () => performance.now() > end && resolve())),
  );
}

cases('lifetime', [
  {
    name: 'a socket that does not register within REGISTER_TIMEOUT loses its transport',
    env: { REGISTER_TIMEOUT: '2s' },
    async run(stage) {
      const a = await stage.join('a'); // its time is over before the stranger's
      const stranger = stage.open();
      const start = performance.now();
      await stranger.expect('connect');
      stranger.send('get-users'); // no substitute
      await stranger.expectUsers('a');
      stranger.send('register', { userId: '' });
      await stranger.expect('error', 'Invalid user ID');
      assert.equal(await stranger.gone(), 'transport close');
      assert.ok(performance.now() - start > 1000, 'too early');
      await a.settle();
    },
  },
  ...[
    { what: 'never joins the namespace', packets: [] },
    { what: 'leaves and joins the namespace', packets: ['0', '1'] },
  ].map(({ what, packets }) => ({
    name: `REGISTER_TIMEOUT holds for a connection that ${what}`,
    env: { REGISTER_TIMEOUT: '2s' },
    async run(stage) {
      const engine = new Engine(stage.server.url, { path: '/socket.io/', transports: mode.transports });
      const closed = new Promise((resolve) => engine.once('close', resolve));
      await within('the handshake', new Promise((resolve) => engine.once('handshake', resolve)));
      const start = performance.now();
      const turns = setInterval(() => packets.forEach((packet) => engine.write(packet)), 50);
      await within('the close', closed).finally(() => clearInterval(turns));
      assert.ok(performance.now() - start > 1000, 'too early');
    },
  })),
  {
    name: 'an idle client that answers heartbeats stays, beyond INACTIVITY_TIMEOUT',
    env: heartbeat,
    async run(stage) {
      const peers = await stage.room('a', 'b');
      await Promise.all(peers.map((peer) => idle(peer, 5000)));
      peers[0].send('offer', { to: 'b', from: 'a', offer: 1 });
      await peers[1].expect('offer', { from: 'a', offer: 1 });
    },
  },
  {
    name: 'a client that leaves heartbeats unanswered is disconnected and announced as gone',
    env: heartbeat,
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await b.upgraded();
      b.mute();
      await b.gone();
      await a.expect('peer-disconnected', { peerId: 'b' });
      a.send('get-users');
      await a.expectUsers();
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      await a.expect('error', 'User b not found');
    },
  },
  {
    name: 'a client that vanished without a word is announced as gone',
    env: heartbeat,
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await b.deafen();
      b.mute();
      await a.expect('peer-disconnected', { peerId: 'b' });
      stage.dismiss(b);
    },
  },
]);
