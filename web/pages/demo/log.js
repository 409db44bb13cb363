// The messages and files of one conversation. Everything that comes from others
// is put into the document as text.

import { maxFile, receiveFile, sendFile } from './transfer.js';
import { append, clone, keepAtEnd } from './rows.js';
import { bytes } from './words.js';

const maxReceiving = 4; // files at a time, since they are held in memory

export class Log {
  #name;
  #list;
  #receiving = 0;
  #channel; // () => Promise of a data channel for a file

  constructor(name, list, channel) {
    this.#name = name;
    this.#list = list;
    this.#channel = channel;
    keepAtEnd(list);
  }

  get empty() {
    return this.#list.childElementCount === 0;
  }

  // message adds a line, of ours without a name.
  message(name, text) {
    const [item, part] = clone('message');
    item.classList.add(name ? 'theirs' : 'mine');
    part('author').textContent = name ?? 'You';
    part('text').textContent = text;
    part('when').textContent = clock();
    this.#append(item);
  }

  // event adds what happened, a call say.
  event(words) {
    const [item, part] = clone('message');
    item.classList.add('event');
    part('text').textContent = words;
    part('when').textContent = clock();
    this.#append(item);
  }

  // sendFiles sends one after the other.
  async sendFiles(files) {
    for (const file of files) await this.#sendFile(file);
  }

  async #sendFile(file) {
    const row = this.#fileRow(null, file.name, file.size);
    if (file.size > maxFile) {
      row.fail(`Too large: the limit is ${bytes(maxFile)}.`);
      return;
    }
    try {
      const { checksum, received } = await sendFile(await this.#channel(), file, row.progress);
      row.done('sent', checksum, checksum === received);
    } catch (err) {
      row.fail(`Not sent: ${err.message}.`);
    }
  }

  // receiveFile takes a file from a channel. news is called when it begins.
  async receiveFile(channel, news) {
    if (this.#receiving === maxReceiving) {
      channel.close();
      return;
    }
    this.#receiving++;
    let row;
    try {
      const { file, checksum, sent } = await receiveFile(
        channel,
        (name, size) => {
          row = this.#fileRow(this.#name, name, size);
          news();
        },
        (n) => row.progress(n),
      );
      row.done('received', checksum, checksum === sent);
      row.offer(file);
    } catch (err) {
      row ??= this.#fileRow(this.#name, 'a file', 0);
      row.fail(`Not received: ${err.message}.`);
    } finally {
      this.#receiving--;
    }
  }

  // fileRow adds a line about a file, of ours without a name.
  #fileRow(name, title, size) {
    const [item, part] = clone('file');
    title = title.slice(0, 200);
    item.classList.add(name ? 'theirs' : 'mine');
    part('author').textContent = name ?? 'You';
    part('title').textContent = title;
    part('when').textContent = clock();
    part('bar').max = size || 1;
    part('bar').value = 0;
    part('bar').setAttribute('aria-label', `${name ? 'Receiving' : 'Sending'} ${title}`);
    this.#append(item);
    let shown = -Infinity;
    const progress = (n) => {
      if (performance.now() - shown < 50 && n < size) return;
      shown = performance.now();
      part('bar').value = n;
      part('bytes').textContent = `${bytes(n)} of ${bytes(size)}`;
    };
    progress(0);
    return {
      progress,
      done: (done, checksum, same) => {
        part('bar').hidden = true;
        part('bytes').textContent = `${bytes(size)} ${done}`;
        part('sum').hidden = false;
        part('checksum').textContent = checksum;
        part('verdict').textContent = same ? '✓ the same on both sides' : '✗ not the same on the other side';
        part('verdict').dataset.same = same;
      },
      fail: (words) => {
        part('bar').hidden = true;
        part('bytes').textContent = words;
      },
      offer: (file) => {
        part('save').hidden = false;
        part('save').href = URL.createObjectURL(file);
        part('save').download = title;
      },
    };
  }

  #append(item) {
    const gone = append(this.#list, item);
    const save = gone?.querySelector('[data-part="save"]');
    if (save?.href) URL.revokeObjectURL(save.href);
  }
}

function clock() {
  return new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
