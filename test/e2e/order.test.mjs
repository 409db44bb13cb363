// What A sends to B arrives in the order it was sent; nothing vanishes.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { later, oneInstance } from './modes.mjs';
import { failed, ok, relays } from './contract.mjs';

cases('order', [
  {
    name: '1000 relays of all kinds, sent at once',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const total = 1000;
      for (let n = 1; n <= total; n++) {
        const { event, body } = relays[n % 4];
        a.send(event, { to: 'b', from: 'a', [body]: { n } });
      }
      for (let n = 1; n <= total; n++) {
        const { event, body } = relays[n % 4];
        await b.expect(event, { from: 'a', [body]: { n } });
      }
    },
  },
  {
    name: 'both ways at once, each acknowledged',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const total = 300;
      const pairs = [[a, b], [b, a]];
      const acks = pairs.flatMap(([from, to]) =>
        Array.from({ length: total }, (_, n) => from.ask('ice-candidate', { to: to.userId, from: from.userId, candidate: [n] })),
      );
      for (const answer of await Promise.all(acks)) assert.deepEqual(answer, [ok]);
      for (const [from, to] of pairs) {
        for (let n = 0; n < total; n++) await to.expect('ice-candidate', { from: from.userId, candidate: [n] });
      }
    },
  },
  {
    name: 'one sender, answers and errors in the order of the events',
    only: oneInstance,
    why: later,
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (let n = 1; n <= 50; n++) {
        a.send('ping');
        a.send('offer', { to: 'nobody', from: 'a', offer: n });
        a.send('get-users');
        a.send('offer', { to: 'a', from: 'a', offer: n });
        a.send('register', {});
        a.send('answer', { to: 'b', from: 'a', answer: n });
      }
      for (let n = 1; n <= 50; n++) {
        await a.expect('pong');
        await a.expect('error', 'User nobody not found');
        await a.expectUsers('b');
        await a.expect('offer', { from: 'a', offer: n });
        await a.expect('error', 'Invalid user ID');
        await b.expect('answer', { from: 'a', answer: n });
      }
    },
  },
  {
    name: 'what a client emits before it is connected is handled in order',
    async run(stage) {
      const [b] = await stage.room('b');
      const a = stage.open();
      a.send('register', { userId: 'a' });
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      a.send('ice-candidate', { to: 'b', from: 'a', candidate: 2 });
      await a.expect('connect');
      await a.expectUsers('b');
      await b.expect('peer-connected', { peerId: 'a' });
      await b.expect('offer', { from: 'a', offer: 1 });
      await b.expect('ice-candidate', { from: 'a', candidate: 2 });
    },
  },
  {
    name: 'what a client sent before it disconnected is still handled',
    async run(stage) {
      const [b] = await stage.room('b');
      const a = await stage.join('a');
      const total = 200;
      for (let n = 1; n <= total; n++) a.send('offer', { to: 'b', from: 'a', offer: n });
      a.leave();
      await a.gone();
      for (let n = 1; n <= total; n++) await b.expect('offer', { from: 'a', offer: n });
      await b.expect('peer-disconnected', { peerId: 'a' });
    },
  },
  {
    name: 'relays to somebody who leaves arrive or are answered with an error',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const total = 500;
      const acks = Array.from({ length: total }, (_, n) => a.ask('ice-candidate', { to: 'b', from: 'a', candidate: [n] }));
      for (let n = 0; n < 20; n++) await b.expect('ice-candidate', { from: 'a', candidate: [n] });
      b.leave();
      const answers = await Promise.all(acks);
      const first = answers.findIndex(([{ ok }]) => !ok);
      const errors = first < 0 ? [] : answers.slice(first);
      assert.ok(first < 0 || first >= 20, 'those that arrived were acknowledged');
      assert.deepEqual(answers.slice(0, total - errors.length), Array(total - errors.length).fill([ok]));
      assert.deepEqual(errors, Array(errors.length).fill([failed('User b not found')]));
      const told = [];
      while (told.length <= errors.length) told.push(await a.next());
      assert.deepEqual(
        told.map(([event, argument]) => `${event} ${argument.peerId ?? argument}`).sort(),
        [...errors.map(() => 'error User b not found'), 'peer-disconnected b'],
      );
      await b.untilPongOrGone();
    },
  },
  {
    name: 'the upgrade to WebSocket loses nothing and changes no order',
    only: ['default'],
    why: 'only this mode upgrades',
    async run(stage) {
      const [b] = await stage.room('b');
      const a = await stage.connect();
      a.send('register', { userId: 'a' });
      await a.expectUsers('b');
      await b.expect('peer-connected', { peerId: 'a' });
      let sent = 0;
      // One at a time on the way there, then a burst behind it.
      while (a.engine.transport.name === 'polling' || sent < 50) {
        assert.deepEqual(await a.ask('ice-candidate', { to: 'b', from: 'a', candidate: [++sent] }), [ok]);
        b.send('ice-candidate', { to: 'a', from: 'b', candidate: [sent] });
      }
      for (let i = 0; i < 100; i++) a.send('ice-candidate', { to: 'b', from: 'a', candidate: [++sent] });
      for (let n = 1; n <= sent; n++) await b.expect('ice-candidate', { from: 'a', candidate: [n] });
      for (let n = 1; n <= sent - 100; n++) await a.expect('ice-candidate', { from: 'b', candidate: [n] });
    },
  },
]);
