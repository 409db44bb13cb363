// The connection to one other person: an RTCPeerConnection with a data channel
// for text, one for the control of calls, one more for each file, and the media
// of a call. Offers, answers and candidates go through the server, also later
// on, for the first call and when the network has changed. Everything else goes
// directly, or through a TURN server.
//
// Both sides may offer at any time. Where two offers cross, the polite side
// drops its own ("perfect negotiation").

import { measure, place } from './quality.js';

const answerTimeout = 20_000;
const measureEvery = 1000;
const iceTimeout = 5000;
const restartAfter = 2000; // ms without a path, after which another one is looked for
const giveUpAfter = 60_000; // ms without a path
const missingFor = 5000; // ms in which someone whose network changes is back on the server

// onlyRelayed serves to see a TURN server at work: the page was opened with
// ?relay=only.
export const onlyRelayed = new URLSearchParams(location.search).get('relay') === 'only';

// A Peer calls these functions of its owner, on:
//
//   trace(way, what, detail)   a step: 'out', 'in' or 'here'
//   open()                     text can be sent
//   text(text)                 text came
//   control(message)           a message about a call came
//   file(channel)              a file comes
//   track(track)               media comes
//   figures(figures)           how the two are connected, once a second
//   path(up)                   the path was lost, or found again
//   closed(why, error)         the end: one of the keys of endings
export class Peer {
  closed = false;
  // waiting means that our first offer was not answered yet.
  waiting = false;

  #polite;
  #signal; // (kind, body) => Promise
  #iceServers; // () => Promise
  #on;
  #pc = null;
  #chat = null;
  #control = null;
  #unsent = []; // control messages from before their channel was open
  #tracks = { audio: null, video: null }; // what we send
  #early = []; // candidates that came before their description
  #id; // of the connection, in everything sent; clients that do not know it ignore it
  #up = false;
  #told = false; // whether our last description may have arrived
  #missing = false; // whether the other has been off the server for missingFor
  #steps = Promise.resolve(); // one after the other
  #timers = { answer: 0, measure: 0, restart: 0, end: 0, missing: 0 };

  constructor({ polite, signal, iceServers, on }) {
    this.#polite = polite;
    this.#signal = signal;
    this.#iceServers = iceServers;
    this.#on = on;
  }

  get id() {
    return this.#id;
  }

  // offer begins.
  offer() {
    this.waiting = true;
    this.#id = crypto.getRandomValues(new Uint32Array(2)).join('-');
    return this.#step(async () => {
      await this.#prepare();
      for (const label of ['chat', 'call']) this.#adopt(this.#pc.createDataChannel(label));
      this.#timers.answer = setTimeout(() => this.close('unanswered'), answerTimeout);
    });
  }

  // offered takes an offer: the first one of the other, or a later one.
  offered(offer) {
    this.#id ??= offer.call;
    return this.#step(async () => {
      this.#on.trace('in', 'offer', size(offer));
      if (!this.#pc) await this.#prepare();
      if (this.#pc.signalingState !== 'stable' && !this.#polite) {
        this.#on.trace('here', 'offer not taken', 'ours was first');
        return;
      }
      await this.#pc.setRemoteDescription({ type: offer.type ?? 'offer', sdp: offer.sdp });
      await this.#addEarly();
      await this.#attach();
      await this.#pc.setLocalDescription();
      this.#describe();
    });
  }

  // answered takes the answer to our offer.
  answered(answer) {
    return this.#step(async () => {
      this.#on.trace('in', 'answer', size(answer));
      // It may answer an offer that was given up, or come twice.
      if ((answer.call ?? this.#id) !== this.#id || this.#pc?.signalingState !== 'have-local-offer') return;
      this.waiting = false;
      clearTimeout(this.#timers.answer);
      await this.#pc.setRemoteDescription({ type: answer.type ?? 'answer', sdp: answer.sdp });
      await this.#addEarly();
    });
  }

  // candidate takes one of the other's candidates.
  candidate(init) {
    return this.#step(async () => {
      if ((init.call ?? this.#id) !== this.#id) return;
      const candidate = new RTCIceCandidate(init);
      this.#on.trace('in', 'candidate', place(candidate));
      if (this.#pc?.remoteDescription) await this.#add(candidate);
      else this.#early.push(candidate);
    });
  }

  // missing means that the other has left the server. Without it no other path
  // can be found, so the end of this one is the end: a browser that is closed or
  // crashes cannot always say goodbye.
  missing() {
    clearTimeout(this.#timers.missing);
    this.#timers.missing = setTimeout(() => {
      this.#missing = true;
      if (!this.#up) this.close('left');
    }, missingFor);
  }

  // unknown takes missing back: the other is on the server again, or we are not.
  unknown() {
    clearTimeout(this.#timers.missing);
    this.#missing = false;
  }

  // nudge repeats what may have been lost, once the server or the other is back.
  nudge() {
    this.#step(async () => {
      const open = this.#pc?.signalingState === 'have-local-offer';
      if (this.#up || this.waiting) {
        if (open) this.#describe();
      } else if (this.#pc) {
        // An offer from before names TURN servers that may be gone.
        if (open) await this.#pc.setLocalDescription({ type: 'rollback' });
        await this.#restart();
      }
    });
  }

  // restart looks for another path: the network has changed.
  restart() {
    this.#step(() => this.#pc && !this.waiting && this.#restart());
  }

  // say sends text.
  say(text) {
    this.#chat.send(text);
  }

  // tell sends a message about a call.
  tell(message) {
    if (this.#control?.readyState === 'open') this.#control.send(JSON.stringify(message));
    else this.#unsent.push(message);
  }

  // send makes a track what the other gets of its kind; null is nothing. The
  // first time, media must be negotiated: by one side only, since browsers do
  // not all recover when two such offers cross.
  async send(kind, track) {
    this.#tracks[kind] = track;
    if (this.closed || !this.#pc) return;
    if (this.#pc.getTransceivers().length > 0) await this.#attach();
    else if (!this.#polite) for (const [kind, track] of Object.entries(this.#tracks)) this.#pc.addTransceiver(track ?? kind);
  }

  // channel resolves to a new data channel for a file.
  channel() {
    const channel = this.#pc.createDataChannel('file');
    return new Promise((resolve, reject) => {
      channel.onopen = () => resolve(channel);
      channel.onclose = channel.onerror = () => reject(new Error('the channel closed'));
    });
  }

  // close ends the connection.
  close(why, error) {
    if (this.closed) return;
    this.closed = true;
    this.waiting = false;
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#pc?.close();
    this.#on.closed(why, error);
  }

  // step does something after everything before it, unless the connection is
  // closed. A step that fails closes it.
  #step(step) {
    this.#steps = this.#steps.then(async () => {
      if (this.closed) return;
      try {
        await step();
      } catch (err) {
        this.close('broken', err.message);
      }
    });
    return this.#steps;
  }

  async #prepare() {
    const pc = new RTCPeerConnection(await this.#configuration());
    if (this.closed) {
      pc.close();
      throw new Error('closed');
    }
    this.#pc = pc;
    pc.onnegotiationneeded = () =>
      this.#step(async () => {
        // If not stable, the event comes again.
        if (pc.signalingState !== 'stable') return;
        await pc.setLocalDescription();
        this.#describe();
      });
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate || this.closed) return;
      this.#on.trace('out', 'candidate', place(candidate));
      // The offer's own error tells if the other is gone.
      this.#signal('ice-candidate', { ...candidate.toJSON(), call: this.#id }).catch(() => {});
    };
    pc.ontrack = ({ track }) => this.#on.track(track);
    pc.ondatachannel = ({ channel }) => this.#adopt(channel);
    pc.oniceconnectionstatechange = () => {
      if (pc.iceConnectionState === 'checking') this.#on.trace('here', 'trying the candidates', '');
    };
    pc.onconnectionstatechange = () => this.#changed(pc.connectionState);
  }

  async #configuration() {
    return {
      iceServers: await this.#findIceServers(),
      iceTransportPolicy: onlyRelayed ? 'relay' : 'all',
    };
  }

  // findIceServers asks the server for STUN and TURN servers. Without any, two
  // browsers find each other on one machine or in one network.
  async #findIceServers() {
    let timer;
    const timeout = new Promise((resolve) => (timer = setTimeout(resolve, iceTimeout, [])));
    try {
      return await Promise.race([this.#iceServers(), timeout]);
    } catch {
      return [];
    } finally {
      clearTimeout(timer);
    }
  }

  #changed(state) {
    const { restart, end } = this.#timers;
    switch (state) {
      case 'connected':
        clearTimeout(restart);
        clearTimeout(end);
        this.#timers.end = 0;
        this.#on.trace('here', 'connected', '');
        this.#up = true;
        this.#on.path(true);
        this.#timers.measure ||= setInterval(() => this.#measure(), measureEvery);
        this.#measure();
        break;
      case 'disconnected':
      case 'failed':
        if (!this.#timers.measure) {
          if (state === 'failed') this.close('failed');
          return;
        }
        if (this.#up) this.#on.trace('here', 'interrupted', 'another path is looked for');
        this.#up = false;
        if (this.#missing) {
          this.close('left');
          return;
        }
        this.#on.path(false);
        clearTimeout(restart);
        this.#timers.restart = setTimeout(() => this.restart(), state === 'failed' ? 0 : restartAfter);
        this.#timers.end ||= setTimeout(() => this.close('failed'), giveUpAfter);
        break;
    }
  }

  // restart asks for credentials as well, since the TURN server may be another
  // one by now. The offer that it causes may be lost with the server: see nudge.
  async #restart() {
    if (this.#pc.signalingState !== 'stable') return;
    this.#on.trace('here', 'ICE restart', '');
    const configuration = await this.#configuration();
    if (this.closed) return;
    if (configuration.iceServers.length > 0) this.#pc.setConfiguration(configuration);
    this.#pc.restartIce();
  }

  // adopt takes a data channel for what its label says.
  #adopt(channel) {
    switch (channel.label) {
      case 'chat':
        this.#chat = channel;
        channel.onopen = () => {
          this.#on.trace('here', 'data channel open', '');
          this.#on.open();
        };
        channel.onmessage = ({ data }) => typeof data === 'string' && this.#on.text(data);
        channel.onclose = () => this.close('left');
        break;
      case 'call':
        this.#control = channel;
        channel.onopen = () => this.#unsent.splice(0).forEach((message) => this.tell(message));
        channel.onmessage = ({ data }) => this.#step(() => this.#on.control(JSON.parse(data)));
        break;
      case 'file':
        this.#on.file(channel);
        break;
    }
  }

  // attach gives every kind of media its track. Both directions are open from
  // the start: what is sent later on need not be negotiated.
  async #attach() {
    for (const transceiver of this.#pc.getTransceivers()) {
      transceiver.direction = 'sendrecv';
      await transceiver.sender.replaceTrack(this.#tracks[transceiver.receiver.track.kind]);
    }
  }

  async #addEarly() {
    for (const candidate of this.#early.splice(0)) await this.#add(candidate);
  }

  async #add(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch {
      // It belongs to an offer that was given up for another one.
    }
  }

  // describe sends our description.
  #describe() {
    const { type, sdp } = this.#pc.localDescription;
    this.#on.trace('out', type, size({ sdp }));
    this.#told = true;
    this.#signal(type, { type, sdp, call: this.#id }).catch((err) => this.undelivered(err.message));
  }

  // undelivered means that the other did not get our description. If the two are
  // connected, nudge sends it again.
  undelivered(error) {
    if (this.closed) return;
    if (!this.#timers.measure) this.close('undelivered', error);
    else if (this.#told) this.#on.trace('here', 'not delivered', 'sent again when the server and the other are there');
    this.#told = false; // the error may come twice
  }

  async #measure() {
    const figures = measure(await this.#pc.getStats());
    if (!this.closed && figures) this.#on.figures(figures);
  }
}

// endings says why a connection ended, for {name}.
export const endings = {
  here: 'You closed the channel.',
  left: '{name} closed the channel.',
  unanswered: '{name} did not answer. Perhaps nobody is there, or it is another kind of client.',
  undelivered: '{name} could not be reached.',
  failed: onlyRelayed
    ? 'No path through a TURN server was found.'
    : 'No path was found. Without STUN and TURN servers, both must be in the same network.',
  replaced: '{name} connected again.',
  broken: 'The browser could not go on with this connection.',
};

function size({ sdp } = {}) {
  return typeof sdp === 'string' ? `${sdp.length} bytes of SDP` : '';
}
