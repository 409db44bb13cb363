// A conversation with one other person: the connection, the call, the messages.

import { Call } from './call.js';
import { ask, withdraw } from './incoming.js';
import { Log } from './log.js';
import { openMedia } from './media.js';
import { endings, Peer } from './peer.js';
import { closePreview, preview } from './preview.js';
import { clone } from './rows.js';
import { Stage } from './stage.js';
import { Steps } from './steps.js';
import { explain, isAbout } from './words.js';

export class Conversation {
  #name;
  #owner; // see room.js
  #part;
  #peer = null;
  #open = false;
  #up = true;
  #call;
  #stage;
  #log;
  #steps;

  constructor(name, owner) {
    this.#name = name;
    this.#owner = owner;
    const [element, part] = clone('conversation');
    this.element = element;
    this.#part = part;
    part('name').textContent = name;
    element.setAttribute('aria-label', `Conversation with ${name}`);
    part('log').setAttribute('aria-label', `Messages with ${name}`);
    part('back').onclick = () => owner.back();
    part('video').onclick = () => this.dial(true);
    part('audio').onclick = () => this.dial(false);
    part('connect').onclick = () => this.connect();
    part('close').onclick = () => this.close();
    part('compose').onsubmit = (event) => {
      event.preventDefault();
      this.#say();
    };
    part('file').onchange = () => {
      this.#log.sendFiles([...part('file').files]);
      part('file').value = '';
    };
    this.#steps = new Steps(part);
    this.#log = new Log(name, part('messages'), () => this.#channel());
    this.#stage = new Stage(name, part, {
      send: (kind, track) => this.#peer?.send(kind, track),
      describe: (state) => this.#call.describe(state),
      hangUp: () => (this.#call.state === 'dialing' ? this.#call.end('cancel', 'You hung up.') : this.#call.hangUp()),
    });
    this.#call = new Call((message) => this.#peer?.tell(message), {
      changed: () => this.#callChanged(),
      ended: (words) => this.#event(words),
      told: (state) => this.#stage.told(state),
    });
    this.#show('', 'Not connected');
  }

  // state is what can be seen of it from afar: '', 'connecting', 'open', 'call'.
  get state() {
    if (this.#call.state !== 'idle') return 'call';
    return this.#open ? 'open' : this.#peer ? 'connecting' : '';
  }

  // readable tells whether there is anything in it.
  get readable() {
    return this.#peer !== null || !this.#log.empty;
  }

  focus() {
    this.#part('heading').focus();
  }

  // connect opens a channel, unless there is one.
  connect() {
    if (this.#peer) return;
    this.#begin();
    this.#show('warn', 'Connecting …');
    this.#peer.offer();
  }

  // dial calls the other, after a look at the camera.
  async dial(video) {
    if (this.#call.state !== 'idle' || !this.#owner.claim(this)) return;
    const tracks = await preview(this.#name, video);
    if (!tracks || this.#call.state !== 'idle' || !this.#owner.claim(this)) {
      tracks?.forEach((track) => track.stop());
      if (this.#call.state === 'idle') this.#owner.release(this);
      return;
    }
    this.connect();
    this.#stage.prepare(tracks);
    this.#call.dial(video);
  }

  close() {
    this.#peer?.close('here');
  }

  // signal takes what came from the other through the server.
  signal(kind, body) {
    switch (kind) {
      case 'offer':
        this.#offered(body);
        break;
      case 'answer':
        this.#peer?.answered(body);
        break;
      default:
        this.#peer?.candidate(body);
    }
  }

  // undelivered means that the server could not reach the other.
  undelivered(text) {
    this.#peer?.undelivered(text);
  }

  // left means that the server does not know the other any more. A channel that
  // is open does not need the server, as long as its path lasts.
  left() {
    this.#peer?.missing();
    if (this.#open) this.#steps.trace('here', `${this.#name} has left the server`, 'the channel stays');
    else this.undelivered(`User ${this.#name} not found`);
  }

  // lost means the same of ourselves.
  lost() {
    this.#peer?.unknown();
    if (this.#open) this.#steps.trace('here', 'the server is lost', 'the channel stays');
    else this.undelivered('Connection lost');
  }

  // returned means that signals to the other arrive again.
  returned() {
    this.#peer?.unknown();
    if (!this.#open) return;
    this.#steps.trace('here', `the server knows both again`, '');
    this.#peer.nudge();
  }

  // moved means that this device is in another network.
  moved() {
    this.#peer?.restart();
  }

  get #first() {
    return this.#owner.me < this.#name;
  }

  #offered(offer) {
    if (!this.#peer || offer.call === undefined || offer.call !== this.#peer.id) {
      // Both have begun at once: the one whose name comes first stands.
      if (this.#peer?.waiting && this.#first) {
        this.#steps.trace('in', 'offer', 'not taken, since ours stands');
        return;
      }
      this.#peer?.close('replaced');
      this.#begin();
      this.#show('warn', 'Answering …');
      this.#call.repeat();
    }
    this.#peer.offered(offer);
  }

  #begin() {
    this.#steps.begin();
    const peer = new Peer({
      polite: !this.#first,
      signal: (kind, body) => this.#owner.send(kind, this.#name, body),
      iceServers: () => this.#owner.iceServers(),
      on: {
        trace: (...step) => this.#steps.trace(...step),
        open: () => this.#opened(),
        text: (text) => {
          this.#log.message(this.#name, text.slice(0, 10_000));
          this.#owner.news(this.#name);
        },
        control: (message) => this.#call.receive(message),
        file: (channel) => this.#log.receiveFile(channel, () => this.#owner.news(this.#name)),
        track: (track) => this.#stage.take(track),
        figures: (figures) => {
          this.#stage.figures(figures);
          if (!this.#steps.path(figures)) return;
          this.#owner.announce(`The path to ${this.#name} is ${figures.relayed ? 'relayed' : 'direct'}.`);
        },
        path: (up) => this.#path(up),
        closed: (why, error) => this.#closed(peer, why, error),
      },
    });
    this.#peer = peer;
  }

  #opened() {
    this.#open = true;
    this.#show('good', 'Channel open');
    this.#owner.announce(`The channel to ${this.#name} is open.`);
    // Only for those who wait for it: typing elsewhere is not disturbed.
    if (this.element.contains(document.activeElement) && this.#call.state === 'idle') this.#part('draft').focus();
  }

  #path(up) {
    if (up !== this.#up && this.#open) this.#show(up ? 'good' : 'warn', up ? 'Channel open' : 'Interrupted, looking for another path …');
    this.#up = up;
    this.#stage.path(up);
  }

  #closed(peer, why, error) {
    if (peer !== this.#peer) return;
    this.#peer = null;
    this.#open = false;
    this.#up = true;
    let words = endings[why].replace('{name}', this.#name);
    // Other errors are shown above, as they are not about this person.
    if (why === 'undelivered' && isAbout(error)) words = explain(error);
    else if (why === 'broken') words += ` (${error})`;
    this.#steps.trace('here', 'closed', words);
    this.#show(why === 'here' || why === 'left' ? '' : 'bad', words);
    this.#owner.announce(words);
    if (why !== 'replaced' || this.#call.state !== 'dialing') this.#call.lost();
  }

  async #callChanged() {
    const { state, video } = this.#call;
    closePreview();
    withdraw();
    this.element.dataset.call = state;
    if (state === 'active') {
      this.#stage.begin();
      this.#owner.announce(`You are in a call with ${this.#name}.`);
    }
    if (state === 'idle') {
      this.#stage.end();
      this.#owner.release(this);
    }
    this.#offerActions();
    if (state !== 'ringing') return;
    if (!this.#owner.claim(this)) {
      this.#call.busy();
      return;
    }
    const answer = await ask(this.#name, video);
    if (answer === 'decline') this.#call.decline();
    if (answer !== 'video' && answer !== 'audio') return;
    this.#owner.show(this.#name);
    const { tracks, problem } = await openMedia(answer === 'video');
    if (this.#call.state !== 'ringing') {
      tracks.forEach((track) => track.stop());
      return;
    }
    this.#stage.prepare(tracks, problem);
    this.#call.accept();
    this.#part('hangup').focus();
  }

  // event puts the end of a call between the messages.
  #event(words) {
    words = words.replace('{name}', this.#name);
    this.#log.event(words);
    this.#owner.announce(words);
    this.#owner.news(this.#name);
  }

  // show puts the state of the connection into words.
  #show(state, words) {
    this.#part('state').dataset.state = state;
    this.#part('state').textContent = words;
    this.#offerActions();
  }

  // offerActions shows what can be done now. A focus on what is gone moves to
  // the heading.
  #offerActions() {
    const had = this.element.contains(document.activeElement);
    const idle = this.#call.state === 'idle';
    this.#part('video').hidden = this.#part('audio').hidden = !idle;
    this.#part('connect').hidden = Boolean(this.#peer);
    this.#part('close').hidden = !this.#peer || !idle;
    for (const key of ['draft', 'send', 'file']) this.#part(key).disabled = !this.#open;
    const active = document.activeElement;
    if (had && !(this.element.contains(active) && active.checkVisibility())) this.focus();
    this.#owner.changed();
  }

  #say() {
    const input = this.#part('draft');
    const text = input.value.trim();
    if (!text || !this.#open) return;
    this.#peer.say(text);
    this.#log.message(null, text);
    input.value = '';
  }

  async #channel() {
    if (!this.#open) throw new Error('the channel closed');
    return this.#peer.channel();
  }
}
