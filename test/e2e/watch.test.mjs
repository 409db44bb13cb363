// Clients that watch users: their lists, and the changes behind them.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok } from './contract.mjs';
import { staged } from './volli.mjs';

const watched = { PRESENCE: 'watched' };

// enter returns a client registered by that name, where nobody is told of others.
async function enter(stage, userId, options) {
  const peer = await stage.connect(options);
  peer.send('register', { userId });
  await peer.expectUsers();
  peer.userId = userId;
  return peer;
}

// meet has a client watch users who then come. Whoever is told of others has been.
async function meet(stage, watcher, ...userIds) {
  watcher.send('watch-users', { users: userIds });
  await watcher.expectUsers();
  const peers = [];
  for (const userId of userIds) {
    peers.push(await enter(stage, userId));
    await watcher.expect('peer-connected', { peerId: userId });
  }
  return peers;
}

// A list that the server does not take, with the error that it is answered with.
const bad = [
  undefined, null, 5, 'bob', ['bob'], {}, { users: null }, { users: 'bob' }, { users: { 0: 'bob' } }, { users: [5] },
  { users: ['bob', null] }, { users: [''] }, { users: ['x'.repeat(257)] }, { users: Array(1001).fill('bob') },
  { add: 5 }, { remove: [[]] }, { add: ['bob'], remove: ['carol'] }, { users: [], add: [] },
];

cases('watching', [
  {
    name: 'nobody is told of users that it does not watch',
    env: watched,
    async run(stage) {
      const a = await enter(stage, 'a');
      const stranger = await stage.connect(); // never registers
      const b = await enter(stage, 'b');
      for (const peer of [a, b, stranger]) {
        peer.send('get-users');
        await peer.expectUsers();
      }
      b.leave();
      await b.gone();
      await enter(stage, 'c');
    },
  },
  {
    name: 'the list is followed by exactly the changes that it does not hold',
    env: watched,
    async run(stage) {
      const a = await enter(stage, 'a');
      const [b] = await meet(stage, a, 'b', 'c');
      assert.deepEqual(await a.ask('watch-users', { users: ['x', 'c', 'b', 'c', 'a'] }), [ok]);
      await a.expectUsers('b', 'c');
      a.send('get-users');
      await a.expectUsers('b', 'c');
      a.send('register', { userId: 'a' });
      await a.expectUsers('b', 'c');
      b.leave();
      await b.gone();
      assert.equal(await a.expect('peer-disconnected', { peerId: 'b' }), '2["peer-disconnected",{"peerId":"b"}]');
      const x = await enter(stage, 'x');
      assert.equal(await a.expect('peer-connected', { peerId: 'x' }), '2["peer-connected",{"peerId":"x"}]');
      await enter(stage, 'y');
      x.send('register', { userId: 'z' }); // and so leaves x
      await x.expectUsers();
      await a.expect('peer-disconnected', { peerId: 'x' });
      a.send('get-users');
      await a.expectUsers('c');
    },
  },
  {
    name: 'add and remove change the list, and an empty one is a list',
    env: watched,
    async run(stage) {
      const a = await enter(stage, 'a');
      const [b, c] = await meet(stage, a, 'b', 'c');
      assert.deepEqual(await a.ask('watch-users', { remove: ['b', 'x'] }), [ok]);
      await a.expectUsers('c');
      b.leave();
      await b.gone();
      assert.deepEqual(await a.ask('watch-users', { add: ['d', 'c'] }), [ok]);
      await a.expectUsers('c');
      await enter(stage, 'd');
      await a.expect('peer-connected', { peerId: 'd' });
      assert.deepEqual(await a.ask('watch-users', { users: [] }), [ok]);
      await a.expectUsers();
      c.leave();
      await c.gone();
      a.send('get-users');
      await a.expectUsers();
    },
  },
  {
    name: 'with presence for all, a watcher is told of its list only, and nobody else notices',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      assert.deepEqual(await a.ask('watch-users', { users: ['b', 'c'] }), [ok]);
      await a.expectUsers('b');
      const c = await stage.connect();
      c.send('register', { userId: 'c' });
      await c.expectUsers('a', 'b');
      await a.expect('peer-connected', { peerId: 'c' });
      await b.expect('peer-connected', { peerId: 'c' });
      const d = await stage.connect();
      d.send('register', { userId: 'd' });
      await d.expectUsers('a', 'b', 'c');
      for (const peer of [b, c]) await peer.expect('peer-connected', { peerId: 'd' });
      a.send('get-users');
      await a.expectUsers('b', 'c');
    },
  },
  {
    name: 'without presence the list is empty',
    env: { PRESENCE: 'none' },
    async run(stage) {
      const a = await enter(stage, 'a');
      const b = await enter(stage, 'b');
      assert.deepEqual(await a.ask('watch-users', { users: ['b'] }), [ok]);
      await a.expectUsers();
      b.leave();
      await b.gone();
      a.send('get-users');
      await a.expectUsers();
    },
  },
  {
    name: 'before register, and with what is not a list of user IDs, it is an error that changes nothing',
    env: watched,
    async run(stage) {
      const a = await stage.connect();
      assert.deepEqual(await a.ask('watch-users', { users: ['b'] }), [failed('Not registered')]);
      await a.expect('error', 'Not registered');
      a.send('register', { userId: 'a' });
      await a.expectUsers();
      await meet(stage, a, 'b');
      for (const list of bad) {
        assert.deepEqual(await a.ask('watch-users', list), [failed('Invalid user list')], JSON.stringify(list));
        await a.expect('error', 'Invalid user list');
      }
      a.send('watch-users', { users: ['b', ...Array(999).keys()].map(String) });
      await a.expectUsers('b');
      a.send('watch-users', { add: ['one more'] });
      await a.expect('error', 'Invalid user list');
      a.send('get-users');
      await a.expectUsers('b');
    },
  },
  {
    name: 'a user is announced before what it sends',
    env: watched,
    async run(stage) {
      const a = await enter(stage, 'a');
      a.send('watch-users', { users: ['b'] });
      await a.expectUsers();
      const b = await stage.connect();
      b.send('register', { userId: 'b' });
      b.send('offer', { to: 'a', from: 'b', offer: 1 });
      await b.expectUsers();
      await a.expect('peer-connected', { peerId: 'b' });
      await a.expect('offer', { from: 'b', offer: 1 });
    },
  },
  {
    name: 'a takeover is a change of its own',
    env: { ...watched, RECONNECT_GRACE: '0' },
    async run(stage) {
      const a = await enter(stage, 'a');
      const [b] = await meet(stage, a, 'b');
      await enter(stage, 'b');
      assert.equal(await b.gone(), 'io server disconnect');
      await a.expect('peer-disconnected', { peerId: 'b' });
      await a.expect('peer-connected', { peerId: 'b' });
    },
  },
  {
    name: 'a user whose connection broke is online until the end of the grace',
    env: { ...watched, RECONNECT_GRACE: '2s' },
    only: ['websocket', 'default', 'zishang', 'cluster', 'three'],
    why: 'a long-polling session that is cut ends with its heartbeat',
    async run(stage) {
      const a = await enter(stage, 'a');
      const [b, c] = await meet(stage, a, 'b', 'c');
      for (const peer of [b, c]) {
        await peer.upgraded();
        peer.cut();
        await peer.gone();
      }
      await enter(stage, 'b'); // is back
      a.send('watch-users', { users: ['c', 'b'] });
      await a.expectUsers('b', 'c');
      await a.expect('peer-disconnected', { peerId: 'c' });
    },
  },
  {
    name: 'the list ends with the connection',
    env: watched,
    async run(stage) {
      const a = await enter(stage, 'a');
      const [b] = await meet(stage, a, 'b');
      a.leave();
      await a.gone();
      const again = await enter(stage, 'a');
      b.leave();
      await b.gone();
      again.send('get-users');
      await again.expectUsers();
    },
  },
  {
    name: 'both families watch each other',
    env: watched,
    run: staged(async (stage, volli) => {
      const v = await volli.join('v');
      v.send({ type: 'watch', userIds: ['o', 'v', 'w'] });
      await v.expect('{"type":"presence-list","online":[]}');
      const o = await enter(stage, 'o');
      await v.expect('{"type":"presence","userId":"o","online":true}');
      o.send('watch-users', { users: ['v', 'w'] });
      await o.expectUsers('v');
      const w = await volli.join('w');
      await v.expect('{"type":"presence","userId":"w","online":true}');
      await o.expect('peer-connected', { peerId: 'w' });
      v.send({ type: 'watch', remove: ['w'] });
      await v.expect('{"type":"presence-list","online":["o"]}');
      await w.leave();
      await o.expect('peer-disconnected', { peerId: 'w' });
      v.send({ type: 'watch', add: ['x'] });
      await v.expect('{"type":"presence-list","online":["o"]}');
      o.leave();
      await o.gone();
      await v.expect('{"type":"presence","userId":"o","online":false}');
    }),
  },
  {
    name: 'what Volli clients are refused',
    env: watched,
    run: staged(async (stage, volli) => {
      const stranger = volli.open();
      await stranger.opened();
      stranger.send({ type: 'watch', userIds: ['v'] });
      await stranger.expectError('Not registered');
      const v = await volli.join('v');
      for (const list of bad) {
        const { users, ...rest } = Object(list);
        v.send({ type: 'watch', ...(users !== undefined && { userIds: users }), ...(list?.constructor === Object && rest) });
        await v.expectError('Invalid user list');
      }
    }),
  },
]);
