// Signaling as Oodaa's clients do it, by Socket.IO events.
//
// This class and Volli have one face: open, close, retry, look, send,
// iceServers, and
//
//   onstate(state, detail)       see reconnect.js
//   onpeople(online, missed)     names: the users who are online, and those who were looked for
//                                and is not; nobody while the state is not online
//   onsignal(kind, from, body)   an offer, an answer or an ice-candidate came
//   onerror(text)              an error of the contract

import { address } from './reconnect.js';
import { SocketIO } from './socketio.js';

const bodies = { offer: 'offer', answer: 'answer', 'ice-candidate': 'candidate' };

// Errors that pass by themselves.
const passing = new Set(['Rate limit exceeded', 'Server unavailable', 'Not connected', 'Connection lost']);

export class Oodaa extends SocketIO {
  static label = 'Socket.IO';

  onpeople = () => {};
  onsignal = () => {};
  onerror = () => {};

  #name;
  #token;
  #people = new Set();

  // token is that of the user, or ''.
  constructor(name, token) {
    super(address('socket.io/?EIO=4&transport=websocket'));
    this.#name = name;
    this.#token = token;
  }

  credentials() {
    if (this.#token) return { token: this.#token };
  }

  gone() {
    super.gone();
    this.#people.clear();
  }

  async connected() {
    const { ok, error } = await this.emit('register', { userId: this.#name }).catch((err) => ({ error: err.message }));
    if (ok) this.online();
    else this.refused(error);
  }

  refused(text) {
    if (passing.has(text)) {
      this.onerror(text);
      this.lose({});
    } else {
      this.end(text);
    }
  }

  event(name, argument) {
    switch (name) {
      case 'user-list':
        this.#people = new Set(argument.users);
        break;
      case 'peer-connected':
        this.#people.add(argument.peerId);
        break;
      case 'peer-disconnected':
        this.#people.delete(argument.peerId);
        break;
      case 'error':
        // The token has expired, and with it our registration.
        if (argument === 'Unauthorized') this.end(argument);
        else this.onerror(argument);
        return;
      default:
        if (Object.hasOwn(bodies, name)) this.onsignal(name, argument.from, argument[bodies[name]]);
        return;
    }
    this.onpeople([...this.#people].sort(), []);
  }

  // send resolves once the server has handed it to the other's connection.
  async send(kind, to, body) {
    const { ok, error } = await this.emit(kind, { to, from: this.#name, [bodies[kind]]: body });
    if (!ok) throw new Error(error);
  }

  // iceServers resolves to what an RTCPeerConnection takes, with credentials
  // that are good from now on.
  async iceServers() {
    const { iceServers } = await this.emit('get-ice-servers');
    return iceServers ?? [];
  }
}
