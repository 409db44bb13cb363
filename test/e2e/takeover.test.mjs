// Two sockets, one name: the newcomer holds it.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { ok } from './contract.mjs';

const line = ([event, argument]) => `${event} ${JSON.stringify(argument)}`;

// cutAndBack has a lose its connection, and come back on another one, beside b.
async function cutAndBack(stage) {
  const b = await stage.join('b');
  const a = await stage.join('a', { reconnection: true, reconnectionDelay: 1 });
  await a.upgraded();
  a.cut();
  await a.gone();
  await a.expect('connect');
  a.send('register', { userId: 'a' });
  await a.untilEvent('user-list', { users: ['b'] });
  return [b, a];
}

cases('takeover', [
  {
    name: 'the holder is disconnected, others see it go and come, the newcomer is reached',
    async run(stage) {
      const [old, b] = await stage.room('a', 'b');
      const watcher = await stage.connect();
      const newcomer = await stage.connect();
      assert.deepEqual(await newcomer.ask('register', { userId: 'a' }), [ok]);
      await newcomer.expectUsers('b');
      assert.equal(await old.gone(), 'io server disconnect');
      for (const peer of [b, watcher]) {
        await peer.expect('peer-disconnected', { peerId: 'a' });
        await peer.expect('peer-connected', { peerId: 'a' });
      }
      // The old socket's close has happened by now and changed nothing.
      await stage.quiet();
      b.send('get-users');
      await b.expectUsers('a');
      assert.deepEqual(await b.ask('offer', { to: 'a', from: 'b', offer: 1 }), [ok]);
      await newcomer.expect('offer', { from: 'b', offer: 1 });
      newcomer.send('answer', { to: 'b', from: 'a', answer: 2 });
      await b.expect('answer', { from: 'a', answer: 2 });
    },
  },
  {
    name: 'the holder closes at the same moment',
    async run(stage) {
      const [b] = await stage.room('b');
      const watchers = [b, await stage.connect()]; // in a mode of two instances, one on each
      for (let i = 0; i < 10; i++) {
        const old = await stage.join('a');
        const newcomer = await stage.connect();
        newcomer.send('register', { userId: 'a' });
        old.leave();
        // Whether it sees the holder go depends on who was first.
        await newcomer.untilEvent('user-list', { users: ['b'] });
        await old.gone();
        for (const watcher of watchers) {
          await watcher.expect('peer-disconnected', { peerId: 'a' });
          await watcher.expect('peer-connected', { peerId: 'a' });
        }
        b.send('offer', { to: 'a', from: 'b', offer: i + 1 });
        await newcomer.untilEvent('offer', { from: 'b', offer: i + 1 });
        newcomer.leave();
        await newcomer.gone();
        for (const watcher of watchers) await watcher.expect('peer-disconnected', { peerId: 'a' });
      }
    },
  },
  {
    name: 'a registered socket takes over another name: both old names go, one comes',
    async run(stage) {
      const [a, old, c] = await stage.room('a', 'b', 'c');
      a.send('register', { userId: 'b' });
      await a.expectUsers('c');
      // The holder may still be told of the name that was given up for its own.
      const told = [];
      do told.push(...(await old.untilPongOrGone()).map(line)); // its instance may hear of it a moment later
      while (!told.at(-1)?.startsWith('disconnect'));
      assert.equal(told.pop(), 'disconnect "io server disconnect"');
      assert.ok(told.every((event) => event === 'peer-disconnected {"peerId":"a"}'), told.join());
      const gone = [await c.next(), await c.next()].map(line).sort();
      assert.deepEqual(gone, ['peer-disconnected {"peerId":"a"}', 'peer-disconnected {"peerId":"b"}']);
      await c.expect('peer-connected', { peerId: 'b' });
      c.send('get-users');
      await c.expectUsers('b');
      c.send('offer', { to: 'b', from: 'c', offer: 1 });
      await a.expect('offer', { from: 'c', offer: 1 });
      c.send('offer', { to: 'a', from: 'c', offer: 1 });
      await c.expect('error', 'User a not found');
    },
  },
  {
    name: 'a client that lost its connection comes back and takes its name',
    async run(stage) {
      const [b, a] = await cutAndBack(stage);
      await b.expect('peer-disconnected', { peerId: 'a' });
      await b.expect('peer-connected', { peerId: 'a' });
      b.send('offer', { to: 'a', from: 'b', offer: 1 });
      await a.untilEvent('offer', { from: 'b', offer: 1 });
    },
  },
  {
    name: 'within the grace, a client that comes back never left',
    env: { RECONNECT_GRACE: '20s' },
    async run(stage) {
      const [b, a] = await cutAndBack(stage);
      b.send('offer', { to: 'a', from: 'b', offer: 1 });
      await a.untilEvent('offer', { from: 'b', offer: 1 });
    },
  },
  {
    name: 'within the grace, a holder that answers is another device: others see it go and come',
    env: { RECONNECT_GRACE: '20s' },
    async run(stage) {
      const [b, old] = await stage.room('b', 'a');
      const newcomer = await stage.connect();
      newcomer.send('register', { userId: 'a' });
      await newcomer.expectUsers('b');
      assert.equal(await old.gone(), 'io server disconnect');
      await b.expect('peer-disconnected', { peerId: 'a' });
      await b.expect('peer-connected', { peerId: 'a' });
      assert.deepEqual(await b.ask('offer', { to: 'a', from: 'b', offer: 1 }), [ok]);
      await newcomer.expect('offer', { from: 'b', offer: 1 });
    },
  },
  {
    name: 'many claim one name at once: one holder is left, and presence ends in the truth',
    async run(stage) {
      const [watcher] = await stage.room('w');
      const claimants = await Promise.all(Array.from({ length: 20 }, () => stage.connect()));
      for (const claimant of claimants) claimant.send('register', { userId: 'x' });
      // 20 times it comes, 19 times it goes, in turns.
      for (let i = 0; i < 20; i++) {
        if (i > 0) await watcher.expect('peer-disconnected', { peerId: 'x' });
        await watcher.expect('peer-connected', { peerId: 'x' });
      }
      watcher.send('offer', { to: 'x', from: 'w', offer: 'who?' });
      await watcher.settle();
      const holders = [];
      for (const claimant of claimants) {
        const events = await claimant.untilPongOrGone();
        const last = events.at(-1);
        if (last[0] === 'disconnect') assert.equal(last[1], 'io server disconnect');
        else {
          holders.push(claimant);
          assert.deepEqual([...last], ['offer', { from: 'w', offer: 'who?' }]);
        }
      }
      assert.equal(holders.length, 1, 'holders of the name');
      watcher.send('get-users');
      await watcher.expectUsers('x');
    },
  },
  {
    name: 'what comes during a takeover reaches one of the two, and in order',
    async run(stage) {
      const [b, old] = await stage.room('b', 'a');
      const newcomer = await stage.connect();
      const total = 400;
      const acks = [];
      for (let n = 1; n <= total; n++) {
        acks.push(b.ask('ice-candidate', { to: 'a', from: 'b', candidate: n }));
        if (n === total / 2) newcomer.send('register', { userId: 'a' });
      }
      for (const answer of await Promise.all(acks)) assert.deepEqual(answer, [ok]);
      await b.untilEvent('peer-connected', { peerId: 'a' });
      const first = await old.untilPongOrGone();
      assert.deepEqual([...first.pop()], ['disconnect', 'io server disconnect']);
      const second = await newcomer.untilPong();
      const numbers = [...first, ...second].filter(([event]) => event === 'ice-candidate');
      assert.deepEqual(
        numbers.map(([, { candidate }]) => candidate),
        Array.from({ length: total }, (_, i) => i + 1),
      );
    },
  },
]);
