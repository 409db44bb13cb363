// Logs carry events and ids of connections, never what clients say to each
// other, and who they are only at debug.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { mode } from './modes.mjs';
import { polling, request } from './web.mjs';

// Whatever contains one of these must not be in any log.
const secret = 'SECRET';
const user = 'USERNAME';

// talk makes clients do all that a server may want to log, well and badly.
async function talk(stage) {
  const identity = {
    auth: { token: `${secret}-auth` },
    query: { token: `${secret}-query` },
    extraHeaders: { Authorization: `Bearer ${secret}-header`, Cookie: `session=${secret}-cookie` },
  };
  const watcher = await stage.connect();
  const events = [];
  watcher.socket.onAny((event) => events.push(event));
  const a = await stage.connect(identity);
  const b = await stage.connect(identity);
  for (const [peer, userId] of [[a, `${user}-a`], [b, `${user}-b`]]) await peer.ask('register', { userId });
  const [from, to] = [`${user}-a`, `${user}-b`];
  const sdp = `v=0 ${secret}-body`;
  await a.ask('offer', { to, from, offer: { sdp } });
  await b.ask('answer', { to: from, from: to, answer: { sdp } });
  await a.ask('ice-candidate', { to, from, candidate: sdp });
  await a.ask('custom-message', { to, from, message: Buffer.from(sdp) });
  await a.ask('custom-message', { to: `${user}-nobody`, from, message: sdp });
  await a.ask('offer', { to, from: to, offer: sdp });
  await a.ask('offer', { to, offer: sdp });
  await a.ask('register', { userId: `${user}-${secret}-${'x'.repeat(50)}` });
  await watcher.ask('offer', { to, from, offer: sdp });
  a.send(`${secret}-event`, sdp);
  const second = await stage.connect();
  await second.ask('register', { userId: to }); // takeover
  for (const packet of [`2["offer",{"to":"${to}","from":"${from}","offer":"${secret}`, `x${secret}`, `0/${secret},`]) {
    const bad = await stage.connect();
    await bad.ask('register', { userId: `${user}-bad` });
    bad.write(packet);
    if (!packet.startsWith('0')) while ((await bad.next())[0] !== 'disconnect');
  }
  const large = await stage.connect();
  await large.ask('register', { userId: `${user}-large` });
  large.write(`2["offer",{"to":"${to}","from":"${user}-large","offer":"${secret.repeat(5000)}"}]`);
  while ((await large.next())[0] !== 'disconnect');
  const { server } = stage;
  await request(server, `/stats?token=${secret}-url`, { headers: identity.extraHeaders });
  await request(server, `/unheard-of?token=${secret}-url`);
  if (mode.name !== 'zishang') await request(server, `${polling}&sid=${secret}-sid`, { method: 'POST', body: `${secret}` });
  await watcher.ask('ping');
  assert.ok(events.includes('peer-disconnected'));
  stage.dismiss(...stage.peers);
  await server.stop();
  return server;
}

const env = { MAX_MESSAGE_BYTES: '10000', MESSAGE_RATE: '0' };

cases('logs', [
  {
    name: 'info: neither messages nor names',
    env,
    async run(stage) {
      const { log, stdout } = await talk(stage);
      assert.doesNotMatch(log + stdout, new RegExp(secret));
      assert.doesNotMatch(log + stdout, new RegExp(user));
    },
  },
  {
    name: 'debug: no messages',
    env: { ...env, LOG_LEVEL: 'debug' },
    async run(stage) {
      const { log, stdout } = await talk(stage);
      assert.doesNotMatch(log + stdout, new RegExp(secret));
    },
  },
  {
    name: 'production: JSON with time, level and msg',
    async run(stage) {
      await stage.room('a', 'b');
      for (const line of stage.server.lines) {
        const { time, level, msg } = JSON.parse(line);
        assert.ok(Date.parse(time) > 0, line);
        assert.match(level, /^(DEBUG|INFO|WARN|ERROR)$/);
        assert.match(msg, /./);
      }
    },
  },
  {
    name: 'development: readable',
    env: { NODE_ENV: null },
    async run(stage) {
      await stage.room('a', 'b');
      for (const line of stage.server.lines) assert.throws(() => JSON.parse(line), line);
    },
  },
]);
