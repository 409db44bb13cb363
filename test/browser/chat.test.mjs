// Two browsers talk through the server.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { holdOffers } from './glare.mjs';
import { cases } from './stage.mjs';

const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// talk has two people, whose channel is open, exchange text.
async function talk(a, b) {
  await a.say(b.name, `Hello, I am ${a.name}`);
  await b.hears(a.name, `Hello, I am ${a.name}`);
  await b.say(a.name, `Welcome, I am ${b.name}`);
  await a.hears(b.name, `Welcome, I am ${b.name}`);
}

// give sends a file, and saves it on the other side.
async function give(a, b, size = 500_000) {
  const buffer = randomBytes(size);
  const title = `from-${a.name}.bin`;
  const shown = await watchProgress(b.page);
  const sent = await watchProgress(a.page);
  await a.sendFile(b.name, { name: title, mimeType: 'application/octet-stream', buffer });
  const [mine, theirs] = await Promise.all([a.checksum(b.name, title), b.checksum(a.name, title)]);
  assert.equal(mine, sha256(buffer));
  assert.equal(theirs, mine);
  for (const values of [await shown(), await sent()]) {
    if (size > 1_000_000) assert.ok(values.some((n) => n > 0 && n < size), `progress was shown: ${values}`);
    assert.deepEqual(values, [...values].sort((x, y) => x - y), 'progress does not go back');
    assert.equal(values.at(-1), size);
  }
  const [download] = await Promise.all([
    b.page.waitForEvent('download'),
    b.file(a.name, title).getByRole('link', { name: 'Save' }).click(),
  ]);
  assert.equal(download.suggestedFilename(), title);
  assert.equal(sha256(await readFile(await download.path())), mine, 'what is saved is what was sent');
}

// watchProgress returns a function that resolves to the values that the next
// progress bar has had.
async function watchProgress(page) {
  const values = await page.evaluateHandle(() => {
    const seen = [];
    const before = document.querySelectorAll('progress').length;
    const observe = () => {
      const bar = document.querySelectorAll('progress')[before];
      if (bar && seen.at(-1) !== bar.value) seen.push(bar.value);
    };
    new MutationObserver(observe).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
    return seen;
  });
  return () => values.jsonValue();
}

// assertSteps checks what a page showed of the signaling.
async function assertSteps(visitor, other, calls) {
  const steps = await visitor.with(other).getByRole('region', { name: 'Steps of the signaling' }).getByText('direct', { exact: true }).first().waitFor()
    .then(() => visitor.steps(other));
  const index = (way, what) => steps.findIndex(([w, s]) => w === way && s === what);
  const [asks, answers] = calls ? ['out', 'in'] : ['in', 'out'];
  const offer = index(asks, 'offer');
  const answer = index(answers, 'answer');
  assert.equal(offer, 0, `an offer is the first step: ${JSON.stringify(steps)}`);
  assert.ok(answer > offer, 'then comes the answer');
  assert.match(steps[offer][2], /^\d+ bytes of SDP$/);
  for (const way of ['out', 'in']) {
    assert.ok(index(way, 'candidate') > offer, `candidates went ${way}`);
    assert.match(steps[index(way, 'candidate')][2], /^host udp .+:\d+$/);
  }
  assert.ok(index('here', 'data channel open') > answer);
  assert.ok(index('here', 'direct') > answer);
  assert.match(steps[index('here', 'direct')][2], /^(host|prflx) udp .+:\d+ ↔ (host|prflx) udp .+:\d+, round trip (below 1|\d+) ms$/);
  const times = steps.map(([, , , ms]) => ms);
  assert.ok(times.every((ms) => ms >= 0), `times: ${times}`);
  assert.deepEqual(times, [...times].sort((x, y) => x - y), 'in order of time');
  // The panel beside it.
  const panel = visitor.with(other).locator('.path');
  assert.match(await panel.innerText(), /Your side\s+(host|prflx) udp .+:\d+\s+Other side\s+(host|prflx) udp .*:\d+\s+Round trip\s+(below 1|\d+) ms/);
}

const protocols = (volli) => (volli ? 'Volli' : 'Socket.IO');

cases([
  ...[
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ].map(([caller, callee]) => ({
    name: `${protocols(caller)} calls ${protocols(callee)}: offer, answer, candidates, text both ways, a file`,
    async run(stage) {
      const a = await stage.visitor('alice', { volli: caller });
      const b = await stage.visitor('bob', { volli: callee });
      assert.equal(await a.page.locator('#protocol').innerText(), protocols(caller));
      if (caller) await a.look('bob');
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      await assertSteps(a, 'bob', true);
      await assertSteps(b, 'alice', false);
      await talk(a, b);
      await give(a, b, caller === callee ? 500_000 : 5_000_000);
      await a.press('bob', 'Close the channel');
      await a.with('bob').getByText('You closed the channel.').first().waitFor();
      await b.with('alice').getByText('alice closed the channel.').first().waitFor();
      // And once more, the other way.
      await b.press('alice', 'Chat');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      const { relays, errors } = await stage.server.stats();
      assert.equal(relays.offer, 2);
      assert.equal(relays.answer, 2);
      assert.ok(relays['ice-candidate'] >= 4);
      assert.deepEqual(errors, {});
    },
  })),
  {
    name: 'on plain HTTP, without crypto.subtle: a Volli client, and checksums',
    async run(stage) {
      const a = await stage.visitor('alice', { host: 'plain.test' });
      const b = await stage.visitor('bob', { host: 'plain.test', volli: true });
      assert.equal(await b.page.evaluate(() => isSecureContext || 'subtle' in crypto), false);
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      await talk(a, b);
      await give(a, b);
      await give(b, a);
      stage.allow(/^console: The Cross-Origin-Opener-Policy header has been ignored/);
    },
  },
  {
    name: 'those who join are seen at once, those who close the tab vanish from both lists',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      const c = await stage.visitor('carol');
      await a.sees('bob');
      await a.sees('carol');
      assert.equal(await a.page.locator('#count').innerText(), '2');
      await b.look('carol');
      await a.connect('carol');
      await a.talks('carol');
      await c.page.close();
      await Promise.all([a.misses('carol'), b.misses('carol')]);
      await b.page.getByText('Not online: carol').waitFor();
      await a.with('carol').getByText('carol closed the channel.').first().waitFor();
      assert.equal(await a.page.locator('#count').innerText(), '1');
      // Volli clients come and go, too, and those looked for come back.
      await stage.visitor('carol', { volli: true });
      await Promise.all([a.sees('carol'), b.sees('carol')]);
    },
  },
  {
    name: 'the server restarts: all pages are back without a reload, say so, and channels stay open',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      const c = await stage.visitor('carol');
      for (const { page } of [a, b, c]) await page.evaluate(() => (window.sameDocument = true));
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);

      await stage.server.stop();
      for (const { page } of [a, b, c]) await page.getByText('Connection lost').first().waitFor();
      assert.equal(await a.page.locator('#count').innerText(), '0');
      const lost = (await a.steps('bob')).find(([, what]) => what === 'the server is lost');
      assert.deepEqual(lost?.slice(0, 3), ['here', 'the server is lost', 'the channel stays']);
      await a.say('bob', 'without the server');
      await b.hears('alice', 'without the server');
      await stage.server.start();
      await Promise.all([a, b, c].map((visitor) => visitor.online()));
      for (const { page } of [a, b, c]) await page.getByText('The server is back.', { exact: true }).waitFor();
      await Promise.all([a.sees('bob'), a.sees('carol'), b.sees('alice'), c.sees('alice'), c.sees('bob')]);
      await b.say('alice', 'still here');
      await a.hears('bob', 'still here');
      // A new call goes through.
      await c.connect('bob');
      await Promise.all([c.talks('bob'), b.page.locator('#online li[data-state="open"]', { hasText: 'carol' }).waitFor()]);
      for (const { page } of [a, b, c]) assert.equal(await page.evaluate(() => window.sameDocument), true);
    },
  },
  {
    name: 'a server that is killed is missed, too',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      stage.server.kill();
      for (const { page } of [a, b]) await page.getByText('Connection lost').first().waitFor();
      await stage.server.start();
      await Promise.all([a.online(), b.online(), a.sees('bob')]);
    },
  },
  ...[
    [false, false],
    [false, true],
    [true, true],
  ].map(([first, second]) => ({
    name: `both call at once: one channel opens (${protocols(first)}, ${protocols(second)})`,
    async run(stage) {
      const [a, b] = await Promise.all(
        [first, second].map(async (volli, i) => {
          const page = await stage.page('/demo');
          await holdOffers(page);
          return { volli, page, name: ['alice', 'bob'][i] };
        }),
      ).then((pages) =>
        Promise.all(
          pages.map(async ({ volli, page, name }) => {
            const visitor = stage.at(page, name);
            await visitor.join(volli);
            return visitor;
          }),
        ),
      );
      if (first) await a.look('bob');
      if (second) await b.look('alice');
      await Promise.all([a.connect('bob'), b.connect('alice')]);
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      await a.say('bob', 'one channel');
      await b.hears('alice', 'one channel');
      await b.say('alice', 'for both');
      await a.hears('bob', 'for both');
      assert.equal((await stage.server.stats()).relays.answer, 1);
      assert.ok((await a.steps('bob')).some(([, , detail]) => detail === 'not taken, since ours stands'));
    },
  })),
  {
    name: 'several conversations at a time',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob');
      const c = await stage.visitor('carol', { volli: true });
      await b.connect('alice');
      await a.talks('bob');
      await a.connect('carol');
      await a.talks('carol');
      await b.say('alice', 'from bob');
      // What is not before one's eyes is marked.
      await a.person('bob').getByText('channel open, something new').waitFor();
      await a.connect('bob');
      await a.hears('bob', 'from bob');
      await c.say('alice', 'from carol');
      await a.person('carol').getByText('channel open, something new').waitFor();
      await a.connect('carol');
      await a.hears('carol', 'from carol');
      await a.person('carol').getByText('channel open', { exact: true }).waitFor();
      // What was said can be read when the other has left.
      await c.page.getByRole('button', { name: 'Leave' }).click();
      await a.with('carol').getByText('carol closed the channel.').first().waitFor();
      await a.misses('carol');
      await a.connect('bob');
      await a.page.locator('#away').getByRole('button', { name: 'Read messages with carol' }).click();
      await a.hears('carol', 'from carol');
      assert.equal(await a.with('carol').getByLabel('Message', { exact: true }).isDisabled(), true);
    },
  },
  {
    name: 'names, messages and file names are shown as what they are',
    async run(stage) {
      const name = '<img src=x onerror=alert(1)>"\'&amp;{}';
      const a = await stage.visitor(name);
      const b = await stage.visitor('bob');
      await b.connect(name);
      await Promise.all([a.talks('bob'), b.talks(name)]);
      assert.equal(await b.with(name).getByRole('heading', { level: 2 }).textContent(), `Conversation with ${name}`);
      const text = '<script>alert(2)</script> <b>bold</b> &lt; \u202e';
      await a.say('bob', text.trim());
      await b.with(name).getByRole('log').getByText(text.trim(), { exact: true }).waitFor();
      const title = '<svg onload=alert(3)>.html';
      await a.sendFile('bob', { name: title, mimeType: 'text/html', buffer: Buffer.from('<script>alert(4)</script>') });
      await b.checksum(name, title);
      for (const { page } of [a, b]) {
        assert.equal(await page.locator('main img, main script, main b, main [onload], main [onerror]').count(), 0);
      }
    },
  },
  {
    name: 'an empty file, and one that is too large',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob');
      await a.connect('bob');
      await a.talks('bob');
      await a.sendFile('bob', { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) });
      assert.equal(await b.checksum('alice', 'empty.txt'), sha256(''));
      await a.page.evaluate(() => {
        const file = new File([new Uint8Array(1)], 'huge.bin');
        Object.defineProperty(file, 'size', { value: 2e9 });
        const input = document.querySelector('.conversation input[type=file]');
        Object.defineProperty(input, 'files', { value: [file] });
        input.dispatchEvent(new Event('change'));
      });
      await a.file('bob', 'huge.bin').getByText('Too large: the limit is 100.0 MB.').waitFor();
    },
  },
  {
    name: 'the channel breaks in the middle of a file: both sides say so',
    async run(stage) {
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob');
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      await b.page.evaluate(() => {
        new MutationObserver(() => {
          const bar = document.querySelector('progress');
          if (bar && bar.value > 0) document.querySelector('[data-part="close"]').click();
        }).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
      });
      await a.page.evaluate(() => {
        const files = new DataTransfer();
        files.items.add(new File([new Uint8Array(20_000_000)], 'long.bin'));
        const input = document.querySelector('.conversation input[type=file]');
        input.files = files.files;
        input.dispatchEvent(new Event('change'));
      });
      await a.file('bob', 'long.bin').getByText('Not sent:').waitFor();
      await b.file('alice', 'long.bin').getByText('Not received:').waitFor();
      await b.with('alice').locator('progress').waitFor({ state: 'hidden' });
    },
  },
]);
