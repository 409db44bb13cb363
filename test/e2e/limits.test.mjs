// What one connection may send, how much may wait for it, how many there are.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok } from './contract.mjs';
import { eventually } from './deadline.mjs';
import { polling, request, statusOf, upgrade, volli, websocket } from './web.mjs';
import { mode } from './modes.mjs';

const limited = 'Rate limit exceeded';

// sized is a relay whose Engine.IO packet has so many bytes.
function sized(bytes, fill = 'x') {
  const packet = (message) => `2["custom-message",{"to":"b","from":"a","message":"${message}"}]`;
  const room = bytes - 1 - packet('').length;
  const width = Buffer.byteLength(fill);
  return packet('y'.repeat(room % width) + fill.repeat(Math.floor(room / width)));
}

// tooLarge asserts that the client is told so and loses its connection.
async function tooLarge(peer) {
  // A POST over the limit ends a long-polling session with its 413.
  if (peer.engine.transport.name === 'websocket') await peer.expect('error', 'Message too large');
  const events = await peer.untilPongOrGone();
  const [event] = events.pop();
  assert.equal(event, 'disconnect');
  assert.ok(events.every(([name, text]) => name === 'error' && text === 'Message too large'));
}

// burst sends so many events at once and resolves to the acknowledgements.
const burst = (count, send) => Promise.all(Array.from({ length: count }, (_, n) => send(n)));

cases('limits', [
  {
    name: 'a message of MAX_MESSAGE_BYTES passes, one byte more ends the connection',
    env: { MAX_MESSAGE_BYTES: '5000' },
    async run(stage) {
      const b = await stage.join('b');
      for (const fill of ['x', 'é', '😀']) {
        const a = await stage.join('a');
        await a.upgraded();
        a.write(sized(5000, fill));
        const [event, { message }] = await b.next();
        assert.deepEqual([event, message.endsWith(fill)], ['custom-message', true]);
        a.write(sized(5001, fill));
        await tooLarge(a);
        await b.expect('peer-disconnected', { peerId: 'a' });
      }
    },
  },
  {
    name: 'the default is 1000000 bytes',
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await a.upgraded();
      a.write(sized(1_000_000));
      const [event, { message }] = await b.next();
      assert.equal(event, 'custom-message');
      assert.ok(message.length > 999_900);
      a.write(sized(1_000_001));
      await tooLarge(a);
      await b.expect('peer-disconnected', { peerId: 'a' });
    },
  },
  {
    name: 'events over MESSAGE_RATE and MESSAGE_BURST are dropped with an error',
    env: { MESSAGE_RATE: '1', MESSAGE_BURST: '5' },
    async run(stage) {
      const b = await stage.join('b');
      const a = await stage.join('a'); // two of its five
      const answers = await burst(10, (n) => a.ask('offer', { to: 'b', from: 'a', offer: [n] }));
      assert.deepEqual(answers.slice(0, 3), Array(3).fill([ok]));
      const refused = answers.filter(([{ ok }]) => !ok);
      assert.ok(refused.length > 0, 'nothing was refused');
      assert.deepEqual(refused, Array(refused.length).fill([failed(limited)]));
      for (const _ of refused) await a.expect('error', limited);
      for (const [n, [{ ok }]] of answers.entries()) if (ok) await b.expect('offer', { from: 'a', offer: [n] });
      // It is dropped for now, not for good. The others do not share its fate.
      await eventually('the next token', async () => {
        const [answer] = await a.ask('offer', { to: 'b', from: 'a', offer: 'again' });
        if (answer.ok) return true;
        assert.deepEqual(answer, failed(limited));
        await a.expect('error', limited);
      });
      await b.expect('offer', { from: 'a', offer: 'again' });
      await stage.join('c');
      stage.dismiss(...stage.peers); // they have no tokens left for the final check
    },
  },
  {
    name: 'register, get-users, ping and unknown events count, and binary ones are dropped whole',
    env: { MESSAGE_RATE: '1', MESSAGE_BURST: '5' },
    async run(stage) {
      const a = await stage.connect();
      a.send('unheard-of');
      assert.deepEqual(await a.ask('register', { userId: 'a' }), [ok]);
      await a.expectUsers();
      assert.deepEqual(await a.ask('get-users'), [ok]);
      await a.expectUsers();
      const answers = await burst(10, (n) => a.ask('ping', Buffer.from([n])));
      assert.deepEqual(answers[0], [ok]);
      const refused = answers.filter(([{ ok }]) => !ok);
      assert.ok(refused.length >= 5, `${refused.length} were refused`);
      const events = [];
      while (events.length < answers.length) events.push((await a.next()).join(' '));
      assert.deepEqual(events, answers.map(([{ ok }]) => (ok ? 'pong' : `error ${limited}`)));
      stage.dismiss(a); // it has no tokens left for the final check
    },
  },
  {
    name: 'by default 200 packets may come at once',
    env: { MESSAGE_RATE: null },
    async run(stage) {
      const a = await stage.connect();
      const answers = await burst(600, () => a.ask('ping'));
      assert.deepEqual(answers.slice(0, 199), Array(199).fill([ok])); // the first connected it
      const refused = answers.filter(([{ ok }]) => !ok);
      assert.ok(refused.length > 0, 'nothing was refused');
      stage.dismiss(a);
    },
  },
  {
    name: 'MESSAGE_RATE=0: no limit',
    env: { MESSAGE_RATE: '0', MESSAGE_BURST: '1' },
    async run(stage) {
      const a = await stage.connect();
      assert.deepEqual(await burst(300, () => a.ask('ping')), Array(300).fill([ok]));
      for (let i = 0; i < 300; i++) await a.expect('pong');
    },
  },
  {
    name: 'relays to a client for which more than MAX_OUTBOX_BYTES wait fail; it is disconnected if it takes nothing',
    env: { MAX_MESSAGE_BYTES: '150000', MAX_OUTBOX_BYTES: '200000', PING_INTERVAL: '1s', PING_TIMEOUT: '5s', RECONNECT_GRACE: '0' },
    async run(stage) {
      const [a, b] = await stage.room('a', 'b');
      await a.upgraded();
      await b.deafen();
      const message = 'x'.repeat(100_000);
      // Until the buffers of both kernels and the outbox are full.
      const answers = [];
      await eventually('the slow client to get no more', async () => {
        answers.push(...(await burst(4, () => a.ask('custom-message', { to: 'b', from: 'a', message }))));
        return !answers.at(-1)[0].ok;
      });
      const refused = answers.filter(([{ ok }]) => !ok);
      assert.ok(refused.length < answers.length, 'nothing was handed over');
      assert.deepEqual(refused, Array(refused.length).fill([failed('User b is not responding')]));
      const told = [];
      while (told.length <= refused.length) told.push(await a.next());
      assert.deepEqual(
        told.map(([event, argument]) => `${event} ${argument.peerId ?? argument}`).sort(),
        [...refused.map(() => 'error User b is not responding'), 'peer-disconnected b'],
      );
      stage.dismiss(b);
    },
  },
  {
    name: 'past MAX_CONNECTIONS new ones get 503, and health checks still answer',
    env: { MAX_CONNECTIONS: '2' },
    async run(stage) {
      const a = await stage.join('a');
      await a.upgraded(); // while there is room: the upgrade counts as a connection
      const b = await stage.join('b');
      const { server } = stage;
      const third = stage.open();
      const [event] = await third.next();
      assert.deepEqual([event, statusOf(third.refusal)], ['connect_error', 503]);
      for (const path of [websocket, ...volli]) assert.equal((await upgrade(server, {}, path)).status, 503, path);
      if (mode.name !== 'zishang') assert.equal((await request(server, polling)).status, 503);
      assert.equal((await request(server, '/health')).status, 200);
      assert.equal((await request(server, '/ready')).status, 200);
      // Those that are in do not notice, and who leaves makes room.
      a.send('offer', { to: 'b', from: 'a', offer: 1 });
      await b.expect('offer', { from: 'a', offer: 1 });
      b.leave();
      await b.gone();
      await a.expect('peer-disconnected', { peerId: 'b' });
      const next = await eventually('room for another', async () => {
        const peer = stage.open();
        const [event] = await peer.next();
        return event === 'connect' && peer;
      });
      next.send('get-users');
      await next.expectUsers('a');
    },
  },
]);
