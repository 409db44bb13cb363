// Runs a table of cases. Each case has a server to itself while it runs.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { mode } from './modes.mjs';
import { Peer } from './peer.mjs';
import { Pool } from './pool.mjs';

// cases runs each row of a table:
//
//   name   what must hold
//   env    the server's environment, args its flags
//   fresh  that the server has had no clients before
//   only   the modes it runs in, with why: what the others cannot do
//   run    the case, on a Stage
export function cases(subject, table) {
  describe(subject, { concurrency: 4 }, () => {
    for (const { name, env, args, fresh, only, why, run } of table) {
      assert.equal(!only, !why, `${name}: "only" needs "why"`);
      const skip = Boolean(only && !only.includes(mode.name)) && why;
      const pool = fresh ? new Pool(env, args) : Pool.of(env, args);
      if (!skip) pool.announce();
      test(name, { skip }, async (t) => {
        const server = await pool.take();
        const stage = new Stage(server);
        const before = server.lines.length;
        try {
          await run(stage);
          await stage.close();
          await pool.put(server);
        } catch (err) {
          t.diagnostic(`server log:\n${server.lines.slice(before).join('\n')}`);
          server.kill();
          throw err;
        } finally {
          stage.abandon();
        }
      });
    }
  });
}

// A Stage is a server with its clients.
class Stage {
  #peers = new Set();
  #leaving = []; // called when all leave

  constructor(server) {
    this.server = server;
  }

  // open begins to connect a client.
  open(options) {
    const peer = new Peer(this.server.url, options);
    this.#peers.add(peer);
    return peer;
  }

  // connect returns a client that is connected, and not registered.
  async connect(options) {
    const peer = this.open(options);
    await peer.expect('connect');
    return peer;
  }

  // join returns a client that is registered. Everybody else has seen it come.
  async join(userId, options) {
    const peer = await this.connect(options);
    const others = this.#live.filter((other) => other !== peer);
    peer.send('register', { userId });
    await peer.expectUsers(...others.map((other) => other.userId).filter(Boolean));
    peer.userId = userId;
    for (const other of others) await other.expect('peer-connected', { peerId: userId });
    return peer;
  }

  // room returns clients registered by these names.
  async room(...userIds) {
    const peers = [];
    for (const userId of userIds) peers.push(await this.join(userId));
    return peers;
  }

  // only is the client that is registered by this name.
  only(userId) {
    return this.#live.find((peer) => peer.userId === userId);
  }

  get peers() {
    return [...this.#peers];
  }

  // dismiss takes a client out of the final check of close.
  dismiss(...peers) {
    for (const peer of peers) {
      this.#peers.delete(peer);
      peer.cut();
    }
  }

  get #live() {
    return this.peers.filter((peer) => peer.live);
  }

  // quiet asserts that no client has been told anything but what its case took
  // from it.
  async quiet() {
    for (const peer of this.#live) await peer.settle();
    for (const peer of this.#peers) assert.deepEqual(peer.pending, [], `${peer.name}: nobody expected this`);
  }

  // onLeave has a function called when the clients leave.
  onLeave(leave) {
    this.#leaving.push(leave);
  }

  async close() {
    await this.quiet();
    for (const peer of this.#peers) peer.leave();
    for (const leave of this.#leaving) leave();
  }

  abandon() {
    for (const peer of this.#peers) peer.cut();
    for (const leave of this.#leaving) leave();
  }
}
