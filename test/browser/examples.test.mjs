// The page of the README and the examples, as a reader runs them.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cases } from './stage.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const packages = createRequire(new URL('../docs/package.json', import.meta.url));
const clients = join(packages.resolve('socket.io-client'), '../../../dist');
const { io } = packages('socket.io-client');

// A Site is the reader's own web server: it has one page, and the JavaScript
// client that is on Socket.IO's CDN for others.
class Site {
  static async start() {
    const site = new Site();
    site.http = createServer(async (request, response) => {
      const script = request.url.endsWith('.js');
      response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8');
      response.end(script ? await readFile(join(clients, request.url)) : site.html);
    }).listen(0, '127.0.0.1');
    await once(site.http, 'listening');
    site.origin = `http://localhost:${site.http.address().port}`;
    return site;
  }

  // serve has the site show a page of the documents, for a server on another port.
  serve(html, port) {
    this.html = html.replaceAll('localhost:3001', `localhost:${port}`);
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

// example is a case with a site of its own.
async function example(name, run) {
  const site = await Site.start();
  return {
    name,
    env: { CORS_ORIGINS: site.origin, CLIENT_SCRIPT_URL: `${site.origin}/` },
    run: (stage) => run(stage, site).finally(() => site.close()),
  };
}

// visit opens a site's page in a browser of its own.
async function visit(stage, site) {
  const page = await (await stage.context()).newPage();
  page.on('pageerror', (err) => stage.troubles.push(`error: ${err.stack}`));
  await page.goto(site.origin);
  stage.pages.push(page);
  return page;
}

// plays waits until the pictures of the other side come in.
const plays = (page, id) =>
  page.waitForFunction((id) => {
    const video = document.getElementById(id);
    return video.srcObject?.getAudioTracks().length === 1 && video.videoWidth > 0 && video.currentTime > 0.2;
  }, id);

// start runs a program until stop, and waits for what it says first.
async function start(says, command, args, options) {
  const program = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], ...options });
  await new Promise((resolve, reject) => {
    let said = ''; // in whatever pieces
    program.stdout.setEncoding('utf8').on('data', (piece) => (said += piece).includes(says) && resolve());
    program.once('exit', (code) => reject(new Error(`${command} ended with ${code} and said ${said}`)));
  });
  return async () => {
    program.kill();
    if (program.exitCode === null && program.signalCode === null) await once(program, 'exit');
  };
}

cases(await Promise.all([
  example('the page of the README makes a call', async (stage, site) => {
    const [, html] = /<!-- file: call\.html -->\n```html\n([\s\S]*?)```/.exec(await readFile(join(root, 'README.md'), 'utf8'));
    site.serve(html, stage.server.port);
    const pages = [await visit(stage, site)];
    await stage.server.reaches('signaling_users', (n) => n === 1);
    pages.push(await visit(stage, site));
    for (const page of pages) await plays(page, 'them');
  }),
  example('examples/browser-video calls, both at once, and notices that the other leaves', async (stage, site) => {
    site.serve(await readFile(join(root, 'examples/browser-video/index.html'), 'utf8'), stage.server.port);
    const pages = [await visit(stage, site), await visit(stage, site)];
    const buttons = pages.map((page) => page.locator('#users button'));
    for (const button of buttons) await button.waitFor(); // each knows the other
    await Promise.all(buttons.map((button) => button.click()));
    for (const page of pages) await plays(page, 'remote');
    await pages[0].close();
    await pages[1].getByText(/has left/).waitFor();
  }),
  example('examples/node-bot answers a call and echoes its data channel', async (stage, site) => {
    const dir = await mkdtemp(join(tmpdir(), 'bot'));
    await copyFile(join(root, 'examples/node-bot/bot.mjs'), join(dir, 'bot.mjs'));
    await copyFile(join(root, 'examples/node-bot/package.json'), join(dir, 'package.json'));
    await symlink(join(root, 'test/docs/node_modules'), join(dir, 'node_modules'));
    const stop = await start('registered as bot', 'node', ['bot.mjs'], { cwd: dir, env: { ...process.env, SERVER: stage.server.url } });
    try {
      site.serve(`<!doctype html><script src="http://localhost:3001/socket.io/socket.io.js"></script>`, stage.server.port);
      const page = await visit(stage, site);
      const echo = await page.evaluate(async (url) => {
        const socket = io(url);
        const pc = new RTCPeerConnection();
        const relay = (event, body) => socket.emit(event, { to: 'bot', from: 'alice', ...body });
        pc.onicecandidate = ({ candidate }) => candidate && relay('ice-candidate', { candidate });
        socket.on('answer', ({ answer }) => pc.setRemoteDescription(answer));
        socket.on('ice-candidate', ({ candidate }) => pc.addIceCandidate(candidate));
        const channel = pc.createDataChannel('echo');
        channel.onopen = () => channel.send('Hello, bot!');
        const echo = new Promise((resolve) => (channel.onmessage = ({ data }) => resolve(data)));
        await socket.emitWithAck('register', { userId: 'alice' });
        await pc.setLocalDescription();
        relay('offer', { offer: pc.localDescription });
        return echo;
      }, `http://localhost:${stage.server.port}`);
      assert.equal(echo, 'Hello, bot!');
    } finally {
      await stop();
      await rm(dir, { recursive: true });
    }
  }),
  example('examples/python echoes custom messages', async (stage) => {
    const stop = await start("registered: {'ok': True}", '/usr/bin/python3', [join(root, 'examples/python/echo.py')], { env: { ...process.env, SERVER: stage.server.url } });
    const socket = io(stage.server.url, { transports: ['websocket'] });
    try {
      await socket.emitWithAck('register', { userId: 'alice' });
      const echo = once(socket, 'custom-message');
      socket.emit('custom-message', { to: 'echo', from: 'alice', message: { text: 'Hello, echo!', n: 1.5 } });
      assert.deepEqual(await echo, [{ from: 'echo', message: { text: 'Hello, echo!', n: 1.5 } }]);
    } finally {
      socket.close();
      await stop();
    }
  }),
]));
