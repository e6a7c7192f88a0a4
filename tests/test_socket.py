"""Sockets: order, bounds, goodbyes; what a client may count on and what it may not get away with."""

import asyncio
import json

import aiohttp
import pytest

from server.socket.address import Addresses
from server.socket.engine import Transport
from tests.ground.answers import ok, refused
from tests.ground.locks import locked
from tests.ground.raw import RawSocket, Refused
from tests.ground.waiting import until


async def open_as(person):
    return await RawSocket.open(person.url, auth={"token": person.token})


async def test_a_burst_is_answered_in_order_and_numbered_in_order(connected):
    alice, bob = connected
    async with await open_as(alice) as socket:
        for number in range(1, 51):
            send = {"target_user_id": bob.id, "random_id": number, "message": f"{number}"}
            await socket.send(f"42{number}" + json.dumps(["message/send", send]))
        answers = [ok(await socket.answer(number)) for number in range(1, 51)]
        assert [answer["seq"] for answer in answers] == list(range(1, 51))
        acks = [frame for frame in socket.frames if str(frame).startswith("43")]
        assert [int(str(frame)[2:].split("[")[0]) for frame in acks] == list(range(1, 51))


async def test_a_login_and_what_follows_it_may_be_sent_at_once(server, connected):
    alice, bob = connected
    async with await RawSocket.open(server.url) as socket:
        login = {"login": alice.login, "password": alice.password}
        send = {"target_user_id": bob.id, "random_id": 1, "message": "at once"}
        await socket.emit("user/login", login, ack=1)
        await socket.emit("message/send", send, ack=2)
        await socket.emit("user/logout", ack=3)
        await socket.emit("message/send", send | {"random_id": 2}, ack=4)
        ok(await socket.answer(1))
        ok(await socket.answer(2))
        ok(await socket.answer(3))
        refused(await socket.answer(4), "session_ended")


@pytest.mark.config(database={"lock_wait": 5, "timeout": 5.0})
async def test_reads_do_not_wait_for_a_slow_write_and_the_next_write_does(server, connected):
    alice, bob = connected
    async with await open_as(alice) as socket:
        async with locked(server, alice, bob):
            send = {"target_user_id": bob.id, "random_id": 1, "message": "waits"}
            await socket.emit("message/send", send, ack=101)
            ok(await socket.call("user/me"))
            await socket.emit("message/send", send | {"random_id": 2}, ack=102)
            assert not {101, 102} & set(socket.acks)
        first, second = ok(await socket.answer(101)), ok(await socket.answer(102))
        assert (first["seq"], second["seq"]) == (1, 2)


@pytest.mark.config(socket={"queue": 8, "running": 2})
async def test_what_does_not_fit_into_the_queue_is_refused_at_once(server, connected):
    alice, bob = connected
    async with await open_as(alice) as socket, server.database_down():
        for number in range(1, 21):
            send = {"target_user_id": bob.id, "random_id": number, "message": "x"}
            await socket.emit("message/send", send, ack=number)
        refused(await socket.answer(20, 1), "rate_limited")
        assert 1 not in socket.acks


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100})
async def test_a_flood_is_refused_and_the_socket_stays(alice):
    async with await open_as(alice) as socket:
        for number in range(1, 101):
            await socket.emit("sync", {"cursor": None}, ack=number)
        answers = [await socket.answer(number) for number in range(1, 101)]
        limited = [answer for answer in answers if answer["code"] == 429]
        assert 35 <= len(limited) <= 45
        assert all(answer["error"]["retry_after"] >= 1 for answer in limited)
        assert socket.is_open


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "socket_burst": 12})
async def test_an_unknown_event_is_unknown_even_in_a_flood(alice):
    async with await open_as(alice) as socket:
        for _ in range(20):
            refused(await socket.call("nope"), "unknown_event")


@pytest.mark.config(limits={"sockets_user": 3, "scale": 1, "registrations": 100, "mails_address": 100})
async def test_the_oldest_socket_gives_way(alice):
    await alice.close()
    sockets = [await open_as(alice) for _ in range(4)]
    assert (await sockets[0].push("goodbye"))["reason"] == "too_many_sockets"
    await sockets[0].closed(2)
    assert "41" not in sockets[0].frames, "a stock client comes back by itself"
    for socket in sockets[1:]:
        ok(await socket.call("user/me"))
        await socket.close()


@pytest.mark.config(socket={"anonymous_timeout": 0.2})
async def test_nobody_stays_long(server, alice):
    idle = await RawSocket.open(server.url)
    unjoined = await RawSocket.open(server.url, connect=False)
    assert (await idle.push("goodbye", timeout=2))["reason"] == "idle"
    await idle.closed(2)
    await unjoined.closed(2)
    async with await open_as(alice) as socket:
        ok(await socket.call("user/me"))


@pytest.mark.config(socket={"anonymous_timeout": 0.4})
async def test_a_token_in_the_payload_keeps_an_anonymous_socket(server, alice):
    async with await RawSocket.open(server.url) as socket:
        for _ in range(8):
            ok(await socket.call("user/me", {"token": alice.token}))
            await asyncio.sleep(0.1)
        assert socket.is_open
        await socket.closed(2)


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "sockets_anonymous": 3})
async def test_anonymous_sockets_of_one_address_are_few(server, alice):
    sockets = [await RawSocket.open(server.url) for _ in range(3)]
    with pytest.raises(Exception, match="rate_limited"):
        await RawSocket.open(server.url)
    async with await open_as(alice) as socket:
        ok(await socket.call("user/me"))
    await sockets.pop().close()
    await until(lambda: sum(server.gateway.anonymous.values()) <= 2)
    sockets.append(await RawSocket.open(server.url))
    for socket in sockets:
        await socket.close()
    await until(lambda: not server.gateway.anonymous)


async def test_nothing_is_compressed(server):
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}/socket.io/?EIO=4&transport=websocket", compress=15) as socket,
    ):
        assert not socket.compress


async def test_polling_is_refused(server):
    async with aiohttp.ClientSession() as session:
        for query in ("EIO=4&transport=polling", "EIO=4", "EIO=4&transport=polling&j=0", "EIO=3&transport=websocket"):
            async with session.get(f"{server.url}/socket.io/?{query}") as response:
                assert response.status == 400


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost.evil.example", "https://localhost:8080", "http://LOCALHOST."],
)
async def test_pages_of_other_origins_get_no_socket(server, origin):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await RawSocket.open(server.url, headers={"Origin": origin, "X-Forwarded-Host": "evil.example"})
    assert refusal.value.status == 400


async def test_our_own_pages_get_one(server, alice):
    async with await RawSocket.open(server.url, headers={"Origin": "http://localhost:8080"}) as socket:
        ok(await socket.call("user/me", {"token": alice.token}))


@pytest.mark.config(socket={"ping_interval": 0.1, "ping_timeout": 0.2})
async def test_who_answers_no_ping_is_gone(server, alice):
    deaf = await RawSocket.open(server.url, auth={"token": alice.token}, answer_pings=False)
    async with await open_as(alice) as socket:
        await deaf.closed(2)
        ok(await socket.call("user/me"))


async def test_frames_that_are_too_large_close_the_socket(server, alice):
    async with await open_as(alice) as socket:
        text = json.dumps(["user/save_profile", {"description": "x" * 64_000}])
        assert len(text) < 65_500
        refused(await socket.call_raw(text), "invalid_payload")
        await socket.send("421" + json.dumps(["user/save_profile", {"description": "x" * 65_536}]))
        await socket.closed(2)
    async with await open_as(alice) as socket:
        await socket.send('451-1["user/save_profile",{"description":{"_placeholder":true,"num":0}}]')
        await socket.send_while_open(b"x" * 1_000_001)
        await socket.closed(2)
        assert not socket.acks


@pytest.mark.config(socket={"backlog_soft": 20_000, "backlog_hard": 100_000})
async def test_a_reader_who_is_slow_is_not_fed_and_goes_on_where_it_stopped(server, connected):
    """Bob's phone stops reading: what waits for it stays small, and later it is sent the rest from the log."""
    alice, bob = connected
    async with aiohttp.ClientSession(read_bufsize=1024) as session:
        url = f"{server.url}/socket.io/?EIO=4&transport=websocket"
        async with session.ws_connect(url, max_msg_size=0) as phone:
            await phone.receive()
            await phone.send_str("40" + json.dumps({"token": bob.token}))
            assert (await phone.receive_str()).startswith("40")
            phone._response.connection.transport.pause_reading()
            for number in range(400):
                await alice.message.send(bob.id, f"{number} " + "x" * 3900)
            backlog = max(c.transport.backlog for c in server.gateway.connections.values())
            assert backlog <= 30_000
            phone._response.connection.transport.resume_reading()
            texts, seqs = [], []
            while len(texts) < 400:
                name, data = json.loads((await phone.receive_str(timeout=5))[2:])
                assert name in ("message/new", "notification")
                seqs.append(data["seq"])
                if name == "message/new":
                    texts.append(int(data["message"]["message"].split()[0]))
            assert texts == list(range(400))
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))


async def test_a_second_handshake_changes_nothing(alice, bob):
    async with await open_as(alice) as socket:
        await socket.send("40" + json.dumps({"token": bob.token}))
        ok(await socket.call("user/me"))
        assert len(socket.refusals["/"]) == 1
        assert ok(await socket.call("user/me"))["user_id"] == alice.id


async def test_at_rest_nothing_is_left(server, connected):
    alice, bob = connected
    sockets = [await open_as(person) for person in connected for _ in range(5)]
    for socket in sockets[::2]:
        await socket.close()
    for socket in sockets[1::2]:
        await socket.abort()
    await alice.close()
    await bob.close()
    await until(lambda: not server.gateway.connections and not server.gateway.eio.sockets)
    assert not server.gateway.anonymous


# What clients get wrong, or try


def sid_of(socket):
    return json.loads(socket.frames[0][1:])["sid"]


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100, "socket_rate": 0.1})
@pytest.mark.parametrize(("token", "outcome"), [("garbage", "unauthorized"), (None, "joined")])
async def test_handshakes_are_charged_like_all_else(alice, token, outcome):
    outcomes = []
    async with await RawSocket.open(alice.url, connect=False) as socket:
        for _ in range(60):
            try:
                await socket.join({"token": token or alice.token})
                outcomes.append("joined")
                await socket.send("41")
            except Refused as refusal:
                outcomes.append(refusal.error["message"])
        assert outcomes == [outcome] * 21 + ["rate_limited"] * 39  # the first is free
        assert refused(socket.refusals["/"][-1]["data"], "rate_limited")["retry_after"] >= 1


async def test_of_a_packet_that_is_not_whole_no_bytes_are_kept(server):
    async with await RawSocket.open(server.url) as socket:
        [connection] = server.gateway.connections.values()
        await socket.send('455-1["nope",{"_placeholder":true,"num":0}]')
        for _ in range(4):
            await socket.send(b"x" * 999_999)
        await until(lambda: connection.half and len(connection.half.packet.attachments) == 4)
        assert b"".join(connection.half.packet.attachments) == b""
        await socket.send(b"x")
        refused(await socket.answer(1), "unknown_event")


async def test_an_attachment_of_exactly_the_most_bytes_is_taken(server):
    async with await RawSocket.open(server.url) as socket:
        refused(await socket.call_raw('["nope",{"_placeholder":true,"num":0}]', b"x" * 1_000_000), "unknown_event")
        refused(await socket.call("nope"), "unknown_event")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("upgrade", [True, False])
async def test_a_second_request_that_names_a_socket_is_refused_and_the_socket_stays(server, method, upgrade):
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"} if upgrade else {}
    headers |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} if upgrade else {}
    async with await RawSocket.open(server.url) as socket, aiohttp.ClientSession() as session:
        url = f"{server.url}/socket.io/?EIO=4&transport=websocket&sid={sid_of(socket)}"
        async with session.request(method, url, headers=headers) as response:
            assert response.status == 400
            assert "Traceback" not in await response.text()
        refused(await socket.call("nope"), "unknown_event")
    assert not [record for record in server.log if record.exc_info or "Traceback" in record.getMessage()]


@pytest.mark.config(socket={"ping_interval": 0.1, "ping_timeout": 0.5}, database={"lock_wait": 5, "timeout": 5.0})
async def test_who_leaves_while_writes_wait_is_still_read(server, connected, monkeypatch):
    """A farewell waits for its turn; meanwhile pongs count, and what needs no turn is answered."""
    alice, bob = connected
    pongs = asyncio.Queue()
    async with await open_as(alice) as socket:
        async with locked(server, alice, bob):
            for number in range(1, 4):
                send = {"target_user_id": bob.id, "random_id": number, "message": "waits"}
                await socket.emit("message/send", send, ack=100 + number)
            await socket.send("41")
            refused(await socket.call("nope"), "unknown_event")
            read_pong = Transport._pong

            def counting(transport):
                read_pong(transport)
                pongs.put_nowait(transport.sid)

            monkeypatch.setattr(Transport, "_pong", counting)
            async with asyncio.timeout(3):
                for _ in range(3):
                    while await pongs.get() != sid_of(socket):
                        pass
            assert not {101, 102, 103} & set(socket.acks)
        assert [ok(await socket.answer(100 + number))["seq"] for number in (1, 2, 3)] == [1, 2, 3]
        refused(await socket.call("user/me"), "unauthorized")


@pytest.mark.config(socket={"anonymous_timeout": 0.2})
async def test_a_token_that_is_not_good_keeps_no_anonymous_socket(server):
    async with await RawSocket.open(server.url) as socket, asyncio.timeout(3):
        while answer := await socket.call_or_close("user/me", {"token": "garbage"}):
            refused(answer, "unauthorized")
            await asyncio.sleep(0.02)
        assert [push.data["reason"] for push in socket.pushes] == ["idle"]


async def test_a_session_that_is_used_on_one_socket_does_not_rest_on_another(server, alice):
    days = 86_400
    async with await open_as(alice) as used, await open_as(alice) as resting:
        for _ in range(3):
            server.clock.advance(3 * days)
            seen_before = await _seen(server)
            ok(await used.call("user/me"))
            await _until_seen_after(server, seen_before)
        for connection in list(server.gateway.connections.values()):
            await server.gateway._sweep_one(connection, asyncio.get_running_loop().time())
        ok(await resting.call("user/me"))
        assert resting.pushes == []


async def _seen(server):
    [(seen,)] = await server.database.fetch("SELECT last_seen_at FROM session")
    return seen


async def _until_seen_after(server, before):
    async with asyncio.timeout(3):
        while await _seen(server) == before:
            await asyncio.sleep(0.005)


# The real address


class Request:
    def __init__(self, remote, *forwarded):
        self.remote = remote
        self.headers = self
        self._forwarded = list(forwarded)

    def getall(self, name, default):
        return self._forwarded if name == "X-Forwarded-For" else default


@pytest.mark.parametrize(
    ("remote", "forwarded", "address"),
    [
        ("9.9.9.9", ["1.2.3.4"], "9.9.9.9"),
        ("10.0.0.1", ["1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
        ("10.0.0.1", ["6.6.6.6", "1.2.3.4, 10.0.0.2"], "1.2.3.4"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["6.6.6.6, 1.2.3.4:5678"], "1.2.3.4"),
        ("10.0.0.1", ["[2001:db8:1:2::7]:5678"], "2001:db8:1:2::/64"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("::ffff:9.9.9.9", [], "9.9.9.9"),
        ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        (None, [], "unknown"),
    ],
)
def test_only_listed_proxies_are_believed(remote, forwarded, address):
    assert Addresses(["10.0.0.0/8"]).of(Request(remote, *forwarded)) == address
