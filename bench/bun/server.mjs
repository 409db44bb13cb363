// Stock socket.io on Bun, with the engine that its makers offer for it: its
// WebSockets are uWebSockets'.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { here, serve } from "../node/oodaa.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
serve(io, here());

Bun.serve({ ...engine.handler(), hostname: "127.0.0.1", port: Number(process.env.PORT ?? 0) });
