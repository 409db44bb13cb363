// Volli clients in a browser prove that they hold their key, with the keys and
// signatures of its Web Crypto.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';

const alert = (page, text) => page.getByRole('alert').getByText(text);

// inPage gives a page what its scripts in these tests are written with.
const inPage = (page) =>
  page.evaluate(() => {
    const algorithms = {
      'Ed25519': { name: 'Ed25519' },
      'ECDSA P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
    };
    const base64 = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)));
    globalThis.makeKey = async (kind) => {
      const algorithm = algorithms[kind];
      const pair = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
      const spki = base64(await crypto.subtle.exportKey('spki', pair.publicKey));
      const prove = async (user, nonce) => {
        const text = new TextEncoder().encode(`oodaa-register\n${user}\n${nonce}`);
        return base64(await crypto.subtle.sign(algorithm, pair.privateKey, text));
      };
      return { spki, prove };
    };
    // connect resolves to a connection: say sends a message and resolves to what
    // comes next.
    globalThis.connect = () =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`ws://${location.host}/ws`);
        let next;
        let closed;
        const end = new Promise((done) => (closed = done));
        socket.onmessage = ({ data }) => next(JSON.parse(data));
        socket.onclose = ({ code, reason }) => closed([code, reason]);
        socket.onerror = reject;
        socket.onopen = () =>
          resolve({
            end,
            say: (message) =>
              new Promise((answer) => {
                next = answer;
                socket.send(JSON.stringify(message));
              }),
          });
      });
  });

const kinds = ['Ed25519', 'ECDSA P-256'];
const registered = (userId) => ({ type: 'registered', success: true, userId });
const invalid = { type: 'error', message: 'Invalid proof', code: 'invalid_proof' };

cases([
  ...kinds.map((kind) => ({
    name: `${kind}: a proof is accepted once, for its own challenge`,
    env: { KEY_PROOF: 'always' },
    async run(stage) {
      const page = await stage.page('/demo');
      await inPage(page);
      const got = await page.evaluate(async (kind) => {
        const { makeKey, connect } = globalThis;
        const key = await makeKey(kind);
        const userId = 'Zoë 🦊';
        const register = { type: 'register', userId, publicKey: key.spki };
        const proof = async (nonce, k = key) => ({ type: 'proof', signature: await k.prove(userId, nonce) });
        const [one, two, three] = [await connect(), await connect(), await connect()];
        const first = await one.say(register);
        const second = await two.say(register);
        const heard = await proof(first.nonce);
        const out = { first, second };
        out.foreign = await two.say(heard);
        out.accepted = await one.say(heard);
        out.replayed = await one.say(heard);
        await two.say(register);
        out.replayedElsewhere = await two.say(heard);
        out.unasked = await three.say(heard);
        const third = await three.say(register);
        out.otherKey = await three.say(await proof(third.nonce, await makeKey(kind)));
        out.spent = await three.say(await proof(third.nonce));
        const fourth = await three.say(register);
        out.again = await three.say(await proof(fourth.nonce));
        out.taken = await one.end;
        const finder = await connect();
        out.found = await finder.say({ type: 'discover', userId });
        return { ...out, spki: key.spki, nonces: [first, second, third, fourth].map(({ nonce }) => nonce) };
      }, kind);
      assert.equal(got.first.type, 'challenge');
      assert.deepEqual(Object.keys(got.first), ['type', 'nonce']);
      for (const nonce of got.nonces) assert.equal(Buffer.from(nonce, 'base64').length, 32);
      assert.equal(new Set(got.nonces).size, 4);
      assert.deepEqual(got.accepted, registered('Zoë 🦊'));
      assert.deepEqual(got.again, registered('Zoë 🦊'));
      for (const refused of ['foreign', 'replayed', 'replayedElsewhere', 'unasked', 'otherKey', 'spent']) assert.deepEqual(got[refused], invalid, refused);
      assert.deepEqual(got.taken, [4001, 'replaced']);
      assert.deepEqual(got.found, { type: 'discover-response', userId: 'Zoë 🦊', online: true, publicKey: got.spki });
    },
  })),
  ...['takeover', 'always'].map((mode) => ({
    name: `the page proves its key, and keeps its name from others (KEY_PROOF=${mode})`,
    env: { KEY_PROOF: mode },
    async run(stage) {
      const a = await stage.visitor('alice', { volli: true });
      const b = await stage.visitor('bob');
      await b.sees('alice');
      for (const [volli, words] of [[true, 'This page could not prove that the name is its own.'], [false, 'someone with a key holds this one']]) {
        const other = stage.at(await stage.page('/demo'), 'alice');
        await other.ask(volli);
        await alert(other.page, words).waitFor();
      }
      await b.connect('alice');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      // The same page comes back by itself while its old connection still has
      // the name: its key opens the door.
      const answered = a.page.waitForEvent('websocket').then((socket) => socket.waitForEvent('framereceived', ({ payload }) => payload.includes('"challenge"')));
      await a.page.evaluate(() => {
        // A WebSocket whose end the page believes, and the server does not hear of.
        const close = WebSocket.prototype.close;
        WebSocket.prototype.close = function () {
          WebSocket.prototype.close = close;
        };
        document.getElementById('leave').click();
      });
      await a.join(true);
      await answered;
    },
  })),
  {
    name: 'on plain HTTP the page has no key that it could prove, and says so',
    env: { KEY_PROOF: 'always' },
    async run(stage) {
      const a = stage.at(await stage.page('/demo', { host: 'plain.test' }), 'alice');
      await a.ask(true);
      await alert(a.page, 'This page could not prove that the name is its own.').waitFor();
      stage.allow(/^console: The Cross-Origin-Opener-Policy header has been ignored/);
    },
  },
]);
