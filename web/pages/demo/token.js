// The token of who signs in, where the server wants one. It is kept for this
// tab alone, and never stands in a URL.

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
    // It is good for this visit, then.
  }
}

const secrets = /"(token|credential|password|signature)":"(?:[^"\\]|\\.)*"/g;

// withoutSecrets is a message as it may be shown to whom looks over a shoulder.
export function withoutSecrets(text) {
  return text.replace(secrets, '"$1":"…"');
}
