// A client that passes an acknowledgement callback gets it called, once.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { later, oneInstance } from './modes.mjs';
import { failed, ok, relays } from './contract.mjs';

cases('acknowledgements', [
  {
    name: 'relays that were handed over: {ok: true}',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        assert.deepEqual(await a.ask(event, { to: 'b', from: 'a', [body]: { x: 1 } }), [ok]);
        await b.expect(event, { from: 'a', [body]: { x: 1 } });
      }
    },
  },
  {
    name: 'relays that were not: {ok: false, error}, and the error event',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (const { event, body, invalid } of relays) {
        for (const [argument, error] of [
          [{ to: 'nobody', from: 'a', [body]: 1 }, 'User nobody not found'],
          [{ to: 'b', from: 'b', [body]: 1 }, 'Sender mismatch'],
          [{ to: 'b', from: 'a' }, invalid],
        ]) {
          assert.deepEqual(await a.ask(event, argument), [failed(error)]);
          await a.expect('error', error);
        }
        // No argument but the callback.
        assert.deepEqual(await a.ask(event), [failed(invalid)]);
        await a.expect('error', invalid);
      }
    },
  },
  {
    name: 'register, get-users and ping',
    async run(stage) {
      const peer = await stage.connect();
      assert.deepEqual(await peer.ask('register', {}), [failed('Invalid user ID')]);
      await peer.expect('error', 'Invalid user ID');
      assert.deepEqual(await peer.ask('register'), [failed('Invalid user ID')]);
      await peer.expect('error', 'Invalid user ID');
      assert.deepEqual(await peer.ask('register', { userId: 'a' }), [ok]);
      await peer.expectUsers();
      assert.deepEqual(await peer.ask('get-users'), [ok]);
      await peer.expectUsers();
      assert.deepEqual(await peer.ask('get-users', { x: 1 }, 2), [ok]);
      await peer.expectUsers();
      assert.deepEqual(await peer.ask('ping'), [ok]);
      await peer.expect('pong');
    },
  },
  {
    name: 'the client library with a timeout, or as a promise',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      assert.deepEqual(await a.socket.timeout(5000).emitWithAck('offer', { to: 'b', from: 'a', offer: 1 }), ok);
      assert.deepEqual(await a.socket.emitWithAck('answer', { to: 'b', from: 'a', answer: 1 }), ok);
      await b.expect('offer', { from: 'a', offer: 1 });
      await b.expect('answer', { from: 'a', answer: 1 });
    },
  },
  {
    name: 'as packets: one argument, two keys in order',
    only: oneInstance,
    why: later,
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const acks = [];
      a.engine.on('packet', ({ data }) => /^3/.test(data) && acks.push(data));
      a.write('2901["offer",{"to":"b","from":"a","offer":1}]');
      a.write('2902["offer",{"to":"c\\u0022","from":"a","offer":1}]');
      a.write('51-903["offer",{"to":"b","from":"a","offer":{"_placeholder":true,"num":0}}]', Buffer.from('x'));
      a.write('2904["offer"]');
      await b.expect('offer', { from: 'a', offer: 1 });
      await b.expect('offer', { from: 'a', offer: Buffer.from('x') });
      await a.expect('error', 'User c" not found');
      await a.expect('error', 'Invalid offer data');
      await a.settle();
      assert.deepEqual(acks, [
        '3901[{"ok":true}]',
        '3902[{"ok":false,"error":"User c\\" not found","code":"not_found"}]',
        '3903[{"ok":true}]',
        '3904[{"ok":false,"error":"Invalid offer data","code":"invalid_data"}]',
      ]);
    },
  },
]);
