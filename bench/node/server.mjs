// Stock socket.io on one instance: what `make bench` compares with. WebSocket
// only. Prints its port when it listens.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { serve } from "./oodaa.mjs";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });

const sockets = new Map(); // userId -> socket

serve(io, {
  ids: () => sockets.keys(),
  take(id, socket) {
    const former = sockets.get(id);
    sockets.set(id, socket);
    former?.disconnect(true);
  },
  leave: (id, socket) => sockets.get(id) === socket && sockets.delete(id),
  relay(to, ...args) {
    const target = sockets.get(to);
    target?.emit(...args);
    return target !== undefined;
  },
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(http.address().port));
