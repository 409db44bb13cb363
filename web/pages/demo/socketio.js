// A Socket.IO client: Engine.IO 4 and Socket.IO protocol 5 over WebSocket, the
// namespace "/", JSON only.

import { Reconnecting } from './reconnect.js';

export class SocketIO extends Reconnecting {
  #patience = 0; // ms of silence after which the server is taken for lost
  #acks = new Map(); // id → {resolve, reject}
  #lastAck = 0;
  #connected = false;
  #dismissed = false; // the server has disconnected us

  // Hooks: what to show when connecting to the namespace, or nothing; connected
  // to it; not, and why; an event came.
  credentials() {}
  connected() {}
  refused() {}
  event() {}

  // emit sends an event, and resolves to what it is acknowledged with.
  emit(...event) {
    const id = this.#lastAck++;
    return new Promise((resolve, reject) => {
      if (!this.#connected || !this.write(`42${id}${JSON.stringify(event)}`)) {
        reject(new Error('Not connected'));
        return;
      }
      this.#acks.set(id, { resolve, reject });
    });
  }

  // What Engine.IO packets say (by their first character): open, close, ping,
  // message.
  received(packet) {
    this.expect(this.#patience);
    const rest = packet.slice(1);
    switch (packet[0]) {
      case '0': {
        const { pingInterval, pingTimeout } = JSON.parse(rest);
        this.#patience = pingInterval + pingTimeout;
        this.expect(this.#patience);
        this.write('40' + (JSON.stringify(this.credentials()) ?? ''));
        break;
      }
      case '1':
        this.lose({});
        break;
      case '2':
        this.write('3' + rest);
        break;
      case '4':
        this.#message(rest);
        break;
    }
  }

  // What Socket.IO packets say: CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR.
  #message(packet) {
    const [, type, id, json] = /^(\d)(\d*)(.*)$/s.exec(packet);
    switch (type) {
      case '0':
        this.#connected = true;
        this.connected();
        break;
      case '1':
        this.#connected = false;
        this.#dismissed = true;
        break;
      case '2': {
        const [name, ...args] = JSON.parse(json);
        this.event(name, ...args);
        if (id) this.write(`43${id}[]`);
        break;
      }
      case '3':
        this.#acks.get(Number(id))?.resolve(JSON.parse(json)[0]);
        this.#acks.delete(Number(id));
        break;
      case '4':
        this.refused(JSON.parse(json).message);
        break;
    }
  }

  // goodbye says that we leave for good: without it, the server keeps our name
  // for a while, since we might be back.
  goodbye() {
    if (this.#connected) this.write('41');
  }

  gone() {
    this.#connected = false;
    for (const { reject } of this.#acks.values()) reject(new Error('Connection lost'));
    this.#acks.clear();
  }

  // A server that stops closes with 1001, and comes back. One that closes like
  // any other day does not want us back.
  final({ code }) {
    const dismissed = this.#dismissed;
    this.#dismissed = false;
    if (dismissed && (code === 1000 || code === 1005)) return 'io server disconnect';
  }
}
