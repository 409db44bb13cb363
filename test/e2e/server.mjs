// The server under test, as the mode wants it: one process, or several.

import { once } from 'node:events';
import { launch, Signald } from '../node/signald.mjs';
import { within } from './deadline.mjs';
import { mode } from './modes.mjs';

// Ends of connections are announced at once, except where a case is about the grace.
const settings = (env) => ({ MESSAGE_RATE: '0', RECONNECT_GRACE: '0', ...mode.env, ...env });

// run runs the binary to its end, as for -version, -check and a configuration
// that is refused.
export async function run(env = {}, args = []) {
  const child = launch(settings(env), args);
  const out = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => (out[stream] += text));
  }
  const [code, signal] = await within(
    () => `the server to exit by itself; it said\n${out.stderr}`,
    once(child, 'close'),
  ).finally(() => child.kill('SIGKILL'));
  return { code, signal, ...out };
}

let clusters = 0;

export class Server extends Signald {
  #others = []; // instances beside this one, in a mode that has some
  #turn = 0;

  // start resolves once the server listens; in a mode of several instances, once
  // all do.
  static async start(env, args) {
    if (!mode.instances) return new Server(settings(env), args).start();
    const prefix = `${process.pid}-${clusters++}:`;
    const [server, ...others] = await Promise.all(
      Array.from({ length: mode.instances }, (_, i) =>
        new Server({ REDIS_PREFIX: prefix, NODE_ID: `n${i}`, ...settings(env) }, args).start(),
      ),
    );
    server.#others = others;
    await Promise.all([server, ...others].map((s) => s.#ready()));
    return server;
  }

  // ready resolves once the instance has joined the others.
  async #ready() {
    for (;;) {
      const answer = await fetch(`http://${this.host}/ready`);
      const { status } = await answer.json();
      if (status === 'ready') return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  get #instances() {
    return [this, ...this.#others];
  }

  // empty resolves to whether all clients have gone, after some time for their ends to
  // arrive. The next client is one of the first instance.
  async empty() {
    this.#turn = 0;
    for (const end = Date.now() + 2000; Date.now() < end; ) {
      const counts = await Promise.all(this.#instances.map((instance) => instance.#clients()));
      if (counts.every((count) => count === 0)) return true;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return false;
  }

  // clients is the number of connections here, and of users anywhere.
  async #clients() {
    const { connections, connectedUsers } = await (await fetch(`http://${this.host}/stats`)).json();
    const { socketio, volli } = connections;
    return [...Object.values(socketio), ...Object.values(volli)].reduce((sum, n) => sum + n, connectedUsers);
  }

  // url is that of each instance in turn.
  get url() {
    const all = this.#instances;
    return `http://${all[this.#turn++ % all.length].host}`;
  }

  async stop() {
    await super.stop();
    for (const other of this.#others) await other.stop();
  }

  kill() {
    super.kill();
    for (const other of this.#others) other.kill();
  }
}
