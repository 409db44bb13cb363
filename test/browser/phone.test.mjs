// A phone: one screen for each step, by touch.

import assert from 'node:assert/strict';
import { watchMedia } from './media.mjs';
import { cases } from './stage.mjs';

const phone = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const keyboard = 320; // pixels that it takes

cases([
  {
    name: 'people, then a conversation, and back; the field for messages stays above the keyboard',
    async run(stage) {
      const a = await stage.visitor('alice', phone);
      const b = await stage.visitor('bob');
      const people = a.page.getByRole('heading', { name: /^Online/ });
      const conversation = a.with('bob');
      await a.person('bob').getByRole('button', { name: 'Chat with' }).tap();
      await a.opens('bob');
      assert.equal(await people.isVisible(), false, 'one screen');
      for (let i = 0; i < 30; i++) await b.say('alice', `line ${i}`);
      await a.hears('bob', 'line 29');
      const field = conversation.getByLabel('Message', { exact: true });
      await field.tap();
      await a.page.setViewportSize({ width: 390, height: 844 - keyboard });
      const { y, height } = await field.boundingBox();
      assert.ok(y >= 0 && y + height <= 844 - keyboard, `the field is at ${y}`);
      await a.page.keyboard.type('typed with thumbs');
      await conversation.getByRole('button', { name: 'Send', exact: true }).tap();
      await b.hears('alice', 'typed with thumbs');
      await a.page.setViewportSize(phone.viewport);
      await conversation.getByRole('button', { name: 'Back' }).tap();
      await people.waitFor();
      assert.equal(await conversation.isVisible(), false);
      // What comes meanwhile is marked.
      await b.say('alice', 'still there?');
      await a.person('bob').getByText('channel open, something new').waitFor();
      // News of the server are seen beside a conversation, too.
      await a.person('bob').getByRole('button', { name: 'Chat with' }).tap();
      await stage.server.stop();
      await a.page.getByText('Connection lost').first().waitFor();
      await stage.server.start();
      await a.page.getByText('The server is back.', { exact: true }).waitFor();
    },
  },
  {
    name: 'a call comes in front, and everything it needs is on one screen',
    async run(stage) {
      const context = await stage.context(phone);
      await watchMedia(context);
      const a = await stage.visitor('alice', { context });
      const b = await stage.visitor('bob', { volli: true });
      await b.look('alice');
      await b.dial('alice');
      const question = a.page.getByRole('dialog', { name: 'bob is calling with video' });
      await question.waitFor();
      assert.equal(await question.evaluate((dialog) => dialog.matches(':modal')), true);
      await question.getByRole('button', { name: 'Accept with video' }).tap();
      await Promise.all([a.seesVideo('bob'), b.seesVideo('alice')]);
      const screen = phone.viewport.height;
      for (const name of ['Mute', 'Camera', 'Hang up', 'Send']) {
        const { y, height } = await a.with('bob').getByRole('button', { name, exact: true }).boundingBox();
        assert.ok(y >= 0 && y + height <= screen, `${name} is at ${y}`);
      }
      await a.with('bob').getByRole('button', { name: 'Hang up' }).tap();
      await b.with('alice').getByRole('log').getByText('alice hung up.').waitFor();
    },
  },
]);
