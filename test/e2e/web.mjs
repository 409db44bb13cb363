// Plain HTTP requests, as curl, a load balancer or a browser makes them.

import http from 'node:http';
import { within } from './deadline.mjs';

export const polling = '/socket.io/?EIO=4&transport=polling';
export const websocket = '/socket.io/?EIO=4&transport=websocket';
export const volli = ['/', '/signaling', '/ws'];

// request resolves to the answer: status, headers (lower case), body. An
// upgrade that was accepted is an answer with status 101; it is closed again.
export function request(server, path, { method = 'GET', headers = {}, body } = {}) {
  const answer = new Promise((resolve, reject) => {
    const req = http.request(server.url + path, { method, headers, agent: false });
    req.on('error', reject);
    req.on('upgrade', (res, socket) => {
      socket.destroy();
      resolve({ status: res.statusCode, headers: res.headers, body: '' });
    });
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('data', (chunk) => (text += chunk));
      res.on('error', reject);
      res.on('end', () => resolve({ status: res.statusCode, headers: res.headers, body: text }));
    });
    req.end(body);
  });
  return within(`the answer to ${method} ${path}`, answer);
}

// json resolves to the answer's body, which must be JSON.
export async function json(server, path, options) {
  const { body } = await request(server, path, options);
  return JSON.parse(body);
}

// handshake opens a long-polling session, and closes it again if it was let
// in. It resolves to the answer of the handshake.
export async function handshake(server, headers = {}) {
  const answer = await request(server, polling, { headers });
  if (answer.status === 200) {
    const { sid } = JSON.parse(answer.body.slice(1));
    await request(server, `${polling}&sid=${sid}`, { method: 'POST', headers, body: '1' });
  }
  return answer;
}

// upgrade asks for a WebSocket.
export function upgrade(server, headers = {}, path = websocket) {
  return request(server, path, {
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    },
  });
}

// statusOf is the HTTP status with which a Socket.IO client was refused, as
// far as its connect_error tells.
export function statusOf(err) {
  if (typeof err.description === 'number') return err.description; // long-polling
  return Number(/Unexpected server response: (\d+)/.exec(err.description?.message)?.[1]);
}
