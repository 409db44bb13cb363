// The network of a page fails while it is called. The call goes through without the
// caller's help.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';

// What a page hears of someone who has left.
const departure = /peer-disconnected|"online":false|"error"/;

// called has alice call bob, whose page is behind a link that fails. fail returns
// once the server has what alice sends, and bob has a network again.
async function called(stage, volli, fail) {
  const link = await stage.link();
  const page = await stage.page('/demo');
  const heard = [];
  page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => heard.push(payload)));
  const a = stage.at(page, 'alice');
  await a.join(volli);
  const b = await stage.visitor('bob', { volli, link });
  if (volli) await a.look('bob');
  else await a.sees('bob');
  heard.length = 0;

  await fail(link, () => a.connect('bob'));
  await Promise.all([a.talks('bob'), b.talks('alice')]);
  await b.say('alice', 'here I am');
  await a.hears('bob', 'here I am');
  assert.deepEqual(heard.filter((frame) => departure.test(frame)), []);
  const offers = (await a.steps('bob')).filter(([way, what]) => way === 'out' && what === 'offer');
  assert.equal(offers.length, 1, 'alice called once');
  const { relays, errors } = await stage.server.stats();
  assert.deepEqual([relays.offer, relays.answer, errors], [1, 1, {}]);
}

cases(
  [false, true].flatMap((volli) => [
    {
      name: `${volli ? 'Volli' : 'Socket.IO'}: the network of the callee falls silent`,
      // The link acknowledges on TCP what it loses, as a proxy does.
      env: { TRUSTED_PROXIES: '1' },
      run: (stage) =>
        called(stage, volli, async (link, call) => {
          link.silence();
          await call();
          await stage.server.relayed('offer', 1);
          await stage.server.relayed('ice-candidate', 1);
          link.change();
          await stage.server.reaches('signaling_redelivered_total', (n) => n >= 2);
        }),
    },
    {
      name: `${volli ? 'Volli' : 'Socket.IO'}: the connection of the callee is reset`,
      run: (stage) =>
        called(stage, volli, async (link, call) => {
          link.reset();
          await stage.server.reaches('signaling_away_users', (n) => n === 1);
          await call();
          await stage.server.reaches('signaling_held_relays', (n) => n >= 2);
          link.change();
        }),
    },
  ]),
);
