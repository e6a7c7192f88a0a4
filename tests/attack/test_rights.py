"""Attacks on rights: who may do what to whom, and what a third person may learn of it."""

import json
from typing import Any

import pytest

from server.wire.events import registry
from tests.ground.accounts import State, set_state
from tests.ground.answers import check, ok, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import RawSocket, Refused
from tests.ground.strategies import SAMPLES, aim

ANNA = {"first_name": "Anna", "last_name": "Orlova", "gender": "female", "birth_date": "1990-05-17"}
ANNA |= {"description": "I like trains", "sex": ["male"], "tags": ["trains", "chess"]}
ANNA |= {"gps": {"lat": 55.751244, "lon": 37.618423}, "wish": {"age_min": 23, "age_max": 47, "distance_max": 50}}
BORIS = {"first_name": "Boris", "gender": "male", "sex": ["female"], "birth_date": "1988-01-02", "tags": ["chess"]}
BORIS |= {"gps": {"lat": 55.76, "lon": 37.64}}


def _to(person: Any, **fields: Any) -> dict[str, Any]:
    return {"target_user_id": person.id} | fields


async def _rows(server: Any) -> list[Any]:
    """Everything that an attack must leave as it was: accounts, profiles, pairs, messages, logs."""
    tables = ("account", "profile", "profile_tag", "pair", "message", "notification", "nudge", "user_event")
    return [sorted(map(repr, await server.database.fetch(f"SELECT * FROM {table}"))) for table in tables]


async def _fenced(server: Any, socket: RawSocket, person: Any, people: Any, login: str) -> list[Any]:
    """Return all pushes of a person so far: someone connects with them, and what came before that is all there is."""
    friend = await people(login, gender="nonbinary")
    async with await RawSocket.open(server.url, auth={"token": friend.token}) as theirs:
        ok(await theirs.call("user/like", _to(person)))
        ok(await socket.call("user/like", _to(friend)))
        await socket.push("connection", user_id=friend.id)
    return [push for push in socket.pushes if friend.id not in (push.data.get("user_id"), _person(push.data))]


def _person(data: dict[str, Any]) -> Any:
    return (data.get("user") or {}).get("user_id")


# R43: one writes only to whom one is connected with


async def test_one_writes_only_to_whom_one_is_connected_with(server: Any, dial: Any, people: Any, settle: Any) -> None:
    """R43: no like, one-sided likes, after unlike, disconnect and block: refused, nothing stored, nothing told."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)

    async def refuse(socket: RawSocket, target: Any, name: str) -> None:
        before = await _rows(server)
        for number in (1, 2):
            refused(await socket.call("message/send", _to(target, random_id=number, message="let me in")), name)
        assert await _rows(server) == before

    await refuse(his, anna, "not_connected")
    ok(await his.call("user/like", _to(anna)))
    await refuse(his, anna, "not_connected")
    await refuse(hers, boris, "not_connected")
    assert ok(await hers.call("user/like", _to(boris)))["connected"] is True
    ok(await his.call("message/send", _to(anna, random_id=100, message="hello")))
    ok(await hers.call("user/unlike", _to(boris)))
    await refuse(his, anna, "not_connected")
    await refuse(hers, boris, "not_connected")
    ok(await hers.call("user/like", _to(boris)))
    ok(await his.call("user/like", _to(anna)))
    ok(await his.call("message/send", _to(anna, random_id=101, message="hello again")))
    ok(await his.call("user/disconnect", _to(anna)))
    await refuse(his, anna, "not_connected")
    await refuse(hers, boris, "not_connected")
    ok(await hers.call("user/like", _to(boris)))
    ok(await his.call("user/like", _to(anna)))
    ok(await hers.call("user/block", _to(boris)))
    await refuse(his, anna, "not_found")
    await refuse(hers, boris, "blacklisted")
    ok(await hers.call("user/unblock", _to(boris)))
    await refuse(his, anna, "not_connected")
    told = [push for push in await _fenced(server, hers, anna, people, "fence-one") if push.event == "message/new"]
    assert [push.data["message"]["message"] for push in told] == ["hello", "hello again"]


async def test_one_does_not_write_to_oneself_the_banned_or_the_unknown(
    server: Any, dial: Any, connected: Any, mallory: Any
) -> None:
    """R43: oneself is a wrong payload; deleted, banned and never existing people are one and the same nobody."""
    alice, bob = connected
    socket, before = await dial(alice), await _rows(server)
    for event in ("message/send", "profile", "user/like", "user/block", "message/history", "message/read"):
        payload = aim(SAMPLES[event].required, target_id=alice.id, target_login=alice.login)
        refused(await socket.call(event, payload), "invalid_payload")
    refused(await socket.call("user/connect", {"target_id": alice.login}), "invalid_payload")
    assert await _rows(server) == before
    answers = set()
    message = {"random_id": 1, "message": "anyone there?"}
    answers.add(json.dumps(await socket.call("message/send", {"target_user_id": 123_456_789, **message})))
    for state in State:
        await set_state(server, bob, state)
        answers.add(json.dumps(await socket.call("message/send", _to(bob, **message))))
    assert len(answers) == 1, answers
    refused(json.loads(answers.pop()), "not_found")


FORGED = """
    from from_user_id author sender sender_id sid match_id pair_id seq sent_at created_at read_at room to namespace
    skip_sid conversation caller ctx me is_admin at user
""".split()


async def test_nothing_in_a_payload_says_who_wrote_it(server: Any, dial: Any, connected: Any, mallory: Any) -> None:
    """R43, R44, R49: a forged author, pair, time or room is an unknown field, and nothing is stored."""
    alice, bob = connected
    socket, before = await dial(mallory), await _rows(server)
    for event, sample in SAMPLES.items():
        payload = aim(sample.required, target_id=bob.id, target_login=bob.login)
        for name in FORGED:
            if name not in sample.required:
                for value in (alice.id, str(alice.id), f"user:{bob.id}", [bob.id]):
                    refused(await socket.call(event, payload | {name: value}), "invalid_payload")
    assert await _rows(server) == before


async def test_a_foreign_user_id_is_unauthorized(server: Any, dial: Any, connected: Any, mallory: Any) -> None:
    """R44: `user_id` names the caller or nobody; with a token of one's own it still has to match."""
    alice, bob = connected
    signed_in, anonymous, before = await dial(mallory), await dial(), await _rows(server)
    private = [name for name, spec in registry.items() if not spec.public]
    assert private
    for event in private:
        if event == "notifications":
            continue  # its `user_id` is the receiver, who is never the caller
        payload = aim(SAMPLES[event].required, target_id=bob.id, target_login=bob.login)
        for user_id in (alice.id, bob.id, 1, 2**53 - 1):
            refused(await signed_in.call(event, payload | {"user_id": user_id}), "unauthorized")
            token = {"token": mallory.token, "user_id": user_id}
            refused(await anonymous.call(event, payload | token), "unauthorized")
            refused(await signed_in.call(event, payload | token), "unauthorized")
    assert await _rows(server) == before
    assert ok(await signed_in.call("user/me", {"user_id": mallory.id}))["user_id"] == mallory.id


async def test_a_token_in_a_payload_counts_for_that_event_only(dial: Any, alice: Any, mallory: Any) -> None:
    """R44: an event that runs as another leaves the socket who it was, also when several are under way."""
    socket, anonymous = await dial(mallory), await dial()
    for _ in range(3):
        assert ok(await socket.call("user/me", {"token": alice.token}))["user_id"] == alice.id
        assert ok(await socket.call("user/me"))["user_id"] == mallory.id
        assert ok(await anonymous.call("user/me", {"token": alice.token}))["user_id"] == alice.id
        refused(await anonymous.call("user/me"), "unauthorized")
    for number in range(100, 110):
        await socket.emit("user/me", *([{"token": alice.token}] if number % 2 else []), ack=number)
    for number in range(100, 110):
        expected = alice.id if number % 2 else mallory.id
        assert ok(await socket.answer(number))["user_id"] == expected


async def test_nobody_reads_or_marks_a_foreign_conversation(
    server: Any, dial: Any, connected: Any, mallory: Any, people: Any
) -> None:
    """R44: receipts are one's own, for messages that exist; a stranger gets and changes nothing."""
    alice, bob = connected
    hers, his, stranger = await dial(alice), await dial(bob), await dial(mallory)
    for number in range(3):
        ok(await hers.call("message/send", _to(bob, random_id=number, message=f"number {number}")))
    before = await _rows(server)
    for target in connected:
        refused(await stranger.call("message/history", _to(target)), "not_connected")
        refused(await stranger.call("message/read", _to(target, seq=3)), "not_connected")
    assert await _rows(server) == before
    check(await his.call("message/read", _to(alice, seq=1_000_000)))
    ok(await his.call("message/read", _to(alice, seq=2)))
    assert ok(await hers.call("message/history", _to(bob)))["their_read_seq"] <= 3
    ok(await hers.call("message/read", _to(bob, seq=0)))
    assert all(push.data["read_seq"] <= 3 for push in hers.pushes if push.event == "message/read")


# R45: only what may be set can be set


async def test_a_profile_takes_its_own_fields_and_no_others(server: Any, dial: Any, mallory: Any) -> None:
    """R45: flat, nested, dotted, in another case, on the prototype: refused, and no row changes."""
    names = """
        id user_id_ mail email password_hash is_admin role verified banned state found fame popularity created_at
        last_seen lat lng lon cell photos main_photo likes user.role gps.lat profile[fame] First_name FAME __proto__
        constructor prototype birth_date_approximate settings unread score online place distance cursor
    """.split()
    names += ["first_name "]
    socket, before = await dial(mallory), await _rows(server)
    for name in names:
        for value in (1, True, "x", {"role": "admin"}, [1]):
            error = refused(await socket.call("user/save_profile", {name: value}), "invalid_payload")
            assert name in error["fields"] or len(error["fields"]) == 1, error
            refused(await socket.call("user/save_profile", {"description": "x", name: value}), "invalid_payload")
    for nested in (
        {"gps": {"lat": 1, "lon": 1, "cell": 5}},
        {"wish": {"age_min": 20, "fame": 100}},
        {"user": {"fame": 9}},
    ):
        refused(await socket.call("user/save_profile", nested), "invalid_payload")
    answer = await socket.call_raw('["user/save_profile",{"description":"one","fame":1,"description":"two"}]')
    refused(answer, "invalid_payload")
    assert await _rows(server) == before


async def test_a_registration_takes_its_own_fields_and_no_others(server: Any, dial: Any) -> None:
    """R45: nobody registers as verified, famous or with an id of their choice."""
    socket, before = await dial(), await _rows(server)
    for name in (
        "id",
        "user_id",
        "state",
        "verified",
        "role",
        "is_admin",
        "fame",
        "created_at",
        "password_hash",
        "found",
    ):
        payload = SAMPLES["user/registr"].required | {name: 1}
        refused(await socket.call("user/registr", payload), "invalid_payload", "unauthorized")
    assert await _rows(server) == before


async def test_only_the_given_columns_change(server: Any, dial: Any, settle: Any) -> None:
    """R45: one field saved changes that field and nothing else, for oneself and nobody else."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    his = await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", boris.id)
    (hers,) = await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", anna.id)
    ok(await (await dial(anna)).call("user/save_profile", {"description": "something new"}))
    (after,) = await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", anna.id)
    assert [new for old, new in zip(hers, after, strict=True) if old != new] == ["something new"]
    assert await server.database.fetch("SELECT * FROM profile WHERE user_id = %s", boris.id) == his


# R46: what others are told is a closed list

CARD = set(
    "user_id login first_name age gender photo place distance fame common_tags online last_seen score why".split()
)
PROFILE = CARD | set("last_name description sex tags photos liked_me liked requested_me requested connected".split())
OWN = set("user_id login first_name last_name age gender description sex tags photos fame".split())
ME = OWN | set("mail birth_date gps wish settings unread cursor".split())
MESSAGE = {"seq", "from_user_id", "message", "sent_at"}
LOGGED = {"seq", "at"}
LIKE = {"user", "kind", "liked_at"}
VISIT = {"user", "visited_at"}
NOTICE = {"seq", "kind", "user", "count", "at", "read"}


async def test_answers_and_pushes_have_exactly_the_keys_of_the_contract(dial: Any, settle: Any) -> None:
    """R46: every answer and push about another person, by its keys."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)
    found = ok(await his.call("research"))
    assert set(found) <= {"users", "cursor", "distance_max", "partial", "funnel"} and found["users"]
    assert all(set(user) == CARD for user in found["users"])
    assert set(ok(await his.call("profile", _to(anna)))) == PROFILE
    assert ok(await his.call("user/like", _to(anna))) == {"liked": True, "connected": False}
    assert ok(await hers.call("user/connect", {"target_id": boris.login})) == {"state": "connected"}
    connection = await his.push("connection")
    assert set(connection) == LOGGED | {"user_id", "state", "user"} and set(connection["user"]) == CARD
    assert set(ok(await his.call("message/send", _to(anna, random_id=1, message="hello")))) == {"seq", "sent_at"}
    mine, theirs = await his.push("message/new"), await hers.push("message/new")
    assert set(mine) == set(theirs) == LOGGED | {"user_id", "message"}
    assert set(mine["message"]) == MESSAGE | {"random_id"} and set(theirs["message"]) == MESSAGE
    assert ok(await hers.call("message/read", _to(boris, seq=1))) == {}
    assert set(await his.push("message/read")) == LOGGED | {"user_id", "by", "read_seq"}
    history = ok(await hers.call("message/history", _to(boris)))
    assert set(history) == {"messages", "my_read_seq", "their_read_seq"}
    assert [set(message) for message in history["messages"]] == [MESSAGE]
    connections = ok(await his.call("user/connections"))
    assert set(connections) == {"connections", "cursor"}
    (connection,) = connections["connections"]
    assert set(connection) == {"user", "connected_at", "last_message", "unread", "their_read_seq"}
    assert set(connection["user"]) == CARD and set(connection["last_message"]) == MESSAGE | {"random_id"}
    assert ok(await his.call("notifications", {"user_id": anna.id, "random_id": 1})) == {}
    told = await hers.push("notification", kind="nudge")
    assert set(told) == LOGGED | {"kind", "user", "count"} and set(told["user"]) == CARD
    listed = ok(await hers.call("notifications/list"))
    assert set(listed) == {"notifications", "unread", "cursor"}
    assert all(set(notice) == NOTICE and set(notice["user"]) == CARD for notice in listed["notifications"])
    assert set(ok(await hers.call("notifications/read", {"seq": told["seq"]}))) == {"unread"}
    assert set(await hers.push("notifications/read")) == LOGGED | {"up_to", "unread"}
    synced = ok(await his.call("sync", {"cursor": 0}))
    assert set(synced) == {"events", "cursor", "more"}
    assert all(set(event) == {"event", "data"} for event in synced["events"])
    carol = await settle("carola", **ANNA)
    theirs = await dial(carol)
    for event in ("profile", "user/like"):
        ok(await theirs.call(event, _to(boris)))
    for event, name, keys in (("user/likes", "likes", LIKE), ("user/history", "visits", VISIT)):
        listed = ok(await his.call(event))
        assert set(listed) == {name, "cursor"} and listed[name]
        assert all(set(row) == keys and set(row["user"]) == CARD for row in listed[name])
    ok(await his.call("user/block", _to(carol)))
    assert set(await his.push("relation/changed", blocked=True)) == LOGGED | {"user_id", "liked", "passed", "blocked"}
    listed = ok(await his.call("user/blocks"))
    assert set(listed) == {"blocks", "cursor"}
    assert [set(row) for row in listed["blocks"]] == [{"user_id", "login", "blocked_at"}]
    assert ME <= set(ok(await his.call("user/me"))) <= ME | {"photo", "place"}
    assert OWN <= set(ok(await his.call("user/save_profile", {}))) <= OWN | {"photo", "place"}
    for event in ("user/unlike", "user/disconnect", "user/block", "user/unblock"):
        assert ok(await his.call(event, _to(anna))) == {}


NEVER = """
    mail email lat lon gps cell birth_date wish ip address password_hash password token sessions last_login reports
    blocked_by sid settings created_at low_id high_id
""".split()


async def test_secrets_of_others_are_nowhere(server: Any, dial: Any, settle: Any) -> None:
    """R46: neither key nor value of mail, birth date, position or wish is in anything another person is sent."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)
    answers = [ok(await his.call("research")), ok(await his.call("profile", _to(anna)))]
    answers.append(ok(await his.call("research", {"sort_by": 1})))
    ok(await his.call("user/like", _to(anna)))
    ok(await hers.call("user/like", _to(boris)))
    ok(await hers.call("message/send", _to(boris, random_id=2_077_001_770, message="hello")))
    await his.push("message/new")
    for event, payload in (("user/connections", {}), ("message/history", _to(anna)), ("sync", {"cursor": 0})):
        answers.append(ok(await his.call(event, payload)))
    answers += [push.data for push in his.pushes]
    assert not {key for answer in answers for key in _keys(answer)} & set(NEVER)  # `hash` is a photo's look
    text = json.dumps(answers)
    me = ok(await hers.call("user/me"))
    secrets = [
        anna.mail,
        anna.password,
        anna.token,
        ANNA["birth_date"],
        "55.75",
        "37.61",
        str(me["gps"]["lat"]),
        "2077001770",
    ]
    for secret in secrets:
        assert str(secret) not in text, f"{secret} was told"


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for part in value.values() for key in _keys(part)}
    return {key for part in value for key in _keys(part)} if isinstance(value, list) else set()


# R49: who hears what is decided by the server


async def test_there_is_one_namespace_and_no_room_to_choose(dial: Any, healthy: HealthyPair, mallory: Any) -> None:
    """R49: other namespaces are refused, a thousand of them too, and their events run nothing."""
    socket = await dial(mallory)
    for namespace in ("/admin", "/foo", "/*", "//", "/socket.io"):
        with pytest.raises(Refused):
            await socket.join({"token": mallory.token}, namespace)
    for number in range(1_000):
        await socket.send_while_open(f"40/{number},{{}}")
    await socket.send_while_open(f"40/{'x' * 1000},{{}}", f"40{'/' * 1000},{{}}")
    for namespace in ("/admin", "/foo", "/7"):
        await socket.send_while_open(f'42{namespace},500["user/me"]')
    answer = await socket.call_or_close("user/me")
    assert answer is None or ok(answer)["user_id"] == mallory.id
    assert 500 not in socket.acks and set(filter(socket.joined.get, socket.joined)) == {"/"}


async def test_no_payload_chooses_who_hears_of_it(
    server: Any, dial: Any, connected: Any, mallory: Any, people: Any
) -> None:
    """R49: what two people say is told to the two and to nobody else."""
    alice, bob = connected
    hers, his, stranger, anonymous = await dial(alice), await dial(bob), await dial(mallory), await dial()
    for name in ("room", "to", "namespace", "rooms", "broadcast", "skip_sid"):
        for value in (mallory.id, f"user:{mallory.id}", "/", "*", [mallory.id]):
            answer = await hers.call("message/send", _to(bob, random_id=1, message="x") | {name: value})
            refused(answer, "invalid_payload")
    ok(await hers.call("message/send", _to(bob, random_id=1, message="for bob alone")))
    await his.push("message/new")
    ok(await his.call("message/read", _to(alice, seq=1)))
    await hers.push("message/read")
    assert not await _fenced(server, stranger, mallory, people, "fence-two")
    refused(await anonymous.call("user/me"), "unauthorized")
    assert not anonymous.pushes
