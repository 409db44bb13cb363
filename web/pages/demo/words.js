// The server's errors in words for people.

const words = {
  'Invalid user ID': 'This name cannot be used. A name has 1 to 50 characters.',
  'Invalid offer data': 'The server could not read the call that this page sent.',
  'Invalid answer data': 'The server could not read the answer that this page sent.',
  'Invalid ICE candidate data': 'The server could not read a network address that this page sent.',
  'Invalid custom message data': 'The server could not read a message that this page sent.',
  'Not registered': 'The server does not know this page by a name yet.',
  'Sender mismatch': 'This page sent something under a name that is not its own.',
  'Message too large': 'What this page sent is larger than the server allows.',
  'Rate limit exceeded': 'This page sent too much in a short time, or too many pages share your address. The server wants a pause.',
  'User ID not allowed': 'Your token is for another name, or someone with a key holds this one.',
  Unauthorized: 'This server needs a token from you. There is none here, or it is not valid (any more).',
  'Invalid user list': 'The server could not read the list of people that this page sent, or it is too long.',
  'Server unavailable': 'The server cannot do this at the moment.',
  'Invalid namespace': 'The server has no such room.',
  'Invalid message format': 'The server could not read what this page sent.',
  'Unknown message type': 'The server does not know what this page asked for.',
  'Missing required fields': 'Something is missing in what this page sent, or it is too long.',
  'Invalid proof': 'This page could not prove that the name is its own.',
  'Not connected': 'The page is not connected to the server at the moment.',
  'Connection lost': 'The connection to the server broke before it could answer.',
  'io server disconnect': 'The server ended this connection. Most likely someone else joined with the same name.',
  replaced: 'Someone else joined with the same name and took it over.',
};

const about = /^User (.*) (not found|is not online|is not responding)$/s;

// isAbout is the name of the one person that an error is about, or undefined.
export function isAbout(text) {
  return about.exec(text)?.[1];
}

// explain puts an error text of the server into words.
export function explain(text) {
  const [, name, what] = about.exec(text) ?? [];
  if (what === 'is not responding') return `${name} is online, but takes nothing at the moment.`;
  if (name !== undefined) return `${name} is not online.`;
  return Object.hasOwn(words, text) ? words[text] : 'The server reported an error.';
}

const manners = ['brave', 'calm', 'clever', 'eager', 'gentle', 'happy', 'jolly', 'kind', 'lucky', 'quiet', 'swift', 'witty'];
const animals = ['badger', 'beaver', 'falcon', 'heron', 'ibex', 'koala', 'lynx', 'otter', 'panda', 'robin', 'seal', 'wren'];

// suggestName makes up a name.
export function suggestName() {
  const [a, b, c] = crypto.getRandomValues(new Uint16Array(3));
  return `${manners[a % manners.length]}-${animals[b % animals.length]}-${10 + (c % 90)}`;
}

// bytes writes a size.
export function bytes(n) {
  if (n < 1000) return `${n} bytes`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(1)} kB`;
  return `${(n / 1_000_000).toFixed(1)} MB`;
}
