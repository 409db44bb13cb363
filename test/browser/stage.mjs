// Runs cases in a real Chromium, each with a server to itself. Every visitor has
// a browser context, that is cookies, storage and cache, of its own.

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { Link } from './link.mjs';
import { Server } from './server.mjs';

const executable = process.env.CHROMIUM;
assert.ok(executable, 'CHROMIUM must name the browser');

const flags = [
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  // A host that is not localhost, and so no secure context without TLS.
  '--host-resolver-rules=MAP plain.test 127.0.0.1',
];

// A camera that shows a green picture, a microphone that beeps, and a screen.
// Ten pictures per second will do.
const devices = [
  '--use-fake-device-for-media-stream=fps=10',
  '--use-fake-ui-for-media-stream',
  '--auto-select-desktop-capture-source=Entire screen',
];

// Cases wait as much as they compute, so two of a file run at a time, of two files.
// With four, pictures and clicks took half a minute on two processors.
const atOnce = 2;

// Each wait of a case has a limit of its own, of 30 seconds. This one ends a case
// that has none where it hangs, on the slowest machine.
const caseTimeout = 600_000;

const browsers = new Map(); // flags → Promise of a browser

// A browser is for all files: to start one takes longer than many cases do.
after(async () => {
  for (const browser of browsers.values()) await (await browser).close();
});

function launch(more) {
  const key = more.join(' ');
  if (!browsers.has(key)) {
    // The sandbox does not work for root, in containers above all.
    const chromiumSandbox = process.getuid?.() !== 0 && !process.env.CI;
    const args = [...flags, ...more];
    browsers.set(key, chromium.launch({ executablePath: executable, headless: true, chromiumSandbox, args }));
  }
  return browsers.get(key);
}

// cases runs each row of a table: name, env of the server, run, which gets a
// Stage, bare, where the browser has neither camera nor microphone, and flags, its
// command line's; so many at a time.
export function cases(table, concurrency = atOnce) {
  describe('in the browser', { concurrency }, () => {
    for (const { name, env, run, bare = false, flags: more = [] } of table) {
      it(name, { timeout: caseTimeout }, async (t) => {
        const [server, browser] = await Promise.all([Server.start(env), launch([...(bare ? [] : devices), ...more])]);
        const stage = new Stage(server, browser);
        try {
          await run(stage);
          await stage.close();
          await server.stop();
        } catch (err) {
          t.diagnostic(`server log:\n${server.lines.join('\n')}`);
          for (const page of stage.pages) t.diagnostic(`page:\n${await text(page)}`);
          throw err;
        } finally {
          await stage.abandon();
          server.kill();
        }
      });
    }
  });
}

const text = (page) => page.locator('body').innerText({ timeout: 1000 }).catch((err) => err.message);

// A Stage is a server with its visitors.
export class Stage {
  pages = [];
  // troubles are what browsers complained of, and requests to other hosts.
  troubles = [];
  #allowed = [];
  #contexts = [];
  #links = [];
  #browser;

  constructor(server, browser) {
    this.server = server;
    this.#browser = browser;
  }

  // context is a browser of its own.
  async context(options) {
    const context = await this.#browser.newContext({ viewport: { width: 1200, height: 900 }, ...options });
    this.#contexts.push(context);
    return context;
  }

  // link is a network that can fail, for pages to reach the server by.
  async link() {
    const link = await Link.open(this.server.port);
    this.#links.push(link);
    return link;
  }

  // page opens a page in a context, or in a new one.
  async page(path, { context, host = '127.0.0.1', link, ...options } = {}) {
    const page = await (context ?? (await this.context(options))).newPage();
    const authority = `${host}:${(link ?? this.server).port}`;
    this.#watch(page, authority);
    await page.goto(`http://${authority}${path}`);
    this.pages.push(page);
    return page;
  }

  // visitor opens the demo page and joins by a name.
  async visitor(name, { volli = false, path = '/demo', token, ...options } = {}) {
    const visitor = new Visitor(await this.page(path, options), name);
    if (token) await visitor.signIn(volli, token);
    else await visitor.join(volli);
    return visitor;
  }

  // gone resolves when the server no longer knows a name.
  async gone(name) {
    const page = await this.page('/demo');
    await page.evaluate(
      ([name, url]) =>
        new Promise((resolve) => {
          const socket = new WebSocket(url);
          const ask = () => socket.send(JSON.stringify({ type: 'discover', userId: name }));
          socket.onopen = ask;
          socket.onmessage = ({ data }) => (JSON.parse(data).online ? ask() : resolve());
        }),
      [name, `ws://127.0.0.1:${this.server.port}/ws`],
    );
  }

  // at is the visitor who uses a page.
  at(page, name) {
    return new Visitor(page, name);
  }

  #watch(page, authority) {
    page.on('pageerror', (err) => this.troubles.push(`error: ${err.stack}`));
    page.on('console', (message) => {
      const lost = /net::ERR_CONNECTION_REFUSED|net::ERR_INCOMPLETE_CHUNKED_ENCODING|WebSocket connection/;
      if (message.type() === 'error' && !lost.test(message.text())) this.troubles.push(`console: ${message.text()}`);
    });
    page.on('request', (request) => {
      const url = new URL(request.url());
      const own = url.protocol === 'data:' || url.protocol === 'blob:' || url.host === authority;
      if (!own) this.troubles.push(`request to another host: ${url}`);
    });
    page.on('websocket', (socket) => {
      if (new URL(socket.url()).host !== authority) this.troubles.push(`WebSocket to ${socket.url()}`);
    });
  }

  // allow forgives a trouble, which must come until the end of the case.
  allow(pattern) {
    this.#allowed.push(pattern);
  }

  // close ends the case: nothing may have gone wrong unnoticed.
  async close() {
    await this.abandon();
    for (const pattern of this.#allowed) assert.ok(this.troubles.some((trouble) => pattern.test(trouble)), `expected ${pattern}`);
    assert.deepEqual(this.troubles.filter((trouble) => !this.#allowed.some((pattern) => pattern.test(trouble))), []);
  }

  async abandon() {
    await Promise.all(this.#contexts.splice(0).map((context) => context.close()));
    for (const link of this.#links.splice(0)) link.close();
  }
}

// A Visitor is a person who uses the demo page.
export class Visitor {
  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  async join(volli) {
    await this.ask(volli);
    await this.online();
  }

  // ask asks to be let in.
  async ask(volli) {
    await this.page.getByLabel('Your name').fill(this.name);
    if (volli) {
      await this.page.locator('.advanced').evaluate((details) => (details.open = true));
      await this.page.getByLabel('JSON over WebSocket, as Volli clients do.').check();
    }
    await this.page.getByRole('button', { name: 'Join', exact: true }).click();
  }

  // signIn joins where a token is wanted: those who have none are asked for it.
  async signIn(volli, token) {
    await this.ask(volli);
    await this.page.getByLabel('Your token').fill(token);
    await this.join(volli);
  }

  online() {
    return this.page.getByText('Online', { exact: true }).first().waitFor();
  }

  // person is somebody on the list of those who are online.
  person(name) {
    return this.page.locator('#online li', { has: this.page.getByRole('button', { name: `Chat with ${name}`, exact: true }) });
  }

  sees(name) {
    return this.person(name).waitFor();
  }

  misses(name) {
    return this.person(name).waitFor({ state: 'detached' });
  }

  // look makes a Volli client look for a name, and see it.
  async look(name) {
    await this.page.getByLabel('Look for a name').fill(name);
    await this.page.keyboard.press('Enter');
    await this.sees(name);
  }

  // connect opens a channel to somebody on the list.
  connect(name) {
    return this.person(name).getByRole('button', { name: 'Chat with' }).click();
  }

  // dial calls somebody on the list, and is content with what the preview shows.
  async dial(name, kind = 'Video') {
    await this.person(name).getByRole('button', { name: `${kind} call with` }).click();
    await this.page.getByRole('dialog').getByRole('button', { name: /^Call/ }).click();
  }

  // accept accepts a call.
  async accept(name, kind = 'video') {
    const question = this.page.getByRole('dialog', { name: `${name} is calling` });
    await question.getByRole('button', { name: `Accept with ${kind}` }).click();
  }

  // stage is the part of a conversation that shows a call.
  stage(name) {
    return this.with(name).getByRole('group', { name: `Call with ${name}` });
  }

  // inCall waits until a call is active.
  inCall(name) {
    return this.stage(name).getByRole('timer').filter({ hasText: /:/ }).waitFor();
  }

  // seesVideo waits until a picture of somebody moves.
  seesVideo(name) {
    return this.stage(name).getByLabel(name, { exact: true }).evaluate(
      (video) =>
        new Promise((resolve) => {
          let frames = 0;
          const count = () => (++frames > 5 ? resolve() : video.requestVideoFrameCallback(count));
          video.requestVideoFrameCallback(count);
        }),
    );
  }

  press(name, button) {
    return this.with(name).getByRole('button', { name: button, exact: true }).click();
  }

  with(name) {
    return this.page.getByRole('region', { name: `Conversation with ${name}`, exact: true });
  }

  // opens waits until the channel with somebody is open.
  opens(name) {
    return this.with(name).getByText('Channel open', { exact: true }).waitFor();
  }

  // talks waits until the channel with somebody is open, and its path known.
  async talks(name, path = 'Direct, browser to browser') {
    await this.opens(name);
    await this.with(name).getByText(path).waitFor();
  }

  async say(name, text) {
    await this.with(name).getByLabel('Message', { exact: true }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  hears(name, text) {
    return this.with(name).getByRole('log').getByText(text, { exact: true }).waitFor();
  }

  // crash ends the page without a chance to say goodbye to anybody.
  async crash() {
    const session = await this.page.context().newCDPSession(this.page);
    const crashed = this.page.waitForEvent('crash');
    session.send('Page.crash').catch(() => {}); // nobody is left to answer
    await crashed;
  }

  // steps are what the signaling did, as [way, what, detail, ms].
  steps(name) {
    return this.with(name)
      .getByRole('region', { name: 'Steps of the signaling' })
      .getByRole('listitem')
      .evaluateAll((items) =>
        items.map((item) => [
          item.dataset.way,
          item.querySelector('.what').textContent,
          item.querySelector('.detail').textContent,
          parseFloat(item.querySelector('.when').textContent),
        ]),
      );
  }

  // file is the row about a file.
  file(name, title) {
    return this.with(name).getByRole('log').getByRole('listitem').filter({ hasText: title });
  }

  sendFile(name, file) {
    return this.with(name).getByLabel('Send files').setInputFiles(file);
  }

  // checksum waits for that of a file, and that it is the same on both sides.
  async checksum(name, title) {
    await this.file(name, title).getByText('the same on both sides').waitFor();
    return this.file(name, title).locator('code').innerText();
  }
}
