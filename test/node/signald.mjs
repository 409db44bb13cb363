// The server under test, as a process.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from '../e2e/deadline.mjs';

const binary = process.env.SIGNALD;
assert.ok(binary, 'SIGNALD must name the server binary');

const defaults = {
  // A server built with -race would wait a second before it exits.
  GORACE: 'atexit_sleep_ms=0',
  HOST: '127.0.0.1',
  PORT: '0',
  NODE_ENV: 'production',
  RATE_LIMIT: '0',
};

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

// launch starts the binary with the defaults and the given environment; a
// variable that is null is left out. Nothing else is inherited.
export function launch(env, args) {
  const all = { ...defaults, ...env };
  for (const name in all) if (all[name] === null) delete all[name];
  const child = spawn(binary, args, { env: all, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

export class Signald {
  lines = []; // everything on stderr
  stdout = '';
  #env;
  #args;
  #child;
  #exited;

  constructor(env = {}, args = []) {
    this.#env = { ...defaults, ...env };
    this.#args = args;
  }

  // start resolves to the server once it listens. One that has ended is started
  // anew, on its port.
  async start() {
    await this.#exited;
    const child = launch(this.#env, this.#args);
    this.#child = child;
    this.ended = false;
    this.#exited = once(child, 'close').then(([code, signal]) => {
      this.ended = true;
      return code ?? signal;
    });
    child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    const listening = new Promise((resolve) => {
      createInterface(child.stderr).on('line', (line) => {
        this.lines.push(line);
        const addr = this.#listening(line);
        if (addr) resolve(addr);
      });
    });
    const ended = this.#exited.then((code) => {
      throw new Error(`the server ended with ${code} before it listened:\n${this.log}`);
    });
    ended.catch(() => {});
    this.host = await within(
      () => `the log line "listening"; the server said\n${this.log}`,
      Promise.race([listening, ended]),
    ).catch((err) => {
      this.kill();
      throw err;
    });
    this.#env.PORT = this.port;
    return this;
  }

  #listening(line) {
    if (!this.#production) return /listening/.test(line) && /127\.0\.0\.1:\d+/.exec(line)?.[0];
    const record = parse(line);
    return record?.msg === 'listening' && /^127\.0\.0\.1:\d+$/.test(record.addr) && record.addr;
  }

  get #production() {
    return this.#env.NODE_ENV === 'production';
  }

  get port() {
    return this.host.split(':')[1];
  }

  get url() {
    return `http://${this.host}`;
  }

  get log() {
    return this.lines.join('\n');
  }

  signal(name) {
    this.#child.kill(name);
  }

  kill() {
    this.signal('SIGKILL');
  }

  // exited resolves to the exit code, or the name of the signal that killed it.
  exited(ms) {
    return within(() => `the server to exit; it said\n${this.log}`, this.#exited, ms);
  }

  // stop asks the server to end, and asserts that it does so in good order:
  // exit code 0, log lines that are JSON, and no error among them. A data race
  // found by a server built with -race shows up here as exit code 66.
  async stop() {
    this.signal('SIGTERM');
    assert.equal(await this.exited(), 0, `exit code; the server said\n${this.log}`);
    this.inspect();
  }

  // inspect asserts that the log is as it should be.
  inspect() {
    if (!this.#production) return;
    for (const line of this.lines) {
      const record = parse(line);
      assert.ok(record, `log line is not JSON: ${line}`);
      assert.notEqual(record.level, 'ERROR', `logged as an error: ${line}`);
    }
  }
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
