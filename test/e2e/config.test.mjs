// The command line and the environment.

import assert from 'node:assert/strict';
import { cases } from './cases.mjs';
import { run } from './server.mjs';
import { request } from './web.mjs';

// Every variable with a value that is not its default, and some that are
// refused.
const variables = {
  PORT: { valid: '4000', invalid: ['abc', '-1', '65536', '1.5', '0x10'] },
  HOST: { valid: '127.0.0.1', invalid: [] },
  CORS_ORIGINS: { valid: 'https://a.example,https://*.b.example,null', invalid: ['a.example', 'https://*'] },
  PUBLIC_HOSTS: { valid: 'chat.example,signal.example', invalid: ['https://chat.example', 'chat.example:443'] },
  BASE_PATH: { valid: '/signal', invalid: ['signal', '/a//b', '/a/../b', '/a?b'] },
  NODE_ENV: { valid: 'production', invalid: [] },
  LOG_LEVEL: { valid: 'warn', invalid: ['loud', '3'] },
  TRUSTED_PROXIES: { valid: '10.0.0.0/8,::1/128', invalid: ['-1', 'nonsense', '10.0.0.0/8,x', '10.0.0.0/33'] },
  RATE_LIMIT: { valid: '7', invalid: ['-1', 'many', '1.5'] },
  MESSAGE_RATE: { valid: '8', invalid: ['-1', 'many'] },
  MESSAGE_BURST: { valid: '9', invalid: ['-1', 'many'] },
  BYTE_RATE: { valid: '2000000', invalid: ['-1', 'many'] },
  BYTE_BURST: { valid: '3000000', invalid: ['-1', 'many'] },
  MAX_MESSAGE_BYTES: { valid: '2000000', invalid: ['-1', '0', '1MB'] },
  MAX_OUTBOX_BYTES: { valid: '5000000', invalid: ['-1', '0', '4MB'] },
  MAX_CONNECTIONS: { valid: '10', invalid: ['-1', 'many'] },
  MAX_CONNECTIONS_PER_IP: { valid: '10', invalid: ['-1', 'many'] },
  PING_INTERVAL: { valid: '20s', invalid: ['0s', '-1s', '25', 'often'] },
  PING_TIMEOUT: { valid: '1m30s', invalid: ['0s', '-1s', '20', 'soon'] },
  REGISTER_TIMEOUT: { valid: '500ms', invalid: ['-1s', 'soon', '0s'] },
  DRAIN_DELAY: { valid: '3s', invalid: ['-1s', 'later'] },
  CLIENT_SCRIPT_URL: { valid: 'off', invalid: ['socket.io.js', 'ftp://cdn.example/'] },
  INACTIVITY_TIMEOUT: { valid: '1h', invalid: ['-1s', 'never', '44s'] },
  PRESENCE: { valid: 'none', invalid: ['some', 'ALL'] },
  TRANSPORTS: { valid: 'websocket', invalid: ['pigeon', 'websocket,pigeon'] },
  ENGINE: { valid: 'native', invalid: ['v8'] },
  SHUTDOWN_TIMEOUT: { valid: '3s', invalid: ['-1s', 'now'] },
};
const names = Object.keys(variables);
const flag = (name) => `-${name.toLowerCase().replaceAll('_', '-')}`;

// Without the defaults of the tests.
const bare = { HOST: null, PORT: null, RATE_LIMIT: null, MESSAGE_RATE: null, NODE_ENV: null, ENGINE: null };

// refused asserts that the binary ends at once, naming these variables.
function refused({ code, stderr }, ...named) {
  assert.ok(code > 0, `exit code ${code}`);
  for (const name of named) assert.match(stderr, new RegExp(`\\b${name}\\b`), `names ${name}`);
  assert.doesNotMatch(stderr, /listening/);
  assert.doesNotMatch(stderr, /panic|goroutine/);
}

// Most of these run the binary without a client, so that once is enough.
const alone = { only: ['websocket'], why: 'no client takes part' };

cases('configuration', [
  {
    name: '-version prints what GET / says',
    async run({ server }) {
      const { code, stdout } = await run(bare, ['-version']);
      assert.equal(code, 0);
      const { version } = JSON.parse((await request(server, '/')).body);
      assert.ok(stdout.includes(version), stdout);
    },
  },
  {
    name: '-check accepts the defaults, and every variable and flag',
    ...alone,
    async run() {
      const env = Object.fromEntries(names.map((name) => [name, variables[name].valid]));
      const args = names.map((name) => `${flag(name)}=${variables[name].valid}`);
      for (const [vars, flags] of [[bare, []], [{ ...bare, ...env }, []], [bare, args], [bare, args.map((arg) => `-${arg}`)]]) {
        const { code, stderr } = await run(vars, [...flags, '-check']);
        assert.equal(code, 0, stderr);
      }
    },
  },
  {
    name: 'an invalid value is refused, in the environment and as a flag',
    ...alone,
    async run() {
      for (const name of names) {
        for (const value of variables[name].invalid) {
          refused(await run({ ...bare, [name]: value }, ['-check']), name);
          refused(await run(bare, [`${flag(name)}=${value}`, '-check']), name);
        }
      }
    },
  },
  {
    name: 'one message lists every problem, and nothing listens',
    ...alone,
    async run() {
      const wrong = names.filter((name) => variables[name].invalid.length > 0);
      const env = Object.fromEntries(wrong.map((name) => [name, variables[name].invalid[0]]));
      for (const production of [null, 'production']) {
        refused(await run({ ...bare, ...env, NODE_ENV: production }), ...wrong);
      }
      const args = wrong.map((name) => `${flag(name)}=${variables[name].invalid[0]}`);
      refused(await run(bare, args), ...wrong);
    },
  },
  {
    name: 'a problem between two values is listed beside the others',
    ...alone,
    async run() {
      refused(await run({ ...bare, PORT: 'abc', INACTIVITY_TIMEOUT: '1s' }), 'PORT', 'INACTIVITY_TIMEOUT');
    },
  },
  {
    name: 'INACTIVITY_TIMEOUT must not be below PING_INTERVAL + PING_TIMEOUT',
    ...alone,
    async run() {
      const heartbeat = { ...bare, PING_INTERVAL: '10s', PING_TIMEOUT: '5s' };
      refused(await run({ ...heartbeat, INACTIVITY_TIMEOUT: '14999ms' }), 'INACTIVITY_TIMEOUT');
      assert.equal((await run({ ...heartbeat, INACTIVITY_TIMEOUT: '15s' }, ['-check'])).code, 0);
    },
  },
  {
    name: 'flags win over the environment',
    env: { MAX_MESSAGE_BYTES: '3000', PING_INTERVAL: '3s', RATE_LIMIT: '1', PRESENCE: 'none' },
    args: ['-max-message-bytes=4000', '--ping-interval', '4s', '-rate-limit', '0', '-presence', 'all'],
    async run(stage) {
      const [a] = await stage.room('a', 'b');
      assert.equal(a.handshake.maxPayload, 4000);
      assert.equal(a.handshake.pingInterval, 4000);
      for (let i = 0; i < 5; i++) assert.equal((await request(stage.server, '/')).status, 200);
    },
  },
  {
    name: 'a wrong value that a flag replaces does not matter',
    ...alone,
    async run() {
      assert.equal((await run({ ...bare, RATE_LIMIT: 'many' }, ['-rate-limit=5', '-check'])).code, 0);
    },
  },
  {
    name: 'unknown flags and arguments are refused',
    ...alone,
    async run() {
      refused(await run(bare, ['-unheard-of', '-check']));
      refused(await run(bare, ['-check', 'unheard-of']));
    },
  },
  {
    name: 'a port that is taken is refused',
    async run({ server }) {
      const { code, stderr } = await run({ PORT: server.port });
      assert.ok(code > 0, `exit code ${code}`);
      assert.match(stderr, new RegExp(server.port));
    },
  },
]);
