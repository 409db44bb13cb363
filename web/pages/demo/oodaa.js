// Signaling as Oodaa's clients do it, by Socket.IO events.
//
// This class and Volli have one face: open, close, retry, send, iceServers, look
// where users are looked for by name, and
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
  #watched = null; // names; null where the server tells of everybody

  // token is that of the user, or ''. watched are the users to be told of, or null for
  // everybody.
  constructor(name, token, watched) {
    super(address('socket.io/?EIO=4&transport=websocket'));
    this.#name = name;
    this.#token = token;
    if (watched) {
      this.#watched = new Set(watched);
      this.look = (name) => this.#look(name);
    }
  }

  // look has the server tell of a user.
  #look(name) {
    if (name === this.#name || this.#watched.has(name)) return;
    this.#watched.add(name);
    this.#watch({ add: [name] });
  }

  // forget has it no longer do so.
  forget(name) {
    if (this.#watched?.delete(name)) this.#watch({ remove: [name] });
  }

  // watch sends a list, or a change of it. An error is told as an event; without a
  // connection the list is sent with the next one.
  #watch(list) {
    this.emit('watch-users', list).catch(() => {});
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
    if (!ok) {
      this.refused(error);
      return;
    }
    this.online();
    if (this.#watched) this.#watch({ users: [...this.#watched] });
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
        if (!Object.hasOwn(bodies, name)) return;
        this.look?.(argument.from);
        this.onsignal(name, argument.from, argument[bodies[name]]);
        return;
    }
    const missed = [...(this.#watched ?? [])].filter((name) => !this.#people.has(name) && name !== this.#name);
    this.onpeople([...this.#people].sort(), missed.sort());
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
