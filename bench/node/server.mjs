// Stock socket.io on one instance: what `make bench` compares with. WebSocket
// only. Prints its port when it listens.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { here, serve } from "./oodaa.mjs";

const http = createServer((request, answer) => answer.end('{"status":"ok"}')); // /health
const io = new Server(http, { transports: ["websocket"], serveClient: false });

serve(io, here());

http.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(http.address().port));
