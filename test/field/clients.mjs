// The clients of the field test that run on Node. Commands come as lines of
// JSON on standard input, reports leave as lines of JSON on standard output.
// The end of the input ends the process, and with it all connections.

import { createInterface } from 'node:readline';
import { oodaa } from './oodaa.mjs';
import { volli } from './volli.mjs';

const families = { oodaa, volli };
const clients = new Map();

const commands = {
  join({ clients: specs }) {
    for (const spec of specs) {
      const report = (event, more) => console.log(JSON.stringify({ key: spec.key, event, ...more }));
      clients.set(spec.key, families[spec.family](spec, report));
    }
  },
  call: ({ key, to, body }) => clients.get(key).call(to, body),
  reload: ({ key }) => clients.get(key).reload(),
  leave: ({ keys }) => keys.forEach((key) => clients.get(key).leave()),
};

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on('close', () => process.exit(0));
