// A network between a page and the server that fails as a phone's does.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

// A Link is a proxy that forwards bytes until it fails.
export class Link {
  #listener;
  #wires = new Set();
  #down = false;

  // open forwards to a port of this machine.
  static async open(port) {
    const link = new Link();
    link.#listener = createServer((page) => link.#forward(page, port)).listen(0, '127.0.0.1');
    await once(link.#listener, 'listening');
    return link;
  }

  get port() {
    return this.#listener.address().port;
  }

  // silence loses every byte from now on, in both directions, as when a phone leaves
  // its Wi-Fi. Neither side notices.
  silence() {
    this.#down = true;
    for (const wire of this.#wires) wire.silent = true;
  }

  // reset resets every connection. New ones are reset as well.
  reset() {
    this.#down = true;
    for (const { page, server } of this.#wires) for (const end of [page, server]) end.resetAndDestroy();
  }

  // change puts the page into another network: browsers close the connections of the
  // former one. The server does not notice.
  change() {
    this.#down = false;
    for (const { page, silent } of this.#wires) if (silent) page.resetAndDestroy();
  }

  close() {
    this.#listener.close();
    for (const { page, server } of this.#wires) for (const end of [page, server]) end.destroy();
  }

  #forward(page, port) {
    if (this.#down) {
      page.resetAndDestroy();
      return;
    }
    const server = connect(port, '127.0.0.1');
    const wire = { page, server, silent: false };
    this.#wires.add(wire);
    for (const [from, to] of [[page, server], [server, page]]) {
      from.on('data', (bytes) => wire.silent || to.write(bytes));
      from.on('error', () => {}); // 'close' follows
      from.on('close', () => {
        if (!wire.silent) to.end();
        if (page.destroyed && server.destroyed) this.#wires.delete(wire);
      });
    }
  }
}
