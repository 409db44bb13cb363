// Volli's flow over a plain WebSocket, with the reconnection of its app or with
// that of the package reconnecting-websocket.

import module from 'node:module';
import WebSocket from 'ws';

const ReconnectingWebSocket = module.createRequire(import.meta.url)('reconnecting-websocket');

const ATTEMPTS = 5;

export function volli(spec, report) {
  const { id, url, reconnecting, token } = spec;
  let socket;
  let attempt = 0;
  let leaving = false;

  // A plain WebSocket takes nothing while it is not open; the package keeps what
  // it is given until then.
  function send(message) {
    if (reconnecting || socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ from: id, ...message }));
  }

  const messages = {
    registered: () => report('registered'),
    error: ({ message }) => report('error', { text: message }),
    offer({ from, offer }) {
      report('offer', { body: offer });
      send({ type: 'answer', to: from, answer: offer });
    },
    answer({ from, answer }) {
      report('answer', { body: answer });
      send({ type: 'ice-candidate', to: from, candidate: answer });
    },
    'ice-candidate': ({ candidate }) => report('ice-candidate', { body: candidate }),
  };

  function attach() {
    socket.onopen = () => {
      attempt = 0;
      const register = { type: 'register', userId: id, publicKey: `key of ${id}` };
      socket.send(JSON.stringify(token ? { ...register, token } : register));
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      messages[message.type]?.(message);
    };
    socket.onerror = () => {}; // a close event follows
    socket.onclose = ({ code, reason }) => {
      report('lost', { text: `${code} ${reason}` });
      if (!reconnecting && !leaving && attempt < ATTEMPTS) setTimeout(open, ++attempt * 1000);
    };
  }

  function open() {
    if (leaving) return;
    socket = reconnecting ? new ReconnectingWebSocket(url, [], { WebSocket }) : new WebSocket(url);
    attach();
  }

  open();
  return {
    call: (to, body) => send({ type: 'offer', to, offer: body }),
    leave() {
      leaving = true;
      socket.close(1000);
    },
  };
}
