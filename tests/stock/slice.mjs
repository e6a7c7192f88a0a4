// Two people register, match, chat and part, over a stock Socket.IO client that knows nothing but the contract.
//   node slice.mjs URL '{"login": …, "mail": …, "password": …}' '{…}'
// Prints one JSON line a step. After {"need": "link", "mail": …} it reads the link in that mail from a line of stdin.
// Exits with 0, or with 1 and {"failed": …}.
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const IMAGE = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkQAYNDXAmEwMOMDglAMCIARA9mAdAAAAAAElFTkSuQmCC", "base64");
const PATIENCE = 5000; // ms for anything to come
const [url, ...people] = process.argv.slice(2);
const [anna, boris] = people.map((person) => JSON.parse(person));
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

const say = (line) => console.log(JSON.stringify(line));
const step = (name) => say({ step: name });
const later = (ms, what) => new Promise((_, reject) => setTimeout(() => reject(new Error(`waited for ${what}`)), ms).unref());

class Caller {
  constructor(auth) {
    this.pushes = [];
    this.waiting = [];
    this.socket = io(url, { transports: ["websocket"], forceNew: true, auth });
    this.socket.onAny((event, data) => {
      this.pushes.push({ event, data });
      this.waiting.splice(0).forEach((look) => look());
    });
  }

  happens(what) {
    return Promise.race([new Promise((resolve) => this.socket.once(what, resolve)), later(PATIENCE, what)]);
  }

  async connected() {
    if (!this.socket.connected) await this.happens("connect");
    return this;
  }

  answer(event, ...payload) {
    return this.socket.timeout(PATIENCE).emitWithAck(event, ...payload);
  }

  async call(event, ...payload) {
    const answer = await this.answer(event, ...payload);
    assert.equal(answer.code, 200, `${event}: ${JSON.stringify(answer)}`);
    assert.deepEqual(Object.keys(answer).sort(), ["code", "data"]);
    return answer.data;
  }

  async refused(code, name, event, ...payload) {
    const answer = await this.answer(event, ...payload);
    assert.deepEqual([answer.code, answer.error?.name], [code, name], `${event}: ${JSON.stringify(answer)}`);
    assert.equal(typeof answer.error.message, "string");
    return answer.error;
  }

  // The first push of that event, come or to come, whose data has these fields.
  async push(event, fields = {}) {
    const wanted = (push) => push.event === event && Object.entries(fields).every(([k, v]) => push.data[k] === v);
    const looking = async () => {
      for (;;) {
        const found = this.pushes.find(wanted);
        if (found) return found.data;
        await new Promise((resolve) => this.waiting.push(resolve));
      }
    };
    return Promise.race([looking(), later(PATIENCE, `push ${event} ${JSON.stringify(fields)}`)]);
  }
}

async function register(person, names) {
  const caller = await new Caller().connected();
  await caller.refused(401, "unauthorized", "user/me");
  const fields = { login: person.login, mail: person.mail, password: person.password, ...names };
  const { user_id } = await caller.call("user/registr", fields);
  assert.ok(Number.isSafeInteger(user_id) && user_id > 0);
  const credentials = { login: person.login, password: person.password };
  await caller.refused(400, "not_verified", "user/login", credentials);
  await caller.refused(400, "invalid_credentials", "user/login", { ...credentials, password: "not the password" });
  step(`${person.login} registered`);

  say({ need: "link", mail: person.mail });
  const link = new URL((await lines.next()).value.trim());
  assert.equal(link.pathname, "/verify");
  const fragment = new URLSearchParams(link.hash.slice(1));
  const verification = { ver_id: fragment.get("ver_id"), login: fragment.get("login") };
  assert.deepEqual(await caller.call("user/verification", verification), { user_id });
  await caller.refused(400, "invalid_link", "user/verification", verification);
  step(`${person.login} verified`);

  const session = await caller.call("user/login", credentials);
  assert.equal(session.user_id, user_id);
  assert.equal(typeof session.token, "string");
  assert.match(session.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  assert.ok(Number.isInteger(session.cursor));
  const me = await caller.call("user/me");
  assert.deepEqual([me.user_id, me.login, me.mail], [user_id, person.login, person.mail]);
  assert.equal(me.first_name, names.first_name);
  Object.assign(person, { id: user_id, token: session.token, caller });
  step(`${person.login} signed in`);
}

async function complete(person, fields) {
  const { photo } = await person.caller.call("user/save_profile", { ...fields, image: [IMAGE] });
  const me = await person.caller.call("user/me");
  assert.equal(me.gender, fields.gender);
  assert.equal(me.age, fields.age);
  assert.deepEqual(me.sex, fields.sex);
  assert.deepEqual(me.photos, [photo]);
  assert.deepEqual([...me.tags].sort(), [...fields.tags].sort());
  assert.ok(Math.abs(me.gps.lat - fields.gps.lat) < 0.2 && Math.abs(me.gps.lon - fields.gps.lon) < 0.3);
  const error = await person.caller.refused(400, "invalid_payload", "user/save_profile", { age: 12 });
  assert.deepEqual([error.fields.age.code, error.fields.age.params], ["min", { min: 18 }]);
  step(`${person.login} has a profile`);
}

async function match() {
  for (const [me, other] of [[anna, boris], [boris, anna]]) {
    for (const search of [{}, { sort_by: 1 }]) {
      const { users } = await me.caller.call("research", search);
      assert.ok(users.some((card) => card.user_id === other.id && card.login === other.login));
    }
    const profile = await me.caller.call("profile", { target_user_id: other.id });
    assert.deepEqual([profile.login, profile.connected, profile.liked], [other.login, false, false]);
    assert.equal(profile.mail, undefined);
    assert.ok(profile.distance >= 1);
  }
  await anna.caller.refused(400, "invalid_payload", "user/like", { target_user_id: anna.id });
  await anna.caller.refused(400, "not_found", "user/like", { target_user_id: 12345 });
  const to = (person) => ({ target_user_id: person.id });
  assert.deepEqual(await anna.caller.call("user/like", to(boris)), { liked: true, connected: false });
  await anna.caller.refused(400, "not_connected", "message/send", { ...to(boris), random_id: 1, message: "early" });
  assert.deepEqual(await boris.caller.call("user/like", to(anna)), { liked: true, connected: true });
  for (const [me, other] of [[anna, boris], [boris, anna]]) {
    const push = await me.caller.push("connection", { state: "connected" });
    assert.deepEqual([push.user_id, push.user.login], [other.id, other.login]);
  }
  step("matched by likes");

  assert.deepEqual(await anna.caller.call("user/disconnect", to(boris)), {});
  await anna.caller.push("connection", { state: "closed", user_id: boris.id });
  await boris.caller.push("connection", { state: "closed", user_id: anna.id });
  step("parted");

  anna.caller.pushes.length = boris.caller.pushes.length = 0;
  assert.deepEqual(await boris.caller.call("user/connect", { target_id: anna.login }), { state: "requested" });
  assert.deepEqual(await anna.caller.call("user/connect", { target_id: boris.login.toUpperCase() }), { state: "connected" });
  for (const me of [anna, boris]) await me.caller.push("connection", { state: "connected" });
  step("connected by login");
}

async function chat() {
  const toBoris = { target_user_id: boris.id };
  const first = await anna.caller.call("message/send", { ...toBoris, random_id: 7, message: "Привет, Boris \u{1F44B}" });
  assert.equal(first.seq, 1);
  assert.deepEqual(await anna.caller.call("message/send", { ...toBoris, random_id: 7, message: "Привет, Boris \u{1F44B}" }), first);
  await anna.caller.refused(400, "already_exists", "message/send", { ...toBoris, random_id: 7, message: "other" });
  const received = await boris.caller.push("message/new");
  assert.deepEqual(received.message, { seq: 1, from_user_id: anna.id, message: "Привет, Boris \u{1F44B}", sent_at: first.sent_at });
  assert.equal(received.user_id, anna.id);
  assert.equal((await anna.caller.push("message/new")).message.random_id, 7);
  const reply = await boris.caller.call("message/send", { target_user_id: anna.id, random_id: 7, message: "Hi\nthere" });
  assert.equal(reply.seq, 2);
  step("wrote to each other");

  const history = await anna.caller.call("message/history", toBoris);
  assert.deepEqual(history.messages.map((message) => message.message), ["Hi\nthere", "Привет, Boris \u{1F44B}"]);
  const older = await anna.caller.call("message/history", { ...toBoris, after: 0, limit: 1 });
  assert.deepEqual(older.messages.map((message) => message.seq), [1]);
  const { connections } = await anna.caller.call("user/connections");
  assert.deepEqual([connections[0].user.user_id, connections[0].unread, connections[0].last_message.seq], [boris.id, 1, 2]);
  assert.deepEqual(await anna.caller.call("message/read", { ...toBoris, seq: 2 }), {});
  const read = await boris.caller.push("message/read");
  assert.deepEqual([read.user_id, read.by, read.read_seq], [anna.id, anna.id, 2]);
  assert.equal((await anna.caller.call("user/connections")).connections[0].unread, 0);
  step("read");
}

async function resume() {
  const start = (await boris.caller.call("sync", { cursor: null })).cursor;
  boris.caller.socket.disconnect();
  for (const number of [1, 2, 3]) {
    await anna.caller.call("message/send", { target_user_id: boris.id, random_id: 100 + number, message: `missed ${number}` });
  }
  const state = { token: boris.token, cursor: start };
  boris.caller = await new Caller(state).connected();
  await boris.caller.push("message/new", { seq: start + 3 });
  const texts = (caller) => caller.pushes.filter((push) => push.event === "message/new").map((push) => push.data.message.message);
  assert.deepEqual(texts(boris.caller), ["missed 1", "missed 2", "missed 3"]);
  assert.deepEqual(boris.caller.pushes.filter((push) => push.data.seq).map((push) => push.data.seq), [start + 1, start + 2, start + 3]);
  step("came back with a cursor");

  state.cursor = start + 3; // the same object that the client sends when it reconnects by itself
  const back = boris.caller.happens("connect");
  boris.caller.socket.io.engine.close();
  await back;
  await anna.caller.call("message/send", { target_user_id: boris.id, random_id: 104, message: "after the cut" });
  await boris.caller.push("message/new", { seq: start + 4 });
  assert.deepEqual(texts(boris.caller), ["missed 1", "missed 2", "missed 3", "after the cut"]);
  step("reconnected by itself");

  const synced = await boris.caller.call("sync", { cursor: start });
  assert.deepEqual(synced.events.map(({ data }) => data.seq), [start + 1, start + 2, start + 3, start + 4]);
  assert.deepEqual([synced.cursor, synced.more], [start + 4, false]);
  assert.deepEqual(synced.events[3].data, await boris.caller.push("message/new", { seq: start + 4 }));
  const ahead = await boris.caller.call("sync", { cursor: start + 1000 });
  assert.deepEqual(ahead, { resync: true, cursor: start + 4 });
  step("synced");
}

async function strangers() {
  for (const auth of [{ token: "not a token" }, { token: 5 }]) {
    const caller = new Caller(auth);
    const error = await caller.happens("connect_error");
    caller.socket.disconnect();
    assert.equal(error.message, error.data.error.name);
    assert.ok([400, 401].includes(error.data.code));
    assert.equal(typeof error.data.error.message, "string");
  }
  const anonymous = await new Caller().connected();
  await anonymous.refused(400, "unknown_event", "no/such/event", {});
  await anonymous.refused(401, "unauthorized", "research");
  assert.equal((await anonymous.call("user/me", { token: anna.token, user_id: anna.id })).user_id, anna.id);
  await anonymous.refused(401, "unauthorized", "user/me", { token: anna.token, user_id: boris.id });
  anonymous.socket.disconnect();
  step("a bad token gets in nowhere");
}

async function block() {
  const toAnna = { target_user_id: anna.id };
  boris.caller.pushes.length = 0;
  assert.deepEqual(await anna.caller.call("user/block", { target_user_id: boris.id }), {});
  await boris.caller.push("connection", { state: "closed", user_id: anna.id });
  await boris.caller.refused(400, "not_found", "message/send", { ...toAnna, random_id: 200, message: "why" });
  await boris.caller.refused(400, "not_found", "profile", toAnna);
  await anna.caller.refused(900, "blacklisted", "message/send", { target_user_id: boris.id, random_id: 200, message: "so" });
  const log = (await boris.caller.call("sync", { cursor: 0 })).events;
  const others = log.filter(({ event, data }) => event !== "void" && data.user_id !== boris.id);
  assert.ok(others.every(({ event, data }) => event === "connection" && data.state === "closed"));
  assert.deepEqual(await anna.caller.call("user/unblock", { target_user_id: boris.id }), {});
  await boris.caller.refused(400, "not_connected", "message/send", { ...toAnna, random_id: 200, message: "again" });
  step("blocked and unblocked");
}

async function leave() {
  const gone = anna.caller.happens("disconnect");
  assert.deepEqual(await anna.caller.call("user/logout"), {});
  assert.equal((await anna.caller.push("goodbye")).reason, "session_ended");
  assert.equal(await gone, "io server disconnect");
  const caller = new Caller({ token: anna.token });
  const error = await caller.happens("connect_error");
  caller.socket.disconnect();
  assert.deepEqual([error.message, error.data.code], ["session_ended", 401]);
  const anonymous = await new Caller().connected();
  assert.deepEqual(await anonymous.call("user/logout", { login: boris.login, password: boris.password }), {});
  assert.equal((await boris.caller.push("goodbye")).reason, "session_ended");
  anonymous.socket.disconnect();
  step("signed out");
}

try {
  await register(anna, { first_name: "Anna", last_name: "Orlova" });
  await register(boris, { first_name: "Boris", last_name: "Volkov" });
  await complete(anna, { gender: "female", age: 30, sex: ["male"], tags: ["chess", "trains"], gps: { lat: 55.75, lon: 37.62 } });
  await complete(boris, { gender: "male", age: 33, sex: ["female"], tags: ["chess"], gps: { lat: 55.76, lon: 37.64 } });
  await match();
  await chat();
  await resume();
  await strangers();
  await block();
  await leave();
  say({ done: true });
  process.exit(0);
} catch (error) {
  say({ failed: String(error.stack ?? error) });
  process.exit(1);
}
