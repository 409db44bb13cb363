// Compiled with types/signaling.d.ts and socket.io-client, not run.

import { io, type Socket } from "socket.io-client";
import type { ClientToServerEvents, ServerToClientEvents } from "../../../types/signaling";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://localhost:3001");

socket.on("connect", () => socket.emit("register", { userId: "alice" }));
socket.on("user-list", ({ users: [to] }) => {
  if (to === undefined) return;
  socket.emit("offer", { to, from: "alice", offer: { type: "offer", sdp: "v=0" } }, (result) => {
    if (!result.ok) console.log(result.error.toUpperCase(), result.code === "not_found");
  });
});
socket.on("answer", ({ from, answer }) => console.log(from.length, answer.sdp));
socket.on("error", (text) => console.log(text === "Not registered", text.startsWith("User ")));
socket.emit("get-users");
socket.emit("watch-users", { users: ["bob"] });
socket.emit("watch-users", { add: ["carol"] }, (result) => console.log(result.ok));
socket.emit("get-ice-servers", ({ iceServers }) => console.log(iceServers[0]?.urls));

async function acknowledged(): Promise<boolean> {
  return (await socket.timeout(5000).emitWithAck("ping")).ok;
}
void acknowledged();

// @ts-expect-error: the server does not know this event.
socket.emit("call", {});
// @ts-expect-error: user IDs are strings.
socket.emit("watch-users", { remove: [5] });
// @ts-expect-error: the payload is missing.
socket.emit("answer", { to: "bob", from: "alice" });
// @ts-expect-error: this event has the key users.
socket.on("user-list", ({ peers }) => peers);
// @ts-expect-error: this is not a text of the server.
socket.on("error", (text) => text === "Forbidden");
