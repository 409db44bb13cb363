// The server under test, and what it tells about itself.

import assert from 'node:assert/strict';
import { Signald } from '../node/signald.mjs';

export class Server extends Signald {
  static start(env) {
    // The name that some cases reach it by.
    return new Server({ PUBLIC_HOSTS: 'plain.test', ...env }).start();
  }

  // requests are the paths of all requests that were answered so far.
  requests() {
    return this.lines.map((line) => JSON.parse(line)).filter(({ msg }) => msg === 'request answered').map(({ path }) => path);
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
  reaches(name, will) {
    return eventually(name, () => this.metric(name), will);
  }

  // relayed resolves once the server has handed on so many relays of a kind.
  relayed(kind, count) {
    return eventually(kind, async () => (await this.stats()).relays[kind] ?? 0, (n) => n >= count);
  }
}

async function eventually(what, measure, will) {
  for (const end = Date.now() + 30_000; ; ) {
    const value = await measure();
    if (will(value)) return value;
    assert.ok(Date.now() < end, `${what} is ${value}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
