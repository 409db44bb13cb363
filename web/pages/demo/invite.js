// The way for somebody else to come here: a link, and its QR code for a phone.

import { encode } from './qr.js';

const $ = (id) => document.getElementById(id);
const quiet = 4; // modules around the code

// invite fills in the address of this page, without what is only for us.
export function invite() {
  const url = new URL('demo', document.baseURI);
  $('link').href = url.href;
  $('link').textContent = url.href;
  $('only-here').hidden = !['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  $('copy').hidden = !navigator.clipboard;
  $('copy').onclick = async () => {
    await navigator.clipboard.writeText(url.href);
    $('copy').textContent = 'Copied';
  };
  const code = encode(url.href);
  // Too long for a code: the link is enough.
  $('qr').toggleAttribute('hidden', code === null);
  if (code === null) return;
  const side = code.length + 2 * quiet;
  $('qr').setAttribute('viewBox', `0 0 ${side} ${side}`);
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  const dark = code.flatMap((row, y) => row.flatMap((on, x) => (on ? [`M${x + quiet} ${y + quiet}h1v1h-1z`] : [])));
  path.setAttribute('d', dark.join(''));
  $('qr').replaceChildren(path);
}
