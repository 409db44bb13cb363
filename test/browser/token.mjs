// Tokens of those who run a server, for its users.

import { createHmac } from 'node:crypto';

export const secret = 'a secret of these tests that nobody else knows';

const segment = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

// token lets somebody in for so many seconds.
export function token(user, seconds = 3600) {
  const content = `${segment({ alg: 'HS256', typ: 'JWT' })}.${segment({ sub: user, exp: Math.floor(Date.now() / 1000) + seconds })}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
}
