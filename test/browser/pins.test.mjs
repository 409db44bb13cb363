// People who are pinned, of whom alone a server with PRESENCE=watched tells.

import { cases } from './stage.mjs';

const pin = (visitor, name) => visitor.page.getByRole('button', { name: `Pin ${name}`, exact: true });
const away = (visitor, name) => visitor.page.locator('#away li', { hasText: name });

cases([
  {
    name: 'with PRESENCE=watched, the page shows whom one has pinned, and remembers them',
    env: { PRESENCE: 'watched', RECONNECT_GRACE: '0' },
    async run(stage) {
      const context = await stage.context();
      const a = await stage.visitor('alice', { context });
      const b = await stage.visitor('bob');
      await stage.visitor('carol');
      await a.page.getByText('only about the people that you pin').waitFor();
      await a.look('bob');
      await a.misses('carol');
      await a.page.getByLabel('Look for a name').fill('dave');
      await a.page.keyboard.press('Enter');
      await away(a, 'dave').waitFor();
      await b.page.close();
      await away(a, 'bob').waitFor();

      await a.page.reload();
      await a.join();
      await away(a, 'bob').waitFor();
      const again = await stage.visitor('bob');
      await a.sees('bob');
      // Who calls is on the list too.
      await again.look('alice');
      await again.connect('alice');
      await Promise.all([a.talks('bob'), again.talks('alice')]);
      await pin(a, 'dave').click();
      await away(a, 'dave').waitFor({ state: 'detached' });
    },
  },
  {
    name: 'who is called learns when the caller leaves, pinned or not',
    env: { PRESENCE: 'watched', RECONNECT_GRACE: '0' },
    async run(stage) {
      const [a, b] = [await stage.visitor('alice'), await stage.visitor('bob')];
      await a.look('bob');
      await a.connect('bob');
      await Promise.all([a.talks('bob'), b.talks('alice')]);
      await b.sees('alice');
      await a.page.close();
      await b.misses('alice');
    },
  },
  {
    name: 'where everybody is on the list, the pinned ones are the first',
    async run(stage) {
      const a = await stage.visitor('alice');
      await stage.visitor('bob');
      await stage.visitor('carol');
      await a.sees('carol');
      await pin(a, 'carol').click();
      await a.page.locator('#online li:first-child', { hasText: 'carol' }).waitFor();
      await pin(a, 'carol').click();
      await a.page.locator('#online li:first-child', { hasText: 'bob' }).waitFor();
    },
  },
]);
