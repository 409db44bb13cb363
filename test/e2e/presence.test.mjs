// Who is told that somebody comes and goes, and whom user-list names.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok } from './contract.mjs';

cases('presence', [
  {
    name: 'a register is told to everybody else, and answered with user-list',
    async run(stage) {
      const watcher = await stage.connect(); // never registers
      const a = await stage.connect();
      a.send('register', { userId: 'a' });
      assert.equal(await a.expect('user-list', { users: [] }), '2["user-list",{"users":[]}]');
      assert.equal(await watcher.expect('peer-connected', { peerId: 'a' }), '2["peer-connected",{"peerId":"a"}]');
      const b = await stage.connect();
      b.send('register', { userId: 'b' });
      assert.equal(await b.expect('user-list', { users: ['a'] }), '2["user-list",{"users":["a"]}]');
      await a.expect('peer-connected', { peerId: 'b' });
      await watcher.expect('peer-connected', { peerId: 'b' });
    },
  },
  {
    name: 'a socket that only connects, or leaves unregistered, is announced to nobody',
    async run(stage) {
      const [a] = await stage.room('a');
      const watcher = await stage.connect();
      const other = await stage.connect();
      await stage.quiet();
      other.leave();
      await other.gone();
      await stage.join('b'); // comes after, and is the first that a hears of
      a.send('get-users');
      await a.expectUsers('b');
      await watcher.settle();
    },
  },
  {
    name: 'a leave is told to everybody else',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const watcher = await stage.connect();
      b.leave();
      assert.equal(await b.gone(), 'io client disconnect');
      const packet = await a.expect('peer-disconnected', { peerId: 'b' });
      assert.equal(packet, '2["peer-disconnected",{"peerId":"b"}]');
      await watcher.expect('peer-disconnected', { peerId: 'b' });
      a.send('get-users');
      await a.expectUsers();
    },
  },
  {
    name: 'a connection that is cut is told at the end of the grace',
    env: { RECONNECT_GRACE: '500ms' },
    only: ['websocket', 'default', 'zishang'],
    why: 'a long-polling session that is cut ends with its heartbeat',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await b.upgraded();
      b.cut();
      await b.gone();
      await a.expect('peer-disconnected', { peerId: 'b' });
      assert.deepEqual(await a.ask('offer', { to: 'b', from: 'a', offer: 1 }), [failed('User b not found')]);
      await a.expect('error', 'User b not found');
    },
  },
  {
    name: 'user-list names everybody but the receiver, registered or not',
    async run(stage) {
      const [a, b, c] = await stage.room('a', 'b', 'c');
      const watcher = await stage.connect();
      for (const [peer, users] of [[a, ['b', 'c']], [b, ['a', 'c']], [c, ['a', 'b']], [watcher, ['a', 'b', 'c']]]) {
        peer.send('get-users');
        await peer.expectUsers(...users);
      }
    },
  },
  {
    name: 'get-users and ping need no registration and ignore arguments',
    async run(stage) {
      await stage.room('a');
      const peer = await stage.connect();
      for (const args of [[], [null], [{ userId: 'x' }, 2], [[]], [Buffer.from('x')]]) {
        peer.send('get-users', ...args);
        await peer.expectUsers('a');
        peer.send('ping', ...args);
        assert.equal(await peer.expect('pong'), '2["pong"]');
      }
    },
  },
  {
    name: 'register again with the same name: only user-list',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (let i = 0; i < 3; i++) {
        assert.deepEqual(await a.ask('register', { userId: 'a' }), [ok]);
        await a.expectUsers('b');
      }
    },
  },
  {
    name: 'register again with another name: the old one is released, then the new one announced',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const watcher = await stage.connect();
      a.send('register', { userId: 'a2' });
      await a.expectUsers('b');
      a.userId = 'a2';
      for (const peer of [b, watcher]) {
        await peer.expect('peer-disconnected', { peerId: 'a' });
        await peer.expect('peer-connected', { peerId: 'a2' });
      }
      b.send('offer', { to: 'a', from: 'b', offer: 1 });
      await b.expect('error', 'User a not found');
      b.send('offer', { to: 'a2', from: 'b', offer: 2 });
      await a.expect('offer', { from: 'b', offer: 2 });
      a.send('answer', { to: 'b', from: 'a', answer: 3 });
      await a.expect('error', 'Sender mismatch');
      a.send('answer', { to: 'b', from: 'a2', answer: 4 });
      await b.expect('answer', { from: 'a2', answer: 4 });
      // Somebody else may have the old name now.
      const other = await stage.join('a');
      other.leave();
      await other.gone();
      for (const peer of [a, b, watcher]) await peer.expect('peer-disconnected', { peerId: 'a' });
      a.leave();
      await a.gone();
      for (const peer of [b, watcher]) await peer.expect('peer-disconnected', { peerId: 'a2' });
    },
  },
  {
    name: 'a name can be given back and taken many times',
    async run(stage) {
      const [a] = await stage.room('a');
      const b = await stage.connect();
      for (let i = 0; i < 20; i++) b.send('register', { userId: i % 2 ? 'odd' : 'even' });
      for (let i = 0; i < 20; i++) {
        await b.expectUsers('a');
        if (i > 0) await a.expect('peer-disconnected', { peerId: i % 2 ? 'even' : 'odd' });
        await a.expect('peer-connected', { peerId: i % 2 ? 'odd' : 'even' });
      }
    },
  },
  {
    name: 'PRESENCE=none: no presence events, user-list always empty, relays as ever',
    env: { PRESENCE: 'none' },
    async run(stage) {
      const watcher = await stage.connect();
      const a = await stage.connect();
      a.send('register', { userId: 'a' });
      await a.expectUsers();
      const b = await stage.connect();
      b.send('register', { userId: 'b' });
      await b.expectUsers();
      watcher.send('get-users');
      await watcher.expectUsers();
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      await b.expect('offer', { from: 'a', offer: 1 });
      b.send('register', { userId: 'b2' });
      await b.expectUsers();
      const newcomer = await stage.connect();
      newcomer.send('register', { userId: 'a' });
      await newcomer.expectUsers();
      assert.equal(await a.gone(), 'io server disconnect');
      b.leave();
      await b.gone();
      await stage.quiet();
    },
  },
]);
