// The contract's Oodaa flow on stock socket.io, as one would write it: what
// `make bench` compares with. WebSocket only, no logging, no limits.
// Prints its port when it listens.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });

const sockets = new Map(); // userId -> socket

const bodies = {
  offer: ["offer", "Invalid offer data"],
  answer: ["answer", "Invalid answer data"],
  "ice-candidate": ["candidate", "Invalid ICE candidate data"],
  "custom-message": ["message", "Invalid custom message data"],
};

io.on("connection", (socket) => {
  let me = null;

  const userList = () => {
    const users = [];
    for (const id of sockets.keys()) {
      if (id !== me) users.push(id);
    }
    socket.emit("user-list", { users });
  };

  const leave = () => {
    if (me !== null && sockets.get(me) === socket) {
      sockets.delete(me);
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
      former?.disconnect(true);
      me = userId;
      sockets.set(userId, socket);
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
        else socket.emit("error", `User ${to} not found`);
      }
    });
  }

  socket.on("get-users", userList);
  socket.on("ping", () => socket.emit("pong"));
  socket.on("disconnect", leave);
});

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(http.address().port));
