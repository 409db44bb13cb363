// Two browsers in networks that let out nothing but TLS talk through the built-in
// TURN server.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Server } from './server.mjs';
import { cases } from './stage.mjs';

const secret = 'a secret of these servers';
const directory = mkdtempSync(join(tmpdir(), 'turns-'));
after(() => rmSync(directory, { recursive: true }));
const [certificate, key] = ['cert.pem', 'key.pem'].map((name) => join(directory, name));
execFileSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
  ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate],
], { stdio: 'ignore' });

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

// A Relay is a server for TURN over TLS alone, whose metrics are in the clear.
class Relay extends Server {
  constructor(port, metrics) {
    super({
      TLS_CERT_FILE: certificate,
      TLS_KEY_FILE: key,
      TURN_TLS_LISTEN: `127.0.0.1:${port}`,
      TURN_PUBLIC_IP: '127.0.0.1',
      TURN_PUBLIC_HOST: 'localhost',
      TURN_ALLOW_PRIVATE: 'true',
      TURN_SECRET: secret,
      METRICS_ADDR: `127.0.0.1:${metrics}`,
    });
    this.metrics = metrics;
  }

  get url() {
    return `http://127.0.0.1:${this.metrics}`;
  }
}

const [port, metrics] = await Promise.all([freePort(), freePort()]);

cases([
  {
    name: 'a call through turns: only',
    // The certificate is this test's own.
    flags: ['--ignore-certificate-errors'],
    env: { TURN_URLS: `turns:localhost:${port}?transport=tcp`, TURN_SECRET: secret },
    async run(stage) {
      const relay = await new Relay(port, metrics).start();
      try {
        // relay=only is iceTransportPolicy "relay".
        const a = await stage.visitor('alice', { path: '/demo?relay=only' });
        const b = await stage.visitor('bob', { path: '/demo?relay=only', volli: true });
        await b.look('alice');
        await a.connect('bob');
        const relayed = 'Relayed by a TURN server';
        await Promise.all([a.talks('bob', relayed), b.talks('alice', relayed)]);
        await a.say('bob', 'Can you hear me?');
        await b.hears('alice', 'Can you hear me?');
        for (const [visitor, other] of [[a, 'bob'], [b, 'alice']]) {
          assert.match(await visitor.with(other).locator('.path').innerText(), /Your side\s+relay udp 127\.0\.0\.1:\d+, reached by tls\s/);
        }
        assert.ok((await relay.metric('signaling_turn_allocations')) >= 2);
        assert.ok((await relay.metric('signaling_turn_connections')) >= 2);
        await a.press('bob', 'Close the channel');
        await relay.reaches('signaling_turn_allocations', (n) => n === 0);
        await relay.stop();
      } finally {
        relay.kill();
      }
    },
  },
]);
