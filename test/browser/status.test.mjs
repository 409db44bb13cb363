// The status page: what it shows is what the server says.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';

const live = (page) => page.getByText('Live', { exact: true }).waitFor();

// figure waits until a row of a chart's table has a value.
function figure(page, title, row, value) {
  return page
    .getByRole('table', { name: `${title}: last values` })
    .getByRole('row', { name: new RegExp(`^${row}\\s+${value}(\\s|$)`) })
    .waitFor();
}

const total = (page, heading, row, value) =>
  page
    .getByRole('region', { name: heading })
    .getByRole('row', { name: new RegExp(`^${row}\\s+${value}$`) })
    .waitFor();

const chart = (page, title) => page.locator('.chart', { has: page.getByRole('heading', { name: title, exact: true }) });

// lines are the lines of a chart, as they are drawn.
const lines = (page, title) =>
  chart(page, title)
    .locator('.line[d^="M"]:not([data-part])')
    .evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));

cases([
  {
    name: 'the figures are those of /stats',
    async run(stage) {
      const page = await stage.page('/status');
      await live(page);
      await figure(page, 'Users', 'Users', 0);
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      await figure(page, 'Users', 'Users', 2);
      await figure(page, 'Connections', 'Socket\\.IO WebSocket', 1);
      await figure(page, 'Connections', 'Socket\\.IO polling', 0);
      await figure(page, 'Connections', 'Volli WebSocket', 1);
      await a.connect('bob');
      await b.talks('alice');
      await a.page.getByLabel('Message a name that is not listed').fill('nobody');
      await a.page.keyboard.press('Enter');
      await a.with('nobody').getByText('nobody is not online.').first().waitFor();
      await total(page, 'Relays since the start', 'offer', 1);
      await total(page, 'Relays since the start', 'answer', 1);
      await total(page, 'Errors since the start', 'User <to> not found', '\\d+');
      // They came within seconds, and so were seen as rates: the highest is above zero.
      for (const [title, row] of [['Relays per second', 'offer'], ['Relays per second', 'ice-candidate'], ['Errors per second', 'Errors']]) {
        await page
          .getByRole('table', { name: `${title}: last values` })
          .getByRole('row', { name: new RegExp(`^${row} .* (?!0$)[\\d.]+$`) })
          .waitFor();
      }
      const { build, memory, goroutines } = await stage.server.stats();
      assert.equal(await page.locator('#version').innerText(), build.version);
      assert.equal(await page.locator('#go').innerText(), build.go);
      const shown = async (title, row) =>
        parseFloat(await page.getByRole('table', { name: `${title}: last values` }).getByRole('row', { name: row }).getByRole('cell').first().innerText());
      const resident = await shown('Memory', 'Resident');
      assert.ok(Math.abs(resident - memory.rss / 1e6) < 0.3 * resident, `${resident} MB, ${memory.rss} bytes`);
      assert.ok(Math.abs((await shown('Goroutines', 'Goroutines')) - goroutines) < 10);
      for (const d of await lines(page, 'Users')) assert.match(d, /^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+$/);
      await a.page.close();
      await figure(page, 'Users', 'Users', 1);
    },
  },
  {
    name: 'the server restarts: live again without a reload, and no rate is wrong',
    async run(stage) {
      const page = await stage.page('/status');
      await page.evaluate(() => (window.sameDocument = true));
      await live(page);
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob');
      await a.connect('bob');
      await b.talks('alice');
      await total(page, 'Relays since the start', 'offer', 1);

      await stage.server.stop();
      await page.getByText('Connection lost, trying again').waitFor();
      await stage.server.start();
      await live(page);
      await page.getByText('The server has restarted. Its counters begin at zero.').waitFor();
      await total(page, 'Relays since the start', 'offer', 0);
      await figure(page, 'Users', 'Users', 2);
      assert.equal(await page.locator('.chart').first().locator('.restart').count(), 1);
      // The line is broken there, and never below zero or beyond the frame.
      for (const title of ['Users', 'Relays per second', 'Errors per second', 'Goroutines']) {
        let paths;
        const broken = (d) => d.match(/M/g)?.length > 1;
        // A rate takes two samples, so its line goes on a sample later.
        for (const end = Date.now() + 20_000; Date.now() < end; ) {
          paths = await lines(page, title);
          if (paths.every(broken)) break;
        }
        for (const d of paths) {
          assert.equal(d.match(/M/g).length, 2, `${title}: ${d}`);
          for (const [, x, y] of d.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
            assert.ok(x >= 0 && x <= 300 && y >= 0 && y <= 100, `${title}: ${x} ${y}`);
          }
        }
      }
      assert.match(await page.locator('#uptime').innerText(), /^\d\d? s$/);
      assert.equal(await page.evaluate(() => window.sameDocument), true);
    },
  },
  {
    name: 'a proxy that answers 502 for a while, and one that goes silent',
    async run(stage) {
      const context = await stage.context();
      let answers = 0;
      await context.route('**/status/events', (route) => {
        if (++answers > 2) return route.continue();
        return route.fulfill({ status: 502, body: 'Bad gateway' });
      });
      const page = await stage.page('/status', { context });
      await page.getByText('Connection lost, trying again').waitFor();
      await live(page);
      stage.allow(/502/);
      assert.ok(answers > 2);
      // Frozen, the server keeps the connection and says nothing.
      stage.server.signal('SIGSTOP');
      await page.getByText('Connection lost, trying again').waitFor();
      // What is shown is old, and looks so.
      await page.getByText(/^What you see is \d+ s old\.$/).waitFor();
      const look = () => chart(page, 'Users').locator('.plot svg').evaluate((svg) => getComputedStyle(svg).filter);
      assert.equal(await look(), 'grayscale(1)');
      stage.server.signal('SIGCONT');
      await live(page);
      assert.equal(await look(), 'none');
      assert.equal(await page.getByText(/^What you see is/).isVisible(), false);
    },
  },
  {
    name: 'ten in one browser share one stream, and hand it on',
    async run(stage) {
      const context = await stage.context();
      const streams = [];
      context.on('request', (request) => request.url().endsWith('/status/events') && streams.push(request));
      const pages = [];
      for (let i = 0; i < 10; i++) pages.push(await stage.page('/status', { context }));
      await Promise.all(pages.map(live));
      assert.equal(streams.length, 1);
      await pages[0].close();
      await stage.visitor('alice');
      for (const page of pages.slice(1)) await figure(page, 'Users', 'Users', 1);
      assert.equal(streams.length, 2);
    },
  },
  {
    name: 'a page that holds the stream and is suspended loses it to one that is looked at',
    async run(stage) {
      const context = await stage.context();
      const first = await stage.page('/status', { context });
      await live(first);
      const second = await stage.page('/status', { context });
      await live(second);
      const session = await context.newCDPSession(first);
      const paused = new Promise((resolve) => session.once('Debugger.paused', resolve));
      await session.send('Debugger.enable');
      await session.send('Debugger.pause');
      await paused;
      await stage.visitor('alice');
      await figure(second, 'Users', 'Users', 1);
      await session.send('Debugger.resume');
      await figure(first, 'Users', 'Users', 1);
    },
  },
  {
    name: 'ten browsers and two visitors stay below the default RATE_LIMIT',
    env: { RATE_LIMIT: '100' },
    async run(stage) {
      const pages = [];
      for (let i = 0; i < 10; i++) pages.push(await stage.page('/status'));
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      await a.connect('bob');
      await b.talks('alice');
      await Promise.all(pages.map(live));
      for (const page of pages) await figure(page, 'Users', 'Users', 2);
    },
  },
  {
    name: 'a chart has a scale, clock times, and a tooltip by pointer and by keyboard',
    async run(stage) {
      const page = await stage.page('/status');
      const users = chart(page, 'Users');
      await live(page);
      await stage.visitor('alice');
      await figure(page, 'Users', 'Users', 1);
      assert.deepEqual(await users.locator('.scale').allInnerTexts(), ['2', '1', '0']);
      const clock = /^\d\d:\d\d(:\d\d)?( [AP]M)?$/;
      const times = await users.locator('.axis span').allInnerTexts();
      assert.equal(times.length, 3);
      for (const time of times) assert.match(time, clock);
      const tip = users.getByRole('status');
      const plot = users.locator('.plot');
      assert.equal(await tip.isVisible(), false);
      const { x, y, width, height } = await plot.boundingBox();
      await page.mouse.move(x + width - 1, y + height / 2);
      await tip.getByText('Users: 1').waitFor();
      assert.match((await tip.innerText()).split('\n')[0], /^\d\d:\d\d:\d\d/);
      await page.mouse.move(0, 0);
      await tip.waitFor({ state: 'hidden' });
      // By keyboard: from now back to the first sample, when nobody was here.
      await page.getByRole('link', { name: 'Runbook: Users' }).focus();
      await page.keyboard.press('Tab');
      await tip.getByText('Users: 1').waitFor();
      const [now] = (await tip.innerText()).split('\n');
      await page.keyboard.press('ArrowLeft');
      await tip.filter({ hasNotText: now }).waitFor();
      await page.keyboard.press('Home');
      await tip.getByText('Users: 0').waitFor();
      await page.keyboard.press('Escape');
      await tip.waitFor({ state: 'hidden' });
    },
  },
  {
    name: 'lines that lie upon each other can all be seen',
    async run(stage) {
      const page = await stage.page('/status');
      await live(page);
      const widths = await chart(page, 'Relays per second').locator('g .line').evaluateAll((all) => all.map((line) => parseFloat(getComputedStyle(line).strokeWidth)));
      assert.equal(widths.length, 4);
      widths.forEach((width, i) => i && assert.ok(width <= widths[i - 1] - 2, `a line is drawn over a wider one: ${widths}`));
    },
  },
  {
    name: 'the time before the page was opened is there, and a chart for each figure that the server has',
    env: { TURN_LISTEN: '127.0.0.1:0', TURN_PUBLIC_IP: '127.0.0.1' },
    async run(stage) {
      const context = await stage.context();
      // An hour of a server's past.
      await context.route('**/status/past', async (route) => {
        const past = await (await route.fetch()).json();
        const [row] = past.rows;
        const field = (name) => past.names.indexOf(name);
        const before = (i) => {
          const old = [...row];
          old[field('at')] -= 10_000 * i;
          old[field('users')] = 100 + i;
          return old;
        };
        past.rows = [...Array.from({ length: 355 }, (_, i) => before(355 - i)), row];
        await route.fulfill({ json: past });
      });
      const page = await stage.page('/status', { context });
      await live(page);
      await figure(page, 'Users', 'Users', '0\\s+4[45]\\d');
      const [d] = await lines(page, 'Users');
      assert.ok(d.split(/[ML]/).length > 350, d);
      // The last five minutes have less of it.
      await page.getByLabel('last 5 minutes').check();
      await figure(page, 'Users', 'Users', '0\\s+1[23]\\d');
      const titles = await page.locator('.chart:visible h3').allInnerTexts();
      assert.ok(['CPU', 'Relay latency', 'Waiting for clients', 'Refused by a limit, per second', 'TURN allocations', 'TURN bytes per second'].every((title) => titles.includes(title)), titles.join());
      assert.ok(!titles.includes('Cluster'), 'there is none');
      for (const link of await page.locator('.chart:visible').getByRole('link', { name: /^Runbook/ }).all()) {
        assert.match(await link.getAttribute('href'), /docs\/(runbooks\.md#[a-z-]+|capacity\.md)$/);
      }
    },
  },
]);
