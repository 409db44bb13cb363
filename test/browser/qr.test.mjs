// The page's own QR codes, read by a library.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import jsQR from 'jsqr';

const source = await readFile(new URL('../../web/pages/demo/qr.js', import.meta.url), 'base64');
const { encode } = await import(`data:text/javascript;base64,${source}`);

const scale = 3;
const margin = 4 * scale;

// read draws a code, and returns its text.
function read(rows) {
  const side = rows.length * scale + 2 * margin;
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side - 2 * margin; y++) {
    for (let x = 0; x < side - 2 * margin; x++) {
      if (!rows[Math.floor(y / scale)][Math.floor(x / scale)]) continue;
      const at = ((y + margin) * side + x + margin) * 4;
      pixels.fill(0, at, at + 3);
    }
  }
  return jsQR.default(pixels, side, side)?.data;
}

test('of every length, and so of every version', () => {
  const sides = new Set();
  for (let length = 20; length <= 180; length++) {
    const text = 'https://example.org/'.padEnd(length, 'path-é/');
    const rows = encode(text);
    if (rows === null) {
      assert.ok(Buffer.byteLength(text) > 180, text);
      continue;
    }
    sides.add(rows.length);
    assert.equal(read(rows), text);
  }
  assert.deepEqual([...sides], [25, 29, 33, 37, 41, 45, 49, 53]);
  assert.equal(read(encode('http://h/')), 'http://h/');
  assert.equal(encode('http://h/').length, 21);
  assert.equal(encode('x'.repeat(181)), null);
});
