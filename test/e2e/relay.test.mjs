// The four relays: what reaches the target, and every reason why it does not.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok, relays } from './contract.mjs';

// without is object less one key.
function without(key, object) {
  const { [key]: _, ...rest } = object;
  return rest;
}

const falsy = [null, false, 0, -0, ''];
const notStrings = [5, true, [], ['b'], {}, { to: 'b' }, Buffer.from('b')];

// Arguments that lack to, from or a body, or have one of the wrong kind.
function invalidArguments(body) {
  const valid = { to: 'b', from: 'a', [body]: { sdp: 'x' } };
  const rows = [];
  for (const key of ['to', 'from', body]) {
    rows.push([`no ${key}`, without(key, valid)]);
    rows.push([`${key} in other case`, { ...without(key, valid), [key.toUpperCase()]: valid[key] }]);
    for (const value of falsy) rows.push([`${key}: ${JSON.stringify(value)}`, { ...valid, [key]: value }]);
  }
  for (const key of ['to', 'from']) {
    for (const value of notStrings) rows.push([`${key}: ${JSON.stringify(value)}`, { ...valid, [key]: value }]);
  }
  rows.push(['everything missing', {}]);
  for (const value of [null, true, false, 0, 5, '', 'b', [], ['b', 'a', {}], [valid]]) {
    rows.push([`argument ${JSON.stringify(value)}`, value]);
    rows.push([`a valid argument behind ${JSON.stringify(value)}`, value, valid]);
  }
  return rows;
}

// Packets written by hand that JSON.parse reads as invalid.
const invalidPackets = (event, body) => [
  `["${event}"]`,
  `["${event}",{"to":"b","from":"a","${body}":1,"${body}":0}]`,
  `["${event}",{"to":"b","to":null,"from":"a","${body}":1}]`,
  `["${event}",{"to":"b","from":"a","fro\\u006d":"","${body}":1}]`,
  `["${event}",{"to":"b","from":"a","${body}":-0}]`,
  `["${event}",{"to":"b","from":"a","${body}":0.0}]`,
  `["${event}",{"to":"b","from":"a","${body}":-0.000e5}]`,
  `["${event}",{"to":"b","from":"a","${body}":0E+9}]`,
  `["${event}",{"to":"b","from":"a","${body}":1e-400}]`, // too small: 0
  `["${event}",{"to":"b","from":"a","${body}": null }]`,
  `["${event}",{"to":"b","from":"a","x":{"${body}":1}}]`,
  `["${event}",{"x":"\\"to\\":\\"b\\"","from":"a","${body}":1}]`,
];

cases('relay', [
  {
    name: 'the target gets from and the body, in this order, and nobody else gets anything',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b', 'c');
      await stage.connect();
      for (const { event, body } of relays) {
        a.send(event, { to: 'b', from: 'a', [body]: { sdp: 'v=0\r\n', type: event } });
        const packet = await b.expect(event, { from: 'a', [body]: { sdp: 'v=0\r\n', type: event } });
        assert.equal(packet, `2["${event}",{"from":"a","${body}":{"sdp":"v=0\\r\\n","type":"${event}"}}]`);
      }
    },
  },
  {
    name: 'other keys and other arguments are dropped, whatever they are called',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b', 'c');
      for (const { event, body } of relays) {
        const message = { peerId: 'x', type: 1, offers: 2, ...Object.fromEntries(relays.map((r) => [r.body, 'x'])) };
        a.send(event, { ...message, to: 'b', from: 'a', [body]: 'y', x: { to: 'c' } }, { to: 'c', from: 'a', [body]: 'z' });
        assert.equal(await b.expect(event, { from: 'a', [body]: 'y' }), `2["${event}",{"from":"a","${body}":"y"}]`);
      }
    },
  },
  {
    name: 'any body but a falsy one is relayed',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        for (const value of [true, 1, -1, ' ', '0', 'false', 'null', [], {}, [0], { a: null }]) {
          assert.deepEqual(await a.ask(event, { to: 'b', from: 'a', [body]: value }), [ok]);
          await b.expect(event, { from: 'a', [body]: value });
        }
      }
    },
  },
  {
    name: 'a peer may call itself',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (const { event, body } of relays) {
        assert.deepEqual(await a.ask(event, { to: 'a', from: 'a', [body]: 'me' }), [ok]);
        await a.expect(event, { from: 'a', [body]: 'me' });
      }
    },
  },
  {
    name: 'an invalid argument is answered with the text of its event',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (const { event, body, invalid } of relays) {
        const rows = invalidArguments(body);
        const answers = await Promise.all(rows.map(([, ...args]) => a.ask(event, ...args)));
        for (const [i, [what]] of rows.entries()) {
          assert.deepEqual(answers[i], [failed(invalid)], `${event}, ${what}`);
          await a.expect('error', invalid);
        }
      }
    },
  },
  {
    name: 'an invalid packet is answered with the text of its event',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      for (const { event, body, invalid } of relays) {
        for (const packet of invalidPackets(event, body)) {
          a.write(`2${packet}`);
          assert.equal(await a.expect('error', invalid), `2["error","${invalid}"]`, packet);
        }
      }
    },
  },
  {
    name: 'an unknown target is answered with "User <to> not found"',
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      const names = ['nobody', 'B', ' b', 'b ', '\u0000', 'ü"\\/\n\u2028', '<to>', '😀', '__proto__', 'toString', 'n'.repeat(60)];
      for (const { event, body } of relays) {
        for (const to of names) {
          const text = `User ${to} not found`;
          assert.deepEqual(await a.ask(event, { to, from: 'a', [body]: 1 }), [failed(text)]);
          await a.expect('error', text);
        }
      }
    },
  },
  {
    name: 'a peer that connected but did not register is not found',
    async run(stage) {
      const [a] = await stage.room('a');
      const b = await stage.connect();
      a.send('offer', { to: b.socket.id, from: 'a', offer: 1 });
      await a.expect('error', `User ${b.socket.id} not found`);
    },
  },
  {
    name: 'a relay from an unregistered socket: "Not registered"',
    async run(stage) {
      await stage.room('a', 'b');
      // Each waits two seconds for its sender to be registered.
      const ways = relays.flatMap(({ event, body }) => ['a', 'b', 'stranger'].map((from) => ({ event, body, from })));
      await Promise.all(
        ways.map(async ({ event, body, from }) => {
          const stranger = await stage.connect();
          assert.deepEqual(await stranger.ask(event, { to: 'b', from, [body]: 1 }), [failed('Not registered')]);
          await stranger.expect('error', 'Not registered');
        }),
      );
    },
  },
  {
    name: "a relay from somebody else's name: \"Sender mismatch\"",
    async run(stage) {
      const [a] = await stage.room('a', 'b', 'c');
      for (const { event, body } of relays) {
        for (const from of ['b', 'c', 'A', 'a ', 'nobody']) {
          assert.deepEqual(await a.ask(event, { to: 'b', from, [body]: 1 }), [failed('Sender mismatch')]);
          await a.expect('error', 'Sender mismatch');
        }
        a.write(`2["${event}",{"to":"b","from":"a","from":"c","${body}":1}]`);
        await a.expect('error', 'Sender mismatch');
      }
    },
  },
  {
    name: 'a connection survives its errors',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      for (let i = 0; i < 100; i++) a.send('offer');
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      await b.expect('offer', { from: 'a', offer: 1 });
      for (let i = 0; i < 100; i++) await a.expect('error', 'Invalid offer data');
    },
  },
]);
