/**
 * The Socket.IO events of the signaling server:
 *
 *     import { io, type Socket } from "socket.io-client";
 *     import type { ClientToServerEvents, ServerToClientEvents } from "./signaling";
 *     const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("https://signal.example.com");
 *
 * docs/protocol.md explains them.
 */

export type UserId = string;

/** Whether a request was accepted; of a relay, whether it was handed to the target's connection. */
export type Acknowledgement = { ok: true } | { ok: false; error: ErrorText; code: ErrorCode };

/** The kind of an error, for programs. */
export type ErrorCode =
  | "invalid_user_id"
  | "invalid_data"
  | "not_found"
  | "not_registered"
  | "sender_mismatch"
  | "too_large"
  | "rate_limited"
  | "user_not_allowed"
  | "unauthorized"
  | "unavailable"
  | "invalid_user_list"
  | "not_responding";

export type ErrorText =
  | "Invalid user ID"
  | "Invalid offer data"
  | "Invalid answer data"
  | "Invalid ICE candidate data"
  | "Invalid custom message data"
  | "Not registered"
  | "Sender mismatch"
  | "Message too large"
  | "Rate limit exceeded"
  | "User ID not allowed"
  | "Unauthorized"
  | "Server unavailable"
  | "Invalid user list"
  | `User ${string} not found`
  | `User ${string} is not responding`;

export interface IceServers {
  iceServers: { urls: string[]; username?: string; credential?: string }[];
  username?: string;
  password?: string;
  /** Seconds. */
  ttl?: number;
  uris?: string[];
}

type Acknowledge = (result: Acknowledgement) => void;

export interface ClientToServerEvents {
  register: (data: { userId: UserId }, acknowledge?: Acknowledge) => void;
  offer: (data: { to: UserId; from: UserId; offer: unknown }, acknowledge?: Acknowledge) => void;
  answer: (data: { to: UserId; from: UserId; answer: unknown }, acknowledge?: Acknowledge) => void;
  "ice-candidate": (data: { to: UserId; from: UserId; candidate: unknown }, acknowledge?: Acknowledge) => void;
  "custom-message": (data: { to: UserId; from: UserId; message: unknown }, acknowledge?: Acknowledge) => void;
  "get-users": (acknowledge?: Acknowledge) => void;
  /** `users` replaces the list of watched users, `add` and `remove` change it. */
  "watch-users": (
    data: { users: UserId[] } | { add: UserId[] } | { remove: UserId[] },
    acknowledge?: Acknowledge,
  ) => void;
  ping: (acknowledge?: Acknowledge) => void;
  "get-ice-servers": (acknowledge?: (servers: IceServers) => void) => void;
}

/** Payloads are `any`, since the server relays what the other client sent. */
export interface ServerToClientEvents {
  "user-list": (data: { users: UserId[] }) => void;
  "peer-connected": (data: { peerId: UserId }) => void;
  "peer-disconnected": (data: { peerId: UserId }) => void;
  offer: (data: { from: UserId; offer: any }) => void;
  answer: (data: { from: UserId; answer: any }) => void;
  "ice-candidate": (data: { from: UserId; candidate: any }) => void;
  "custom-message": (data: { from: UserId; message: any }) => void;
  pong: () => void;
  "ice-servers": (servers: IceServers) => void;
  error: (text: ErrorText) => void;
}
