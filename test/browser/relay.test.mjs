// Two browsers that do not reach each other directly talk through the built-in
// TURN server.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { cases } from './stage.mjs';
import { secret, token } from './token.mjs';

const turn = {
  TURN_LISTEN: '127.0.0.1:0',
  TURN_PUBLIC_IP: '127.0.0.1',
  TURN_ALLOW_PRIVATE: 'true',
};
const relayed = 'Relayed by a TURN server';
const name = (volli) => (volli ? 'Volli' : 'Socket.IO');

// only leaves a context's pages one way to TURN servers: udp or tcp.
const only = (context, protocol) =>
  context.addInitScript((suffix) => {
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      constructor({ iceServers, ...rest }) {
        super({ ...rest, iceServers: iceServers.map((s) => ({ ...s, urls: s.urls.filter((url) => url.endsWith(suffix)) })) });
      }
    };
  }, `?transport=${protocol}`);

// talk has two people exchange text and a file.
async function talk(a, b) {
  await a.say(b.name, 'Can you hear me?');
  await b.hears(a.name, 'Can you hear me?');
  await b.say(a.name, 'Yes.');
  await a.hears(b.name, 'Yes.');
  const buffer = randomBytes(300_000);
  await a.sendFile(b.name, { name: 'relayed.bin', mimeType: 'application/octet-stream', buffer });
  const sums = await Promise.all([a.checksum(b.name, 'relayed.bin'), b.checksum(a.name, 'relayed.bin')]);
  const sum = createHash('sha256').update(buffer).digest('hex');
  assert.deepEqual(sums, [sum, sum]);
}

// assertRelayed checks that a page shows no other path, and has offered none.
async function assertRelayed(visitor, other, protocol) {
  const panel = await visitor.with(other).locator('.path').innerText();
  assert.match(panel, new RegExp(`Your side\\s+relay udp 127\\.0\\.0\\.1:\\d+, reached by (${protocol})\\s+Other side\\s+(relay|prflx) udp 127\\.0\\.0\\.1:\\d+`));
  const steps = await visitor.steps(other);
  const candidates = steps.filter(([way, what]) => way !== 'here' && what === 'candidate').map(([, , detail]) => detail);
  assert.ok(candidates.length >= 2, JSON.stringify(steps));
  assert.deepEqual(candidates.filter((detail) => !detail.startsWith('relay udp 127.0.0.1:')), []);
  assert.ok(steps.some(([way, what]) => way === 'here' && what === 'relayed'));
}

cases([
  ...[
    { caller: false, callee: false, protocol: 'udp' },
    { caller: true, callee: false, protocol: 'tcp' },
    { caller: false, callee: true, tokens: true },
    { caller: true, callee: true },
  ].map(({ caller, callee, protocol, tokens = false }) => ({
    name: `${name(caller)} calls ${name(callee)}, relayed, by ${protocol ?? 'UDP or TCP'}${tokens ? ', with tokens' : ''}`,
    env: { ...turn, ...(tokens && { AUTH_JWT_SECRET: secret }) },
    async run(stage) {
      const visit = async (name, volli) => {
        const context = await stage.context();
        if (protocol) await only(context, protocol);
        return stage.visitor(name, { context, volli, path: '/demo?relay=only', token: tokens && token(name) });
      };
      const a = await visit('alice', caller);
      const b = await visit('bob', callee);
      assert.equal(await stage.server.metric('signaling_turn_allocations'), 0);
      if (caller) await a.look('bob');
      if (callee) await b.look('alice');
      await a.connect('bob');
      await Promise.all([a.talks('bob', relayed), b.talks('alice', relayed)]);
      await assertRelayed(a, 'bob', protocol ?? 'udp|tcp');
      await assertRelayed(b, 'alice', protocol ?? 'udp|tcp');
      await talk(a, b);
      assert.ok((await stage.server.metric('signaling_turn_allocations')) >= 2);
      if (protocol) assert.equal((await stage.server.metric('signaling_turn_connections')) > 0, protocol === 'tcp');

      await a.press('bob', 'Close the channel');
      await b.with('alice').getByText('alice closed the channel.').first().waitFor();
      await stage.server.reaches('signaling_turn_allocations', (n) => n === 0);
      assert.ok((await stage.server.metric('signaling_turn_allocations_total')) >= 2);
      // Once more, with credentials of their own.
      await b.press('alice', 'Chat');
      await Promise.all([a.talks('bob', relayed), b.talks('alice', relayed)]);
      await b.press('alice', 'Close the channel');
      await stage.server.reaches('signaling_turn_allocations', (n) => n === 0);
    },
  })),
  {
    name: 'two who reach each other directly use no relay, though there is one',
    env: turn,
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      assert.equal(await a.page.getByText('?relay=only').isVisible(), false);
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      const offered = (await a.steps('bob')).filter(([, what]) => what === 'candidate').map(([, , detail]) => detail);
      assert.ok(offered.some((detail) => detail.startsWith('host udp ')), JSON.stringify(offered));
      await a.press('bob', 'Close the channel');
      await stage.server.reaches('signaling_turn_allocations', (n) => n === 0);
    },
  },
  {
    name: 'what the page shows of the wire has no credentials',
    env: { ...turn, TURN_SECRET: 'a secret of this test' },
    async run(stage) {
      for (const volli of [false, true]) {
        const a = await stage.visitor(`alice ${volli}`, { volli, path: '/demo?relay=only' });
        const received = [];
        await a.page.getByText('What this page and the server say').click();
        a.page.on('websocket', () => received.push('again'));
        await a.page.getByLabel(volli ? 'Look for a name' : 'Message a name that is not listed').fill('nobody');
        await a.page.keyboard.press('Enter');
        if (volli) {
          const b = await stage.visitor('bob');
          await b.connect(a.name);
        }
        const frames = a.page.getByRole('region', { name: 'Last messages on the wire' });
        await frames.getByText('"credential":"…"').first().waitFor();
        const shown = await frames.innerText();
        assert.doesNotMatch(shown, /"(credential|password)":"[^…]/);
        assert.deepEqual(received, []);
      }
    },
  },
]);
