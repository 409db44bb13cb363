// The key that a Volli client registers with, one for each visit of the page,
// and the proof that we hold it.

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

let visit;

// visitKey resolves to {publicKey, prove}: the base64 of the public key, and a
// function that resolves to the answer to a challenge. Without crypto.subtle, on
// plain HTTP, the key is only random, and nothing can be proved with it.
export function visitKey() {
  visit ??= make();
  return visit;
}

async function make() {
  const subtle = globalThis.crypto.subtle;
  if (!subtle) {
    return {
      publicKey: base64(crypto.getRandomValues(new Uint8Array(32))),
      prove: () => Promise.reject(new Error('no key')),
    };
  }
  const pair = await subtle.generateKey(algorithm, false, ['sign', 'verify']);
  return {
    publicKey: base64(await subtle.exportKey('spki', pair.publicKey)),
    prove: async (name, nonce) => {
      const text = new TextEncoder().encode(`oodaa-register\n${name}\n${nonce}`);
      return base64(await subtle.sign(algorithm, pair.privateKey, text));
    },
  };
}

function base64(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer)));
}
