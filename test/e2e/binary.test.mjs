// Binary values inside a relay: Socket.IO attachments.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok, relays } from './contract.mjs';

const bytes = (...values) => Buffer.from(values);
const some = bytes(0, 1, 2, 0xff, 0x1e, 0x34);

// What the body may look like, whichever relay carries it.
const bodies = {
  'the body itself': some,
  'an empty one': bytes(),
  'a member': { a: 1, data: some, z: 'z' },
  'deep inside': { a: [{ b: { c: [null, some] } }] },
  'several': { one: bytes(1), list: [bytes(2), bytes(3, 3)], last: { four: bytes(4) } },
  'ten': Array.from({ length: 10 }, (_, i) => bytes(i)),
  'a large one': { data: Buffer.alloc(200_000, 'x\u0000\u001e') },
  'beside text that looks like one': ['"_placeholder":true', some, { _placeholder: false }],
};

const placeholder = (num) => `{"_placeholder":true,"num":${num}}`;

cases('binary', [
  {
    name: 'binary values arrive where they stood',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        for (const [what, value] of Object.entries(bodies)) {
          assert.deepEqual(await a.ask(event, { to: 'b', from: 'a', [body]: value }), [ok], what);
          await b.expect(event, { from: 'a', [body]: value });
        }
      }
    },
  },
  {
    name: 'the JSON around them arrives byte for byte',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      a.write(`52-["offer",{ "to":"b" , "offer":{"n":1.0,"a":${placeholder(0)} ,"\\u0062":[${placeholder(1)}]},"from":"a"}]`, some, bytes(9));
      await b.expectPacket(`52-["offer",{"from":"a","offer":{"n":1.0,"a":${placeholder(0)} ,"\\u0062":[${placeholder(1)}]}}]`);
    },
  },
  {
    name: 'attachments outside of the relayed body are dropped',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const body = { one: bytes(1), two: [bytes(2)] };
      const extra = { x: bytes(7), y: [bytes(8)] };
      for (const args of [
        [{ to: 'b', from: 'a', offer: body, extra }],
        [{ extra, to: 'b', from: 'a', offer: body }],
        [{ x: extra.x, to: 'b', from: 'a', offer: body, y: extra.y }],
        [{ to: 'b', from: 'a', offer: body }, extra, bytes(9)],
      ]) {
        assert.deepEqual(await a.ask('offer', ...args), [ok]);
        const packet = await b.expect('offer', { from: 'a', offer: body });
        assert.match(packet, /^52-/);
      }
      // None left: an ordinary event, and its body byte for byte.
      a.send('offer', { x: some, to: 'b', from: 'a', offer: { n: 1 }, y: some });
      await b.expectPacket('2["offer",{"from":"a","offer":{"n":1}}]');
      // Of duplicate keys the last one counts, with its attachments.
      a.write(`52-["offer",{"to":"b","from":"a","offer":${placeholder(0)},"offer":${placeholder(1)}}]`, bytes(1), bytes(2));
      await b.expect('offer', { from: 'a', offer: bytes(2) });
    },
  },
  {
    name: 'one attachment may stand in several places, and in any order',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      a.write(`51-["offer",{"to":"b","from":"a","offer":[${placeholder(0)},${placeholder(0)}]}]`, some);
      await b.expect('offer', { from: 'a', offer: [some, some] });
      a.write(`52-["offer",{"to":"b","from":"a","offer":[${placeholder(1)},${placeholder(0)}]}]`, bytes(0), bytes(1));
      await b.expect('offer', { from: 'a', offer: [bytes(1), bytes(0)] });
    },
  },
  {
    name: 'they keep their place in the order, and nothing comes between',
    async run(stage) {
      const [a, b, c] = await stage.room('a', 'b', 'c');
      const total = 100;
      for (let n = 1; n <= total; n++) {
        a.send('ice-candidate', { to: 'b', from: 'a', candidate: n % 2 ? { n, data: [bytes(n), bytes(n, n)] } : { n } });
        c.send('custom-message', { to: 'b', from: 'c', message: n % 3 ? n : bytes(n) });
      }
      const next = { a: 1, c: 1 };
      for (let i = 0; i < 2 * total; i++) {
        const [event, argument] = await b.next();
        const n = next[argument.from]++;
        const want =
          argument.from === 'a'
            ? ['ice-candidate', { from: 'a', candidate: n % 2 ? { n, data: [bytes(n), bytes(n, n)] } : { n } }]
            : ['custom-message', { from: 'c', message: n % 3 ? n : bytes(n) }];
        assert.deepEqual([event, argument], want);
      }
    },
  },
  {
    name: 'errors and events without a body take them too',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      assert.deepEqual(await a.ask('offer', { to: 'nobody', from: 'a', offer: some }), [failed('User nobody not found')]);
      await a.expect('error', 'User nobody not found');
      assert.deepEqual(await a.ask('offer', { to: 'b', from: 'b', offer: some }), [failed('Sender mismatch')]);
      await a.expect('error', 'Sender mismatch');
      assert.deepEqual(await a.ask('offer', some), [failed('Invalid offer data')]);
      await a.expect('error', 'Invalid offer data');
      assert.deepEqual(await a.ask('ping', some), [ok]);
      await a.expect('pong');
      assert.deepEqual(await a.ask('get-users', { some }), [ok]);
      await a.expectUsers('b');
      a.send('unheard-of', some, [some]);
    },
  },
  {
    name: 'ten attachments to a packet are allowed, eleven close the connection',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const values = (length) => Array.from({ length }, (_, i) => bytes(i));
      b.send('offer', { to: 'a', from: 'b', offer: values(9), x: bytes(9) });
      await a.expect('offer', { from: 'b', offer: values(9) });
      a.send('offer', { to: 'b', from: 'a', offer: values(11) });
      await a.gone();
      await b.expect('peer-disconnected', { peerId: 'a' });
    },
  },
  {
    name: 'all attachments of a packet together are held to MAX_MESSAGE_BYTES',
    env: { MAX_MESSAGE_BYTES: '10000' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const within = [Buffer.alloc(4500, 1), Buffer.alloc(4500, 2)];
      a.send('offer', { to: 'b', from: 'a', offer: within });
      await b.expect('offer', { from: 'a', offer: within });
      a.send('offer', { to: 'b', from: 'a', offer: [...within, Buffer.alloc(4500, 3)] });
      for (;;) {
        const [event, text] = await a.next();
        if (event === 'disconnect') break;
        assert.deepEqual([event, text], ['error', 'Message too large']);
      }
      await b.expect('peer-disconnected', { peerId: 'a' });
    },
  },
]);
