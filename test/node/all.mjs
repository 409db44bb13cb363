// Runs files of tests in one process: node all.mjs CONCURRENCY FILE...
//
// A process for each file, as node --test has it, spends a quarter of its time on
// loading the same clients again.

import { describe } from 'node:test';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [concurrency, ...files] = process.argv.slice(2);

describe('all', { concurrency: Number(concurrency) }, async () => {
  for (const file of files) await import(pathToFileURL(resolve(file)));
});
