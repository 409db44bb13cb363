// The user's token, where the server wants one. It is kept for this tab alone,
// and is never part of a URL.

const key = 'token';

// rememberedToken is the one that was used last, or ''.
export function rememberedToken() {
  try {
    return sessionStorage.getItem(key) ?? '';
  } catch {
    return ''; // the browser keeps nothing
  }
}

// rememberToken keeps a token, or none.
export function rememberToken(token) {
  try {
    if (token) sessionStorage.setItem(key, token);
    else sessionStorage.removeItem(key);
  } catch {
    // It is good for this visit only.
  }
}

// nameOf is the user that a token (a JSON Web Token) is for, as far as one can
// see, or ''. The server alone decides whether it is valid.
export function nameOf(token) {
  try {
    const payload = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    const bytes = Uint8Array.from(atob(payload), (c) => c.charCodeAt(0));
    const { sub } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof sub === 'string' ? sub : '';
  } catch {
    return '';
  }
}

const secrets = /"(token|credential|password|signature)":"(?:[^"\\]|\\.)*"/g;

// withoutSecrets is a message as it may be shown to someone who looks over a shoulder.
export function withoutSecrets(text) {
  return text.replace(secrets, '"$1":"…"');
}
