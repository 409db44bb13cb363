// The status page: what it shows is what the server says.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';

const live = (page) => page.getByText('Live', { exact: true }).waitFor();

// figure waits until a row of a chart's table has a value.
function figure(page, chart, row, value) {
  return page
    .getByRole('table', { name: `${chart}: last values` })
    .getByRole('row', { name: new RegExp(`^${row}\\s+${value}\\s`) })
    .waitFor();
}

const total = (page, heading, row, value) =>
  page
    .getByRole('region', { name: heading })
    .getByRole('row', { name: new RegExp(`^${row}\\s+${value}$`) })
    .waitFor();

// lines are the lines of a chart, as they are drawn.
const lines = (page, chart) =>
  page
    .getByRole('img', { name: new RegExp(`^${chart}, last`) })
    .locator('.line')
    .evaluateAll((paths) => paths.map((path) => path.getAttribute('d')));

cases([
  {
    name: 'the figures are those of /stats',
    async run(stage) {
      const page = await stage.page('/status');
      await live(page);
      await figure(page, 'Users online', 'Users', 0);
      const a = await stage.visitor('alice');
      const b = await stage.visitor('bob', { volli: true });
      await figure(page, 'Users online', 'Users', 2);
      await figure(page, 'Connections', 'Socket\\.IO WebSocket', 1);
      await figure(page, 'Connections', 'Socket\\.IO polling', 0);
      await figure(page, 'Connections', 'Volli WebSocket', 1);
      await a.connect('bob');
      await b.talks('alice');
      await a.page.getByLabel('Message a name that is not listed').fill('nobody');
      await a.page.keyboard.press('Enter');
      await a.page.getByText('User nobody not found').first().waitFor();
      await total(page, 'Relays since the start', 'offer', 1);
      await total(page, 'Relays since the start', 'answer', 1);
      await total(page, 'Errors since the start', 'User <to> not found', '\\d+');
      // They came within seconds, and so were seen as rates: the highest is above zero.
      for (const [chart, row] of [['Relays a second', 'offer'], ['Relays a second', 'ice-candidate'], ['Errors a second', 'Errors']]) {
        await page
          .getByRole('table', { name: `${chart}: last values` })
          .getByRole('row', { name: new RegExp(`^${row} .* (?!0$)[\\d.]+$`) })
          .waitFor();
      }
      const { build, memory, goroutines } = await stage.server.stats();
      assert.equal(await page.locator('#version').innerText(), build.version);
      assert.equal(await page.locator('#go').innerText(), build.go);
      const shown = async (chart, row) =>
        parseFloat(await page.getByRole('table', { name: `${chart}: last values` }).getByRole('row', { name: row }).getByRole('cell').first().innerText());
      const resident = await shown('Memory', 'Resident');
      assert.ok(Math.abs(resident - memory.rss / 1e6) < 0.3 * resident, `${resident} MB, ${memory.rss} bytes`);
      assert.ok(Math.abs((await shown('Goroutines', 'Goroutines')) - goroutines) < 10);
      for (const d of await lines(page, 'Users online')) assert.match(d, /^M[\d.]+ [\d.]+(L[\d.]+ [\d.]+)+$/);
      await a.page.close();
      await figure(page, 'Users online', 'Users', 1);
    },
  },
  {
    name: 'the server is started anew: live again without a reload, and no rate is wrong',
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
      await page.getByText('The server has started anew. Its counters begin at zero.').waitFor();
      await total(page, 'Relays since the start', 'offer', 0);
      await figure(page, 'Users online', 'Users', 2);
      assert.equal(await page.getByRole('img', { name: /^Users online/ }).locator('.restart').count(), 1);
      // The line is broken there, and never below zero or beyond the frame.
      for (const chart of ['Users online', 'Relays a second', 'Errors a second', 'Goroutines']) {
        let paths;
        const broken = (d) => d.match(/M/g)?.length > 1;
        // A rate takes two samples, so its line goes on a sample later.
        for (const end = Date.now() + 20_000; Date.now() < end; ) {
          paths = await lines(page, chart);
          if (paths.every(broken)) break;
        }
        for (const d of paths) {
          assert.equal(d.match(/M/g).length, 2, `${chart}: ${d}`);
          for (const [, x, y] of d.matchAll(/[ML](-?[\d.]+) (-?[\d.]+)/g)) {
            assert.ok(x >= 0 && x <= 300 && y >= 0 && y <= 84, `${chart}: ${x} ${y}`);
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
      stage.server.signal('SIGCONT');
      await live(page);
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
      for (const page of pages.slice(1)) await figure(page, 'Users online', 'Users', 1);
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
      await figure(second, 'Users online', 'Users', 1);
      await session.send('Debugger.resume');
      await figure(first, 'Users online', 'Users', 1);
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
      for (const page of pages) await figure(page, 'Users online', 'Users', 2);
    },
  },
]);
