// Cases that want the same settings use a server one after the other: to start one
// takes longer than most cases do.

import { after } from 'node:test';
import { Server } from './server.mjs';

const shared = new Map(); // settings → Pool

// Where cases are left out, by --test-name-pattern, some are never taken.
after(async () => {
  for (const pool of shared.values()) await pool.stop();
});

export class Pool {
  #env;
  #args;
  #idle = []; // servers without clients
  #toCome = 0; // cases that have not begun

  constructor(env, args) {
    this.#env = env;
    this.#args = args;
  }

  // of is the pool of all cases with these settings.
  static of(env, args) {
    const settings = JSON.stringify([env, args]);
    if (!shared.has(settings)) shared.set(settings, new Pool(env, args));
    return shared.get(settings);
  }

  // announce says that a case is to come. All do before the first one begins.
  announce() {
    this.#toCome++;
  }

  // take returns a server without clients, to the case alone.
  take() {
    this.#toCome--;
    return this.#idle.pop() ?? Server.start(this.#env, this.#args);
  }

  // put keeps a server for a case that is to come, or ends it, in good order.
  async put(server) {
    if (server.ended) {
      server.kill();
      server.inspect();
    } else if (this.#toCome > 0 && (await server.empty()) && this.#idle.length < this.#toCome) this.#idle.push(server);
    else await server.stop();
  }

  async stop() {
    for (const server of this.#idle.splice(0)) await server.stop();
  }
}
