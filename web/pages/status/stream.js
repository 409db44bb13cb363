// The server's figures, once a second.
//
// One page of a browser holds the stream, and hands on to the others what it
// gets: over HTTP/1.1 a browser opens only six connections to a host, and each
// stream takes one. Where there are no locks (plain HTTP), each page holds its
// own.

const silenceAtMost = 5000; // ms without an event; there should be one a second
const pauses = [500, 1000, 2000, 4000]; // ms before another attempt
const holderSilence = 12_000; // ms after which the holder is taken for suspended

// follow calls sample with each sample, and state with 'connecting', 'live' or
// 'lost'.
export function follow(path, { sample, state }) {
  const url = new URL(path, document.baseURI).href;
  let heard = performance.now();
  const take = (message) => {
    heard = performance.now();
    if (message.sample) {
      sample(message.sample);
      state('live');
    } else {
      state(message.state);
    }
  };
  state('connecting');
  if (!navigator.locks) {
    hold(url, take);
    return;
  }
  const channel = new BroadcastChannel(url);
  channel.onmessage = ({ data }) => take(data);
  const tell = (message) => {
    take(message);
    channel.postMessage(message);
  };
  const request = (options) => {
    let release = () => {};
    navigator.locks
      .request(url, options, () => {
        release = hold(url, tell);
        return new Promise(() => {}); // until the page is closed
      })
      .catch(() => {
        // Another page took it, since this one was suspended.
        release();
        request({});
      });
  };
  request({});
  setInterval(() => {
    if (document.hidden || performance.now() - heard < holderSilence) return;
    heard = performance.now();
    request({ steal: true });
  }, 1000);
}

// hold keeps a stream open until what it returns is called.
function hold(url, tell) {
  let source;
  let timer;
  let attempts = 0;
  const open = () => {
    source = new EventSource(url);
    source.onmessage = ({ data }) => {
      attempts = 0;
      wait(silenceAtMost, lose);
      tell({ sample: JSON.parse(data) });
    };
    // Its own attempts would end at an answer that is none, a proxy's 502 say.
    source.onerror = lose;
    wait(silenceAtMost, lose);
  };
  const lose = () => {
    source.close();
    const most = pauses[Math.min(attempts++, pauses.length - 1)];
    wait(most * (0.5 + Math.random() / 2), open);
    tell({ state: 'lost' });
  };
  const wait = (ms, next) => {
    clearTimeout(timer);
    timer = setTimeout(next, ms);
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}
