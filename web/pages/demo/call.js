// A call: one RTCPeerConnection with a data channel for text, and one more for
// each file. Offers, answers and candidates go through the server; everything
// else goes directly, or through a TURN server.

const answerTimeout = 20_000;
const measureEvery = 2000;
const iceTimeout = 5000;

// onlyRelayed is for those who want to see a TURN server at work: the page was
// opened with ?relay=only.
export const onlyRelayed = new URLSearchParams(location.search).get('relay') === 'only';

// A Call tells its owner, on:
//
//   trace(way, what, detail)   a step: 'out', 'in' or 'here'
//   open()                     text can be sent
//   text(text)                 text came
//   file(channel)              a file comes
//   pair(pair)                 how the two are connected, from time to time:
//                              {local, remote, relayed, ms}
//   closed(why, error)         the end: one of the keys of endings
export class Call {
  closed = false;
  // waiting means that our offer was not answered yet.
  waiting = false;

  #signal; // (kind, body) => Promise
  #iceServers; // () => Promise
  #on;
  #pc = null;
  #chat = null;
  #held = []; // our candidates that the other cannot use before our description
  #early = []; // the other's candidates that came before its description
  #id; // of the call, in offer and answer: clients that do not know it ignore it
  #timer;
  #measuring;

  constructor(signal, iceServers, on) {
    this.#signal = signal;
    this.#iceServers = iceServers;
    this.#on = on;
  }

  // offer calls the other.
  offer() {
    return this.#attempt(async () => {
      this.waiting = true;
      this.#id = crypto.getRandomValues(new Uint32Array(2)).join('-');
      await this.#prepare();
      this.#adopt(this.#pc.createDataChannel('chat'));
      await this.#pc.setLocalDescription();
      this.#timer = setTimeout(() => this.close('unanswered'), answerTimeout);
      await this.#describe('offer');
    });
  }

  // accept takes the other's offer.
  accept(offer) {
    return this.#attempt(async () => {
      this.#on.trace('in', 'offer', size(offer));
      this.#id = offer.call;
      await this.#prepare();
      await this.#understand(offer);
      await this.#pc.setLocalDescription();
      await this.#describe('answer');
    });
  }

  // answered takes the other's answer to our offer.
  answered(answer) {
    return this.#attempt(async () => {
      this.#on.trace('in', 'answer', size(answer));
      // It may be that to a call that was given up.
      if (!this.waiting || (answer.call ?? this.#id) !== this.#id) return;
      this.waiting = false;
      clearTimeout(this.#timer);
      await this.#understand(answer);
    });
  }

  // candidate takes one of the other's candidates.
  candidate(init) {
    return this.#attempt(async () => {
      const candidate = new RTCIceCandidate(init);
      this.#on.trace('in', 'candidate', place(candidate));
      if (this.#pc?.remoteDescription) await this.#add(candidate);
      else this.#early.push(candidate);
    });
  }

  // say sends text.
  say(text) {
    this.#chat.send(text);
  }

  // channel resolves to a new data channel for a file.
  channel() {
    const channel = this.#pc.createDataChannel('file');
    return new Promise((resolve, reject) => {
      channel.onopen = () => resolve(channel);
      channel.onclose = channel.onerror = () => reject(new Error('the channel closed'));
    });
  }

  // close ends the call.
  close(why, error) {
    if (this.closed) return;
    this.closed = true;
    this.waiting = false;
    clearTimeout(this.#timer);
    clearInterval(this.#measuring);
    this.#pc?.close();
    this.#on.closed(why, error);
  }

  // attempt does a step, unless the call is over. A step that fails ends it.
  async #attempt(step) {
    if (this.closed) return;
    try {
      await step();
    } catch (err) {
      this.close('broken', err.message);
    }
  }

  async #prepare() {
    const pc = new RTCPeerConnection({
      iceServers: await this.#findIceServers(),
      iceTransportPolicy: onlyRelayed ? 'relay' : 'all',
    });
    if (this.closed) {
      pc.close();
      throw new Error('closed');
    }
    this.#pc = pc;
    pc.onicecandidate = ({ candidate }) => {
      if (!candidate?.candidate) return;
      if (this.#held) this.#held.push(candidate);
      else this.#trickle(candidate);
    };
    pc.ondatachannel = ({ channel }) => {
      if (channel.label === 'chat') this.#adopt(channel);
      else if (channel.label === 'file') this.#on.file(channel);
    };
    pc.oniceconnectionstatechange = () => {
      if (pc.iceConnectionState === 'checking') this.#on.trace('here', 'trying the candidates', '');
    };
    pc.onconnectionstatechange = () => {
      switch (pc.connectionState) {
        case 'connected':
          this.#on.trace('here', 'connected', '');
          this.#measure();
          this.#measuring ??= setInterval(() => this.#measure(), measureEvery);
          break;
        case 'disconnected':
          this.#on.trace('here', 'interrupted', '');
          break;
        case 'failed':
          this.close('failed');
          break;
      }
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

  // adopt makes a channel the one for text.
  #adopt(channel) {
    this.#chat = channel;
    channel.onopen = () => {
      this.#on.trace('here', 'data channel open', '');
      this.#on.open();
    };
    channel.onmessage = ({ data }) => typeof data === 'string' && this.#on.text(data);
    channel.onclose = () => this.close('left');
  }

  async #understand(description) {
    await this.#pc.setRemoteDescription(description);
    for (const candidate of this.#early.splice(0)) await this.#add(candidate);
  }

  async #add(candidate) {
    try {
      await this.#pc.addIceCandidate(candidate);
    } catch {
      // It belongs to an offer that was given up for another one.
    }
  }

  // describe sends our description, and then what was held back for it.
  async #describe(kind) {
    const { type, sdp } = this.#pc.localDescription;
    this.#on.trace('out', kind, size({ sdp }));
    const sent = this.#signal(kind, { type, sdp, call: this.#id });
    const held = this.#held;
    this.#held = null;
    held.forEach((candidate) => this.#trickle(candidate));
    try {
      await sent;
    } catch (err) {
      this.close('undelivered', err.message);
    }
  }

  #trickle(candidate) {
    this.#on.trace('out', 'candidate', place(candidate));
    // The offer's own error tells if the other is gone.
    this.#signal('ice-candidate', candidate.toJSON()).catch(() => {});
  }

  async #measure() {
    const stats = await this.#pc.getStats();
    if (this.closed) return;
    const all = [...stats.values()];
    const transport = all.find((s) => s.type === 'transport' && s.selectedCandidatePairId);
    const pair = transport
      ? stats.get(transport.selectedCandidatePairId)
      : all.find((s) => s.type === 'candidate-pair' && s.nominated && s.state === 'succeeded');
    const local = stats.get(pair?.localCandidateId);
    const remote = stats.get(pair?.remoteCandidateId);
    if (!local || !remote) return;
    this.#on.pair({
      local: place(local),
      remote: place(remote),
      relayed: local.candidateType === 'relay' || remote.candidateType === 'relay',
      ms: pair.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
    });
  }
}

// endings says why a call ended, for {name}.
export const endings = {
  here: 'You closed the channel.',
  left: '{name} closed the channel.',
  unanswered: '{name} did not answer. Maybe nobody is looking, or it is another kind of client.',
  undelivered: '{name} could not be reached.',
  failed: onlyRelayed
    ? 'No path through a TURN server was found.'
    : 'No path was found. Without STUN and TURN servers both must be in the same network.',
  replaced: '{name} called anew.',
  broken: 'The browser could not go on with this call.',
};

function size({ sdp } = {}) {
  return typeof sdp === 'string' ? `${sdp.length} bytes of SDP` : '';
}

// place says where a candidate is: of RTCIceCandidate, or of the statistics.
function place(c) {
  const type = c.candidateType ?? c.type ?? 'candidate';
  // Browsers keep back the address of a candidate that they found by themselves.
  let address = c.address || c.ip || '(unknown)';
  if (address.includes(':') && !address.startsWith('[')) address = `[${address}]`;
  // Ours only, since the other's way to its relay is not for us to know.
  const way = c.relayProtocol ? `, reached by ${c.relayProtocol}` : '';
  return `${type} ${c.protocol ?? ''} ${address}:${c.port}${way}`;
}
