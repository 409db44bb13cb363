// Which user IDs `register` takes, and where it looks for them.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok } from './contract.mjs';

const invalid = 'Invalid user ID';

// Each is one UTF-16 code unit or two, and one to four bytes.
const accepted = {
  'one character': 'a',
  'a space': ' ',
  'NUL': '\u0000',
  '50 letters': 'a'.repeat(50),
  '50 letters of two bytes': 'é'.repeat(50),
  '50 letters of three bytes': '語'.repeat(50),
  '25 surrogate pairs': '😀'.repeat(25),
  '24 surrogate pairs and two letters': '😀'.repeat(24) + 'ab',
  '50 lone surrogates': '\ud83d'.repeat(50),
  'quotes, backslashes, controls': '"\\\b\f\n\r\t\u001f\u007f',
  'line separators': '\u2028\u2029',
  'characters that HTML needs escaped': '<a&b>\'',
  'what JavaScript objects have already': '__proto__',
  'the word for no value': 'null',
};

const refused = {
  'null': { userId: null },
  'false': { userId: false },
  '0': { userId: 0 },
  'an empty string': { userId: '' },
  'a number': { userId: 5 },
  'true': { userId: true },
  'an array': { userId: ['a'] },
  'an object': { userId: { userId: 'a' } },
  'a binary value': { userId: Buffer.from('a') },
  'nothing': {},
  '51 letters': { userId: 'a'.repeat(51) },
  '51 letters of two bytes': { userId: 'é'.repeat(51) },
  '26 surrogate pairs': { userId: '😀'.repeat(26) },
  '24 surrogate pairs and three letters': { userId: '😀'.repeat(24) + 'abc' },
  'a key in other case': { userid: 'a', UserId: 'a', userID: 'a' },
};

// The same as packets written by hand.
const acceptedPackets = {
  '["register",{"userId":"u"}]': 'u',
  ' [ "register" ,\t{ "userId"\n:\r"u" } ] ': 'u',
  '["register",{"\\u0075ser\\u0049d":"u"}]': 'u',
  '["\\u0072egister",{"userId":"u"}]': 'u',
  '["register",{"userId":"\\u0041\\/\\u00e9"}]': 'A/é',
  '["register",{"userId":"\\ud83d\\ude00"}]': '😀',
  '["register",{"userId":"\\ud83d"}]': '\ud83d',
  [`["register",{"userId":"${'\\u0041'.repeat(50)}"}]`]: 'A'.repeat(50),
  '["register",{"userId":"x","userId":"u"}]': 'u',
  '["register",{"userId":"","user\\u0049d":"u"}]': 'u',
  '["register",{"x":{"userId":"x"},"y":["userId","x"],"z":"\\"userId\\":\\"x\\"","userId":"u"}]': 'u',
  '["register",{"userId":"u","x":{"userId":"x"}}]': 'u',
  '["register",{"userId":"u"},{"userId":"x"}]': 'u',
  '["register",{"userId":"u"},null,1,[]]': 'u',
  // JSON has no prototype: this is a key like any other.
  '["register",{"__proto__":{"userId":"x"},"userId":"u"}]': 'u',
};

const refusedPackets = [
  '["register"]',
  '["register",null]',
  '["register","a"]',
  '["register",5]',
  '["register",true]',
  '["register",["a"]]',
  '["register",["userId","a"]]',
  '["register",[{"userId":"a"}]]',
  '["register",null,{"userId":"a"}]',
  '["register",{},{"userId":"a"}]',
  '["register",{"userId":"a","userId":""}]',
  '["register",{"userId":"a","userId":null}]',
  '["register",{"userId":"a","\\u0075serId":7}]',
  '["register",{"x":{"userId":"a"}}]',
  '["register",{" userId":"a"}]',
  `["register",{"userId":"${'\\u0041'.repeat(51)}"}]`,
];

cases('register', [
  {
    name: 'takes any string of 1 to 50 UTF-16 code units',
    async run(stage) {
      const other = await stage.join('other');
      const watcher = await stage.connect(); // in a mode of two instances, on the second
      for (const [what, userId] of Object.entries(accepted)) {
        // What others are told is the same string, and it can be called by it.
        const peer = await stage.join(userId);
        assert.deepEqual(await other.ask('custom-message', { to: userId, from: 'other', message: what }), [ok]);
        await peer.expect('custom-message', { from: 'other', message: what });
        assert.deepEqual(await peer.ask('offer', { to: 'other', from: userId, offer: 1 }), [ok], what);
        await other.expect('offer', { from: userId, offer: 1 });
        peer.leave();
        await peer.gone();
        // An instance that has not heard yet would notify the next peer.
        for (const one of [other, watcher]) await one.expect('peer-disconnected', { peerId: userId });
      }
    },
  },
  {
    name: 'answers anything else with "Invalid user ID"',
    async run(stage) {
      const other = await stage.connect();
      const peer = await stage.connect();
      for (const [what, argument] of Object.entries(refused)) {
        assert.deepEqual(await peer.ask('register', argument), [failed(invalid)], what);
        await peer.expect('error', invalid);
      }
      await stage.quiet();
      other.send('get-users');
      await other.expectUsers();
    },
  },
  {
    name: 'reads the packet as JSON.parse does',
    async run(stage) {
      const others = [await stage.connect(), await stage.connect()]; // one on each instance
      for (const [packet, userId] of Object.entries(acceptedPackets)) {
        const peer = await stage.connect();
        peer.write(`2${packet.trimStart()}`);
        await peer.expectUsers();
        for (const other of others) await other.expect('peer-connected', { peerId: userId });
        peer.leave();
        await peer.gone();
        for (const other of others) await other.expect('peer-disconnected', { peerId: userId });
      }
    },
  },
  {
    name: 'finds no user ID where JSON.parse finds none',
    async run(stage) {
      const other = await stage.connect();
      const peer = await stage.connect();
      for (const packet of refusedPackets) {
        peer.write(`2${packet}`);
        assert.equal(await peer.expect('error', invalid), `2["error","${invalid}"]`, packet);
      }
      await stage.quiet();
      other.send('get-users');
      await other.expectUsers();
    },
  },
  {
    name: 'a refused register changes nothing',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      a.send('register', { userId: '' });
      await a.expect('error', invalid);
      b.send('offer', { to: 'a', from: 'b', offer: 1 });
      await a.expect('offer', { from: 'b', offer: 1 });
      a.send('offer', { to: 'b', from: 'a', offer: 2 });
      await b.expect('offer', { from: 'a', offer: 2 });
    },
  },
  {
    name: 'names are told apart as JavaScript tells strings apart',
    async run(stage) {
      // Case, normalization, a final NUL, and surrogates that stand alone.
      await stage.room('a', 'A', 'é', 'e\u0301', 'a\u0000', '\ud800', '\ud801', '\ufffd');
    },
  },
  {
    name: 'binary values beside the user ID are dropped',
    async run(stage) {
      const peer = await stage.connect();
      assert.deepEqual(await peer.ask('register', { x: Buffer.from('x'), userId: 'a' }, Buffer.from('y')), [ok]);
      await peer.expectUsers();
      const other = await stage.connect();
      other.send('get-users');
      await other.expectUsers('a');
    },
  },
]);
