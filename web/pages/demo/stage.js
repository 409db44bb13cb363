// What is seen and heard of a call: the other, ourselves, and the buttons.

import { canShareScreen, openTrack } from './media.js';
import { describe } from './quality.js';
import { loudness, onVolume } from './ring.js';

export class Stage {
  #name;
  #part; // finds the elements
  #on; // {send(kind, track), describe(state), hangUp()}
  #live = false;
  #microphone = null; // tracks
  #picture = null;
  #sharing = false;
  #theirs = new MediaStream();
  #told = { muted: false, camera: false, screen: false };
  #before; // figures
  #clock;

  constructor(name, part, on) {
    this.#name = name;
    this.#part = part;
    this.#on = on;
    part('stage').setAttribute('aria-label', `Call with ${name}`);
    part('their-video').setAttribute('aria-label', name);
    part('mute').onclick = () => this.#mute();
    part('camera').onclick = () => this.#toggle('camera');
    part('screen').onclick = () => this.#toggle('screen');
    part('screen').hidden = !canShareScreen;
    part('hangup').onclick = () => on.hangUp();
    onVolume(() => (part('their-video').volume = loudness()));
  }

  // prepare shows ourselves, while the other is asked, and what is missing.
  prepare(tracks, problem = '') {
    this.#microphone = tracks.find(({ kind }) => kind === 'audio') ?? null;
    this.#setPicture(tracks.find(({ kind }) => kind === 'video') ?? null, false);
    this.#told = { muted: false, camera: false, screen: false };
    this.#problem(problem);
    this.#part('duration').textContent = '';
    this.#part('quality').textContent = '';
    this.#part('stage').hidden = false;
    this.#show('Ringing …');
  }

  // begin sends what there is: the call is active.
  begin() {
    this.#live = true;
    this.#on.send('audio', this.#microphone);
    this.#on.send('video', this.#picture);
    this.#part('their-video').volume = loudness();
    this.#part('their-video').srcObject = this.#theirs;
    const start = performance.now();
    const tick = () => (this.#part('duration').textContent = duration((performance.now() - start) / 1000));
    tick();
    clearInterval(this.#clock);
    this.#clock = setInterval(tick, 1000);
    this.#report();
  }

  end() {
    if (this.#live) for (const kind of ['audio', 'video']) this.#on.send(kind, null);
    this.#live = false;
    clearInterval(this.#clock);
    this.#microphone?.stop();
    this.#microphone = null;
    this.#setPicture(null, false);
    this.#before = undefined;
    this.#part('their-video').srcObject = null;
    this.#part('stage').hidden = true;
  }

  // take is called with what comes from the other.
  take(track) {
    for (const former of this.#theirs.getTracks()) if (former.kind === track.kind) this.#theirs.removeTrack(former);
    this.#theirs.addTrack(track);
  }

  // told is what the other says of itself.
  told({ muted, camera, screen }) {
    this.#told = { muted: Boolean(muted), camera: Boolean(camera), screen: Boolean(screen) };
    this.#show();
  }

  figures(figures) {
    if (!this.#live) return;
    this.#part('quality').textContent = describe(figures, this.#before);
    this.#before = figures;
  }

  path(up) {
    if (!up) this.#part('quality').textContent = 'Interrupted, looking for another path …';
  }

  async #mute() {
    if (this.#microphone) this.#microphone.enabled = !this.#microphone.enabled;
    else {
      const { track, problem } = await openTrack('microphone');
      this.#problem(problem);
      if (!track || this.#part('stage').hidden) return track?.stop();
      this.#microphone = track;
      if (this.#live) this.#on.send('audio', track);
    }
    this.#report();
  }

  // toggle puts the camera or the screen into the picture, or takes it away. The
  // camera is switched off for good then, its light as well.
  async #toggle(device) {
    const sharing = device === 'screen';
    if (this.#picture && this.#sharing === sharing) {
      this.#setPicture(null, false);
    } else {
      const { track, problem } = await openTrack(device);
      this.#problem(problem);
      if (!track || this.#part('stage').hidden) return track?.stop();
      this.#setPicture(track, sharing);
    }
    this.#report();
  }

  #setPicture(track, sharing) {
    this.#picture?.stop();
    this.#picture = track;
    this.#sharing = sharing;
    if (track) {
      // The browser has a button of its own to end it.
      track.onended = () => {
        if (this.#picture !== track) return;
        this.#setPicture(null, false);
        this.#report();
      };
    }
    this.#part('my-video').srcObject = track ? new MediaStream([track]) : null;
    if (this.#live) this.#on.send('video', track);
  }

  // report tells the other, and shows, what we send.
  #report() {
    if (this.#live) {
      this.#on.describe({
        muted: !this.#microphone?.enabled,
        camera: Boolean(this.#picture) && !this.#sharing,
        screen: this.#sharing,
      });
    }
    this.#show();
  }

  #show(waiting = this.#live ? '' : 'Ringing …') {
    const part = this.#part;
    const muted = !this.#microphone?.enabled;
    part('mute').setAttribute('aria-pressed', muted);
    part('camera').setAttribute('aria-pressed', Boolean(this.#picture) && !this.#sharing);
    part('screen').setAttribute('aria-pressed', this.#sharing);
    part('mine').dataset.sharing = this.#sharing;
    part('my-cover').hidden = Boolean(this.#picture);
    const { muted: silent, camera, screen } = this.#told;
    const seen = this.#live && (camera || screen);
    const said = waiting || `${this.#name}${screen ? ' shares the screen' : camera ? '' : ' has no camera on'}${silent ? ', muted' : ''}`;
    part('theirs').dataset.seen = seen;
    part('their-cover').textContent = said;
  }

  #problem(words) {
    this.#part('problem').hidden = !words;
    this.#part('problem').textContent = words;
  }
}

function duration(seconds) {
  const two = (n) => String(Math.floor(n)).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  return `${hours ? `${hours}:` : ''}${two((seconds / 60) % 60)}:${two(seconds % 60)}`;
}
