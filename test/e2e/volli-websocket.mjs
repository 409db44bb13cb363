// The WebSocket that browsers have. Node has it since version 22; this is the
// same one, as a package, for those before.

import * as undici from 'undici';

export class WebSocket extends undici.WebSocket {
  constructor(url) {
    super(url);
    // Where a connection cannot be opened, some versions say nothing but
    // "error"; in browsers "close" follows.
    let closed = false;
    this.addEventListener('close', () => (closed = true), { once: true });
    this.addEventListener('error', () =>
      setTimeout(() => {
        if (!closed) this.dispatchEvent(Object.assign(new Event('close'), { code: 1006, reason: '', wasClean: false }));
      }),
    );
  }
}
