// What server.mjs does, on several instances over Redis: stock socket.io with
// its Redis adapter, as one would write it. Every instance knows who is
// registered where, so that "User … not found" costs nothing; a relay is
// published to the room of its target and nothing comes back, so that a sender
// never learns whether it was delivered. Prints its port when it listens.
import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

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

const bodies = {
  offer: ["offer", "Invalid offer data"],
  answer: ["answer", "Invalid answer data"],
  "ice-candidate": ["candidate", "Invalid ICE candidate data"],
  "custom-message": ["message", "Invalid custom message data"],
};

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

io.on("connection", (socket) => {
  let me = null;

  const userList = () => {
    const users = [];
    for (const id of holders.keys()) {
      if (id !== me) users.push(id);
    }
    socket.emit("user-list", { users });
  };

  const leave = () => {
    if (me !== null && sockets.get(me) === socket) {
      sockets.delete(me);
      holders.delete(me);
      io.serverSideEmit("left", me, instance);
      socket.leave(me);
      socket.broadcast.emit("peer-disconnected", { peerId: me });
    }
    me = null;
  };

  socket.on("register", (data) => {
    const userId = data?.userId;
    if (typeof userId !== "string" || userId === "" || userId.length > 50) {
      socket.emit("error", "Invalid user ID");
      return;
    }
    if (userId !== me) {
      leave();
      const former = sockets.get(userId);
      me = userId;
      sockets.set(userId, socket);
      holders.set(userId, instance);
      io.serverSideEmit("joined", userId, instance);
      former?.disconnect(true);
      socket.join(userId);
      socket.broadcast.emit("peer-connected", { peerId: userId });
    }
    userList();
  });

  for (const [event, [key, invalid]] of Object.entries(bodies)) {
    socket.on(event, (data) => {
      const to = data?.to;
      const from = data?.from;
      const body = data?.[key];
      if (!to || !from || !body || typeof to !== "string" || typeof from !== "string") {
        socket.emit("error", invalid);
      } else if (me === null) {
        socket.emit("error", "Not registered");
      } else if (from !== me) {
        socket.emit("error", "Sender mismatch");
      } else {
        const target = sockets.get(to);
        if (target) target.emit(event, { from, [key]: body });
        else if (holders.has(to)) io.to(to).emit(event, { from, [key]: body });
        else socket.emit("error", `User ${to} not found`);
      }
    });
  }

  socket.on("get-users", userList);
  socket.on("ping", () => socket.emit("pong"));
  socket.on("disconnect", leave);
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(http.address().port));
