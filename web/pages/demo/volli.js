// Signaling as Volli's clients do it, by JSON messages on a plain WebSocket.
// The face of this class is described in oodaa.js.

import { visitKey } from './key.js';
import { address, Reconnecting } from './reconnect.js';

const bodies = { offer: 'offer', answer: 'answer', 'ice-candidate': 'candidate' };

// Errors that pass by themselves.
const passing = new Set(['Rate limit exceeded', 'Server unavailable']);

// The server does not notify Volli clients when users join or leave: they ask.
const askEvery = 2000;
const answerTimeout = 10_000;
const maxWatched = 20;

export class Volli extends Reconnecting {
  static label = 'Volli';

  onpeople = () => {};
  onsignal = () => {};
  onerror = () => {};

  #name;
  #token;
  #registered = false;
  #asked = false; // and not answered yet
  #watched = new Map(); // name → whether it is online
  #asking;
  #wanted = []; // those who wait for ICE servers: {resolve, reject}

  constructor(name, token) {
    super(address('signaling'));
    this.#name = name;
    this.#token = token;
  }

  // look keeps an eye on a name, instead of the one looked for longest ago.
  look(name) {
    if (name === this.#name || this.#watched.has(name)) return;
    if (this.#watched.size === maxWatched) this.#watched.delete(this.#watched.keys().next().value);
    this.#watched.set(name, false);
    this.#say({ type: 'discover', userId: name });
  }

  // send cannot know whether it arrives: see onerror.
  async send(kind, to, body) {
    if (!this.#registered || !this.#say({ type: kind, from: this.#name, to, [bodies[kind]]: body })) {
      throw new Error('Not connected');
    }
  }

  iceServers() {
    return new Promise((resolve, reject) => {
      if (this.#say({ type: 'get-ice-servers' })) this.#wanted.push({ resolve, reject });
      else reject(new Error('Not connected'));
    });
  }

  async opened() {
    const { publicKey } = await visitKey();
    // A token that is undefined is left out.
    this.#say({ type: 'register', userId: this.#name, publicKey, token: this.#token || undefined });
  }

  // prove answers the question whether our key is ours.
  async #prove(nonce) {
    try {
      const { prove } = await visitKey();
      this.#say({ type: 'proof', signature: await prove(this.#name, nonce) });
    } catch {
      this.end('Invalid proof');
    }
  }

  received(text) {
    if (this.#asked) this.expect(0);
    this.#asked = false;
    const message = JSON.parse(text);
    switch (message.type) {
      case 'registered':
        this.#registered = true;
        this.online();
        this.#asking = setInterval(() => this.#ask(), askEvery);
        this.#ask();
        break;
      case 'challenge':
        this.#prove(message.nonce);
        break;
      case 'ice-servers':
        for (const { resolve } of this.#wanted.splice(0)) resolve(message.iceServers);
        break;
      case 'discover-response':
        if (this.#watched.has(message.userId)) {
          this.#watched.set(message.userId, message.online);
          this.#tell();
        }
        break;
      case 'error':
        this.#failed(message.message);
        break;
      default:
        if (Object.hasOwn(bodies, message.type)) {
          this.look(message.from);
          this.onsignal(message.type, message.from, message[bodies[message.type]]);
        }
    }
  }

  #failed(text) {
    // Once registered, it means that the token has expired.
    if (text === 'Unauthorized') {
      this.end(text);
      return;
    }
    this.onerror(text);
    if (this.#registered) return;
    if (passing.has(text)) this.lose({});
    else this.end(text);
  }

  // ask also asks for ourselves: a server that does not answer is gone.
  #ask() {
    if (!this.#asked) this.expect(answerTimeout);
    this.#asked = true;
    for (const name of [this.#name, ...this.#watched.keys()]) this.#say({ type: 'discover', userId: name });
  }

  #tell() {
    const names = [...this.#watched.keys()].sort();
    this.onpeople(
      names.filter((name) => this.#watched.get(name)),
      names.filter((name) => !this.#watched.get(name)),
    );
  }

  #say(message) {
    return this.write(JSON.stringify(message));
  }

  gone() {
    this.#registered = this.#asked = false;
    clearInterval(this.#asking);
    for (const { reject } of this.#wanted.splice(0)) reject(new Error('Connection lost'));
    for (const name of this.#watched.keys()) this.#watched.set(name, false);
  }

  final({ code, reason }) {
    if (code === 4001) return reason || 'replaced';
  }
}
