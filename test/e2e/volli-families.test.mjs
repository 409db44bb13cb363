// Calls between Volli's clients and Oodaa's, which are stock socket.io-clients.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { failed, ok, relays } from './contract.mjs';
import { mode } from './modes.mjs';
import { kinds, staged } from './volli.mjs';
import { json } from './web.mjs';

const row = (name, run, more) => ({ name, ...more, run: staged(run) });

// Bodies that a JSON decoder and encoder would not give back as they were.
const bodies = [
  '9007199254740993',
  '-1.50',
  '1E+2',
  '1e400',
  '"\\u0041\\/\\b\\f\\n\\r\\t\\"\\\\"',
  '"\\ud800 \\udc00\\ud800 \\u0000"',
  '"é語😀\u2028\u2029\u007f\u0080\ufeff\uffff"',
  '{"z":1,"10":2,"a":3,"9":4,"a":{"a":1,"a":1},"":{},"__proto__":{"b":1}}',
  '{ "a" :\t[ 1 ,\r\n 2 ] , "b":{ } }',
  '"\\"to\\":\\"x\\""',
  '"}],"',
  '{"type":"x","to":"x","from":"x","offer":1,"answer":2,"candidate":3}',
  '["offer",{"to":"x","from":"y","offer":1}]',
  'true',
  '" "',
  '"0"',
  '[]',
  '{}',
  `{"sdp":${JSON.stringify('a=€😀\r\n'.repeat(20_000))}}`,
  '['.repeat(10_000) + ']'.repeat(10_000),
];

// meet joins one of each family.
async function meet(stage, volli) {
  const v = await volli.join('v');
  const o = await stage.connect();
  o.send('register', { userId: 'o' });
  await o.expectUsers('v');
  return [v, o];
}

cases('volli and oodaa', [
  row('a Volli client calls an Oodaa client', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    v.send({ type: 'discover', userId: 'o' });
    await v.expect({ type: 'discover-response', userId: 'o', online: true });
    v.send({ type: 'offer', from: 'v', to: 'o', offer: { type: 'offer', sdp: 'v=0\r\n' } });
    for (let n = 1; n <= 5; n++) v.send({ type: 'ice-candidate', from: 'v', to: 'o', candidate: { n } });
    await o.expect('offer', { from: 'v', offer: { type: 'offer', sdp: 'v=0\r\n' } });
    for (let n = 1; n <= 5; n++) await o.expect('ice-candidate', { from: 'v', candidate: { n } });
    o.send('answer', { to: 'v', from: 'o', answer: { type: 'answer', sdp: 'v=0\r\n' } });
    for (let n = 1; n <= 5; n++) o.send('ice-candidate', { to: 'v', from: 'o', candidate: { n } });
    await v.expect({ type: 'answer', from: 'o', to: 'v', answer: { type: 'answer', sdp: 'v=0\r\n' } });
    for (let n = 1; n <= 5; n++) await v.expect({ type: 'ice-candidate', from: 'o', to: 'v', candidate: { n } });
    if (mode.instances) return; // each has statistics of its own
    const stats = await json(stage.server, '/stats');
    assert.deepEqual(stats.relays, { offer: 1, answer: 1, 'ice-candidate': 10, 'custom-message': 0 });
    assert.deepEqual([stats.connectedUsers, stats.connections.volli.websocket, stats.errors], [2, 1, {}]);
    assert.equal(stats.connections.socketio.websocket + stats.connections.socketio.polling, 1);
  }, { fresh: true }),
  row('an Oodaa client calls a Volli client', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    assert.deepEqual(await o.ask('offer', { to: 'v', from: 'o', offer: { type: 'offer', sdp: 'v=0\r\n' } }), [ok]);
    for (let n = 1; n <= 5; n++) o.send('ice-candidate', { to: 'v', from: 'o', candidate: { n } });
    await v.expect({ type: 'offer', from: 'o', to: 'v', offer: { type: 'offer', sdp: 'v=0\r\n' } });
    for (let n = 1; n <= 5; n++) await v.expect({ type: 'ice-candidate', from: 'o', to: 'v', candidate: { n } });
    v.send({ type: 'answer', from: 'v', to: 'o', answer: { type: 'answer', sdp: 'v=0\r\n' } });
    await o.expect('answer', { from: 'v', answer: { type: 'answer', sdp: 'v=0\r\n' } });
  }),
  row('bodies arrive byte for byte, on every relay, both ways', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    for (const { type, body } of kinds) {
      for (const value of bodies) {
        v.write(`{"type":"${type}","from":"v","to":"o","${body}":${value}}`);
        o.write(`2["${type}",{"to":"v","from":"o","${body}":${value}}]`);
      }
      for (const value of bodies) {
        await o.expectPacket(`2["${type}",{"from":"v","${body}":${value}}]`);
        await v.expect(`{"type":"${type}","from":"o","to":"v","${body}":${value}}`);
      }
    }
  }),
  row('only from and the body pass, however the message is spelled', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    v.write(' {"x":[1.0],"off\\u0065r" : {"a":1.0 } ,"fr\\u006fm":"\\u0076","to":"x","t\\u006f":"\\u006f","type":"off\\u0065r"} ');
    await o.expectPacket('2["offer",{"from":"v","offer":{"a":1.0 }}]');
    o.write('2[ "off\\u0065r" ,{"x":[1.0],"off\\u0065r" : {"a":1.0 } ,"fr\\u006fm":"\\u006f","to":"x","t\\u006f":"\\u0076"},1]');
    await v.expect('{"type":"offer","from":"o","to":"v","offer":{"a":1.0 }}');
  }),
  row('500 relays each way, at once, in order', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    const each = (visit) => Promise.all(Array.from({ length: 500 }, (_, n) => visit(kinds[n % 3], n + 1)));
    await each(({ type, body }, n) => {
      v.send({ type, from: 'v', to: 'o', [body]: n });
      o.send(type, { to: 'v', from: 'o', [body]: n });
    });
    for (let n = 1; n <= 500; n++) {
      const { type, body } = kinds[(n - 1) % 3];
      await o.expect(type, { from: 'v', [body]: n });
      await v.expect({ type, from: 'o', to: 'v', [body]: n });
    }
  }),
  row('custom-message has no Volli form: the sender is told', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    o.send('custom-message', { to: 'v', from: 'o', message: 'hello' });
    await o.expect('error', 'User v not found');
    assert.deepEqual(await o.ask('custom-message', { to: 'v', from: 'o', message: { x: 1 } }), [failed('User v not found')]);
    await o.expect('error', 'User v not found');
    v.send({ type: 'custom-message', from: 'v', to: 'o', message: 'hello' });
    await v.expectError('Unknown message type');
  }),
  row('binary values have none either', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    for (const { event, body } of relays) {
      assert.deepEqual(await o.ask(event, { to: 'v', from: 'o', [body]: { x: Buffer.from([1, 2]) } }), [failed('User v not found')]);
      await o.expect('error', 'User v not found');
    }
    await v.settle();
  }),
  row('errors come in the words of the family that made them', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    v.send({ type: 'offer', from: 'v', to: 'nobody', offer: 1 });
    await v.expectError('User nobody is not online');
    o.send('offer', { to: 'nobody', from: 'o', offer: 1 });
    await o.expect('error', 'User nobody not found');
    v.send({ type: 'offer', from: 'o', to: 'o', offer: 1 });
    await v.expectError('Sender mismatch');
    o.send('offer', { to: 'v', from: 'v', offer: 1 });
    await o.expect('error', 'Sender mismatch');
    v.send({ type: 'offer', from: 'v', to: 'o', offer: 0 });
    await v.expectError('Missing required fields');
    o.send('offer', { to: 'v', from: 'o', offer: 0 });
    await o.expect('error', 'Invalid offer data');
  }),
  row('Volli users are listed and announced to Oodaa clients, and not the other way round', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    const watcher = await stage.connect();
    const w = await volli.join('w');
    for (const peer of [o, watcher]) await peer.expect('peer-connected', { peerId: 'w' });
    // Another key is no arrival.
    w.send({ type: 'register', userId: 'w', publicKey: 'another' });
    await w.expect({ type: 'registered', success: true, userId: 'w' });
    watcher.send('get-users');
    await watcher.expectUsers('o', 'v', 'w');
    // Another name is one, and a departure.
    w.userId = 'w2';
    w.send({ type: 'register', userId: 'w2', publicKey: 'key' });
    await w.expect({ type: 'registered', success: true, userId: 'w2' });
    for (const peer of [o, watcher]) {
      await peer.expect('peer-disconnected', { peerId: 'w' });
      await peer.expect('peer-connected', { peerId: 'w2' });
    }
    await w.leave();
    for (const peer of [o, watcher]) await peer.expect('peer-disconnected', { peerId: 'w2' });
    // And o goes: v hears nothing of it, but finds out when it asks.
    o.leave();
    await o.gone();
    await watcher.expect('peer-disconnected', { peerId: 'o' });
    v.send({ type: 'discover', userId: 'o' });
    await v.expect({ type: 'discover-response', userId: 'o', online: false });
    v.send({ type: 'offer', from: 'v', to: 'o', offer: 1 });
    await v.expectError('User o is not online');
  }),
  row('takeover across the families', async (stage, volli) => {
    const [v, o] = await meet(stage, volli);
    // Oodaa takes Volli's name …
    const first = await volli.join('x');
    await o.expect('peer-connected', { peerId: 'x' });
    const second = await stage.connect();
    second.send('register', { userId: 'x' });
    await second.expectUsers('o', 'v');
    await first.gone(4001, 'replaced');
    await o.expect('peer-disconnected', { peerId: 'x' });
    await o.expect('peer-connected', { peerId: 'x' });
    v.send({ type: 'offer', from: 'v', to: 'x', offer: 1 });
    await second.expect('offer', { from: 'v', offer: 1 });
    // … and Volli takes it back.
    const third = await volli.join('x');
    assert.equal(await second.gone(), 'io server disconnect');
    await o.expect('peer-disconnected', { peerId: 'x' });
    await o.expect('peer-connected', { peerId: 'x' });
    o.send('offer', { to: 'x', from: 'o', offer: 2 });
    await third.expect({ type: 'offer', from: 'o', to: 'x', offer: 2 });
    v.send({ type: 'discover', userId: 'x' });
    await v.expect({ type: 'discover-response', userId: 'x', online: true, publicKey: 'key' });
  }),
]);
