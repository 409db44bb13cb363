// A client of Volli's family, written as its web app is: with nothing but the
// browser's WebSocket, which it opens again by itself when it is lost. All that
// it is told is kept in one queue, in order.

import { WebSocket } from './volli-websocket.mjs';
import assert from 'node:assert/strict';
import { codeOf } from './contract.mjs';
import { eventually, within } from './deadline.mjs';

const firstDelay = 20; // before it connects again, doubled each time
const longestDelay = 500;

export class VolliClient {
  publicKey = 'key';
  #queue = []; // strings that arrived; ['open'], ['close', code, reason]
  #wake = () => {};
  #closing = false;
  #delay = firstDelay;

  constructor(server, userId, path = '/signaling') {
    this.url = server.url.replace('http', 'ws') + path;
    this.userId = userId;
    this.#connect();
  }

  #connect() {
    const ws = new WebSocket(this.url);
    this.ws = ws;
    ws.onopen = () => {
      this.#delay = firstDelay;
      this.#push(['open']);
      if (this.userId) this.send({ type: 'register', userId: this.userId, publicKey: this.publicKey });
    };
    ws.onmessage = ({ data }) => this.#push(data);
    ws.onerror = () => {}; // close follows
    ws.onclose = ({ code, reason }) => {
      this.#push(['close', code, reason]);
      // Who was replaced would only take the name back.
      if (this.#closing || code === 4001) return;
      setTimeout(() => !this.#closing && this.#connect(), this.#delay);
      this.#delay = Math.min(2 * this.#delay, longestDelay);
    };
  }

  #push(event) {
    if (this.onevent) return this.onevent(event);
    this.#queue.push(event);
    this.#wake();
  }

  send(message) {
    this.ws.send(JSON.stringify(message));
  }

  // write sends a message written by hand, byte for byte.
  write(text) {
    this.ws.send(text);
  }

  // next takes the next event out of the queue.
  async next(ms) {
    if (this.#queue.length === 0) {
      const woken = new Promise((resolve) => (this.#wake = resolve));
      await within(`an event for ${this.userId}`, woken, ms);
    }
    return this.#queue.shift();
  }

  // expect asserts what the next message is, byte for byte where it is given as
  // text, else with its keys in this order.
  async expect(want) {
    const got = await this.next();
    assert.deepEqual([this.userId, got], [this.userId, typeof want === 'string' ? want : JSON.stringify(want)]);
  }

  expectError(message) {
    return this.expect({ type: 'error', message, code: codeOf(message) });
  }

  // opened asserts that the next event is that the connection is open.
  async opened() {
    assert.deepEqual(await this.next(), ['open']);
  }

  // registered asserts that the next events are a connection, and the answer to
  // the register upon it.
  async registered() {
    await this.opened();
    await this.expect({ type: 'registered', success: true, userId: this.userId });
  }

  // gone asserts that the next event is the end of the connection.
  async gone(code, reason) {
    assert.deepEqual([this.userId, ...(await this.next())], [this.userId, 'close', code, reason]);
  }

  // settle is a barrier. Whatever the server had put on this connection before
  // has arrived when it returns, and must have been taken out of the queue.
  async settle() {
    this.send({ type: 'discover' });
    await this.expectError('Missing required fields');
  }

  // seesOffline resolves once the server says that nobody has the name.
  seesOffline(userId) {
    return eventually(`${userId} to be offline`, async () => {
      this.send({ type: 'discover', userId });
      const got = JSON.parse(await this.next());
      if (got.online) return false;
      assert.deepEqual(got, { type: 'discover-response', userId, online: false });
      return true;
    });
  }

  async leave() {
    this.rest();
    this.ws.close(1000);
    for (;;) {
      const event = await this.next();
      if (event[0] === 'close') return assert.deepEqual(event, ['close', 1000, '']);
    }
  }

  // rest makes the client stay away once its connection ends.
  rest() {
    this.#closing = true;
  }

  // abandon ends the client, whatever state it is in.
  abandon() {
    this.rest();
    this.ws.close();
  }
}

export const kinds = [
  { type: 'offer', body: 'offer' },
  { type: 'answer', body: 'answer' },
  { type: 'ice-candidate', body: 'candidate' },
];

// staged runs a case with a function `join` that joins clients to the stage's
// server, and `open` that only connects them. In the end they must have been
// told nothing but what the case took from them. They leave with the others.
export const staged = (run) => async (stage) => {
  const clients = [];
  const open = (userId, path, server = stage.server) => {
    const client = new VolliClient(server, userId, path);
    clients.push(client);
    stage.onLeave(() => client.abandon());
    return client;
  };
  const join = async (...args) => {
    const client = open(...args);
    await client.registered();
    return client;
  };
  await run(stage, { open, join });
  for (const client of clients) {
    client.rest();
    if (client.ws.readyState === 1) await client.settle();
  }
};
