// Which web pages may talk to the server.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { clientless, mode } from './modes.mjs';
import { handshake, polling, request, statusOf, upgrade, volli, websocket } from './web.mjs';

const allowed = ['https://a.example', 'http://b.example:8080'];
const foreign = [
  'https://evil.example',
  'http://a.example', // other scheme
  'https://a.example:444', // other port
  'https://a.example.evil.example',
  'https://evil-a.example',
  'https://sub.a.example',
  'null',
  'nonsense',
];
const env = { CORS_ORIGINS: allowed.join(', ') };

const withOrigin = (origin) => ({ headers: { Origin: origin } });

// cors are the CORS headers of an answer.
const cors = ({ headers }) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-')));

function assertEchoed(answer, origin) {
  assert.equal(answer.headers['access-control-allow-origin'], origin);
  assert.equal(answer.headers['access-control-allow-credentials'], 'true');
  assert.match(answer.headers.vary, /(^|, *)Origin($|,)/i);
}

cases('origin', [
  {
    name: 'an allowed origin is echoed',
    env,
    ...clientless,
    async run({ server }) {
      for (const origin of allowed) {
        for (const path of ['/', '/health', '/ready', '/stats', '/unheard-of']) {
          assertEchoed(await request(server, path, withOrigin(origin)), origin);
        }
      }
    },
  },
  {
    name: 'others, and requests without one, get no CORS header, but the answer',
    env,
    ...clientless,
    async run({ server }) {
      for (const origin of foreign) {
        const answer = await request(server, '/health', withOrigin(origin));
        assert.deepEqual([origin, answer.status, cors(answer)], [origin, 200, {}]);
      }
      const answer = await request(server, '/health');
      assert.deepEqual([answer.status, cors(answer)], [200, {}]);
    },
  },
  {
    name: 'preflight requests of an allowed origin are answered, of others without CORS headers',
    env,
    ...clientless,
    async run({ server }) {
      const preflight = (origin) => ({
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': 'GET' },
      });
      for (const path of ['/health', '/stats']) {
        const answer = await request(server, path, preflight(allowed[0]));
        assert.ok([200, 204].includes(answer.status), `${path}: ${answer.status}`);
        assertEchoed(answer, allowed[0]);
        assert.deepEqual(cors(await request(server, path, preflight(foreign[0]))), {});
      }
    },
  },
  {
    name: 'long-polling: an allowed origin is echoed, a foreign one refused with 403',
    only: ['websocket'],
    why: 'no client takes part, and the other engine has WebSocket alone',
    env,
    async run({ server }) {
      for (const origin of allowed) {
        const answer = await handshake(server, { Origin: origin });
        assert.equal(answer.status, 200);
        assertEchoed(answer, origin);
      }
      for (const origin of foreign) {
        const answer = await handshake(server, { Origin: origin });
        assert.deepEqual([origin, answer.status, cors(answer)], [origin, 403, {}]);
      }
      assert.equal((await handshake(server, { Origin: server.url })).status, 200, 'own host');
      assert.equal((await handshake(server)).status, 200, 'no origin');
    },
  },
  {
    name: 'WebSocket: a foreign origin is refused with 403',
    env,
    ...clientless,
    async run({ server }) {
      for (const path of [websocket, ...volli]) {
        const status = async (headers) => (await upgrade(server, headers, path)).status;
        for (const origin of allowed) assert.equal(await status({ Origin: origin }), 101, `${path} ${origin}`);
        for (const origin of foreign) assert.equal(await status({ Origin: origin }), 403, `${path} ${origin}`);
        assert.equal(await status({ Origin: server.url }), 101, `${path} own host`);
        assert.equal(await status({}), 101, `${path} no origin`);
      }
    },
  },
  {
    name: 'a Socket.IO client',
    env,
    async run(stage) {
      const [a, b] = [
        await stage.join('a', { extraHeaders: { Origin: allowed[0] } }),
        await stage.join('b', { extraHeaders: { Origin: stage.server.url } }),
      ];
      await a.upgraded();
      await b.upgraded();
      const peer = stage.open({ extraHeaders: { Origin: foreign[0] } });
      const [event] = await peer.next();
      assert.deepEqual([event, statusOf(peer.refusal)], ['connect_error', 403]);
    },
  },
  {
    name: 'the requests of an established session are held to it too',
    only: ['polling'],
    why: 'about long-polling',
    env,
    async run(stage) {
      const a = await stage.join('a', { extraHeaders: { Origin: allowed[0] } });
      const session = `${polling}&sid=${a.handshake.sid}`;
      const body = '42["get-users"]';
      assert.equal((await request(stage.server, session, { method: 'POST', body, ...withOrigin(foreign[0]) })).status, 403);
      assert.equal((await request(stage.server, session, { method: 'POST', body, ...withOrigin(allowed[0]) })).status, 200);
      await a.expectUsers();
    },
  },
  {
    name: 'CORS_ORIGINS=*: all',
    env: { CORS_ORIGINS: '*' },
    async run(stage) {
      const { server } = stage;
      for (const origin of [...allowed, 'https://evil.example']) {
        assertEchoed(await request(server, '/', withOrigin(origin)), origin);
        // Figures can be read without credentials only.
        for (const path of ['/stats', '/health', '/ready', '/metrics']) {
          assert.deepEqual(cors(await request(server, path, withOrigin(origin))), { 'access-control-allow-origin': origin }, path);
        }
        assert.equal((await upgrade(server, { Origin: origin })).status, 101, origin);
        if (mode.name !== 'zishang') assertEchoed(await handshake(server, { Origin: origin }), origin);
      }
      await stage.join('a', { extraHeaders: { Origin: 'https://evil.example' } });
    },
  },
  {
    name: 'patterns for subdomains, and pages without an origin',
    env: { CORS_ORIGINS: 'https://*.a.example, null' },
    ...clientless,
    async run({ server }) {
      for (const origin of ['https://b.a.example', 'https://c.b.a.example', 'null']) {
        assertEchoed(await request(server, '/', withOrigin(origin)), origin);
        assert.equal((await upgrade(server, { Origin: origin })).status, 101, origin);
      }
      for (const origin of ['https://a.example', 'http://b.a.example', 'https://ba.example']) {
        assert.deepEqual(cors(await request(server, '/', withOrigin(origin))), {}, origin);
        assert.equal((await upgrade(server, { Origin: origin })).status, 403, origin);
      }
    },
  },
  {
    name: 'the own host, where no stranger can own its name',
    env: { PUBLIC_HOSTS: 'chat.example', TRUSTED_PROXIES: '127.0.0.1' },
    ...clientless,
    async run({ server }) {
      const status = async (host, headers) =>
        (await upgrade(server, { Host: host, Origin: `http://${host}`, ...headers })).status;
      for (const host of ['chat.example', 'chat.example:3001', '192.168.1.5', '[fd00::1]:3001', 'nas', 'pi.local']) {
        assert.equal(await status(host), 101, host);
      }
      for (const host of ['rebound.example', 'sub.chat.example']) assert.equal(await status(host), 403, host);
      assert.equal(await status('rebound.example', { 'X-Forwarded-Proto': 'https' }), 101, 'behind TLS');
    },
  },
  {
    name: 'by default http://localhost:3000',
    ...clientless,
    async run({ server }) {
      assertEchoed(await request(server, '/health', withOrigin('http://localhost:3000')), 'http://localhost:3000');
      assert.deepEqual(cors(await request(server, '/health', withOrigin('http://localhost:3001'))), {});
      assert.equal((await upgrade(server, { Origin: 'http://localhost:3000' })).status, 101);
      assert.equal((await upgrade(server, { Origin: 'http://localhost:5173' })).status, 403);
    },
  },
]);
