// One file over one data channel of its own: its description as JSON, its
// bytes, then its checksum as JSON. The receiver answers with the checksum of
// what arrived.

import { Sha256 } from './sha256.js';

const chunkSize = 16 * 1024; // what every browser takes in one message
const readSize = 64 * chunkSize;
const most = 1024 * 1024; // bytes that may wait in the channel
const least = most / 4; // when to go on

// maxFile is the largest file, in bytes: the receiver holds it in memory.
export const maxFile = 100_000_000;

// sendFile resolves to {checksum, received}: that of what was sent, and that of
// what the other side says to have received. progress is called with how many
// bytes have left.
export async function sendFile(channel, file, progress) {
  const inbox = new Inbox(channel);
  channel.bufferedAmountLowThreshold = least;
  channel.send(JSON.stringify({ name: file.name, size: file.size, type: file.type }));
  const hash = new Sha256();
  for (let start = 0; start < file.size; start += readSize) {
    const part = new Uint8Array(await file.slice(start, start + readSize).arrayBuffer());
    for (let i = 0; i < part.length; i += chunkSize) {
      if (channel.bufferedAmount > most) {
        await inbox.unless(new Promise((resolve) => (channel.onbufferedamountlow = resolve)));
      }
      const chunk = part.subarray(i, i + chunkSize);
      hash.update(chunk);
      channel.send(chunk);
      progress(start + i + chunk.length - Math.min(channel.bufferedAmount, start + i + chunk.length));
    }
  }
  const checksum = hash.hex();
  channel.send(JSON.stringify({ checksum }));
  const { checksum: received } = JSON.parse(await inbox.next());
  progress(file.size);
  channel.close();
  return { checksum, received };
}

// receiveFile calls begin with the file's name and size, then progress, and
// resolves to {file, checksum, sent}: the checksum of what arrived, and that of
// what the other side says to have sent.
export async function receiveFile(channel, begin, progress) {
  const inbox = new Inbox(channel);
  const about = JSON.parse(await inbox.next());
  const size = Number(about.size);
  if (!(size >= 0 && size <= maxFile)) {
    channel.close();
    throw new Error('too large');
  }
  const name = String(about.name);
  begin(name, size);
  const hash = new Sha256();
  const parts = [];
  let length = 0;
  let message;
  while (typeof (message = await inbox.next()) !== 'string') {
    length += message.byteLength;
    if (length > size) {
      channel.close();
      throw new Error('longer than announced');
    }
    hash.update(new Uint8Array(message));
    parts.push(message);
    progress(length);
  }
  const checksum = hash.hex();
  channel.send(JSON.stringify({ checksum }));
  // Never a type that a browser would show: the file is another's.
  return { file: new Blob(parts, { type: 'application/octet-stream' }), checksum, sent: JSON.parse(message).checksum };
}

// An Inbox is what comes from a channel, one by one, until the channel closes.
class Inbox {
  #messages = [];
  #wake = () => {};
  #closed;

  constructor(channel) {
    channel.binaryType = 'arraybuffer';
    channel.onmessage = ({ data }) => {
      this.#messages.push(data);
      this.#wake();
    };
    this.#closed = new Promise((_, reject) => {
      channel.onclose = () => reject(new Error('the channel closed'));
    });
    this.#closed.catch(() => {});
  }

  async next() {
    while (this.#messages.length === 0) await this.unless(new Promise((resolve) => (this.#wake = resolve)));
    return this.#messages.shift();
  }

  // unless waits for a promise, unless the channel closes before.
  unless(promise) {
    return Promise.race([promise, this.#closed]);
  }
}
