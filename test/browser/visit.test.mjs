// The first visit: what the pages weigh, and how the second device gets there.

import assert from 'node:assert/strict';
import jsQR from 'jsqr';
import { cases } from './stage.mjs';

const most = { requests: 10, bytes: 150_000 };

cases([
  ...['/demo', '/status'].map((path) => ({
    name: `${path} loads with less than ${most.bytes / 1000} kB in less than ${most.requests} requests`,
    async run(stage) {
      const context = await stage.context();
      const sizes = [];
      context.on('response', (response) => {
        const stream = response.url().endsWith('/events');
        if (!response.url().startsWith('data:')) sizes.push(stream ? 0 : response.body().then((body) => body.length));
      });
      const page = await stage.page(path, { context });
      if (path === '/status') await page.getByRole('row', { name: /^Users 0/ }).waitFor();
      await page.getByText('Oodaa Signaling').waitFor();
      await page.evaluate(() => document.readyState === 'complete' || new Promise((resolve) => addEventListener('load', resolve)));
      const bytes = (await Promise.all(sizes)).reduce((sum, n) => sum + n, 0);
      assert.ok(sizes.length > 3 && sizes.length < most.requests, `${sizes.length} requests`);
      assert.ok(bytes > 10_000 && bytes < most.bytes, `${bytes} bytes`);
    },
  })),
  {
    name: 'with everything that is fetched after joining, the demo stays below the limit',
    async run(stage) {
      const context = await stage.context();
      const bodies = [];
      context.on('response', (response) => bodies.push(response.body().then((body) => body.length)));
      await stage.visitor('alice', { context });
      const bytes = (await Promise.all(bodies)).reduce((sum, n) => sum + n, 0);
      assert.ok(bytes > 50_000 && bytes < most.bytes, `${bytes} bytes`);
    },
  },
  {
    name: 'the page says what it is, has one way to join, and keeps the choice of protocol to itself',
    async run(stage) {
      const page = await stage.page('/demo');
      await page.getByRole('heading', { level: 1, name: 'Two browsers talk directly. This server only introduces them.' }).waitFor();
      assert.equal(await page.getByRole('button').filter({ visible: true }).count(), 1);
      const protocol = page.getByLabel('JSON over WebSocket, as Volli clients do.');
      assert.equal(await protocol.isVisible(), false);
      await page.getByText('Advanced', { exact: true }).click();
      await protocol.check();
      await page.getByRole('button', { name: 'Join' }).click();
      await page.locator('#protocol').getByText('Volli').waitFor();
    },
  },
  {
    name: 'somebody alone gets a link and a QR code of it, and neither once somebody is there',
    async run(stage) {
      const context = await stage.context({ permissions: ['clipboard-read', 'clipboard-write'], deviceScaleFactor: 2 });
      const a = await stage.visitor('alice', { context, path: '/demo?relay=only#x' });
      const link = `${stage.server.url}/demo`;
      const code = a.page.getByRole('img', { name: "QR code of this page's address" });
      assert.equal(await a.page.getByRole('link', { name: link }).getAttribute('href'), link);
      await a.page.getByRole('button', { name: 'Copy the link' }).click();
      await a.page.getByRole('button', { name: 'Copied' }).waitFor();
      assert.equal(await a.page.evaluate(() => navigator.clipboard.readText()), link);
      await a.page.getByText('This address works on this machine only.').waitFor();
      assert.equal(await read(a.page, code), link);
      await stage.visitor('bob');
      await a.sees('bob');
      assert.equal(await code.isVisible(), false);
    },
  },
]);

// read takes a picture of a code, as a phone would, and returns its text.
async function read(page, code) {
  const png = (await code.screenshot()).toString('base64');
  const { data, width, height } = await page.evaluate(async (png) => {
    const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes]));
    const { width, height } = picture;
    const context = Object.assign(document.createElement('canvas'), { width, height }).getContext('2d');
    context.drawImage(picture, 0, 0);
    return { data: [...context.getImageData(0, 0, width, height).data], width, height };
  }, png);
  return jsQR.default(Uint8ClampedArray.from(data), width, height)?.data;
}
