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
  'User bob is not responding',
  'Server unavailable',
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
    name: 'a message to someone who is not there: the error is shown once, in that conversation',
    async run(stage) {
      for (const volli of [false, true]) {
        const a = await stage.visitor('alice', { volli });
        await a.page.getByLabel(volli ? 'Look for a name' : 'Message a name that is not listed').fill('nobody');
        await a.page.keyboard.press('Enter');
        if (volli) {
          await a.page.getByText('Not online: nobody').waitFor();
        } else {
          const words = a.page.locator('#room').getByText('nobody is not online.');
          await a.with('nobody').locator('.state').getByText('nobody is not online.').waitFor();
          assert.equal(await words.filter({ visible: true }).count(), 2, 'as the state, and as the last step');
          assert.equal(await a.page.getByRole('alert').getByText(/./).count(), 0);
        }
        await a.page.getByLabel(volli ? 'Look for a name' : 'Message a name that is not listed').fill('alice');
        await a.page.keyboard.press('Enter');
        await alert(a.page, 'That is your own name.').waitFor();
        await a.page.getByRole('button', { name: 'Dismiss this error' }).click();
        await alert(a.page, 'That is your own name.').waitFor({ state: 'detached' });
        await a.page.close();
      }
    },
  },
  {
    name: 'a Volli client reaches for someone who has just left',
    async run(stage) {
      const a = await stage.visitor('alice', { volli: true });
      const b = await stage.visitor('bob');
      await a.look('bob');
      // The click that finds him still on the list: no answer says otherwise.
      const chat = await a.person('bob').getByRole('button', { name: 'Chat with' }).elementHandle();
      await a.page.evaluate(() => (WebSocket.prototype.send = ((send) => function (text) {
        if (!text.includes('"discover"')) send.call(this, text);
      })(WebSocket.prototype.send)));
      await b.page.close();
      await stage.gone('bob');
      await chat.evaluate((button) => button.click());
      await a.with('bob').locator('.state').getByText('bob is not online.').waitFor();
      assert.equal(await a.page.getByRole('alert').getByText(/./).count(), 0);
    },
  },
  {
    name: 'a name of 50 units is taken, a longer one cannot be typed, and one of spaces is refused',
    async run(stage) {
      const page = await stage.page('/demo');
      await page.getByLabel('Your name').fill('   ');
      await page.getByRole('button', { name: 'Join' }).click();
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
    [false, false, 'Most likely someone else joined with the same name.'],
    [false, true, 'Most likely someone else joined with the same name.'],
    [true, false, 'Someone else joined with the same name and took it over.'],
    [true, true, 'Someone else joined with the same name and took it over.'],
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
      await alert(b.page, /someone else/i).waitFor();
    },
  })),
  {
    name: 'too many connections in a minute: the page says that it tries again',
    env: { RATE_LIMIT: '20' },
    async run(stage) {
      const page = await stage.page('/demo');
      while ((await fetch(`${stage.server.url}/stats`)).status !== 429);
      await page.getByRole('button', { name: 'Join' }).click();
      await page.getByText('Connection lost, next try in').waitFor();
      await page.getByRole('button', { name: 'Try now' }).click();
      await page.getByText('Connection lost, next try in').waitFor();
    },
  },
  {
    name: 'someone does not answer',
    async run(stage) {
      const page = await stage.page('/demo');
      await page.clock.install();
      const a = stage.at(page, 'alice');
      await a.join(false);
      const b = await stage.visitor('bob');
      await b.page.evaluate(() => (RTCPeerConnection.prototype.setRemoteDescription = () => new Promise(() => {})));
      await a.connect('bob');
      await a.with('bob').getByText('Connecting …').waitFor();
      await page.clock.fastForward(21_000);
      await a.with('bob').getByText('bob did not answer.').first().waitFor();
    },
  },
]);
