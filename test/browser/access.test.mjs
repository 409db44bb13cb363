// People who cannot see, cannot use a mouse, have a small screen or want it dark
// can use the pages like anybody else.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cases } from './stage.mjs';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// audit asserts that axe has no complaint about a page as it is now: contrast,
// names, roles, landmarks, order of headings; in the dark, where nothing else
// differs, contrast.
async function audit(page, what) {
  if (await page.evaluate(() => !globalThis.axe)) await page.evaluate(axe);
  for (const [colorScheme, rules] of [
    ['dark', { type: 'rule', values: ['color-contrast'] }],
    ['light', { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }],
  ]) {
    await page.emulateMedia({ colorScheme });
    const { violations, passes } = await page.evaluate((runOnly) => globalThis.axe.run({ runOnly, resultTypes: ['violations'] }), rules);
    const complaints = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html).join(' ')}`);
    assert.deepEqual(complaints, [], `${what}, ${colorScheme}`);
    assert.ok(passes.length > 15 || (colorScheme === 'dark' && passes.length === 1), `${what}: ${passes.length} rules were checked`);
  }
}

const phone = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true };

// fits asserts that nothing has to be scrolled sideways, and that there is
// nothing below the content.
async function fits(page, what) {
  const [height, end] = await page.evaluate(() => [
    document.documentElement.scrollHeight,
    Math.max(document.documentElement.clientHeight, document.querySelector('main').getBoundingClientRect().bottom + scrollY),
  ]);
  assert.ok(height <= end + 1, `${what}: ${height} high, its content ends at ${end}`);
  const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  assert.ok(content <= screen, `${what}: ${content} > ${screen}`);
}

const screens = { 'on a desktop': {}, 'on a phone': phone };

cases([
  ...Object.entries(screens).map(([name, options]) => ({
    name: `the pages have no barriers: ${name}`,
    async run(stage) {
      const small = options.isMobile;
      const page = await stage.page('/demo', options);
      await audit(page, 'the form');
      await fits(page, 'the form');
      const a = stage.at(page, 'alice');
      await a.join(false);
      await audit(page, 'nobody there, and the invitation');
      await fits(page, 'the invitation');
      const long = 'w'.repeat(50);
      const b = await stage.visitor(long, { ...options, volli: true });
      await b.page.getByLabel('Look for a name').fill('nobody');
      await b.page.keyboard.press('Enter');
      await audit(b.page, 'somebody who is not there');
      // The questions before a call.
      await a.person(long).getByRole('button', { name: 'Video call with' }).click();
      const call = page.getByRole('dialog').getByRole('button', { name: 'Call', exact: true });
      await call.waitFor();
      await audit(page, 'the preview');
      await fits(page, 'the preview');
      await call.click();
      await b.page.getByRole('dialog').waitFor();
      await audit(b.page, 'an incoming call');
      await audit(page, 'ringing');
      await b.accept('alice');
      await Promise.all([a.seesVideo(long), b.seesVideo('alice')]);
      await a.say(long, `a word of some length: ${'x'.repeat(200)}`);
      await b.say('alice', 'hello');
      await a.hears(long, 'hello');
      await a.sendFile(long, { name: `${'f'.repeat(100)}.txt`, mimeType: 'text/plain', buffer: Buffer.from('x') });
      await a.checksum(long, 'fff');
      await b.checksum('alice', 'fff');
      for (const { page } of [a, b]) {
        await audit(page, 'a call');
        await fits(page, 'a call');
      }
      await a.press(long, 'Hang up');
      await b.with('alice').getByRole('log').getByText('alice hung up.').waitFor();
      await b.page.locator('.how').evaluate((details) => (details.open = true));
      if (small) await a.with(long).getByRole('button', { name: 'Back' }).click();
      // An error about nobody in particular.
      await a.page.getByLabel('Message a name that is not listed').fill('alice');
      await a.page.keyboard.press('Enter');
      await a.page.getByRole('alert').getByText('That is your own name.').waitFor();
      await a.page.getByText('What this page and the server say').click();
      await audit(a.page, 'an error, and the wire');
      for (const { page } of [a, b]) {
        await audit(page, 'after a call');
        await fits(page, 'after a call');
      }
      const status = await stage.page('/status', options);
      await status.getByRole('row', { name: /^Users 2/ }).waitFor();
      await status.locator('.plot').first().focus();
      await audit(status, 'status');
      await fits(status, 'status');
      // Fingers find everything that is to be pressed.
      for (const { page } of [a, b, { page: status }]) {
        const small = await page.locator('button:visible, a.button:visible, input[type=text]:visible').evaluateAll((all) =>
          all.filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.outerHTML),
        );
        assert.deepEqual(small, []);
      }
      // What is stale looks so, and can be read all the same.
      await stage.server.stop();
      await status.getByText('Connection lost, trying again').waitFor();
      await audit(status, 'stale figures');
      await a.page.getByText('Connection lost').first().waitFor();
      await audit(a.page, 'the server is lost');
      await stage.server.start();
      await a.page.getByText('The server is back.', { exact: true }).waitFor();
      await audit(a.page, 'the server is back');
    },
  })),
  ...Object.entries(screens).map(([name, options]) => ({
    name: `the question for a token has no barriers: ${name}`,
    env: { AUTH_JWT_SECRET: 'a secret of this test that nobody else knows' },
    async run(stage) {
      const page = await stage.page('/demo?relay=only', options);
      await page.getByText('This page was opened with ?relay=only').waitFor();
      await page.getByRole('button', { name: 'Join' }).click();
      await page.getByRole('alert').getByText('This server needs a token from you.').waitFor();
      const token = page.getByLabel('Your token');
      assert.equal(await token.evaluate((e) => e === document.activeElement), true, 'the focus is where to go on');
      assert.ok((await token.boundingBox()).height >= 40);
      await audit(page, 'a token is wanted');
      await fits(page, 'a token is wanted');
    },
  })),
  {
    name: 'the colours follow the system, also while the page is open',
    async run(stage) {
      for (const path of ['/demo', '/status']) {
        const page = await stage.page(path);
        const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number)[0]);
        await page.emulateMedia({ colorScheme: 'light' });
        assert.ok((await ground()) > 200);
        await page.emulateMedia({ colorScheme: 'dark' });
        assert.ok((await ground()) < 50);
      }
    },
  },
  {
    name: 'people who want no motion get none',
    async run(stage) {
      const page = await stage.page('/demo', { reducedMotion: 'reduce' });
      await page.route('**/socket.io/**', () => {});
      await page.routeWebSocket('**', () => {}); // never answers
      await page.getByRole('button', { name: 'Join' }).click();
      await page.getByText('Connecting …').waitFor();
      assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
      await page.emulateMedia({ reducedMotion: 'no-preference' });
      assert.equal(await page.evaluate(() => document.getAnimations().length), 1, 'there is one else');
    },
  },
  {
    name: 'by keyboard alone',
    async run(stage) {
      const b = await stage.visitor('bob');
      const page = await stage.page('/demo');
      const press = async (...keys) => {
        for (const key of keys) await page.keyboard.press(key);
      };
      const focused = () =>
        page.evaluate(() => {
          const e = document.activeElement;
          return e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent.trim();
        });
      // tabTo goes on until something has the focus, which must be seen.
      const tabTo = async (name) => {
        for (let i = 0; i < 20; i++) {
          await press('Tab');
          const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
          assert.notEqual(outline, 'none', `the focus on ${await focused()} is seen`);
          if (name.test(await focused())) return;
        }
        assert.fail(`no way to ${name}; at ${await focused()}`);
      };
      await press('Tab');
      assert.equal(await focused(), 'Skip to the content');
      await tabTo(/^Your name$/);
      await press('Control+A');
      await page.keyboard.type('alice');
      await press('Enter');
      await page.getByText('Online', { exact: true }).first().waitFor();
      assert.equal(await focused(), 'You are alice');
      await tabTo(/^Chat with bob$/);
      await press('Enter');
      const a = stage.at(page, 'alice');
      await a.talks('bob');
      assert.equal(await focused(), 'Message');
      await page.keyboard.type('typed');
      await press('Enter');
      await b.hears('alice', 'typed');
      await tabTo(/^Send files$/);
      // A call, by keyboard as well.
      await press('Shift+Tab', 'Shift+Tab', 'Shift+Tab', 'Shift+Tab', 'Shift+Tab');
      assert.equal(await focused(), 'Audio');
      await press('Enter');
      await page.getByRole('dialog').getByRole('button', { name: 'Call', exact: true, disabled: false }).waitFor();
      assert.equal(await focused(), 'Call');
      await press('Enter');
      await b.page.getByRole('dialog').waitFor();
      await b.page.keyboard.press('Enter');
      await Promise.all([a.inCall('bob'), b.inCall('alice')]);
      await tabTo(/^Hang up$/);
      await press('Enter');
      await a.with('bob').getByRole('log').getByText('You hung up.').waitFor();
      // What had the focus is gone; one can go on from the heading.
      assert.equal(await focused(), 'Conversation with bob');
      await tabTo(/^Close the channel$/);
      await press('Enter');
      await a.with('bob').getByText('You closed the channel.').first().waitFor();
      assert.equal(await focused(), 'Conversation with bob');
      // Somebody who goes takes the focus along to the head of the list.
      await page.locator('#online').getByRole('button', { name: 'Chat with bob' }).focus();
      await b.page.close();
      await a.misses('bob');
      assert.match(await focused(), /^Online 0$/);
    },
  },
  {
    name: 'what happens is announced to people who do not see it',
    async run(stage) {
      const a = await stage.visitor('alice');
      const told = a.page.getByRole('status').filter({ hasText: /./ });
      await told.getByText('You are online as alice.').waitFor();
      const b = await stage.visitor('bob');
      await told.getByText('bob is online.').waitFor();
      await b.connect('alice');
      await told.getByText('The path to bob is direct.').waitFor();
      // Messages are a log, errors an alert: both are read out as they come.
      assert.equal(await a.page.getByRole('log', { name: 'Messages with bob' }).count(), 1);
      await b.dial('alice', 'Audio');
      await a.accept('bob', 'audio');
      await told.getByText('You are in a call with bob.').waitFor();
      await b.page.close();
      await told.getByText('bob has left.').waitFor();
      await told.getByText('bob closed the channel.').waitFor();
      await stage.server.stop();
      await told.getByText('The connection to the server is lost. This page tries again by itself.').waitFor();
      await stage.server.start();
      await a.online();
      await told.getByText('The server is back. You are online as alice.').waitFor();
      // The charts say in words what they show.
      const status = await stage.page('/status');
      await status.getByRole('img', { name: /^Users, .* to .*: Users 1, peak 1\.$/ }).waitFor();
      assert.equal(await status.getByRole('table', { name: /: last values$/ }).count(), 10);
    },
  },
]);
