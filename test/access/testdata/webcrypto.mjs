// Makes keys and signatures with Web Crypto, as browsers do: a request a line on
// stdin, an answer a line on stdout.
import { webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';

const { subtle } = webcrypto;
const kinds = {
  'Ed25519': { name: 'Ed25519' },
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-256' },
  'RSA': { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
};
const base64 = (buffer) => Buffer.from(buffer).toString('base64');
const pairs = [];

const answers = {
  async key({ kind }) {
    const pair = await subtle.generateKey(kinds[kind], false, ['sign', 'verify']);
    pairs.push({ algorithm: kinds[kind], ...pair });
    return { id: pairs.length - 1, spki: base64(await subtle.exportKey('spki', pair.publicKey)) };
  },
  async sign({ id, text }) {
    const { algorithm, privateKey } = pairs[id];
    return { signature: base64(await subtle.sign(algorithm, privateKey, new TextEncoder().encode(text))) };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  console.log(JSON.stringify(await answers[request.do](request)));
}
