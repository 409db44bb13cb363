// A mode is one way in which clients in the field reach a server. Every case
// runs in every mode, unless the transport cannot do what it is about.

const modes = {
  websocket: { transports: ['websocket'], env: {} },
  polling: { transports: ['polling'], env: {} },
  // The library's own default: long-polling first, then the upgrade.
  default: { transports: undefined, env: {} },
  zishang: { transports: ['websocket'], env: { ENGINE: 'zishang' } },
  // Two instances on one Redis; the clients of a case take turns.
  cluster: { transports: ['websocket'], env: { REDIS_URL: process.env.REDIS_URL }, instances: 2 },
  three: { transports: ['websocket'], env: { REDIS_URL: process.env.REDIS_URL }, instances: 3 },
};

const name = process.env.MODE ?? 'websocket';
if (!(name in modes)) throw new Error(`MODE=${name}: must be one of ${Object.keys(modes).join(', ')}`);

export const mode = {
  name,
  ...modes[name],
  // handshake is the transport that carries a client's first request.
  handshake: modes[name].transports?.[0] ?? 'polling',
  // final is the transport that it ends up with.
  final: modes[name].transports?.[0] ?? 'websocket',
};

// For cases about the order of answers: those to relays to other instances may
// come after those to later events.
export const oneInstance = Object.keys(modes).filter((name) => !modes[name].instances);
export const later = 'other instances answer later';

// For cases without a Socket.IO client: once for each engine.
export const clientless = { only: ['websocket', 'zishang'], why: 'no Socket.IO client takes part' };
