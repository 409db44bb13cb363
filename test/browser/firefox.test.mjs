// The main path in Firefox, with itself and with Chromium.

import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import puppeteer from 'puppeteer-core';
import { flows, watchMedia } from './media.mjs';
import { cases } from './stage.mjs';

const executablePath = process.env.FIREFOX;
assert.ok(executablePath, 'FIREFOX must name the browser');

let firefox;
before(async () => {
  firefox = await puppeteer.launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
      'media.peerconnection.ice.loopback': true,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
    },
  });
});
after(() => firefox?.close());

// A Fox is a visitor with Firefox.
class Fox {
  static async join(stage, name, { volli = false } = {}) {
    const context = await firefox.createBrowserContext();
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (err) => stage.troubles.push(`Firefox: ${err}`));
    await watchMedia({ addInitScript: (script) => page.evaluateOnNewDocument(script) });
    await page.goto(`${stage.server.url}/demo`);
    const fox = new Fox(page);
    await page.locator('#name').fill(name);
    if (volli) {
      await page.click('.advanced summary');
      await page.click('[value="volli"]');
    }
    await page.click('#join-button');
    await page.waitForSelector('#state[data-state="good"]');
    return fox;
  }

  constructor(page) {
    this.page = page;
  }

  async look(name) {
    await this.page.locator('#find-name').fill(name);
    await this.page.keyboard.press('Enter');
  }

  // click clicks the button of that name that can be seen. To find it by its role takes
  // Firefox some seconds.
  async click(label) {
    const button = await this.page.waitForFunction(
      (label) =>
        [...document.querySelectorAll('button:enabled')].find(
          (button) => [button.ariaLabel, button.textContent.trim()].includes(label) && button.checkVisibility(),
        ),
      { polling: 50 },
      label,
    );
    await button.click();
  }

  async dial(name) {
    await this.click(`Video call with ${name}`);
    await this.click('Call');
  }

  accept() {
    return this.click('Accept with video');
  }

  hears(text) {
    return this.page.waitForSelector(`::-p-text(${text})`);
  }

  async say(text) {
    await this.page.focus('.conversation:not([hidden]) [data-part="draft"]');
    await this.page.keyboard.type(text);
    await this.page.keyboard.press('Enter');
  }

  leave() {
    return this.page.browserContext().close();
  }
}

const table = [
  {
    name: 'Firefox calls Firefox: both see and hear each other, and chat',
    async run(stage) {
      const a = await Fox.join(stage, 'alice');
      const b = await Fox.join(stage, 'bob', { volli: true });
      await a.dial('bob');
      await b.accept();
      await Promise.all([a.page.waitForSelector('[data-part="duration"]:not(:empty)'), b.page.waitForSelector('[data-part="duration"]:not(:empty)')]);
      await Promise.all([flows(a.page), flows(b.page)]);
      await a.say('from Firefox');
      await b.hears('from Firefox');
      await b.click('Hang up');
      await a.hears('bob hung up.');
      await Promise.all([a.leave(), b.leave()]);
    },
  },
  {
    name: 'Firefox calls Chromium, and Chromium calls Firefox',
    async run(stage) {
      const context = await stage.context();
      await watchMedia(context);
      const a = await Fox.join(stage, 'alice', { volli: true });
      const b = await stage.visitor('bob', { context });
      await a.look('bob');
      await a.dial('bob');
      await b.accept('alice');
      await b.inCall('alice');
      await Promise.all([flows(a.page), flows(b.page)]);
      await b.say('alice', 'from Chromium');
      await a.hears('from Chromium');
      await b.press('alice', 'Hang up');
      await a.hears('bob hung up.');
      await b.dial('alice');
      await a.accept();
      await Promise.all([flows(a.page), flows(b.page)]);
      await a.leave();
      await b.with('alice').getByText('alice closed the channel.').first().waitFor();
    },
  },
];

// Firefox lets pages behind others wait, so these run one by one.
cases(table, 1);
