// Volli's clients among themselves.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { within } from './deadline.mjs';
import { Server } from './server.mjs';
import { kinds, staged } from './volli.mjs';
import { json } from './web.mjs';

const row = (fields, run) => ({
  only: ['websocket'],
  why: 'no Socket.IO client takes part, so that once is enough',
  ...fields,
  run: staged(run),
});

// sdp is as large as that of a browser's call with audio and video.
const sdp = 'v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n' + 'a=rtpmap:111 opus/48000/2\r\n'.repeat(200);

const candidate = (n) => ({
  candidate: `candidate:${n} 1 udp 2122260223 192.0.2.${n} 54321 typ host generation 0`,
  sdpMid: '0',
  sdpMLineIndex: 0,
  usernameFragment: 'abcd',
});

// call is a call as the web app makes it, from the look-up on.
async function call(a, b) {
  a.send({ type: 'discover', userId: b.userId });
  await a.expect({ type: 'discover-response', userId: b.userId, online: true, publicKey: b.publicKey });
  const offer = { type: 'offer', from: a.userId, to: b.userId, offer: { type: 'offer', sdp } };
  const answer = { type: 'answer', from: b.userId, to: a.userId, answer: { type: 'answer', sdp } };
  const trickle = (from, to, n) => ({ type: 'ice-candidate', from: from.userId, to: to.userId, candidate: candidate(n) });
  a.send(offer);
  for (let n = 1; n <= 5; n++) a.send(trickle(a, b, n));
  await b.expect(offer);
  for (let n = 1; n <= 5; n++) await b.expect(trickle(a, b, n));
  b.send({ type: 'discover', userId: a.userId });
  await b.expect({ type: 'discover-response', userId: a.userId, online: true, publicKey: a.publicKey });
  b.send(answer);
  for (let n = 1; n <= 5; n++) b.send(trickle(b, a, n));
  await a.expect(answer);
  for (let n = 1; n <= 5; n++) await a.expect(trickle(b, a, n));
}

// restarted runs a call, and another one after the server was stopped and
// started anew at the same port. The clients find it by themselves; end asserts
// what they are told.
async function restarted(volli, stop, end) {
  const first = await Server.start();
  let second;
  try {
    const [a, b] = [await volli.join('a', '/ws', first), await volli.join('b', '/ws', first)];
    await call(a, b);
    await stop(first);
    for (const client of [a, b]) await end(client);
    second = await Server.start({ PORT: first.port });
    for (const client of [a, b]) {
      for (;;) {
        const [event, code] = await client.next();
        if (event === 'open') break;
        assert.deepEqual([event, code], ['close', 1006]); // tried in vain
      }
      await client.expect({ type: 'registered', success: true, userId: client.userId });
    }
    await call(b, a);
    for (const client of [a, b]) {
      await client.settle();
      await client.leave();
    }
    await second.stop();
  } finally {
    first.kill();
    second?.kill();
  }
}

cases('volli', [
  ...['/', '/signaling', '/ws'].map((path) =>
    row({ fresh: true, name: `a life at ${path}: register, discover, offer, answer, candidates, close, offline` }, async (stage, volli) => {
      const alice = volli.open('alice', path);
      assert.equal(alice.ws.readyState, 0);
      await alice.registered();
      alice.send({ type: 'discover', userId: 'bob' });
      await alice.expect({ type: 'discover-response', userId: 'bob', online: false });
      const bob = await volli.join('bob', path);
      await call(alice, bob);
      await call(bob, alice);
      const stats = await json(stage.server, '/stats');
      assert.deepEqual(
        [stats.connectedUsers, stats.connections.volli, stats.relays],
        [2, { websocket: 2 }, { offer: 2, answer: 2, 'ice-candidate': 20, 'custom-message': 0 }],
      );
      await bob.leave();
      await alice.seesOffline('bob');
      alice.send({ type: 'offer', from: 'alice', to: 'bob', offer: { sdp } });
      await alice.expectError('User bob is not online');
    }),
  ),
  row({ name: 'before it has registered, a client may discover, and no more' }, async (stage, volli) => {
    await volli.join('bob');
    const stranger = volli.open();
    await stranger.opened();
    stranger.send({ type: 'discover', userId: 'bob' });
    await stranger.expect({ type: 'discover-response', userId: 'bob', online: true, publicKey: 'key' });
    for (const { type, body } of kinds) {
      stranger.send({ type, from: 'x', to: 'bob', [body]: {} });
      await stranger.expectError('Not registered');
    }
  }),
  row({ name: 'messages arrive byte for byte, in order' }, async (stage, volli) => {
    const [a, b] = [await volli.join('a'), await volli.join('b')];
    const messages = Array.from({ length: 500 }, (_, n) => {
      const { type, body } = kinds[n % 3];
      return ` { "n":${n}.0, "${body}" : ["é\u2028😀\\ud800",${n}e0, 9007199254740993 ],"to":"\\u0062" ,"from":"a","type":"${type}"}\n`;
    });
    for (const message of messages) a.write(message);
    for (const message of messages) await b.expect(message);
  }),
  row({ name: 'errors are answered, and the connection goes on' }, async (stage, volli) => {
    const [a, b] = [await volli.join('a'), await volli.join('b')];
    for (const [text, message] of [
      ['', 'Invalid message format'],
      ['[]', 'Invalid message format'],
      ['{"type":"offer"', 'Invalid message format'],
      ['{"type":"discover","userId":"a"}x', 'Invalid message format'],
      ['{"type":"hello"}', 'Unknown message type'],
      ['{"type":"custom-message","from":"a","to":"b","message":"x"}', 'Unknown message type'],
      ['{"type":"offer","from":"a","to":"b"}', 'Missing required fields'],
      ['{"type":"offer","from":"b","to":"a","offer":1}', 'Sender mismatch'],
      ['{"type":"offer","from":"a","to":"c","offer":1}', 'User c is not online'],
    ]) {
      a.write(text);
      await a.expectError(message);
    }
    await call(a, b);
  }),
  row({ name: 'what ends a connection says why, and the client connects again', env: { MAX_MESSAGE_BYTES: '5000' } }, async (stage, volli) => {
    const a = await volli.join('a');
    a.ws.send(new Uint8Array([1, 2, 3]));
    await a.gone(1003, 'text frames only');
    await a.registered();
    a.write(' '.repeat(5001));
    await a.expectError('Message too large');
    await a.gone(1009, 'message too large');
    await a.registered();
  }),
  row({ name: 'takeover: the former client is closed with 4001, and stays away' }, async (stage, volli) => {
    const [old, b] = [await volli.join('a'), await volli.join('b')];
    const newcomer = volli.open('a');
    newcomer.publicKey = 'another';
    await newcomer.registered();
    await old.gone(4001, 'replaced');
    b.send({ type: 'discover', userId: 'a' });
    await b.expect({ type: 'discover-response', userId: 'a', online: true, publicKey: 'another' });
    await call(b, newcomer);
  }),
  row({ name: 'the server restarts: clients are told, find it again and call' }, (stage, volli) =>
    restarted(
      volli,
      (server) => server.stop(),
      (client) => client.gone(1001, 'server shutting down'),
    ),
  ),
  row({ name: 'the server dies: clients notice, find the next one and call' }, (stage, volli) =>
    restarted(
      volli,
      async (server) => {
        server.kill();
        await server.exited();
      },
      async (client) => assert.deepEqual((await client.next()).slice(0, 2), ['close', 1006]),
    ),
  ),
  row(
    {
      name: 'an idle client that only answers pings stays',
      env: { PING_INTERVAL: '100ms', PING_TIMEOUT: '1500ms', INACTIVITY_TIMEOUT: '1600ms', REGISTER_TIMEOUT: '1500ms' },
    },
    async (stage, volli) => {
      const [a, b] = [await volli.join('a'), await volli.join('b')];
      const stranger = volli.open();
      await stranger.opened();
      await stranger.gone(1008, 'not registered');
      stranger.rest();
      // The heartbeats of another one are the clock.
      const o = await stage.connect();
      o.send('register', { userId: 'o' });
      await o.expectUsers('a', 'b');
      let heartbeats = 24;
      await within('24 heartbeats', new Promise((resolve) => o.engine.on('ping', () => --heartbeats === 0 && resolve())));
      await call(a, b);
    },
  ),
]);
