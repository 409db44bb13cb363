// Validates the descriptions of the protocol, with parsers of other makers.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import asyncapi from '@asyncapi/parser';
import { Validator } from '@seriousme/openapi-schema-validator';

const read = (name) => readFile(new URL(`../../docs/${name}`, import.meta.url), 'utf8');

test('docs/asyncapi.yaml', async () => {
  const { document, diagnostics } = await new asyncapi.Parser().parse(await read('asyncapi.yaml'));
  const errors = diagnostics.filter(({ severity }) => severity === 0);
  assert.deepEqual(errors.map(({ message, path }) => `${path.join('.')}: ${message}`), []);
  assert.ok(document.operations().length >= 4);
});

test('docs/openapi.yaml', async () => {
  const { valid, errors } = await new Validator().validate(await read('openapi.yaml'));
  assert.ok(valid, JSON.stringify(errors, null, 2));
});
