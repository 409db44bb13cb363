// A server that wants tokens, and the page before it.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';
import { secret, token } from './token.mjs';

const env = { AUTH_JWT_SECRET: secret, LOG_LEVEL: 'debug' };
const alert = (page, text) => page.getByRole('alert').getByText(text);
const protocols = [false, true];
const name = (volli) => (volli ? 'Volli' : 'Socket.IO');

// listen collects the URLs of all that a page asks for.
function listen(page) {
  const urls = [];
  page.on('request', (request) => urls.push(request.url()));
  page.on('websocket', (socket) => urls.push(socket.url()));
  return urls;
}

cases([
  ...protocols.map((volli) => ({
    name: `those who have no token are asked for one, and are let in with it (${name(volli)})`,
    env,
    async run(stage) {
      const page = await stage.page('/demo');
      const urls = listen(page);
      const a = stage.at(page, 'alice');
      const field = page.getByLabel('Your token');
      assert.equal(await field.isVisible(), false, 'nobody is asked before it is known to be needed');
      await a.ask(volli);
      await alert(page, 'This server needs a token from you.').waitFor();
      assert.equal(await page.locator('#join-error code').innerText(), 'Unauthorized');
      assert.equal(await page.locator('#room').isVisible(), false);
      assert.equal(await field.getAttribute('type'), 'password');

      for (const bad of ['nonsense', token('alice', -60)]) {
        await field.fill(bad);
        await a.ask(volli);
        await alert(page, 'This server needs a token from you.').waitFor();
      }
      const good = token('alice');
      await field.fill(good);
      assert.equal(await page.getByLabel('Your name').inputValue(), 'alice', 'the name is taken from the token');
      a.name = 'bob';
      await a.ask(volli);
      await alert(page, 'Your token is for another name').waitFor();
      a.name = 'alice';
      await a.join(volli);

      // It is shown to nobody who looks at what went over the wire.
      await page.getByText('What this page and the server say').click();
      const frames = page.getByRole('region', { name: 'Last messages on the wire' });
      await frames.getByText('"token":"…"').first().waitFor();
      const html = await page.content();
      const [, payload, signature] = good.split('.');
      for (const part of [good, payload, signature]) assert.ok(!html.includes(part), 'the document shows the token');

      // The tab keeps it, and nothing else does.
      await page.reload();
      assert.equal(await field.isVisible(), false);
      a.name = 'carol';
      await a.ask(volli);
      await alert(page, 'Your token is for another name').waitFor();
      assert.equal(await field.isVisible(), true, 'there is a way to another token');
      a.name = 'alice';
      await a.join(volli);
      assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie, Object.keys(sessionStorage)]), [0, '', ['token']]);
      const other = stage.at(await stage.page('/demo'), 'alice');
      await other.ask(volli);
      await alert(other.page, 'This server needs a token from you.').waitFor();

      assert.ok(urls.length > 5);
      for (const part of [payload, signature]) {
        assert.ok(!urls.some((url) => url.includes(part)), 'a URL has the token');
        assert.ok(!stage.server.lines.some((line) => line.includes(part)), 'the log has the token');
      }
    },
  })),
  {
    name: 'a token in the URL counts for nothing',
    env,
    async run(stage) {
      const a = stage.at(await stage.page(`/demo?token=${token('alice')}`), 'alice');
      await a.ask(false);
      await alert(a.page, 'This server needs a token from you.').waitFor();
    },
  },
  ...protocols.map((volli) => ({
    name: `a token expires: the page says so, and goes on with another one (${name(volli)})`,
    env,
    async run(stage) {
      const b = await stage.visitor('bob', { token: token('bob') });
      const a = stage.at(await stage.page('/demo'), 'alice');
      await a.ask(volli);
      await a.page.getByLabel('Your token').fill(token('alice', 5));
      await a.join(volli);
      await b.sees('alice');
      // Where it had expired already, the server has patience with clocks.
      await alert(a.page, 'This server needs a token from you.').waitFor({ timeout: 60_000 });
      await b.misses('alice');
      await a.page.getByLabel('Your token').fill(token('alice'));
      await a.join(volli);
      await b.sees('alice');
    },
  })),
  {
    name: 'without tokens nobody is asked, and nothing is kept',
    async run(stage) {
      const a = await stage.visitor('alice');
      assert.equal(await a.page.getByLabel('Your token').isVisible(), false);
      assert.equal(await a.page.evaluate(() => sessionStorage.length), 0);
    },
  },
]);
