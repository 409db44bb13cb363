// The state of a call with one other person, and what the two pages say to each
// other about it, on a data channel of their connection.
//
//            dial                     accepted, or both have dialed
//   idle ──────────────► dialing ──────────────────────────────────► active
//     │                     │                                          │
//     └──► ringing ─────────┼── accept ────────────────────────────────┤
//          │ decline        │ hang up, declined, busy, no answer       │ hang up
//          ▼                ▼                                          ▼
//         idle             idle                                       idle

const ringFor = 45_000; // ms

// A Call calls these functions of its owner, on:
//
//   changed()         the state is another one
//   ended(words)      the call has ended, and why
//   told(state)       the other's {muted, camera, screen}
export class Call {
  state = 'idle';
  video = false; // whether the caller wants to be seen

  #tell;
  #on;
  #timer;

  constructor(tell, on) {
    this.#tell = tell;
    this.#on = on;
  }

  dial(video) {
    this.video = video;
    this.#tell({ kind: 'ring', video });
    this.#enter('dialing');
    this.#timer = setTimeout(() => this.end('cancel', '{name} did not answer.'), ringFor);
  }

  // repeat dials again, on another connection.
  repeat() {
    if (this.state === 'dialing') this.#tell({ kind: 'ring', video: this.video });
  }

  accept() {
    this.#tell({ kind: 'accept' });
    this.#enter('active');
  }

  decline() {
    this.end('decline', 'You declined the call.');
  }

  hangUp() {
    this.end('hangup', 'You hung up.');
  }

  // busy declines a call that just came, because of another one.
  busy() {
    this.end('busy', '{name} called while you were in another call.');
  }

  // describe sends what the other cannot see.
  describe(state) {
    this.#tell({ kind: 'state', ...state });
  }

  // lost means that the connection is closed.
  lost() {
    if (this.state !== 'idle') this.#leave('The call has ended.');
  }

  // end ends the call, and tells the other so.
  end(kind, words) {
    if (this.state === 'idle') return;
    this.#tell({ kind });
    this.#leave(words);
  }

  // receive takes what the other's page says.
  receive({ kind, video, ...state }) {
    switch (kind) {
      case 'ring':
        if (this.state === 'dialing') this.#enter('active');
        else if (this.state === 'idle') {
          this.video = Boolean(video);
          this.#enter('ringing');
        }
        break;
      case 'accept':
        if (this.state === 'dialing') this.#enter('active');
        // It accepted what was over already.
        else if (this.state === 'idle') this.#tell({ kind: 'hangup' });
        break;
      case 'decline':
        if (this.state === 'dialing') this.#leave('{name} declined the call.');
        break;
      case 'busy':
        if (this.state === 'dialing') this.#leave('{name} is in another call.');
        break;
      case 'cancel':
        if (this.state === 'ringing') this.#leave('You missed a call from {name}.');
        // Both had dialed, and this crossed our ring.
        else if (this.state === 'active') this.end('hangup', '{name} hung up.');
        break;
      case 'hangup':
        if (this.state !== 'idle') this.#leave(this.state === 'ringing' ? 'You missed a call from {name}.' : '{name} hung up.');
        break;
      case 'state':
        if (this.state === 'active') this.#on.told(state);
        break;
    }
  }

  #enter(state) {
    clearTimeout(this.#timer);
    this.state = state;
    this.#on.changed();
  }

  #leave(words) {
    this.#enter('idle');
    this.#on.ended(words);
  }
}
