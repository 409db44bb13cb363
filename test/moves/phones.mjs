// What runs on a phone: a stock socket.io-client, or Volli's flow, and an app on
// top that calls. An app that calls again after a connection was lost sends again
// what was not acknowledged.

import { execFile } from 'node:child_process';
import { readSync } from 'node:fs';
import { Agent } from 'node:http';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { io } = require('socket.io-client');
const WebSocket = require('ws');
const run = promisify(execFile);

function readAll(fd) {
  const room = Buffer.alloc(64 << 10);
  let text = '';
  try {
    for (let n; fd >= 0 && (n = readSync(fd, room)) > 0;) text += room.toString('latin1', 0, n);
  } catch (err) {
    if (!['EAGAIN', 'ENOTCONN', 'ECONNRESET'].includes(err.code)) throw err;
  }
  return text;
}

// Wires are a phone's TCP connections.
class Wires extends Agent {
  #open = new Set();
  #cut = false; // for good

  createConnection(...args) {
    const wire = super.createConnection(...args);
    this.#open.add(wire.on('close', () => this.#open.delete(wire)).on('error', () => {}));
    if (this.#cut) wire.destroy();
    return wire;
  }

  // reset has the kernel reset them, which leaves what has arrived to be read.
  async reset() {
    const wires = [...this.#open].filter(({ localPort }) => localPort);
    if (wires.length === 0) return;
    const closed = wires.map((wire) => new Promise((resolve) => wire.on('close', resolve)));
    // A port alone may be that of two phones, in different networks.
    await run('ss', ['-K', wires.map(({ localAddress, localPort }) => `src ${localAddress}:${localPort}`).join(' or ')]);
    await Promise.all(closed);
  }

  close() {
    for (const wire of this.#open) wire.destroy();
  }

  // kill closes them for good, and returns what had arrived and was not read.
  kill() {
    this.#cut = true;
    let unread = '';
    for (const wire of this.#open) unread += readAll(wire._handle?.fd ?? -1);
    this.close();
    return unread;
  }
}

class Phone {
  wires = new Wires();
  online = false; // registered
  over = false; // its process has ended
  told = () => {}; // of relays and of presence

  constructor(name, url) {
    Object.assign(this, { name, url });
  }

  // kill ends the process: its kernel closes what it had open. It returns the numbers
  // of the relays that the kernel had acknowledged and the process had not read.
  kill() {
    this.over = true;
    this.quit();
    return [...this.wires.kill().matchAll(/"n":(\d+)/g)].map(([, n]) => Number(n));
  }

  registered() {
    this.online = true;
    this.back?.();
  }
}

export class Oodaa extends Phone {
  constructor(name, url, transports) {
    super(name, url);
    this.polls = transports?.[0] === 'polling';
    const options = transports ? { transports } : {};
    this.socket = io(url, { forceNew: true, agent: this.wires, ...options });
    this.socket.on('connect', () => this.socket.emit('register', { userId: name }));
    this.socket.on('user-list', () => this.over || this.online || this.registered());
    this.socket.on('disconnect', () => (this.online = false));
    this.socket.onAny((event, body) => this.over || this.told(event, body?.offer ?? body?.candidate ?? body?.peerId));
  }

  send({ n, type, field }, to, answered) {
    this.socket.emit(type, { to, from: this.name, [field]: { n } }, answered);
  }

  watch(names, answered) {
    this.socket.emit('watch-users', { users: names }, answered);
  }

  // notice tells the app that the phone has another network. Where it polls, a
  // request may be under way, which engine.close() would wait for; phones close such
  // connections themselves.
  notice() {
    if (this.polls) this.wires.close();
    else this.socket.io.engine.close();
  }

  quit() {
    this.socket.io.reconnection(false);
  }

  leave() {
    this.socket.disconnect();
  }
}

export class Volli extends Phone {
  constructor(name, url) {
    super(name, url);
    this.#connect();
  }

  #connect() {
    const ws = new WebSocket(this.url.replace('http', 'ws') + '/signaling', { agent: this.wires });
    this.ws = ws;
    ws.on('open', () => ws.send(JSON.stringify({ type: 'register', userId: this.name, publicKey: 'key' })));
    ws.on('message', (data) => {
      if (this.over) return;
      const message = JSON.parse(data);
      if (message.type === 'registered') return this.registered();
      this.told(message.type, message.offer ?? message.candidate ?? message.userId);
    });
    ws.on('error', () => {});
    ws.on('close', () => {
      if (this.ws !== ws) return;
      this.online = false;
      if (!this.over) setTimeout(() => this.ws === ws && this.#connect(), 1000);
    });
  }

  send({ n, type, field }, to) {
    this.ws.send(JSON.stringify({ type, from: this.name, to, [field]: { n } }));
  }

  notice() {
    this.online = false;
    this.#connect();
  }

  quit() {}

  leave() {
    this.over = true;
    this.ws.close(1000);
  }
}
