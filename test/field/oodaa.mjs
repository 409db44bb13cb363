// The flow of Oodaa's app on a stock socket.io-client: it registers on every
// connect and answers calls. The library does everything else.

const versions = new Map();
for (const version of ['3.0', '3.1', '4.0', '4.4', '4.7', '4.8']) {
  const { io } = await import(`socket.io-client-${version}`);
  versions.set(version, io);
}

const OFFLINE = 10; // relays that an eager app emits while it is disconnected

export function oodaa(spec, report) {
  const { id, url, version, transports, token, peer, eager, greets } = spec;
  let socket;
  let registered = false;
  let count = 0;

  const send = (event, to, key, body) => socket.emit(event, { to, from: id, [key]: body });

  function open() {
    const options = { forceNew: true };
    if (transports) options.transports = transports;
    if (token) options.auth = (give) => give({ token });
    socket = versions.get(version)(url, options);

    socket.on('connect', () => socket.emit('register', { userId: id }));
    socket.on('user-list', () => {
      registered = true;
      report('registered');
    });
    socket.on('connect_error', (err) => report('refused', { text: err.message }));
    socket.on('error', (text) => report('error', { text }));
    socket.on('disconnect', (text) => {
      report('lost', { text });
      if (eager && registered) emitOffline();
      registered = false;
    });

    socket.on('offer', ({ from, offer }) => {
      report('offer', { body: offer });
      send('answer', from, 'answer', offer);
    });
    socket.on('answer', ({ from, answer }) => {
      report('answer', { body: answer });
      send('ice-candidate', from, 'candidate', answer);
    });
    socket.on('ice-candidate', ({ candidate }) => report('ice-candidate', { body: candidate }));

    if (greets) socket.on('peer-connected', ({ peerId }) => peerId === peer && greet());
  }

  // The library keeps these, and sends them before the app's connect handler runs.
  function emitOffline() {
    for (let i = 0; i < OFFLINE; i++) {
      const body = `${id} offline ${count++}`;
      report('emitted', { body });
      send('ice-candidate', peer, 'candidate', body);
    }
  }

  function greet() {
    const body = `${id} greets ${count++}`;
    report('emitted', { body });
    send('offer', peer, 'offer', body);
  }

  open();
  return {
    call: (to, body) => send('offer', to, 'offer', body),
    leave: () => socket.disconnect(),
    // A browser closes the WebSockets of a page that goes away with 1001, and
    // says nothing about its long-polling.
    reload() {
      const old = socket;
      old.removeAllListeners();
      old.io.reconnection(false);
      const { transport } = old.io.engine;
      if (transport.name === 'websocket') transport.ws.close(1001);
      else transport.pause(() => {});
      open();
    },
  };
}
