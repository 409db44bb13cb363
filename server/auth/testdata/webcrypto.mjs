// Signs with Web Crypto, as browsers do. Reads the requests, a JSON array, from
// stdin, and prints one line of JSON with the answers in the same order.
const { subtle } = globalThis.crypto;
const text = new TextEncoder();
const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const segment = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

const algorithms = {
  RS256: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  ES256: { name: "ECDSA", hash: "SHA-256", namedCurve: "P-256" },
  EdDSA: { name: "Ed25519" },
  HS256: { name: "HMAC", hash: "SHA-256" },
  HS384: { name: "HMAC", hash: "SHA-384" },
  HS512: { name: "HMAC", hash: "SHA-512" },
};

const answer = {
  // A key pair, and its proof for each nonce.
  async prove({ alg, proofs }) {
    const pair = await subtle.generateKey(algorithms[alg], true, ["sign", "verify"]);
    const sign = async ({ userId, nonce }) =>
      base64(await subtle.sign(algorithms[alg], pair.privateKey, text.encode(`oodaa-register\n${userId}\n${nonce}`)));
    return {
      spki: base64(await subtle.exportKey("spki", pair.publicKey)),
      signatures: await Promise.all(proofs.map(sign)),
    };
  },
  // A token, signed with a secret or with a new key, which is exported.
  async token({ alg, kid, secret, claims }) {
    const pair = secret
      ? { privateKey: await subtle.importKey("raw", text.encode(secret), algorithms[alg], false, ["sign"]) }
      : await subtle.generateKey(algorithms[alg], true, ["sign", "verify"]);
    const content = `${segment({ alg, kid, typ: "JWT" })}.${segment(claims)}`;
    const signature = await subtle.sign(algorithms[alg], pair.privateKey, text.encode(content));
    return {
      token: `${content}.${Buffer.from(signature).toString("base64url")}`,
      jwk: pair.publicKey && { ...(await subtle.exportKey("jwk", pair.publicKey)), kid },
    };
  },
};

let input = "";
for await (const chunk of process.stdin) input += chunk;
const answers = await Promise.all(JSON.parse(input).map((request) => answer[request.do](request)));
console.log(JSON.stringify(answers));
