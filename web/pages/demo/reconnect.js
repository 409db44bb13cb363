// A WebSocket that comes back by itself: each time it is lost it is opened
// again, after pauses that grow and differ between clients, so that they do not
// all come at once to a server that has restarted.

const pauses = [500, 1000, 2000, 4000, 8000]; // ms, at most
const openTimeout = 10_000;

// The states that onstate gets:
//
//   connecting   a connection is being opened
//   online       the server knows us by our name
//   waiting      lost; the detail is how many ms until the next attempt
//   ended        for good; the detail says why
export class Reconnecting {
  onstate = () => {};
  onframe = () => {}; // what went over the wire: 'out' or 'in', and the text

  #url;
  #socket = null;
  #wanted = false;
  #attempts = 0;
  #next; // timer of the next attempt
  #patience; // timer that ends when the server has been silent for too long

  constructor(url) {
    this.#url = url;
  }

  open() {
    this.#wanted = true;
    this.#connect();
  }

  // close ends it for good.
  close() {
    this.#wanted = false;
    clearTimeout(this.#next);
    this.goodbye();
    this.#drop();
  }

  // end closes for good; onstate gets the reason.
  end(why) {
    this.close();
    this.onstate('ended', why);
  }

  // retry does not wait any longer for the next attempt.
  retry() {
    if (this.#wanted && !this.#socket) this.#connect();
  }

  // write reports whether there was a connection to write to.
  write(text) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(text);
    this.onframe('out', text);
    return true;
  }

  // expect gives the server so many milliseconds to be heard of.
  expect(ms) {
    clearTimeout(this.#patience);
    if (ms) this.#patience = setTimeout(() => this.lose({}), ms);
  }

  // online is to be called when the server has accepted us.
  online() {
    this.#attempts = 0;
    this.onstate('online');
  }

  // Hooks: the connection is open; we are about to close it; a text came; it is
  // gone. final says why it shall not come back after such a close, or nothing.
  opened() {}
  goodbye() {}
  received() {}
  gone() {}
  final() {}

  #connect() {
    clearTimeout(this.#next);
    this.onstate('connecting');
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.expect(openTimeout);
    socket.onopen = () => this.opened();
    socket.onmessage = ({ data }) => {
      if (typeof data !== 'string') return;
      this.onframe('in', data);
      this.received(data);
    };
    socket.onclose = (event) => this.lose(event);
  }

  // lose gives up the connection, and comes back unless it is final.
  lose({ code, reason }) {
    this.#drop();
    if (!this.#wanted) return;
    const why = this.final({ code, reason });
    if (why) {
      this.end(why);
      return;
    }
    const most = pauses[Math.min(this.#attempts++, pauses.length - 1)];
    const pause = most * (0.5 + Math.random() / 2);
    this.#next = setTimeout(() => this.#connect(), pause);
    this.onstate('waiting', pause);
  }

  #drop() {
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    this.expect(0);
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    this.gone();
  }
}

// address is the WebSocket URL of a path of the server that this page is from.
export function address(path) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  url.hash = '';
  return url.href;
}
