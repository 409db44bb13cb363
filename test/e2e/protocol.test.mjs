// What Engine.IO and Socket.IO themselves promise a client, as far as the
// signaling depends on it.

import assert from 'node:assert/strict';
import { Socket as Engine } from 'engine.io-client';
import { cases } from './cases.mjs';
import { ok } from './contract.mjs';
import { within } from './deadline.mjs';
import { clientless, mode } from './modes.mjs';
import { polling, request, upgrade } from './web.mjs';

// Packets that are none. A Socket.IO server ends the session of such a client.
const malformed = [
  'x',
  '9',
  '7[]',
  '2[',
  '2]',
  '2{}',
  '2"offer"',
  '2null',
  '2[]',
  '2[null]',
  '2[true,{}]',
  '2[{},"offer"]',
  '2["offer"',
  '2["offer"]]',
  '2["offer",]',
  '2["offer"]x',
  '2["unheard-of",{]',
  '2["ping",tru]',
  '2["get-users" "x"]',
  '2["register",{"userId":"x"},{]',
  '2["register",{"userId" "x"}]',
  '2["register",{userId:"x"}]',
  '5["offer",{}]',
  '5x-["offer",{}]',
  '5-["offer",{}]',
  '511-["offer",{}]',
];

// Bodies that are no JSON. If one of them were relayed, it would end the
// connection of the target.
const noJSON = [
  '{',
  '{]}',
  '[1,]',
  '{"a":1,}',
  '{"a"}',
  '{"a":}',
  '{a:1}',
  "'a'",
  '01',
  '1.',
  '.5',
  '+1',
  '1e',
  '0x1',
  '-',
  'NaN',
  'Infinity',
  'undefined',
  'tru',
  'nul',
  'True',
  '"a',
  '"\\x"',
  '"\\u12"',
  '"\\u12G4"',
  '"a\nb"',
  '"a\tb"',
  '"a\u0000b"',
  '\u00a01',
  '\ufeff1',
  '1 2',
  '{"a":1}}',
  '/**/1',
];

cases('protocol', [
  {
    name: 'the handshake has the defaults of the contract',
    async run(stage) {
      const peer = await stage.connect();
      const { sid, ...rest } = peer.handshake;
      assert.match(sid, /^[\w-]{16,}$/);
      assert.deepEqual(rest, {
        upgrades: mode.handshake === 'polling' ? ['websocket'] : [],
        pingInterval: 25000,
        pingTimeout: 20000,
        maxPayload: 1000000,
      });
    },
  },
  {
    name: 'the handshake has what was configured',
    env: { PING_INTERVAL: '1.5s', PING_TIMEOUT: '2m', MAX_MESSAGE_BYTES: '4321' },
    async run(stage) {
      const { pingInterval, pingTimeout, maxPayload } = (await stage.connect()).handshake;
      assert.deepEqual({ pingInterval, pingTimeout, maxPayload }, { pingInterval: 1500, pingTimeout: 120000, maxPayload: 4321 });
    },
  },
  {
    name: 'the CONNECT reply holds a sid of its own, and nothing else',
    async run(stage) {
      const replies = [];
      for (let i = 0; i < 2; i++) {
        const peer = stage.open();
        peer.engine.on('packet', ({ data }) => /^0/.test(data) && replies.push(data));
        await peer.expect('connect');
        assert.equal(replies[i], `0{"sid":"${peer.socket.id}"}`);
        assert.notEqual(peer.socket.id, peer.handshake.sid);
      }
      assert.notEqual(replies[0], replies[1]);
    },
  },
  {
    name: 'auth and query of a client are nothing to the server',
    async run(stage) {
      await stage.join('a', { auth: { token: 'x', userId: 'y' }, query: { token: 'x', userId: 'z' } });
      await stage.join('b', { auth: {} });
    },
  },
  {
    name: 'unknown events are ignored, with an acknowledgement or without',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      let called = false;
      for (const event of ['unheard-of', '', ' ', 'Offer', 'offer ', 'REGISTER', '__proto__', 'error', 'pong', 'message']) {
        a.send(event, { to: 'b', from: 'a', offer: 1, userId: 'x' });
        a.send(event);
        a.send(event, { to: 'b', from: 'a', offer: 1 }, () => (called = true));
      }
      for (const event of ['peer-connected', 'peer-disconnected', 'user-list']) {
        a.send(event, { peerId: 'x', users: ['x'] });
      }
      a.write('2[5,{"to":"b","from":"a","offer":1}]');
      await a.settle();
      await b.settle();
      assert.equal(called, false);
    },
  },
  {
    name: 'an unknown namespace: "Invalid namespace", and the others on the connection go on',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const refused = await within(
        'the refusal',
        new Promise((resolve) => a.socket.io.socket('/unheard-of').once('connect_error', resolve)),
      );
      assert.equal(refused.message, 'Invalid namespace');
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      await b.expect('offer', { from: 'a', offer: 1 });
    },
  },
  {
    name: 'acknowledgement ids are given back as they came',
    async run(stage) {
      const peer = await stage.connect();
      const ids = ['0', '7', '10', '4294967296', '999999999999999'];
      const acks = [];
      peer.engine.on('packet', ({ data }) => /^3/.test(data) && acks.push(data));
      for (const id of ids) peer.write(`2${id}["ping"]`);
      for (const _ of ids) await peer.expect('pong');
      await peer.settle();
      assert.deepEqual(acks, ids.map((id) => `3${id}[{"ok":true}]`));
    },
  },
  {
    name: 'acknowledgements from a client are ignored',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (const packet of ['30[]', '37["x"]', '399999999999[{"ok":true}]']) a.write(packet);
      a.write('61-0[{"_placeholder":true,"num":0}]', Buffer.from('x'));
    },
  },
  {
    name: 'a malformed packet ends the session of its sender, and nothing else',
    async run(stage) {
      const [b] = await stage.room('b');
      for (const packet of malformed) {
        const a = await stage.join('a');
        a.write(packet);
        await a.gone().catch((err) => assert.fail(`${packet}: ${err.message}`));
        await b.expect('peer-disconnected', { peerId: 'a' });
      }
    },
  },
  {
    name: 'a body that is no JSON ends the session of its sender, and is not relayed',
    async run(stage) {
      const [b] = await stage.room('b');
      for (const body of noJSON) {
        const a = await stage.join('a');
        a.write(`2["offer",{"to":"b","from":"a","offer":${body}}]`);
        await a.gone().catch((err) => assert.fail(`${JSON.stringify(body)}: ${err.message}`));
        await b.expect('peer-disconnected', { peerId: 'a' });
      }
    },
  },
  {
    name: 'broken JSON beside the body is not JSON either',
    async run(stage) {
      const [b] = await stage.room('b');
      for (const argument of [
        '{"to":"b","from":"a","offer":1,"x":01}',
        '{"x":"\\q","to":"b","from":"a","offer":1}',
        '{"to":"b","from":"a","offer":1},[}',
        '{"to":"b","from":"a","offer":1 "x":2}',
        '{"to":"b","from":"a","offer":1',
        '{"to":"b","from":"a","offer":1}]]',
        '{"offer":{],"to":"b","from":"a","offer":1}',
      ]) {
        const a = await stage.join('a');
        a.write(`2["offer",${argument}]`);
        await a.gone().catch((err) => assert.fail(`${argument}: ${err.message}`));
        await b.expect('peer-disconnected', { peerId: 'a' });
      }
    },
  },
  {
    name: 'the two bytes 42 harm nobody',
    async run(stage) {
      const [b] = await stage.room('b');
      const a = await stage.connect();
      a.write('2');
      await a.untilPongOrGone(); // either is right
      await b.settle();
      await stage.join('c');
    },
  },
  {
    name: 'text that is no UTF-8 does not reach anybody',
    only: ['websocket', 'default', 'zishang'],
    why: 'the stock long-polling client sends no such bytes',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await a.upgraded();
      await b.upgraded();
      const packet = Buffer.from('42["offer",{"to":"b","from":"a","offer":"\xff\xc3(\xed\xa0\x80"}]', 'latin1');
      a.engine.transport.ws.send(packet, { binary: false });
      await a.gone();
      await b.expect('peer-disconnected', { peerId: 'a' });
    },
  },
  {
    name: 'text that is no UTF-8, long-polling: no target is harmed',
    only: ['polling'],
    why: 'about long-polling',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      const body = Buffer.from('42["offer",{"to":"b","from":"a","offer":"\xff\xc3(\xed\xa0\x80"}]', 'latin1');
      const headers = { 'Content-Type': 'text/plain;charset=UTF-8' };
      await request(stage.server, `${polling}&sid=${a.handshake.sid}`, { method: 'POST', headers, body });
      await a.untilPongOrGone();
      await b.untilPong();
    },
  },
  {
    name: 'an engine connection that sends other packets than CONNECT first is closed',
    async run(stage) {
      for (const packet of ['2["register",{"userId":"a"}]', 'x', '30[]']) {
        const engine = new Engine(stage.server.url, { path: '/socket.io/', transports: mode.transports });
        engine.on('open', () => engine.write(packet));
        await within(`the close after ${packet}`, new Promise((resolve) => engine.once('close', resolve)));
      }
    },
  },
  {
    name: 'Engine.IO 3 is refused with 400',
    ...clientless,
    async run({ server }) {
      const answers = [
        await request(server, '/socket.io/?EIO=3&transport=polling'),
        await request(server, '/socket.io/?transport=polling'),
      ];
      assert.deepEqual(answers.map(({ status }) => status), [400, 400]);
    },
  },
  {
    name: 'unknown transports and sessions are refused with 400',
    ...clientless,
    async run({ server }) {
      const answers = [
        await request(server, '/socket.io/?EIO=4&transport=pigeon'),
        await request(server, '/socket.io/?EIO=4'),
        await request(server, '/socket.io/?EIO=4&transport=polling&sid=unheard-of'),
        await upgrade(server, {}, '/socket.io/?EIO=4&transport=websocket&sid=unheard-of'),
      ];
      assert.deepEqual(answers.map(({ status }) => status), [400, 400, 400, 400]);
    },
  },
  {
    name: 'TRANSPORTS=websocket: no polling, no upgrade offered',
    env: { TRANSPORTS: 'websocket' },
    async run(stage) {
      assert.equal((await request(stage.server, polling)).status, 400);
      const [a, b] = [await stage.join('a', { transports: ['websocket'] }), await stage.join('b', { transports: ['websocket'] })];
      assert.deepEqual(a.handshake.upgrades, []);
      assert.deepEqual(await a.ask('offer', { to: 'b', from: 'a', offer: 1 }), [ok]);
      await b.expect('offer', { from: 'a', offer: 1 });
    },
  },
  {
    name: 'TRANSPORTS=polling: no WebSocket, no upgrade offered',
    only: ['websocket', 'polling', 'default'],
    why: 'this engine has WebSocket alone',
    env: { TRANSPORTS: 'polling' },
    async run(stage) {
      assert.equal((await upgrade(stage.server)).status, 400);
      const [a, b] = [await stage.join('a', { transports: ['polling'] }), await stage.join('b', { transports: ['polling'] })];
      assert.deepEqual(a.handshake.upgrades, []);
      assert.deepEqual(await a.ask('offer', { to: 'b', from: 'a', offer: 1 }), [ok]);
      await b.expect('offer', { from: 'a', offer: 1 });
    },
  },
  {
    name: 'ENGINE=zishang: no polling',
    only: ['zishang'],
    why: 'about this engine',
    async run({ server }) {
      assert.equal((await request(server, polling)).status, 400);
    },
  },
]);
