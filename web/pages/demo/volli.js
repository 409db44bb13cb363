// Signaling as Volli's clients do it, by JSON messages on a plain WebSocket.
// The face of this class is described in oodaa.js.

import { address, Reconnecting } from './reconnect.js';

const bodies = { offer: 'offer', answer: 'answer', 'ice-candidate': 'candidate' };

// Nobody tells a Volli client who comes and goes: it asks.
const askEvery = 2000;
const answerTimeout = 10_000;
const maxWatched = 20;

export class Volli extends Reconnecting {
  static label = 'Volli';

  onpeople = () => {};
  onsignal = () => {};
  onerror = () => {};
  onlost = () => {};

  #name;
  #key;
  #registered = false;
  #asked = false; // and not answered yet
  #watched = new Map(); // name → whether it is online
  #asking;

  constructor(name) {
    super(address('signaling'));
    this.#name = name;
  }

  // look keeps an eye on a name, instead of the one looked for longest ago.
  look(name) {
    if (name === this.#name || this.#watched.has(name)) return;
    if (this.#watched.size === maxWatched) this.#watched.delete(this.#watched.keys().next().value);
    this.#watched.set(name, false);
    this.#say({ type: 'discover', userId: name });
  }

  // send cannot know whether it arrives: see onlost.
  async send(kind, to, body) {
    if (!this.#registered || !this.#say({ type: kind, from: this.#name, to, [bodies[kind]]: body })) {
      throw new Error('Not connected');
    }
  }

  async opened() {
    this.#key ??= await publicKey();
    this.#say({ type: 'register', userId: this.#name, publicKey: this.#key });
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
    this.onerror(text);
    const [, to] = /^User (.*) is not online$/s.exec(text) ?? [];
    if (to !== undefined) this.onlost(to);
    else if (this.#registered) return;
    else if (text === 'Rate limit exceeded' || text === 'Server is shutting down') this.lose({});
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
    for (const name of this.#watched.keys()) this.#watched.set(name, false);
  }

  final({ code, reason }) {
    if (code === 4001) return reason || 'replaced';
  }
}

// publicKey is one that is used nowhere else. Without crypto.subtle, on plain
// HTTP, it is only random: the server takes it as it is.
async function publicKey() {
  const bytes = globalThis.crypto.subtle
    ? new Uint8Array(
        await crypto.subtle.exportKey(
          'spki',
          (await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify'])).publicKey,
        ),
      )
    : crypto.getRandomValues(new Uint8Array(32));
  return btoa(String.fromCharCode(...bytes));
}
