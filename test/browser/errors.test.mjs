// What goes wrong is said in words.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { cases } from './stage.mjs';

const texts = [
  'Invalid user ID',
  'Invalid offer data',
  'Invalid answer data',
  'Invalid ICE candidate data',
  'Invalid custom message data',
  'User bob not found',
  'Not registered',
  'Sender mismatch',
  'Message too large',
  'Rate limit exceeded',
  'User ID not allowed',
  'Unauthorized',
  'Invalid message format',
  'Unknown message type',
  'Missing required fields',
  'User bob is not online',
  'Invalid proof',
  'Server unavailable',
];

test('every error of the contract has words of its own', async () => {
  const { explain } = await script('words.js');
  const unknown = explain('something else');
  for (const text of texts) assert.notEqual(explain(text), unknown, text);
  assert.equal(explain('User a\nb not found'), 'a\nb is not online.');
  assert.equal(explain('constructor'), unknown);
});

// script imports a script of the demo page that imports nothing.
async function script(name) {
  const source = await readFile(new URL(`../../web/pages/demo/${name}`, import.meta.url), 'base64');
  return import(`data:text/javascript;base64,${source}`);
}

const alert = (page, text) => page.getByRole('alert').getByText(text);

cases([
  {
    name: 'somebody who is not there is called',
    async run(stage) {
      const a = await stage.visitor('alice');
      await a.page.getByLabel('Call a name that is not listed').fill('nobody');
      await a.page.keyboard.press('Enter');
      await alert(a.page, 'nobody is not online.').waitFor();
      await alert(a.page, 'User nobody not found').waitFor();
      await a.with('nobody').getByText('nobody is not online.').first().waitFor();
      await a.page.getByRole('button', { name: 'Dismiss this error' }).click();
      await alert(a.page, 'nobody is not online.').waitFor({ state: 'detached' });
      await a.page.getByLabel('Call a name that is not listed').fill('alice');
      await a.page.keyboard.press('Enter');
      await alert(a.page, 'That is your own name.').waitFor();
    },
  },
  {
    name: 'somebody who has just gone is called, by a Volli client',
    async run(stage) {
      const a = await stage.visitor('alice', { volli: true });
      const b = await stage.visitor('bob');
      await a.look('bob');
      // The click that finds him still on the list: no answer tells otherwise.
      const person = await a.person('bob').elementHandle();
      await a.page.routeWebSocket('**', () => {});
      await a.page.evaluate(() => (globalThis.setInterval = () => 0));
      await b.page.close();
      await stage.gone('bob');
      await person.evaluate((button) => button.click());
      await alert(a.page, 'User bob is not online').waitFor();
      await a.with('bob').getByText('bob is not online.').first().waitFor();
    },
  },
  {
    name: 'a name of 50 units is taken, a longer one cannot be typed, and one of spaces is refused',
    async run(stage) {
      const page = await stage.page('/demo');
      await page.getByLabel('Your name').fill('   ');
      await page.getByRole('button', { name: 'Join with Socket.IO' }).click();
      await alert(page, 'A name has 1 to 50 characters.').waitFor();
      await page.getByLabel('Your name').fill('');
      // 25 astral characters are 50 units; the next does not fit.
      await page.getByLabel('Your name').pressSequentially('\u{1F600}'.repeat(26));
      await page.keyboard.press('Enter');
      await page.getByText('Online', { exact: true }).first().waitFor();
      assert.equal(await page.locator('#me').innerText(), '\u{1F600}'.repeat(25));
    },
  },
  ...[
    [false, false, 'Most likely somebody else came with the same name.'],
    [false, true, 'Most likely somebody else came with the same name.'],
    [true, false, 'Somebody else came with the same name and took it over.'],
    [true, true, 'Somebody else came with the same name and took it over.'],
  ].map(([first, second, words]) => ({
    name: `another page takes the name: the first one says so, and does not fight (${first ? 'Volli' : 'Socket.IO'}, ${second ? 'Volli' : 'Socket.IO'})`,
    async run(stage) {
      const a = await stage.visitor('alice', { volli: first });
      const b = await stage.visitor('alice', { volli: second });
      await alert(a.page, words).waitFor();
      assert.equal(await a.page.locator('#room').isVisible(), false);
      await b.online();
      // Joining again takes it back.
      await a.join(first);
      await alert(b.page, /somebody else/i).waitFor();
    },
  })),
  {
    name: 'too many connections in a minute: Socket.IO hears why, and tries again',
    env: { RATE_LIMIT: '20' },
    async run(stage) {
      const page = await stage.page('/demo');
      while ((await fetch(`${stage.server.url}/stats`)).status !== 429);
      await page.getByRole('button', { name: 'Join with Socket.IO' }).click();
      await alert(page, 'Too much came from here in a short time.').waitFor();
      await page.getByText('Connection lost, next try in').waitFor();
      await page.getByRole('button', { name: 'Try now' }).click();
      await page.getByText(/^\d+ times$/).waitFor();
    },
  },
  {
    name: 'somebody does not answer',
    async run(stage) {
      const page = await stage.page('/demo');
      await page.clock.install();
      const a = stage.at(page, 'alice');
      await a.join(false);
      const b = await stage.visitor('bob');
      await b.page.evaluate(() => (RTCPeerConnection.prototype.setRemoteDescription = () => new Promise(() => {})));
      await a.call('bob');
      await a.with('bob').getByText('Calling …').waitFor();
      await page.clock.fastForward(21_000);
      await a.with('bob').getByText('bob did not answer.').first().waitFor();
    },
  },
]);
