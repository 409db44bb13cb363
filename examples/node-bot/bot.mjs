// Answers every call, and sends back what arrives on the call's data channels.

import { io } from "socket.io-client";
import { RTCPeerConnection } from "werift";

const userId = process.env.BOT_ID ?? "bot";
const socket = io(process.env.SERVER ?? "http://localhost:3001", { transports: ["websocket"] });
const calls = new Map(); // user ID → RTCPeerConnection

function answerer() {
  const pc = new RTCPeerConnection({ iceServers: [] });
  pc.ondatachannel = ({ channel }) => {
    channel.onmessage = ({ data }) => channel.send(data);
  };
  return pc;
}

function hangUp(peer) {
  calls.get(peer)?.close();
  calls.delete(peer);
}

socket.on("connect", () => {
  socket.emit("register", { userId }, ({ ok, error }) => console.log(ok ? `registered as ${userId}` : error));
});
socket.on("disconnect", (reason) => console.log("disconnected:", reason));
socket.on("error", (text) => console.log("error:", text));
socket.on("peer-disconnected", ({ peerId }) => hangUp(peerId));

socket.on("offer", async ({ from, offer }) => {
  // What arrives before the offer is set has to wait for it.
  if (!calls.has(from)) calls.set(from, answerer());
  const pc = calls.get(from);
  await (pc.ready = pc.setRemoteDescription(offer));
  await pc.setLocalDescription(await pc.createAnswer()); // with all candidates
  socket.emit("answer", { to: from, from: userId, answer: pc.localDescription });
  console.log("answered", from);
});
socket.on("ice-candidate", async ({ from, candidate }) => {
  const pc = calls.get(from);
  await pc?.ready;
  await pc?.addIceCandidate(candidate);
});
