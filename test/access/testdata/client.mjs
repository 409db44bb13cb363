// Connects the real socket.io-client once for each request of a JSON array on
// stdin, and prints what became of it.
import { once } from 'node:events';
import { createRequire } from 'node:module';

const require = createRequire(new URL('../../e2e/package.json', import.meta.url));
const { io } = require('socket.io-client');

async function connect({ url, transports, auth, headers, ca, register, ask, emit, await: awaited, upgrade }) {
  const socket = io(url, { forceNew: true, reconnection: false, transports, auth, extraHeaders: headers, ca });
  const answer = { connected: false, error: '' };
  try {
    await new Promise((resolve, reject) => {
      socket.on('connect', resolve);
      socket.on('connect_error', reject);
    });
    answer.connected = true;
    const event = awaited && once(socket, awaited);
    if (upgrade && socket.io.engine.transport.name === 'polling') await once(socket.io.engine, 'upgrade');
    answer.transport = socket.io.engine.transport.name;
    if (register) answer.registered = await socket.timeout(30_000).emitWithAck('register', { userId: register });
    if (ask) answer.asked = await socket.timeout(30_000).emitWithAck(ask);
    if (emit) socket.emit(emit);
    if (awaited) [answer.awaited] = await event;
  } catch (err) {
    answer.error = err.message;
  }
  socket.disconnect();
  return answer;
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
const answers = [];
for (const request of JSON.parse(input)) answers.push(await connect(request));
console.log(JSON.stringify(answers));
