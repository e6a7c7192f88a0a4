"""Attacks on the protocol itself: handshakes, reserved names, broken frames, attachments."""

import gc
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from server.wire.events import registry
from tests.ground.answers import check, ok, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import ABSENT, Gone, RawSocket, Refused
from tests.ground.strategies import SAMPLES

PRIVATE = sorted(name for name, spec in registry.items() if not spec.public)
BAD_AUTH: list[Any] = [1.5, True, "x", [], ["x"], {"token": None}, {"token": 5}, {"token": {"a": 1}}, {"token": ""}]
BAD_AUTH += [{"token": "x"}, {"tokens": "x"}, {"token": "x", "cursor": "x"}]


async def _is_nobody(socket: RawSocket) -> None:
    for event in PRIVATE:
        refused(await socket.call(event, SAMPLES[event].required), "unauthorized")


# R01: connecting fails closed


# A bare number is read as the id of the packet, as every Socket.IO parser does.
@pytest.mark.parametrize("auth", [ABSENT, None, {}, 5], ids=["absent", "null", "empty", "number"])
async def test_without_a_token_one_is_nobody(dial: Any, auth: Any) -> None:
    """R01: an anonymous socket gets no private event."""
    await _is_nobody(await dial(auth=auth))


async def test_a_bad_auth_is_refused_and_leaves_nothing_behind(dial: Any, alice: Any) -> None:
    """R01: whatever stands in auth: CONNECT_ERROR in the shape of the contract, and no event of that socket runs."""
    for auth in [*BAD_AUTH, {"token": alice.token, "cursor": "x"}, {"token": alice.token, "cursor": -1}]:
        socket = await dial(connect=False)
        error = await _refusal(socket, auth)
        check(error["data"])
        assert set(error) == {"message", "data"} and error["message"] == error["data"]["error"]["name"], (auth, error)
        assert error["message"] in ("unauthorized", "invalid_payload"), (auth, error)
        for event in PRIVATE:
            await socket.send_while_open(f'42{socket.next_id()}["{event}",{{}}]')
        try:
            await socket.join()
        except Gone:
            continue  # closed: nothing can have been left behind
        assert not [answer for [[answer]] in socket.acks.values() if answer["code"] == 200]
        await _is_nobody(socket)


async def _refusal(socket: RawSocket, auth: Any) -> Any:
    try:
        await socket.join(auth)
    except Refused as refusal:
        return refusal.error
    raise AssertionError(f"{auth} got in")


async def test_nobody_gets_in_while_the_database_is_down(server: Any, dial: Any, alice: Any) -> None:
    """R01: a connect that fails inside is no connect."""
    async with server.database_down():
        error = await _refusal(await dial(connect=False), {"token": alice.token})
        refused(error["data"], "unavailable")
        socket = await dial(connect=False)
        await socket.send("40" + json.dumps({"token": alice.token}))
        await socket.send_while_open('421["user/me"]')
        with suppress(Gone, TimeoutError):
            assert (await socket.answer(1, 3))["code"] != 200
        await _is_nobody(await dial())


async def test_nobody_gets_in_as_another_while_redis_is_down(server: Any, dial: Any, alice: Any) -> None:
    """R01: without Redis a token still says who one is, and no token that one is nobody."""
    async with server.redis_down():
        socket = await dial(alice)
        assert ok(await socket.call("user/me"))["user_id"] == alice.id
        anonymous = await dial()
        await _is_nobody(anonymous)
        answer = await anonymous.call("user/login", {"login": alice.login, "password": alice.password})
        refused(answer, "unavailable")
        await _is_nobody(anonymous)


# R02: reserved names


RESERVED = ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"]


async def test_reserved_names_are_no_events(dial: Any, healthy: HealthyPair, mallory: Any, bob: Any) -> None:
    """R02: a client that emits `connect` or `disconnect` reaches no handler and stays who it is."""
    environ, auth = {"REMOTE_ADDR": "10.9.9.9"}, {"token": bob.token}
    for name in RESERVED:
        socket, anonymous = await dial(mallory), await dial()
        for arguments in ([], ["x"], [environ, auth], [environ], [auth], [{"sid": "x"}, environ, auth]):
            await socket.emit(name, *arguments)
            refused(await socket.call_raw(json.dumps([name, *arguments])), "unknown_event")
            refused(await anonymous.call_raw(json.dumps([name, *arguments])), "unknown_event")
        await socket.send(f'420["{name}"]')
        refused(await socket.answer(0), "unknown_event")
        assert ok(await socket.call("user/me"))["user_id"] == mallory.id
        await _is_nobody(anonymous)


# R03: no event before the handshake is over


async def test_an_event_sent_with_the_handshake_runs_after_it(dial: Any, alice: Any) -> None:
    """R03: CONNECT and event back to back: the event is hers or nobody's."""
    socket = await dial(connect=False)
    await socket.send("40" + json.dumps({"token": alice.token}))
    await socket.send('421["user/me"]')
    answer = await socket.answer(1)
    if answer["code"] == 200:
        assert ok(answer)["user_id"] == alice.id
    else:
        refused(answer, "unauthorized")
    order = [frame for frame in socket.frames if isinstance(frame, str) and frame[:2] in ("40", "43")]
    assert order[0].startswith("40"), "answered before the handshake was"


async def test_an_event_before_the_handshake_is_not_run(dial: Any, mallory: Any) -> None:
    """R03: without CONNECT nothing runs, not even a public event or one with a token of its own."""
    socket = await dial(connect=False)
    await socket.send_while_open(
        '42901["user/me"]',
        f'42902["user/me",{json.dumps({"token": mallory.token})}]',
        f'42903["user/login",{json.dumps({"login": mallory.login, "password": mallory.password})}]',
    )
    with suppress(Gone):
        await socket.join()
        await _is_nobody(socket)
    for ack in socket.acks:
        refused(await socket.answer(ack), "unauthorized")


# R04: nothing survives a change of identity


async def test_a_rejoined_socket_is_nobody(dial: Any, alice: Any) -> None:
    """R04: after a namespace DISCONNECT and an anonymous CONNECT nothing is left of the session."""
    for socket in (await dial(alice), await _signed_in_by_login(dial, alice)):
        assert ok(await socket.call("user/me"))["user_id"] == alice.id
        await socket.send("41")
        with suppress(Gone):
            await socket.join()
            await _is_nobody(socket)


async def test_a_socket_that_changed_hands_gets_only_its_new_owners_pushes(
    dial: Any, connected: Any, mallory: Any
) -> None:
    """R04: signed in as alice, then as mallory: alice's messages do not arrive any more."""
    alice, bob = connected
    socket, writer = await dial(alice), await dial(bob)
    await socket.send("41")
    try:
        await socket.join({"token": mallory.token})
    except Gone:
        socket = await dial(mallory)
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id
    ok(await writer.call("message/send", {"target_user_id": alice.id, "random_id": 1, "message": "for alice"}))
    other = await dial(mallory)
    ok(await writer.call("user/like", {"target_user_id": mallory.id}))
    ok(await other.call("user/like", {"target_user_id": bob.id}))
    await socket.push("connection", user_id=bob.id)  # all that was before has arrived
    assert "for alice" not in str(socket.pushes) and str(alice.id) not in str(socket.pushes)


async def test_after_a_second_connect_on_one_socket_there_is_one_identity(dial: Any, alice: Any, mallory: Any) -> None:
    """R04: a second CONNECT without a DISCONNECT does not mix two people."""
    socket = await dial(alice)
    await socket.send_while_open("40" + json.dumps({"token": mallory.token}))
    answers = [await socket.call_or_close("user/me") for _ in range(5)]
    assert len({ok(answer)["user_id"] for answer in answers if answer}) <= 1
    assert alice.id not in {ok(answer)["user_id"] for answer in answers if answer} or not socket.joined["/"][1:]


async def test_logout_leaves_nothing_on_the_socket(dial: Any, alice: Any) -> None:
    """R04: ack, goodbye, DISCONNECT, close, in this order; nothing that was sent behind the logout runs."""
    socket = await dial(alice)
    await socket.send('4290["user/logout"]')
    await socket.send_while_open('4291["user/me"]', '4292["user/connections"]')
    ok(await socket.answer(90))
    await socket.closed(2)
    assert [event for event, _ in socket.pushes][-1] == "goodbye" and socket.pushes[-1].data[
        "reason"
    ] == "session_ended"
    frames = [frame for frame in socket.frames if isinstance(frame, str)]
    assert [i for i, f in enumerate(frames) if f.startswith("4390")] < [frames.index("41")]
    assert all(socket.acks[ack][0][0]["code"] == 401 for ack in (91, 92) if ack in socket.acks)


async def _signed_in_by_login(dial: Any, person: Any) -> RawSocket:
    socket: RawSocket = await dial()
    ok(await socket.call("user/login", {"login": person.login, "password": person.password}))
    return socket


# R05: one answer for anything

ODD_PACKETS = """
    42[] 42{"a":1} 42"s" 42[null] 42[["x"],{}] 42[{"a":1}] 42[7] 42[true] 42 42null 42[ 42["user/me" 42["user/me"]]
    42/,["user/me"] 42/x,["user/me"] 42-1["user/me"] 43[] 439999[1] 43 431{"a":1} 44{} 44 47 48[] 49 4 4x 4" 40 40[
    40{ 42["login"] 42["login",1,2,3,4] 42["user/login"] 42["user/login",1,2,3,4] 41/x, 40/x,
    4299999999999999999999["user/me"] 42٣["user/me"] 4٣["user/me"]
""".split()
ODD_PACKETS += ["42 ", "42" + "9" * 5000 + '["user/me"]']
WITH_ID = ["[]", '{"a":1}', '"s"', "[null]", '[["x"],{}]', '[{"a":1}]', "[7]", "[1.5]", '["nope"]', '["nope",1,2]', ""]


async def test_odd_packets_harm_nobody(server: Any, dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R05: packets of any shape are ignored, answered with an error or end this one socket."""
    before = len(server.log)
    for packet in ODD_PACKETS:
        socket = await dial(mallory)
        await socket.send_while_open(packet)
        answer = await socket.call_or_close("user/me")
        assert answer is None or answer["code"] == 200, f"{packet} did something to this socket: {answer}"
        assert answer is None or ok(answer)["user_id"] == mallory.id
        for ack in socket.acks:
            check(await socket.answer(ack))
        await socket.close()
    assert len(server.log) - before < 5 * len(ODD_PACKETS)
    assert not [record for record in server.log[before:] if record.exc_info], "a traceback in the log"


async def test_odd_packets_with_an_id_get_one_error(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R05: an acknowledgement id is answered, exactly once, whatever stands behind it; or the socket closes."""
    for body in WITH_ID:
        socket = await dial(mallory)
        answer = await socket.call_raw_or_close(body)
        if answer is not None:
            refused(answer, "unknown_event", "invalid_payload")
            assert ok(await socket.call("user/me"))["user_id"] == mallory.id
        assert not socket.answered_twice
        await socket.close()


async def test_an_event_without_an_id_runs_unanswered(dial: Any, mallory: Any, bob: Any) -> None:
    """R05: no acknowledgement id, no answer."""
    socket = await dial(mallory)
    await socket.emit("user/like", {"target_user_id": bob.id})
    await socket.emit("user/like", {"target_user_id": "x"})
    await socket.emit("nope")
    assert ok(await socket.call("profile", {"target_user_id": bob.id}))["liked"] is True
    assert [frame for frame in socket.frames if str(frame).startswith("43")] == [socket.frames[-1]]


# R06: malformed frames

MALFORMED = """
    x 9 7abc b!!! b ٣ ² 45- 451 45-1 45999 45x-[] 6 2probe 5 0 0{} 1 8
""".split()
MALFORMED += ["", "4" + "9" * 1_000_000, b'2["login"]', b"", b"\x00" * 100, "\x00", "4\x00", "4" * 60_000]


async def test_malformed_frames_are_ignored_or_close_the_socket(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R06: no frame brings more than the end of its own socket, and no traceback."""
    before = len(server.log)
    for frame in MALFORMED:
        socket = await dial(mallory)
        await socket.send_while_open(frame)
        answer = await socket.call_or_close("user/me")
        assert answer is None or ok(answer)["user_id"] == mallory.id
        await socket.close()
    assert not [record for record in server.log[before:] if record.exc_info], "a traceback in the log"


async def test_a_flood_of_malformed_frames_is_cheap_to_log(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R06: a line a second for each kind of offence, not a line a frame."""
    before = len(server.log)
    for frame in ("3", "3x", "7", "b!!!", b"\x00", "49", "42[7]"):
        socket = await dial(mallory)
        await socket.send_while_open(*[frame] * 300)
        await socket.send_while_open('4277["user/me"]')
        with suppress(Gone):
            await socket.answer(77)
        await socket.close()
    assert len(server.log) - before < 200


async def test_a_text_frame_over_64_kib_closes_the_socket(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R06: the limit on text frames, at its edge."""
    socket = await dial(mallory)
    head, tail = '4277["user/me",{"nope":"', '"}]'
    await socket.send(head + "x" * (65536 - len(head) - len(tail)) + tail)
    refused(await socket.answer(77), "invalid_payload")
    await socket.send(head + "x" * (65537 - len(head) - len(tail)) + tail)
    await socket.closed()
    assert len(socket.acks[77]) == 1


async def test_a_dropped_socket_leaves_the_tables(server: Any, dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R06: sockets that end in a broken frame or a reset are forgotten at once."""
    before = _engine_sockets()
    for frame in MALFORMED:
        socket = await dial(mallory)
        await socket.send_while_open(frame)
        await socket.abort()
    for _ in range(20):  # each call gives the server turns of the loop to see the resets
        await healthy.talk()
        if _engine_sockets() <= before:
            break
    assert _engine_sockets() <= before


def _engine_sockets() -> int:
    """How many Engine.IO sockets any server of this process still holds in its table."""
    import engineio

    gc.collect()
    servers = [thing for thing in gc.get_objects() if isinstance(thing, engineio.AsyncServer)]
    return sum(len(server.sockets) for server in servers)


# R07: what JSON can do

DEEP = ["[" * 20_000 + "]" * 20_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "9" * 101, "9" * 4301, "-" + "9" * 20_000]
DEEP += [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    r'"\ud800"',
    r'{"\ud800":1}',
    '{"login":"a","login":"b"}',
    "1" + "0" * 400,
]
DEEP += ["[" * depth + "]" * depth for depth in (100, 500, 900, 950, 990, 1000, 1100, 5000)]
UNCLOSED = """
    " [, {, nul 'x' 01 +1 1. .5
""".split()
UNCLOSED += ["[" * 20_000, '{"a":' * 5_000, '"\x01"', '"\\x"', "\ufeff{}"]


async def test_deep_and_odd_json_is_one_error(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R07: 20,000 brackets, endless numbers, NaN, lone surrogates: one error each, the socket stays up."""
    socket = await dial(mallory)
    for body in DEEP:
        for payload in (body, f'{{"login":{body},"password":"x"}}'):
            refused(await socket.call_raw(f'["user/login",{payload}]'), "invalid_payload")
    assert ok(await socket.call("user/me"))["user_id"] == mallory.id
    assert not socket.answered_twice


async def test_json_that_ends_too_early_is_one_error_or_the_end(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R07: what is no JSON at all gets an error, or closes its own socket."""
    for body in [*UNCLOSED, "4" + "[" * 20_000]:
        socket = await dial(mallory)
        for packet in (f'["user/login",{body}', f'["user/login",{body}]', f"[{body}"):
            answer = await socket.call_raw_or_close(packet)
            assert answer is None or refused(answer, "invalid_payload", "unknown_event")
        await socket.close()


# R08, R09, R10: attachments


async def test_too_many_attachments_close_the_socket(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R08: the header alone ends it, before the first attachment is read."""
    for count in ("6", "100", "9999999999", "59999999999", "9" * 30, "٩"):
        socket = await dial(mallory)
        await socket.send(f'45{count}-1["user/save_profile",{{"image":[{{"_placeholder":true,"num":0}}]}}]')
        await socket.closed(2)
        assert not socket.acks


async def test_attachments_are_for_images_only(dial: Any, healthy: HealthyPair, mallory: Any, bob: Any) -> None:
    """R08: an event without `image` takes none: an error or the end of the socket, and nothing is stored."""
    placeholder = '{"_placeholder":true,"num":0}'
    for body in (
        f'["message/send",{{"target_user_id":{bob.id},"random_id":1,"message":{placeholder}}}]',
        f'["user/save_profile",{{"description":{placeholder}}}]',
        f'["user/login",{placeholder}]',
        f'["nope",{placeholder}]',
        f"[{placeholder}]",
        placeholder,
    ):
        socket = await dial(mallory)
        answer = await socket.call_raw_or_close(body, b"hello")
        if answer is not None:
            refused(answer, "invalid_payload", "unknown_event")
            ok(await socket.call("user/me"))
        await socket.close()


async def test_deep_json_with_attachments_is_an_error_or_the_end(
    server: Any, dial: Any, healthy: HealthyPair, mallory: Any
) -> None:
    """R07, R10: looking for placeholders in nested JSON ends somewhere."""
    before = len(server.log)
    for depth in (10, 300, 490, 900, 990, 1100, 20_000):
        socket = await dial(mallory)
        nested = "[" * depth + '{"_placeholder":true,"num":0}' + "]" * depth
        answer = await socket.call_raw_or_close(f'["user/save_profile",{{"description":{nested}}}]', b"hello")
        assert answer is None or refused(answer, "invalid_payload")
        await socket.close()
    assert not [record for record in server.log[before:] if record.exc_info], "a traceback in the log"


async def test_half_sent_binary_packets_are_freed(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R09: a client that drops between the attachments leaves nothing in memory."""
    before, attachment = _resident(), b"\xff" * 900_000
    for number in range(60):
        socket = await dial(mallory)
        await socket.send_while_open(f'452-{number}["user/save_profile",{{"image":[]}}]', attachment)
        await socket.abort()
    await healthy.talk()
    gc.collect()
    assert _resident() - before < 20_000_000, "memory of half packets was kept"


@pytest.mark.config(socket={"anonymous_timeout": 0.4})
async def test_a_half_packet_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, dial: Any, mallory: Any
) -> None:
    """R09: a socket whose attachments do not come is closed, also when it is signed in and answers pings."""
    monkeypatch.setattr("server.socket.gateway._ATTACHMENTS_WITHIN", 0.2)
    socket, other = await dial(mallory), await dial(mallory)
    await socket.send('452-1["user/save_profile",{"image":[]}]')
    await socket.send(b"one of two")
    await socket.closed(3)
    assert ok(await other.call("user/me"))["user_id"] == mallory.id


async def test_a_packet_between_attachments_harms_nobody(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R09: text where an attachment should come, and attachments where none should."""
    header = '451-1["user/save_profile",{"image":[{"_placeholder":true,"num":0}]}]'
    for frames in (
        (header, '422["user/me"]'),
        (header, "4hello"),
        (header, header),
        (header, "41"),
        (header, "3"),
        (b"x",),
    ):
        socket = await dial(mallory)
        await socket.send_while_open(*frames)
        with suppress(Gone):
            check(await socket.call("user/me", timeout=3))
        await socket.close()


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


NUMBERS = ["-1", '"0"', "1.5", "1", "99", "1000000000", "true", "null", "[]", "{}", "NaN"]


async def test_placeholders_are_typed(server: Any, dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R10: a placeholder that points nowhere is an error like any other."""
    before = len(server.log)
    for member in ["", *(f',"num":{number}' for number in NUMBERS)]:
        socket = await dial(mallory)
        body = f'["user/save_profile",{{"image":[{{"_placeholder":true{member}}}]}}]'
        answer = await socket.call_raw_or_close(body, b"not an image")
        if answer is not None:
            refused(answer, "invalid_payload", "invalid_image")
            ok(await socket.call("user/me"))
        await socket.close()
    assert not [record for record in server.log[before:] if record.exc_info], "a traceback in the log"


async def test_one_attachment_many_times_is_refused(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R10: the same attachment 1,500 times costs its bytes once."""
    images = ",".join(['{"_placeholder":true,"num":0}'] * 1_500)
    socket, before = await dial(mallory), _resident()
    answer = await socket.call_raw_or_close(f'["user/save_profile",{{"image":[{images}]}}]', b"x" * 900_000)
    assert answer is None or refused(answer, "invalid_payload", "invalid_image")
    assert _resident() - before < 20_000_000


async def test_a_placeholder_in_a_plain_event_is_just_an_object(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R10: no attachment is looked for where none was announced."""
    socket, placeholder = await dial(mallory), {"_placeholder": True, "num": 0}
    for payload in ({"image": [placeholder]}, {"description": placeholder}, {"tags": [placeholder]}, placeholder):
        refused(await socket.call("user/save_profile", payload), "invalid_payload", "invalid_image")
    ok(await socket.call("user/me"))


# R20: only what is registered runs

STRANGE_NAMES = """
    on_connect _private trigger_event emit session __class__ * user user/ /user/me user/me/ USER/ME user%2fme
    admin/ban admin/ login message message.send handlers.message.send ping error user/ｍe
""".split()
STRANGE_NAMES += ["", "user/me ", " user/me", "user/me\n", "user\\me", "x" * 10_000, "a\nb", "\0"]


async def test_only_registered_names_run(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R20: every other name is `unknown_event`, before anyone asks who is calling."""
    anonymous, socket = await dial(), await dial(mallory)
    answers = set()
    for name in STRANGE_NAMES:
        for caller in (anonymous, socket):
            for payload in (ABSENT, {}, {"token": "x"}, 5):
                answer = await caller.call(name, payload)
                refused(answer, "unknown_event")
                answers.add(json.dumps(answer, sort_keys=True))
    assert len(answers) == 1, "the answer tells names apart"
    assert not socket.answered_twice and not anonymous.answered_twice
