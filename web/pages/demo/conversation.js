// What is to be seen of one other person: the call, the messages and files, and
// what the signaling did. Everything that comes from others is put into the
// document as text.

import { Call, endings } from './call.js';
import { maxFile, receiveFile, sendFile } from './transfer.js';
import { bytes, explain } from './words.js';

const maxRows = 300; // of messages, and of steps
const maxReceiving = 4; // files at a time, since they are held in memory

export class Conversation {
  #name;
  #owner; // {me, send(kind, to, body), iceServers(), announce(text), changed(), news()}
  #call = null;
  #began = 0;
  #open = false;
  #receiving = 0;
  #part;

  constructor(name, owner) {
    this.#name = name;
    this.#owner = owner;
    this.element = document.getElementById('conversation').content.firstElementChild.cloneNode(true);
    const part = (this.#part = (key) => this.element.querySelector(`[data-part="${key}"]`));
    part('name').textContent = name;
    this.element.setAttribute('aria-label', `Conversation with ${name}`);
    part('log').setAttribute('aria-label', `Messages with ${name}`);
    part('call').onclick = () => this.call();
    part('hangup').onclick = () => this.#call?.close('here');
    part('compose').onsubmit = (event) => {
      event.preventDefault();
      this.#say();
    };
    part('file').onchange = () => {
      this.#sendFiles([...part('file').files]);
      part('file').value = '';
    };
    keepAtEnd(part('messages'));
    keepAtEnd(part('steps'));
    this.#show('', 'No channel');
  }

  // state is what is to be seen of it from afar: '', 'calling' or 'open'.
  get state() {
    return this.#open ? 'open' : this.#call ? 'calling' : '';
  }

  focus() {
    this.#part('heading').focus();
  }

  // call opens a channel, unless there is one.
  call() {
    if (this.#call) return;
    this.#begin();
    this.#show('warn', 'Calling …');
    this.#call.offer();
  }

  hangUp() {
    this.#call?.close('here');
  }

  // signal takes what came from the other through the server.
  signal(kind, body) {
    if (kind !== 'offer') {
      if (kind === 'answer') this.#call?.answered(body);
      else this.#call?.candidate(body);
      return;
    }
    // Both have called at once: the call of the one whose name comes first stands.
    if (this.#call?.waiting && this.#owner.me < this.#name) {
      this.#trace('in', 'offer', 'not taken, since ours stands');
      return;
    }
    this.#call?.close('replaced');
    this.#begin();
    this.#show('warn', 'Answering …');
    this.#call.accept(body);
  }

  // undelivered means that the server could not reach the other.
  undelivered(text) {
    if (this.#call?.waiting) this.#call.close('undelivered', text);
  }

  // left means that the other is not known to the server any more. A channel
  // that is open does not need the server.
  left() {
    if (this.#open) this.#trace('here', `${this.#name} has left the server`, 'the channel stays');
    else this.undelivered();
  }

  // lost means the same of ourselves.
  lost() {
    if (this.#open) this.#trace('here', 'the server is lost', 'the channel stays');
    else this.undelivered('Connection lost');
  }

  #begin() {
    this.#part('steps').replaceChildren();
    this.#part('path').hidden = true;
    this.#began = performance.now();
    const send = (kind, body) => this.#owner.send(kind, this.#name, body);
    const call = new Call(send, () => this.#owner.iceServers(), {
      trace: (...step) => this.#trace(...step),
      open: () => {
        this.#open = true;
        this.#show('good', 'Channel open');
        this.#owner.announce(`The channel to ${this.#name} is open.`);
        // Only for who waits for it: nobody's typing elsewhere is disturbed.
        if (this.element.contains(document.activeElement)) this.#part('draft').focus();
      },
      text: (text) => {
        this.#message(this.#name, text.slice(0, 10_000));
        this.#owner.news();
      },
      file: (channel) => this.#receiveFile(channel),
      pair: (pair) => this.#path(pair),
      closed: (why, error) => this.#closed(call, why, error),
    });
    this.#call = call;
  }

  #closed(call, why, error) {
    if (call !== this.#call) return;
    this.#call = null;
    this.#open = false;
    let words = endings[why].replace('{name}', this.#name);
    if (error && why !== 'undelivered') words += ` (${error})`;
    if (error && why === 'undelivered') words = explain(error);
    this.#trace('here', 'closed', words);
    this.#show(why === 'here' || why === 'left' ? '' : 'bad', words);
    this.#owner.announce(words);
  }

  // show puts the state of the call into words, and offers what can be done.
  #show(state, words) {
    this.#part('state').dataset.state = state;
    this.#part('state').textContent = words;
    const had = this.element.contains(document.activeElement);
    this.#part('call').hidden = Boolean(this.#call);
    this.#part('hangup').hidden = !this.#call;
    for (const key of ['draft', 'send', 'file']) this.#part(key).disabled = !this.#open;
    if (had && !this.element.contains(document.activeElement)) this.focus();
    this.#owner.changed();
  }

  #trace(way, what, detail) {
    const [item, part] = clone('step');
    item.dataset.way = way;
    const ms = Math.round(performance.now() - this.#began);
    part('when').textContent = ms < 10_000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
    part('way').textContent = { out: 'Sent:', in: 'Received:', here: 'Here:' }[way];
    part('what').textContent = what;
    part('detail').textContent = detail;
    this.#append('steps', item);
  }

  #path({ local, remote, relayed, ms }) {
    const kind = relayed ? 'relayed' : 'direct';
    const time = ms === null ? 'unknown' : ms < 1 ? 'below 1 ms' : `${Math.round(ms)} ms`;
    const first = this.#part('path').hidden;
    this.#part('path').hidden = false;
    this.#part('kind').textContent = relayed ? 'Relayed by a TURN server' : 'Direct, browser to browser';
    this.#part('local').textContent = local;
    this.#part('remote').textContent = remote;
    this.#part('time').textContent = time;
    if (first) {
      this.#trace('here', kind, `${local} ↔ ${remote}, round trip ${time}`);
      this.#owner.announce(`The path to ${this.#name} is ${kind}, round trip ${time}.`);
    }
  }

  #say() {
    const input = this.#part('draft');
    const text = input.value.trim();
    if (!text || !this.#open) return;
    this.#call.say(text);
    this.#message(null, text);
    input.value = '';
  }

  // message adds a line, of ours if there is no name.
  #message(name, text) {
    const [item, part] = clone('message');
    item.classList.add(name ? 'theirs' : 'mine');
    part('who').textContent = name ?? 'You';
    part('text').textContent = text;
    part('when').textContent = clock();
    this.#append('messages', item);
  }

  // sendFiles sends one after the other.
  async #sendFiles(files) {
    for (const file of files) await this.#sendFile(file);
  }

  async #sendFile(file) {
    const row = this.#fileRow(null, file.name, file.size);
    if (file.size > maxFile) {
      row.fail(`Too large: at most ${bytes(maxFile)} can be sent.`);
      return;
    }
    if (!this.#open) {
      row.fail('Not sent: the channel closed.');
      return;
    }
    try {
      const { checksum, received } = await sendFile(await this.#call.channel(), file, row.progress);
      row.done('sent', checksum, checksum === received);
    } catch (err) {
      row.fail(`Not sent: ${err.message}.`);
    }
  }

  async #receiveFile(channel) {
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
          this.#owner.news();
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

  // fileRow adds a line about a file, of ours if there is no name.
  #fileRow(name, title, size) {
    const [item, part] = clone('file');
    title = title.slice(0, 200);
    item.classList.add(name ? 'theirs' : 'mine');
    part('who').textContent = name ?? 'You';
    part('title').textContent = title;
    part('when').textContent = clock();
    part('bar').max = size || 1;
    part('bar').value = 0;
    part('bar').setAttribute('aria-label', `${name ? 'Receiving' : 'Sending'} ${title}`);
    this.#append('messages', item);
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

  #append(key, item) {
    const list = this.#part(key);
    list.append(item);
    if (list.childElementCount > maxRows) {
      const first = list.firstElementChild;
      const save = first.querySelector('[data-part="save"]');
      if (save?.href) URL.revokeObjectURL(save.href);
      first.remove();
    }
  }
}

// clone returns a copy of a template's element, and how to find its parts.
export function clone(id) {
  const element = document.getElementById(id).content.firstElementChild.cloneNode(true);
  return [element, (key) => element.querySelector(`[data-part="${key}"]`)];
}

// keepAtEnd scrolls a list that grows, for those who read its end.
function keepAtEnd(list) {
  const box = list.parentElement;
  let reading = true;
  let top = 0;
  box.onscroll = () => {
    // Only somebody who reads scrolls up.
    if (box.scrollTop < top) reading = false;
    else if (box.scrollHeight - box.scrollTop - box.clientHeight < 30) reading = true;
    top = box.scrollTop;
  };
  new ResizeObserver(() => {
    if (reading) box.scrollTop = box.scrollHeight;
  }).observe(list);
}

function clock() {
  return new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
