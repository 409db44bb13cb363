// Calls with video and audio.

import assert from 'node:assert/strict';
import { holdOffers } from './glare.mjs';
import { colour, flows, media, until, watchMedia } from './media.mjs';
import { cases } from './stage.mjs';

const protocols = (volli) => (volli ? 'Volli' : 'Socket.IO');
const dialog = (visitor, name) => visitor.page.getByRole('dialog', { name });
const incoming = (visitor, name) => dialog(visitor, `${name} is calling`);

async function visit(stage, name, options = {}) {
  const context = await stage.context(options);
  await watchMedia(context);
  return stage.visitor(name, { ...options, context });
}

// pair is two people who see each other.
async function pair(stage, { caller = false, callee = false, kind = 'Video', ...options } = {}) {
  const a = await visit(stage, 'alice', { volli: caller, ...options });
  const b = await visit(stage, 'bob', { volli: callee, ...options });
  if (caller) await a.look('bob');
  await a.dial('bob', kind);
  await b.accept('alice', kind.toLowerCase());
  await Promise.all([a.inCall('bob'), b.inCall('alice')]);
  return [a, b];
}

const quality = (visitor, name) => visitor.stage(name).locator('.figures');

cases([
  ...[
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ].map(([caller, callee]) => ({
    name: `${protocols(caller)} calls ${protocols(callee)} with video: both see and hear each other, chat beside it, and hang up`,
    async run(stage) {
      const [a, b] = await pair(stage, { caller, callee });
      await Promise.all([flows(a.page), flows(b.page)]);
      // The camera of these browsers shows green.
      for (const [visitor, name] of [[a, 'bob'], [b, 'alice']]) {
        const [red, green, blue] = await colour(visitor, name);
        assert.ok(green > 60 && green > red + 20 && green > blue + 20, `${name} looks like ${[red, green, blue]}`);
        await until('sound', () => media(visitor.page), ({ level }) => level > 0);
        await quality(visitor, name).getByText(/^Direct · round trip (below 1|\d+) ms · loss [\d.]+ % · \d+ × \d+, \d+ fps$/).waitFor();
        assert.match(await quality(visitor, name).getByRole('timer').innerText(), /^00:\d\d$/);
      }
      await a.say('bob', 'beside the call');
      await b.hears('alice', 'beside the call');
      await b.press('alice', 'Hang up');
      await Promise.all([
        a.with('bob').getByRole('log').getByText('bob hung up.').waitFor(),
        b.with('alice').getByRole('log').getByText('You hung up.').waitFor(),
      ]);
      for (const [visitor, name] of [[a, 'bob'], [b, 'alice']]) {
        assert.equal(await visitor.stage(name).isVisible(), false);
        const live = await visitor.page.evaluate(() => globalThis.connections.flatMap((pc) => pc.getSenders()).filter(({ track }) => track).length);
        assert.equal(live, 0, 'the camera and the microphone are released');
      }
      // Once more, over the same connection, the other way.
      if (caller !== callee) {
        await b.with('alice').getByRole('button', { name: 'Video', exact: true }).click();
        await dialog(b, 'Video call with alice').getByRole('button', { name: 'Call' }).click();
        await a.accept('bob');
        await Promise.all([flows(a.page), flows(b.page)]);
      }
      const { relays, errors } = await stage.server.stats();
      assert.deepEqual([relays.offer, relays.answer], [2, 2], 'one for the channel, one for the media of both calls');
      assert.deepEqual(errors, {});
    },
  })),
  {
    name: 'mute, camera off and on, and the other page shows it',
    async run(stage) {
      const [a, b] = await pair(stage);
      await Promise.all([flows(a.page), flows(b.page)]);
      await a.press('bob', 'Mute');
      await b.stage('alice').getByText('alice, muted', { exact: true }).waitFor();
      await until('silence', () => media(b.page), ({ level }) => level === 0);
      await a.press('bob', 'Mute');
      await b.stage('alice').getByText('alice', { exact: true }).waitFor();
      await flows(b.page);
      await a.press('bob', 'Camera');
      await b.stage('alice').getByText('alice has no camera on', { exact: true }).waitFor();
      await a.stage('bob').getByText('Camera off', { exact: true }).waitFor();
      assert.equal(await a.stage('bob').getByRole('button', { name: 'Camera' }).getAttribute('aria-pressed'), 'false');
      await flows(b.page, { video: false });
      await a.press('bob', 'Camera');
      await b.stage('alice').getByText('alice', { exact: true }).waitFor();
      await flows(b.page);
    },
  },
  {
    name: 'an audio call to which a camera and a screen are added',
    async run(stage) {
      const [a, b] = await pair(stage, { kind: 'Audio' });
      await Promise.all([flows(a.page, { video: false }), flows(b.page, { video: false })]);
      await b.stage('alice').getByText('alice has no camera on', { exact: true }).waitFor();
      assert.equal((await media(b.page)).frames, 0);
      await a.press('bob', 'Camera');
      await flows(b.page);
      await b.press('alice', 'Share screen');
      await a.stage('bob').getByText('bob shares the screen', { exact: true }).waitFor();
      await flows(a.page);
      await b.press('alice', 'Share screen');
      await a.stage('bob').getByText('bob has no camera on', { exact: true }).waitFor();
    },
  },
  {
    name: 'a call rings by title, sound and vibration, and is declined',
    async run(stage) {
      const context = await stage.context();
      await context.addInitScript(() => {
        globalThis.told = { vibrations: 0, gains: [] };
        Navigator.prototype.vibrate = (pattern) => pattern && globalThis.told.vibrations++;
        const { createGain } = AudioContext.prototype;
        AudioContext.prototype.createGain = function () {
          const gain = createGain.call(this);
          globalThis.told.gains.push(gain.gain);
          return gain;
        };
      });
      const a = await visit(stage, 'alice');
      const b = await stage.visitor('bob', { context });
      const title = await b.page.title();
      await a.dial('bob');
      await incoming(b, 'alice').waitFor();
      await until('the title to say so, in turn with its own words', () => b.page.title(), (now) => now === 'alice is calling');
      const loud = () => b.page.evaluate(() => globalThis.told.gains[0].value);
      assert.ok((await b.page.evaluate(() => globalThis.told.vibrations)) > 0);
      assert.ok((await loud()) > 0.1);
      await b.page.locator('#volume').evaluate((slider) => {
        slider.value = 0;
        slider.dispatchEvent(new Event('input'));
      });
      assert.equal(await loud(), 0, 'it is as loud as the page');
      await incoming(b, 'alice').getByRole('button', { name: 'Decline' }).click();
      await a.with('bob').getByRole('log').getByText('bob declined the call.').waitFor();
      await incoming(b, 'alice').waitFor({ state: 'detached' });
      assert.equal(await b.page.title(), title);
      // The channel stays.
      await a.say('bob', 'Later, then.');
      await b.hears('alice', 'Later, then.');
    },
  },
  {
    name: 'the buttons of the preview stay where they are when the picture comes',
    async run(stage) {
      const a = await visit(stage, 'alice');
      await visit(stage, 'bob');
      await a.person('bob').getByRole('button', { name: 'Video call with' }).click();
      const question = dialog(a, 'Video call with bob');
      const picture = question.getByLabel('You, as the other will see you');
      await until('a picture', () => picture.evaluate((video) => video.videoWidth), (width) => width > 0);
      const go = question.getByRole('button', { name: 'Call', exact: true });
      const there = await go.boundingBox();
      await picture.evaluate((video) => {
        video.srcObject = null;
      });
      await until('no picture', () => picture.evaluate((video) => video.videoWidth), (width) => width === 0);
      assert.deepEqual(await go.boundingBox(), there);
    },
  },
  {
    name: 'the caller gives up; somebody in a call is busy for others',
    async run(stage) {
      const a = await visit(stage, 'alice');
      const b = await visit(stage, 'bob');
      const c = await visit(stage, 'carol', { volli: true });
      await a.dial('bob');
      await incoming(b, 'alice').waitFor();
      await a.press('bob', 'Hang up');
      await b.with('alice').getByRole('log').getByText('You missed a call from alice.').waitFor();
      assert.equal(await incoming(b, 'alice').count(), 0);
      await a.dial('bob');
      await b.accept('alice');
      await Promise.all([a.inCall('bob'), b.inCall('alice')]);
      await c.look('bob');
      await c.dial('bob');
      await c.with('bob').getByRole('log').getByText('bob is in another call.').waitFor();
      await b.person('carol').getByText('something new').waitFor();
      await flows(a.page);
    },
  },
  ...[[false, true]].map(([first, second]) => ({
    name: `both call at once: they are in one call (${protocols(first)}, ${protocols(second)})`,
    async run(stage) {
      const [a, b] = await Promise.all(
        [first, second].map(async (volli, i) => {
          const context = await stage.context();
          await watchMedia(context);
          const page = await stage.page('/demo', { context });
          await holdOffers(page);
          const visitor = stage.at(page, ['alice', 'bob'][i]);
          await visitor.join(volli);
          return visitor;
        }),
      );
      if (first) await a.look('bob');
      if (second) await b.look('alice');
      await Promise.all([a.sees('bob'), b.sees('alice')]);
      await Promise.all([a.dial('bob'), b.dial('alice')]);
      await Promise.all([a.inCall('bob'), b.inCall('alice')]);
      await Promise.all([flows(a.page), flows(b.page)]);
      for (const { page } of [a, b]) assert.equal(await page.locator('dialog[open]').count(), 0);
    },
  })),
  {
    name: 'the camera and the microphone are refused: clear words, and a call to watch',
    async run(stage) {
      const context = await stage.context();
      await watchMedia(context);
      // As browsers do when somebody presses "Block".
      await context.addInitScript(() => {
        MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
      });
      const a = await stage.visitor('alice', { context });
      const b = await visit(stage, 'bob');
      await a.person('bob').getByRole('button', { name: 'Video call with' }).click();
      const question = dialog(a, 'Video call with bob');
      await question.getByRole('alert').getByText('The browser does not let this page use the camera. Allow it in the settings beside the address').waitFor();
      await question.getByRole('button', { name: 'Try again' }).waitFor();
      await question.getByRole('button', { name: 'Call anyway, to watch and listen' }).click();
      await b.accept('alice');
      await a.inCall('bob');
      await flows(a.page);
      await b.stage('alice').getByText('alice has no camera on, muted', { exact: true }).waitFor();
      await a.press('bob', 'Camera');
      await a.stage('bob').getByRole('alert').getByText('The browser does not let this page use the camera.').waitFor();
    },
  },
  {
    name: 'a machine without camera and microphone, and a page that is not on HTTPS',
    bare: true,
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { host: 'plain.test' });
      const look = async (visitor, name, words) => {
        await visitor.person(name).getByRole('button', { name: 'Video call with' }).click();
        const question = dialog(visitor, `Video call with ${name}`);
        await question.getByRole('alert').getByText(words).waitFor();
        await question.getByRole('button', { name: 'Cancel' }).click();
      };
      await look(a, 'bob', 'No microphone was found. No camera was found.');
      await look(b, 'alice', 'This page is not on HTTPS.');
      stage.allow(/^console: The Cross-Origin-Opener-Policy header has been ignored/);
    },
  },
  {
    name: 'the server is away in a call: it goes on, a camera can be added, and one can hang up',
    async run(stage) {
      const [a, b] = await pair(stage, { kind: 'Audio', callee: true });
      await Promise.all([flows(a.page, { video: false }), flows(b.page, { video: false })]);
      await stage.server.stop();
      for (const { page } of [a, b]) await page.getByText('Connection lost').first().waitFor();
      await Promise.all([flows(a.page, { video: false }), flows(b.page, { video: false })]);
      await a.press('bob', 'Camera');
      await flows(b.page);
      await stage.server.start();
      await Promise.all([a.online(), b.online()]);
      await flows(b.page);
      await b.press('alice', 'Hang up');
      await a.with('bob').getByRole('log').getByText('bob hung up.').waitFor();
    },
  },
  {
    name: 'the network changes in a call: an ICE restart through the server, and it goes on',
    async run(stage) {
      const [a, b] = await pair(stage);
      await Promise.all([flows(a.page), flows(b.page)]);
      const before = [await media(a.page), await media(b.page)];
      await a.page.context().setOffline(true);
      await a.page.context().setOffline(false);
      for (const [i, { page }] of [a, b].entries()) await until('an ICE restart', () => media(page), ({ ufrag }) => ufrag !== before[i].ufrag);
      await a.with('bob').getByText('ICE restart', { exact: true }).first().waitFor();
      await Promise.all([flows(a.page), flows(b.page)]);
    },
  },
  {
    name: 'the browser of one side crashes in a call: it has ended within seconds, and is not waited for',
    env: { RECONNECT_GRACE: '0' },
    async run(stage) {
      const [a, b] = await pair(stage);
      await Promise.all([flows(a.page), flows(b.page)]);
      await b.crash();
      await a.misses('bob');
      await a.with('bob').getByRole('log').getByText('The call has ended.').waitFor();
      await a.with('bob').locator('.state').getByText('bob closed the channel.').waitFor();
    },
  },
  {
    name: 'relayed by the TURN server, which restarts: the call finds its way through the new one',
    env: { TURN_LISTEN: '127.0.0.1:0', TURN_PUBLIC_IP: '127.0.0.1', TURN_ALLOW_PRIVATE: 'true' },
    async run(stage) {
      const [a, b] = await pair(stage, { path: '/demo?relay=only', callee: true });
      await Promise.all([flows(a.page), flows(b.page)]);
      for (const [visitor, name] of [[a, 'bob'], [b, 'alice']]) {
        assert.equal((await media(visitor.page)).local, 'relay');
        await quality(visitor, name).getByText(/^Relayed · /).waitFor();
      }
      assert.ok((await stage.server.metric('signaling_turn_allocations')) >= 2);
      await stage.server.stop();
      await a.stage('bob').getByText('Interrupted, looking for another path …').waitFor();
      await stage.server.start();
      await Promise.all([flows(a.page), flows(b.page)]);
      await b.stage('alice').getByText(/^Relayed · /).waitFor();
    },
  },
]);
