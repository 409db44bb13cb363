// The pages ask no other host for anything, and their policy allows what they
// need and nothing else.

import assert from 'node:assert/strict';
import { cases } from './stage.mjs';

const policy = {
  'default-src': "'none'",
  'base-uri': "'none'",
  'connect-src': "'self'",
  'form-action': "'none'",
  'frame-ancestors': "'self'",
  'img-src': 'data:',
  'require-trusted-types-for': "'script'",
  'script-src': "'self'",
  'script-src-attr': "'none'",
  'style-src': "'self'",
  'trusted-types': "'none'",
};

const write = (directives) =>
  Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join(';');

// watch collects what the policy of a context's pages forbids.
async function watch(context) {
  await context.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(event.effectiveDirective));
  });
}

const violations = (page) => page.evaluate(() => [...new Set(globalThis.violations)].sort());

// use does on a page all that it is for.
async function use(page, path) {
  if (path === '/status') {
    await page.getByText('Live', { exact: true }).waitFor();
    return;
  }
  await page.getByRole('button', { name: 'Join' }).click();
  await page.getByText('Online', { exact: true }).first().waitFor();
}

cases([
  ...['/demo', '/status'].map((path) => ({
    name: `${path}: the policy, value for value, and nothing that it forbids is done`,
    async run(stage) {
      const context = await stage.context();
      await watch(context);
      const documents = [];
      context.on('response', (response) => documents.push(response));
      const page = await stage.page(path, { context });
      await use(page, path);
      assert.ok(documents.length > 3);
      for (const response of documents.filter((r) => !/\/(events|past)$/.test(r.url()) && !r.url().startsWith('data:'))) {
        assert.equal(response.status(), 200, response.url());
        assert.equal(response.headers()['content-security-policy'], write(policy), response.url());
        assert.equal(response.headers()['x-content-type-options'], 'nosniff');
      }
      assert.deepEqual(await violations(page), []);
    },
  })),
  {
    name: 'what is forbidden does not happen',
    async run(stage) {
      const context = await stage.context();
      await watch(context);
      const page = await stage.page('/demo', { context });
      const other = `http://plain.test:${stage.server.port}/`;
      const got = await page.evaluate(async (other) => {
        const attempt = async (what) => {
          try {
            await what();
            return 'done';
          } catch (err) {
            return err.name;
          }
        };
        const load = (tag, attributes) =>
          new Promise((resolve, reject) => {
            const element = Object.assign(document.createElement(tag), attributes);
            element.onload = resolve;
            element.onerror = () => reject(new Error());
            document.head.append(element);
          });
        const inline = document.createElement('div');
        return {
          fetch: await attempt(() => fetch(other, { mode: 'no-cors' })),
          socket: await attempt(
            () =>
              new Promise((resolve, reject) => {
                const socket = new WebSocket(`${other.replace('http', 'ws')}ws`);
                socket.onopen = resolve;
                socket.onerror = () => reject(new Error());
              }),
          ),
          image: await attempt(() => load('img', { src: `${other}x.png` })),
          style: await attempt(() => load('link', { rel: 'stylesheet', href: `${other}x.css` })),
          markup: await attempt(() => (inline.innerHTML = '<b>x</b>')),
          script: await attempt(() => (document.createElement('script').src = other)),
          inline: await attempt(() => (document.createElement('script').textContent = 'globalThis.ran = true')),
          attribute: await attempt(() => inline.setAttribute('onclick', 'globalThis.ran = true')),
          policy: await attempt(() => globalThis.trustedTypes.createPolicy('x', { createHTML: (s) => s })),
        };
      }, other);
      for (const [what, became] of Object.entries(got)) assert.notEqual(became, 'done', what);
      // By what the document itself says, as an injection would.
      const injected = await stage.context();
      await injected.route('**/demo', async (route) => {
        const response = await route.fetch();
        const body = (await response.text()).replace(
          '</head>',
          `<script>globalThis.ran = 'inline'</script><script src="${other}demo/x.js"></script>` +
            `<style>body { --ran: inline }</style><base href="${other}"></head>`,
        );
        await route.fulfill({ response, body: body.replace('<body>', `<body onload="globalThis.ran = 'attribute'" style="--ran: attribute">`) });
      });
      const page2 = await stage.page('/demo', { context: injected });
      // The page's own scripts run. (It gets no further: to Chromium, a document
      // that came from the test is none of the local network.)
      await page2.getByRole('button', { name: 'Join' }).click();
      await page2.getByRole('heading', { name: /^You are/ }).waitFor();
      assert.equal(await page2.evaluate(() => globalThis.ran), undefined);
      assert.equal(await page2.evaluate(() => getComputedStyle(document.body).getPropertyValue('--ran')), '');
      assert.equal(await page2.evaluate(() => new URL(document.baseURI).host), `127.0.0.1:${stage.server.port}`);
      stage.allow(/Content Security Policy|Trusted|CSP|request to another host|ERR_BLOCKED/);
    },
  },
  // Each source that is allowed is needed: without it the page breaks it.
  ...['/demo', '/status'].flatMap((path) =>
    ['connect-src', 'script-src', 'style-src'].map((directive) => ({
      name: `${path} needs its ${directive}`,
      async run(stage) {
        const context = await stage.context();
        await watch(context);
        await context.route(`**${path}`, async (route) => {
          const response = await route.fetch();
          const headers = { ...response.headers(), 'content-security-policy': write({ ...policy, [directive]: "'none'" }) };
          await route.fulfill({ response, headers });
        });
        const page = await stage.page(path, { context });
        if (directive === 'connect-src' && path === '/demo') await page.getByRole('button', { name: 'Join' }).click();
        await page.waitForFunction(() => globalThis.violations.length > 0);
        const [found] = await violations(page);
        assert.ok(found.startsWith(directive), found);
        stage.allow(/Content Security Policy/);
      },
    })),
  ),
  {
    name: 'on plain HTTP nothing is asked for by HTTPS',
    async run(stage) {
      const page = await stage.page('/status', { host: 'plain.test' });
      await use(page, '/status');
      stage.allow(/^console: The Cross-Origin-Opener-Policy header has been ignored/);
    },
  },
  {
    name: 'a page is asked for once, and its files are kept',
    env: { LOG_LEVEL: 'debug' },
    async run(stage) {
      const context = await stage.context();
      const page = await stage.page('/demo', { context });
      await use(page, '/demo');
      const before = stage.server.requests();
      await page.reload();
      await use(page, '/demo');
      const after = stage.server.requests().slice(before.length);
      assert.deepEqual(after.filter((path) => path.startsWith('/demo')), ['/demo']);
    },
  },
]);
