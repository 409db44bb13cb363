// What server.mjs does, on several instances over Redis: stock socket.io with
// its Redis adapter. Every instance knows who is registered where, so that
// "User … not found" costs nothing; a relay is published to the room of its
// target and nothing comes back, so that a sender never learns whether it was
// delivered. Prints its port when it listens.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { serve } from "./oodaa.mjs";

const publisher = createClient({ url: process.env.REDIS_URL });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, {
  transports: ["websocket"],
  serveClient: false,
  adapter: createAdapter(publisher, subscriber),
});

const instance = randomUUID();
const holders = new Map(); // userId -> the instance that has it
const sockets = new Map(); // userId -> socket, of this instance

// What the other instances say.
io.on("joined", (userId, at) => {
  const former = sockets.get(userId);
  sockets.delete(userId);
  holders.set(userId, at);
  former?.disconnect(true);
});
io.on("left", (userId, at) => {
  if (holders.get(userId) === at) holders.delete(userId);
});

serve(io, {
  ids: () => holders.keys(),
  take(id, socket) {
    const former = sockets.get(id);
    sockets.set(id, socket);
    holders.set(id, instance);
    io.serverSideEmit("joined", id, instance);
    former?.disconnect(true);
    socket.join(id);
  },
  leave(id, socket) {
    if (sockets.get(id) !== socket) return false;
    sockets.delete(id);
    holders.delete(id);
    io.serverSideEmit("left", id, instance);
    socket.leave(id);
    return true;
  },
  relay(to, ...args) {
    const target = sockets.get(to);
    if (target) target.emit(...args);
    else if (holders.has(to)) io.to(to).emit(...args);
    else return false;
    return true;
  },
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(http.address().port));
