// A client in the field: a stock socket.io-client, with everything that it is
// told kept in one queue, in order.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { io } from 'socket.io-client';
import { within } from './deadline.mjs';
import { mode } from './modes.mjs';

export class Peer {
  userId = null;
  refusal = null; // the last connect_error
  #events = []; // [name, …arguments], each with its packet as .raw
  #packets = []; // EVENT packets that are not yet in #events
  #wake = () => {};

  constructor(url, options = {}) {
    const transports = mode.transports && { transports: mode.transports };
    this.socket = io(url, { forceNew: true, reconnection: false, ...transports, ...options });
    this.#listen();
    this.socket.io.on('reconnect', () => this.#listen());
    this.socket.onAny((...event) => this.#queue(event, this.#packets.shift()));
    // The library's own three stand in the same queue, so that their place
    // among the events counts.
    this.socket.on('connect', (...args) => this.#queue(['connect', ...args]));
    this.socket.on('disconnect', (reason) => this.#queue(['disconnect', reason]));
    this.socket.on('connect_error', (err) => {
      this.refusal = err;
      this.#queue(['connect_error', err.message]);
    });
  }

  // listen follows the packets of the current Engine.IO connection.
  #listen() {
    this.engine.on('handshake', (handshake) => (this.handshake = handshake));
    this.engine.on('packet', ({ type, data }) => {
      if (type === 'message' && /^(2|5\d+-)[[\d]/.test(data)) this.#packets.push(data);
    });
  }

  #queue(event, raw) {
    this.#events.push(Object.assign(event, { raw }));
    this.#wake();
  }

  get engine() {
    return this.socket.io.engine;
  }

  get live() {
    return this.socket.connected;
  }

  get name() {
    return this.userId ?? 'unregistered';
  }

  send(...event) {
    this.socket.emit(...event);
  }

  // ask sends an event with an acknowledgement callback, and resolves to the
  // arguments that it is called with.
  ask(...event) {
    return within(
      `the acknowledgement of ${event[0]}`,
      new Promise((resolve) => this.socket.emit(...event, (...answer) => resolve(answer))),
    );
  }

  // write sends a Socket.IO packet written by hand, `2["offer",…]`, byte for
  // byte, and its attachments.
  write(packet, ...attachments) {
    for (const message of [packet, ...attachments]) this.engine.write(message);
  }

  // next takes the next event out of the queue.
  async next(ms) {
    if (this.#events.length === 0) {
      const woken = new Promise((resolve) => (this.#wake = resolve));
      await within(() => `an event for ${this.name} (connected: ${this.live})`, woken, ms);
    }
    return this.#events.shift();
  }

  // skip takes events of that name out of the queue, up to the next other one.
  async skip(name) {
    let event;
    do event = await this.next();
    while (event[0] === name);
    this.#events.unshift(event);
  }

  // expect asserts what the next event is, and returns its packet. The number
  // of arguments counts too.
  async expect(...want) {
    const got = await this.next();
    assert.deepEqual({ peer: this.name, event: [...got] }, { peer: this.name, event: want });
    return got.raw;
  }

  // expectPacket asserts the next event's packet, byte for byte.
  async expectPacket(want) {
    const got = await this.next();
    assert.equal(got.raw ?? got.join(' '), want);
  }

  // expectUsers asserts that the next event is a user-list of these, in any
  // order.
  async expectUsers(...users) {
    const [event, ...args] = await this.next();
    args[0]?.users?.sort();
    assert.deepEqual(
      { peer: this.name, event: [event, ...args] },
      { peer: this.name, event: ['user-list', { users: users.sort() }] },
    );
  }

  // gone asserts that the next event is the end of the connection, and returns
  // its reason.
  async gone(ms) {
    const [event, reason, ...rest] = await this.next(ms);
    assert.deepEqual([event, ...rest], ['disconnect'], `${this.name} should be gone: ${reason}`);
    return reason;
  }

  // settle is a barrier. Whatever the server had put on this connection before
  // has arrived when it returns, and must have been taken out of the queue.
  async settle() {
    this.send('ping');
    await this.expect('pong');
  }

  // untilEvent takes events out of the queue up to this one.
  async untilEvent(...want) {
    for (;;) {
      const got = await this.next();
      if (isDeepStrictEqual([...got], want)) return;
      assert.notEqual(got[0], 'disconnect', `${this.name} was disconnected: ${got[1]}`);
    }
  }

  // untilPong is a barrier too; it returns all the events that came before.
  async untilPong() {
    const events = await this.untilPongOrGone();
    assert.notEqual(events.at(-1)?.[0], 'disconnect', `${this.name} was disconnected`);
    return events;
  }

  // untilPongOrGone is untilPong, except that the connection may end: then the
  // disconnect is the last of the events.
  async untilPongOrGone() {
    this.send('ping');
    const events = [];
    for (;;) {
      const event = await this.next();
      if (event[0] === 'pong') return events;
      events.push(event);
      if (event[0] === 'disconnect') return events;
    }
  }

  get pending() {
    return this.#events.map((event) => [...event]);
  }

  // upgraded resolves once client and server talk over the transport that they
  // end up with.
  async upgraded() {
    if (this.engine.transport.name !== mode.final) {
      await within('the upgrade', once(this.engine, 'upgrade'));
    }
    await this.settle();
  }

  // mute makes the client leave heartbeats unanswered.
  mute() {
    const send = this.engine._sendPacket;
    this.engine._sendPacket = (type, ...rest) => type !== 'pong' && send.call(this.engine, type, ...rest);
  }

  // deafen makes the client read nothing any more.
  async deafen() {
    await this.upgraded();
    const { transport } = this.engine;
    if (transport.name === 'websocket') transport.ws._socket.pause();
    else transport.pause(() => {});
  }

  // cut ends the connection without a word, as a lost network does.
  cut() {
    const { transport } = this.engine;
    if (transport.name === 'websocket') transport.ws?.terminate();
    this.engine.close();
  }

  leave() {
    this.socket.disconnect();
  }
}
