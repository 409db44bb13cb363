// The server under test, as a process.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from './deadline.mjs';
import { mode } from './modes.mjs';

const binary = process.env.SIGNALD;
assert.ok(binary, 'SIGNALD must name the server binary');

const defaults = {
  // A server built with -race would wait a second before it exits.
  GORACE: 'atexit_sleep_ms=0',
  HOST: '127.0.0.1',
  PORT: '0',
  NODE_ENV: 'production',
  RATE_LIMIT: '0',
  MESSAGE_RATE: '0',
};

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
process.once('SIGTERM', () => process.exit(1));

// launch starts the binary with the mode's environment and the given one; a
// variable that is null is left out. Nothing else is inherited.
function launch(env, args) {
  const all = { ...defaults, ...mode.env, ...env };
  for (const name in all) if (all[name] === null) delete all[name];
  const child = spawn(binary, args, { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

// run runs the binary to its end, as for -version, -check and a configuration
// that is refused.
export async function run(env = {}, args = []) {
  const child = launch(env, args);
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

export class Server {
  others = []; // instances beside this one, in a mode that has some
  #turn = 0;
  lines = []; // everything on stderr
  stdout = '';
  ended = false;
  #exited;

  // start resolves once the server listens; in a mode of several instances, once
  // all do.
  static async start(env = {}, args = []) {
    if (!mode.instances) return Server.#startOne(env, args);
    const prefix = `${process.pid}-${clusters++}:`;
    const [server, ...others] = await Promise.all(
      Array.from({ length: mode.instances }, (_, i) =>
        Server.#startOne({ REDIS_PREFIX: prefix, NODE_ID: `n${i}`, ...env }, args),
      ),
    );
    server.others = others;
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

  static async #startOne(env, args) {
    const server = new Server();
    server.production = { ...defaults, ...env }.NODE_ENV === 'production';
    server.child = launch(env, args);
    server.#exited = once(server.child, 'close').then(([code, signal]) => {
      server.ended = true;
      return { code, signal };
    });
    server.child.stdout.setEncoding('utf8').on('data', (text) => (server.stdout += text));
    const listening = new Promise((resolve) => {
      createInterface(server.child.stderr).on('line', (line) => {
        server.lines.push(line);
        const addr = server.#listening(line);
        if (addr) resolve(addr);
      });
    });
    const ended = server.#exited.then(({ code, signal }) => {
      throw new Error(`the server ended with ${code ?? signal} before it listened:\n${server.log}`);
    });
    ended.catch(() => {});
    server.host = await within(
      () => `the log line "listening"; the server said\n${server.log}`,
      Promise.race([listening, ended]),
    ).catch((err) => {
      server.kill();
      throw err;
    });
    [, server.port] = server.host.split(':');
    return server;
  }

  // url is that of each instance in turn.
  get url() {
    const all = [this, ...this.others];
    return `http://${all[this.#turn++ % all.length].host}`;
  }

  #listening(line) {
    if (!this.production) return /listening/.test(line) && /127\.0\.0\.1:\d+/.exec(line)?.[0];
    const record = parse(line);
    return record?.msg === 'listening' && /^127\.0\.0\.1:\d+$/.test(record.addr) && record.addr;
  }

  get log() {
    return this.lines.join('\n');
  }

  signal(name) {
    this.child.kill(name);
  }

  // exited resolves to the exit code, or the name of the signal that killed it.
  async exited(ms) {
    const { code, signal } = await within(
      () => `the server to exit; it said\n${this.log}`,
      this.#exited,
      ms,
    );
    return code ?? signal;
  }

  // stop asks the server to end, and asserts that it does so in good order:
  // exit code 0, log lines that are JSON, and no error among them. A data race
  // found by a server built with -race shows up here as exit code 66.
  async stop() {
    for (const server of [this, ...this.others]) {
      server.signal('SIGTERM');
      assert.equal(await server.exited(), 0, `exit code; the server said\n${server.log}`);
      server.inspect();
    }
  }

  // inspect asserts that the log is as it should be.
  inspect() {
    if (!this.production) return;
    for (const line of this.lines) {
      const record = parse(line);
      assert.ok(record, `log line is not JSON: ${line}`);
      assert.notEqual(record.level, 'ERROR', `logged as an error: ${line}`);
    }
  }

  kill() {
    for (const server of [this, ...this.others]) server.child.kill('SIGKILL');
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
