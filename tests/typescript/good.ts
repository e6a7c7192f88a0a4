// A client as one writes it; that it compiles is the test.
import { io, type Socket } from "socket.io-client";
import type { Answer, Card, ClientToServerEvents, Fields, ServerToClientEvents } from "../../web/src/lib/events";

const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io("http://localhost:8080", {
  transports: ["websocket"],
  auth: { token: "…" },
});

export async function sayHello(to: Card): Promise<number | string> {
  const message: Fields<"message/send"> = { target_user_id: to.user_id, random_id: 7, message: "hello" };
  const answer = await socket.emitWithAck("message/send", message);
  if (answer.code === 200) return answer.data.seq;
  if (answer.error.name === "rate_limited") return answer.error.retry_after;
  if (answer.error.name === "invalid_payload") return Object.keys(answer.error.fields).join();
  return answer.code === 900 ? "unblock first" : answer.error.message;
}

export async function everything(): Promise<void> {
  const me = await socket.timeout(5000).emitWithAck("user/me");
  const asBob = await socket.emitWithAck("user/me", { token: "…" });
  const page: Answer<"research"> = await socket.emitWithAck("research", { age_min: 20, tags: ["tea"] });
  await socket.emitWithAck("research");
  await socket.emitWithAck("user/save_profile", { gps: null, image: [new Uint8Array(3), "u3mZ0pV1c7yQfKx2LrT9aw"] });
  const online: true = success(await socket.emitWithAck("user/set_online"));
  const names: string[] = success(page).users.map((card) => card.first_name);
  socket.emit("user/like", { target_user_id: 1 }, (answer) => {
    if (answer.code === 200) console.log(answer.data.connected, names, me, asBob, online);
  });
  socket.emit("user/likes", (answer) => console.log(answer.code === 200 ? answer.data.likes.length : answer.error));
  socket.emit("user/likes", { limit: 5 }, (answer) => console.log(answer.code === 200 && answer.data.cursor));
  socket.timeout(5000).emit("user/like", { target_user_id: 1 }, (lost, answer) => console.log(lost.message, answer));
}

socket.on("message/new", ({ seq, at, user_id, message }) => console.log(seq, at, user_id, message.random_id ?? 0));
socket.on("connection", ({ state, user }) => console.log(state === "connected" ? user?.login : "gone"));
socket.on("presence", ({ user_id, online }) => console.log(user_id, online === null));
socket.on("goodbye", ({ reason, retry_after }) => console.log(reason === "draining", (retry_after ?? 0) + 1));

function success<T>(answer: { code: 200; data: T } | { code: number; error: { message: string } }): T {
  if ("data" in answer) return answer.data;
  throw new Error(answer.error.message);
}
