// The page's own SHA-256 against Node's.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const source = await readFile(new URL('../../web/pages/demo/sha256.js', import.meta.url), 'base64');
const { Sha256 } = await import(`data:text/javascript;base64,${source}`);

const want = (bytes) => createHash('sha256').update(bytes).digest('hex');

test('of every length around the blocks, in pieces of every size', () => {
  for (let length = 0; length < 260; length++) {
    const bytes = randomBytes(length);
    for (const piece of [1, 3, 55, 64, 65, 1000]) {
      const hash = new Sha256();
      for (let i = 0; i < length; i += piece) hash.update(bytes.subarray(i, i + piece));
      assert.equal(hash.hex(), want(bytes), `${length} bytes in pieces of ${piece}`);
    }
  }
});

test('of some megabytes', () => {
  const bytes = randomBytes(7_654_321);
  assert.equal(new Sha256().update(bytes).hex(), want(bytes));
});
