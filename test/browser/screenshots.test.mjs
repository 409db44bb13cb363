// The pictures of the README: what the pages look like in use. They are kept
// where UPDATE_SCREENSHOTS is set, after a minute and a half of traffic.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cases } from './stage.mjs';

const directory = process.env.SCREENSHOTS;
assert.ok(directory, 'SCREENSHOTS must name a directory');
const samples = process.env.UPDATE_SCREENSHOTS ? 90 : 5;

async function picture(page, name, fullPage = true) {
  const path = join(directory, name);
  await page.screenshot({ path, fullPage, animations: 'disabled' });
  const { size } = await stat(path);
  assert.ok(size > 10_000 && size < 300_000, `${name} has ${size} bytes`);
}

// traffic has a page open connections that come and go and relay to each other.
function traffic(page, port) {
  return page.evaluate((port) => {
    const socketIO = (name) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
      const emit = (event, data) => socket.send(`42${JSON.stringify([event, data])}`);
      socket.onmessage = ({ data }) => {
        if (data[0] === '0') socket.send('40');
        if (data[0] === '2') socket.send('3');
        if (data.startsWith('40')) emit('register', { userId: name });
      };
      return { socket, send: (kind, key, to) => emit(kind, { to, from: name, [key]: { sdp: 'v=0' } }) };
    };
    const volli = (name) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      const say = (message) => socket.send(JSON.stringify(message));
      socket.onopen = () => say({ type: 'register', userId: name, publicKey: 'key' });
      return { socket, send: (kind, key, to) => say({ type: kind, from: name, to, [key]: { sdp: 'v=0' } }) };
    };
    const users = new Map();
    let tick = 0;
    setInterval(() => {
      tick++;
      const wave = Math.round(14 + 8 * Math.sin(tick / 60) + 3 * Math.sin(tick / 17));
      for (let i = 0; i < wave; i++) {
        const name = `user-${i}`;
        if (!users.has(name)) users.set(name, (i % 3 === 2 ? volli : socketIO)(name));
      }
      for (const [name, { socket }] of users) {
        if (Number(name.slice(5)) < wave) continue;
        users.delete(name);
        socket.close();
      }
      const names = [...users.keys()];
      const pairs = Math.round(2 + 2 * Math.sin(tick / 23));
      for (let n = 0; n < pairs; n++) {
        const [from, to] = [0, 1].map((k) => names[(tick + n * 5 + k * 7) % names.length]);
        const [a, b] = [users.get(from), users.get(to)];
        if (from === to || a.socket.readyState !== 1 || b.socket.readyState !== 1) continue;
        if (n % 3 === 0) {
          a.send('offer', 'offer', to);
          b.send('answer', 'answer', from);
        }
        a.send('ice-candidate', 'candidate', to);
        b.send('ice-candidate', 'candidate', from);
      }
      if (tick % 47 < 2 && users.get(names[0]).socket.readyState === 1) users.get(names[0]).send('offer', 'offer', 'nobody');
    }, 250);
  }, port);
}

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1, isMobile: true, hasTouch: true };

cases([
  {
    name: 'demo.png and demo-phone.png',
    async run(stage) {
      const a = await stage.visitor('brave-otter-42');
      const b = await stage.visitor('calm-heron-17', { volli: true, ...phone, colorScheme: 'dark' });
      await stage.visitor('happy-lynx-88');
      await b.look('brave-otter-42');
      await a.dial('calm-heron-17');
      await b.accept('brave-otter-42');
      await Promise.all([a.seesVideo('calm-heron-17'), b.seesVideo('brave-otter-42')]);
      await a.say('calm-heron-17', 'Hello! I see you.');
      await b.hears('brave-otter-42', 'Hello! I see you.');
      await b.say('brave-otter-42', 'And I you. The server does not. Here is the file.');
      await a.hears('calm-heron-17', 'And I you. The server does not. Here is the file.');
      await b.sendFile('brave-otter-42', { name: 'holiday.mp4', mimeType: 'video/mp4', buffer: Buffer.alloc(520_000, 'holiday') });
      await a.checksum('calm-heron-17', 'holiday.mp4');
      await a.with('calm-heron-17').getByText(/· \d+ × \d+, \d+ fps/).waitFor();
      await picture(a.page, 'demo.png');
      await b.page.evaluate(() => document.activeElement.blur());
      await picture(b.page, 'demo-phone.png', false);
    },
  },
  {
    name: 'status.png and status-phone.png',
    env: { MESSAGE_RATE: '0', TURN_LISTEN: '127.0.0.1:0', TURN_PUBLIC_IP: '127.0.0.1' },
    async run(stage) {
      const page = await stage.page('/status');
      const small = await stage.page('/status', { ...phone, colorScheme: 'dark' });
      await traffic(await stage.page('/demo'), stage.server.port);
      await page.waitForFunction(
        (n) => document.querySelector('.line.series-1').getAttribute('d').split(/[ML]/).length > n,
        samples,
        { timeout: 110_000 },
      );
      await picture(page, 'status.png');
      await picture(small, 'status-phone.png', false);
    },
  },
]);
