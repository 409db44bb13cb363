// Names, texts and values of the contract that more than one subject needs.

export const relays = [
  { event: 'offer', body: 'offer', invalid: 'Invalid offer data' },
  { event: 'answer', body: 'answer', invalid: 'Invalid answer data' },
  { event: 'ice-candidate', body: 'candidate', invalid: 'Invalid ICE candidate data' },
  { event: 'custom-message', body: 'message', invalid: 'Invalid custom message data' },
];

export const ok = { ok: true };
export const failed = (error) => ({ ok: false, error, code: codeOf(error) });

// codeOf is the code that comes with an error text.
export const codeOf = (error) => codes.find(([text]) => text.test(error))[1];
const codes = [
  [/^Invalid user ID$/, 'invalid_user_id'],
  [/^Invalid .* data$/, 'invalid_data'],
  [/^User [^]* not found$/, 'not_found'],
  [/^User [^]* is not responding$/, 'not_responding'],
  [/^Not registered$/, 'not_registered'],
  [/^Sender mismatch$/, 'sender_mismatch'],
  [/^Message too large$/, 'too_large'],
  [/^Rate limit exceeded$/, 'rate_limited'],
  [/^User ID not allowed$/, 'user_not_allowed'],
  [/^Unauthorized$/, 'unauthorized'],
  [/^Server unavailable$/, 'unavailable'],
  [/^Invalid user list$/, 'invalid_user_list'],
  [/^User [^]* is not online$/, 'not_found'],
  [/^Invalid message format$/, 'invalid_format'],
  [/^Unknown message type$/, 'unknown_type'],
  [/^Missing required fields$/, 'missing_fields'],
  [/^Invalid proof$/, 'invalid_proof'],
];

export const headers = {
  'content-security-policy':
    "default-src 'self';base-uri 'self';font-src 'self' https: data:;form-action 'self';" +
    "frame-ancestors 'self';img-src 'self' data:;object-src 'none';script-src 'self';" +
    "script-src-attr 'none';style-src 'self' https: 'unsafe-inline';upgrade-insecure-requests",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'origin-agent-cluster': '?1',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=15552000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-dns-prefetch-control': 'off',
  'x-download-options': 'noopen',
  'x-frame-options': 'SAMEORIGIN',
  'x-permitted-cross-domain-policies': 'none',
  'x-xss-protection': '0',
};
