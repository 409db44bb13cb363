// The WebSocket that browsers have. Node has it since version 22, and version
// 20 behind a flag: there the test file that imports this first runs once more,
// with the flag, in its own place.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

const flag = '--experimental-websocket';

if (!globalThis.WebSocket) {
  if (process.execArgv.includes(flag)) throw new Error('this Node has no WebSocket');
  const args = [flag, ...process.execArgv, ...process.argv.slice(1)];
  const again = spawn(process.execPath, args, { stdio: 'inherit' });
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => again.kill(signal));
  const [code] = await once(again, 'exit');
  process.exit(code ?? 1);
}

export class WebSocket extends globalThis.WebSocket {
  constructor(url) {
    super(url);
    // Node 20's says nothing but "error" of a connection that could not be
    // opened, where browsers let "close" follow.
    let closed = false;
    this.addEventListener('close', () => (closed = true), { once: true });
    this.addEventListener('error', () =>
      setTimeout(() => {
        if (!closed) this.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '', wasClean: false }));
      }),
    );
  }
}
