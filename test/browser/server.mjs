// The server under test, as a process that can be started anew on its port.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

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

export class Server {
  lines = []; // everything on stderr
  #env;
  #child;
  #exited;

  static async start(env = {}) {
    const server = new Server();
    server.#env = { ...defaults, ...env };
    await server.start();
    return server;
  }

  // start resolves once the server listens.
  async start() {
    const child = spawn(binary, [], { env: this.#env, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    this.#exited = once(child, 'close').then(([code, signal]) => code ?? signal);
    const listening = new Promise((resolve) => {
      createInterface(child.stderr).on('line', (line) => {
        this.lines.push(line);
        const { msg, addr } = JSON.parse(line);
        if (msg === 'listening') resolve(addr);
      });
    });
    const addr = await Promise.race([
      listening,
      this.#exited.then((code) => {
        throw new Error(`the server ended with ${code} before it listened:\n${this.lines.join('\n')}`);
      }),
    ]);
    this.#env.PORT = addr.split(':')[1];
  }

  get port() {
    return this.#env.PORT;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  // stop asks the server to end, and asserts that it does so in good order. A
  // data race found by a server built with -race shows up as exit code 66.
  async stop() {
    this.signal('SIGTERM');
    assert.equal(await this.#exited, 0, `exit code; the server said\n${this.lines.join('\n')}`);
  }

  async restart() {
    await this.stop();
    await this.start();
  }

  // requests are the paths of all requests that were answered so far.
  requests() {
    return this.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request').map(({ path }) => path);
  }

  async stats() {
    return (await fetch(`${this.url}/stats`)).json();
  }

  // metric is the value of a metric without labels.
  async metric(name) {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const [, value] = new RegExp(`^${name} (\\S+)$`, 'm').exec(text) ?? [];
    assert.ok(value !== undefined, `${name} in\n${text}`);
    return Number(value);
  }

  // reaches resolves once a metric has a value that will do.
  async reaches(name, will) {
    for (const end = Date.now() + 30_000; ; ) {
      const value = await this.metric(name);
      if (will(value)) return value;
      assert.ok(Date.now() < end, `${name} is ${value}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  signal(name) {
    this.#child.kill(name);
  }

  kill() {
    this.signal('SIGKILL');
  }
}
