"""Attacks on rights: who may do what to whom, and what a third person may learn of it."""

import json
import re
from typing import Any

import pytest

from server.wire.events import registry
from tests.ground.accounts import State, set_state
from tests.ground.answers import check, ok, refused
from tests.ground.healthy import HealthyPair
from tests.ground.raw import ABSENT, RawSocket, Refused
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
    tables = ("account", "profile", "profile_tag", "pair", "message", "user_event")
    return [sorted(map(repr, await server.database.fetch(f"SELECT * FROM {table}"))) for table in tables]


async def _fenced(server: Any, socket: RawSocket, person: Any, people: Any, login: str) -> list[Any]:
    """Return all pushes of a person so far: someone connects with them, and what came before that is all there is."""
    friend = await people(login, gender="nonbinary")
    async with await RawSocket.open(server.url, auth={"token": friend.token}) as theirs:
        ok(await theirs.call("user/like", _to(person)))
        ok(await socket.call("user/like", _to(friend)))
        await socket.push("connection", user_id=friend.id)
    return [push for push in socket.pushes if push.data.get("user_id") != friend.id]


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
    synced = ok(await his.call("sync", {"cursor": 0}))
    assert set(synced) == {"events", "cursor", "more"}
    assert all(set(event) == {"event", "data"} for event in synced["events"])
    assert ME <= set(ok(await his.call("user/me"))) <= ME | {"photo", "place"}
    assert OWN <= set(ok(await his.call("user/save_profile", {}))) <= OWN | {"photo", "place"}
    for event in ("user/unlike", "user/disconnect", "user/block", "user/unblock"):
        assert ok(await his.call(event, _to(anna))) == {}


NEVER = """
    mail email lat lon gps cell birth_date wish ip address hash password token sessions last_login reports
    blocked_by blocked sid settings created_at low_id high_id
""".split()


async def test_secrets_of_others_are_nowhere(server: Any, dial: Any, settle: Any) -> None:
    """R46: neither key nor value of mail, birth date, position or wish is in anything another person is sent."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)
    answers = [ok(await his.call("research")), ok(await his.call("profile", _to(anna)))]
    answers.append(ok(await his.call("research", {"sort_by": 1})))
    ok(await his.call("user/like", _to(anna)))
    ok(await hers.call("user/like", _to(boris)))
    ok(await hers.call("message/send", _to(boris, random_id=77_001, message="hello")))
    await his.push("message/new")
    for event, payload in (("user/connections", {}), ("message/history", _to(anna)), ("sync", {"cursor": 0})):
        answers.append(ok(await his.call(event, payload)))
    answers += [push.data for push in his.pushes]
    assert not {key for answer in answers for key in _keys(answer)} & set(NEVER)
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
        "77001",
    ]
    for secret in secrets:
        assert str(secret) not in text, f"{secret} was told"


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for part in value.values() for key in _keys(part)}
    return {key for part in value for key in _keys(part)} if isinstance(value, list) else set()


# R47: a block is whole, and goes both ways


async def _befriend(hers: RawSocket, anna: Any, his: RawSocket, boris: Any) -> None:
    ok(await his.call("profile", _to(anna)))
    ok(await hers.call("profile", _to(boris)))
    ok(await his.call("user/like", _to(anna)))
    ok(await hers.call("user/like", _to(boris)))
    ok(await his.call("message/send", _to(anna, random_id=1, message="a word of his")))
    ok(await hers.call("message/send", _to(boris, random_id=1, message="a word of hers")))
    ok(await his.call("message/read", _to(anna, seq=2)))
    for socket in (hers, his):
        await socket.until(lambda push: push.event == "message/read")


@pytest.mark.parametrize("history", ["strangers", "liked", "connected"])
async def test_a_block_is_total_and_goes_both_ways(server: Any, dial: Any, settle: Any, history: str) -> None:
    """R47: every surface in both directions, whatever was between the two before."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)
    if history == "liked":
        ok(await his.call("user/like", _to(anna)))
        ok(await hers.call("profile", _to(boris)))
    if history == "connected":
        await _befriend(hers, anna, his, boris)
    ok(await hers.call("user/block", _to(boris)))
    for socket, other, writing in ((hers, boris, "blacklisted"), (his, anna, "not_found")):
        await _sees_nothing(socket, other, writing)
    if history == "connected":
        closed = await his.push("connection", state="closed")
        assert set(closed) == LOGGED | {"user_id", "state"} and closed["user_id"] == anna.id
    ok(await hers.call("user/unblock", _to(boris)))
    for socket, other in ((hers, boris), (his, anna)):
        profile = ok(await socket.call("profile", _to(other)))
        assert not [name for name in ("liked", "liked_me", "requested", "requested_me", "connected") if profile[name]]
        assert not ok(await socket.call("user/connections"))["connections"], "a connection came back by itself"
        refused(await socket.call("message/send", _to(other, random_id=9, message="x")), "not_connected")


async def _sees_nothing(socket: RawSocket, other: Any, writing: str) -> None:
    """The other is on no surface of the slice."""
    before = len(socket.pushes)
    for event in ("profile", "user/like", "message/history"):
        refused(await socket.call(event, _to(other)), "not_found")
    refused(await socket.call("message/read", _to(other, seq=1)), "not_found")
    refused(await socket.call("user/connect", {"target_id": other.login}), "not_found")
    refused(await socket.call("message/send", _to(other, random_id=50, message="can you hear me")), writing)
    ok(await socket.call("user/unlike", _to(other)))
    ok(await socket.call("user/disconnect", _to(other)))
    for sort_by in (0, 1):
        assert other.id not in [
            user["user_id"] for user in ok(await socket.call("research", {"sort_by": sort_by}))["users"]
        ]
    assert not ok(await socket.call("user/connections"))["connections"]
    assert ok(await socket.call("user/me"))["unread"] == {"messages": 0, "notifications": 0}
    events = ok(await socket.call("sync", {"cursor": 0}))["events"]
    told = [event for event in events if event["event"] not in ("void", "connection")]
    assert not told, f"the log still shows {told}"
    assert "a word of" not in json.dumps(events) and other.login not in json.dumps(events)
    seqs = [event["data"]["seq"] for event in events]
    assert seqs == list(range(1, len(seqs) + 1)), "what is hidden left a hole in the log"
    assert not [push for push in socket.pushes[before:] if push.event not in ("connection", "void")]


async def test_nobody_takes_back_anothers_block(dial: Any, settle: Any) -> None:
    """R47: neither a block of one's own nor an unblock opens what the other one has closed."""
    anna, boris = await settle("anna", **ANNA), await settle("boris", **BORIS)
    hers, his = await dial(anna), await dial(boris)
    ok(await hers.call("user/block", _to(boris)))
    refused(await his.call("user/block", _to(anna)), "not_found")
    ok(await hers.call("user/unblock", _to(boris)))
    ok(await his.call("user/block", _to(anna)))
    refused(await hers.call("user/block", _to(boris)), "not_found")
    ok(await hers.call("user/unblock", _to(boris)))
    for socket, other, writing in ((his, anna, "blacklisted"), (hers, boris, "not_found")):
        await _sees_nothing(socket, other, writing)
    ok(await his.call("user/unblock", _to(anna)))
    assert ok(await hers.call("profile", _to(boris)))["user_id"] == boris.id


async def test_a_block_holds_for_pages_that_were_begun(dial: Any, settle: Any) -> None:
    """R47: from the next page on the blocker is not there any more."""
    viewer = await settle("viewer", **BORIS)
    women = [await settle(f"woman-{number}", **ANNA) for number in range(4)]
    socket = await dial(viewer)
    page = ok(await socket.call("research", {"limit": 1}))
    seen = [page["users"][0]["user_id"]]
    last = ok(await socket.call("research", {"limit": 4}))["users"][-1]["user_id"]
    blocker = next(woman for woman in women if woman.id == last)
    ok(await (await dial(blocker)).call("user/block", _to(viewer)))
    while page["cursor"]:
        page = ok(await socket.call("research", {"limit": 1, "cursor": page["cursor"]}))
        seen += [user["user_id"] for user in page["users"]]
    assert sorted(seen) == sorted(woman.id for woman in women if woman is not blocker)


# R48: one cannot tell a block from a deletion


class _Witness:
    """The attacker's view of the world: every answer and push as text, with ids, names and times taken out."""

    def __init__(self, attacker: Any, victim: Any, bystander: Any) -> None:
        self.lines: list[str] = []
        self._names = [(attacker, "ATTACKER"), (victim, "VICTIM"), (bystander, "BYSTANDER")]

    def note(self, what: str, seen: Any) -> None:
        """Add what was seen."""
        text = json.dumps(seen, sort_keys=True)
        for person, name in self._names:
            text = text.replace(str(person.id), f'"{name}"').replace(person.login, f"login of {name}")
        text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", text)
        text = re.sub(r'("cursor": )"[^"]+"', r'\1"CURSOR"', text)
        self.lines.append(f"{what}: {text}")


async def _probe(witness: _Witness, socket: RawSocket, victim: Any, bystander: Any) -> None:
    """All that an attacker can try on the victim, and what it looks like."""
    for _ in range(2):
        for event, sample in SAMPLES.items():
            if event not in ("user/login", "user/logout", "user/registr", "user/verification", "user/block", "sync"):
                payload = aim(sample.required, target_id=victim.id, target_login=victim.login)
                witness.note(event, await socket.call(event, payload or ABSENT))
        for extra in (
            ("message/history", _to(victim, before=2)),
            ("message/history", _to(victim, after=0, limit=100)),
            ("message/read", _to(victim, seq=2)),
            ("message/send", _to(victim, random_id=1, message="a word of his")),  # a repeat of one that was sent
            ("message/send", _to(victim, random_id=1, message="another word")),
            ("research", {"sort_by": 1}),
            ("research", {"distance_max": 100}),
            ("research", {"limit": 1}),
            ("user/connections", {"limit": 1}),
            ("profile", _to(bystander)),
        ):
            witness.note(extra[0], await socket.call(*extra))
        for event in ("user/block", "profile", "message/send", "user/unblock", "profile", "user/me"):
            payload = aim(SAMPLES[event].required, target_id=victim.id, target_login=victim.login)
            witness.note(f"around a block of mine: {event}", await socket.call(event, payload or ABSENT))


@pytest.mark.parametrize("history", ["strangers", "liked", "liked_me", "unblocked", "parted", "connected"])
async def test_a_block_looks_like_a_deletion(server: Any, dial: Any, settle: Any, history: str) -> None:
    """R48: two worlds, in one the victim blocked the attacker, in the other it was deleted: the same bytes in both."""
    bystander = await settle("bystander", **ANNA)
    worlds = [
        await _world(server, dial, settle, bystander, history, blocked=blocked, number=number)
        for number, blocked in enumerate((True, False))
    ]
    for blocked, deleted in zip(*worlds, strict=True):
        assert blocked == deleted


async def _world(
    server: Any, dial: Any, settle: Any, bystander: Any, history: str, *, blocked: bool, number: int
) -> list[str]:
    victim, attacker = await settle(f"victim-{number}", **ANNA), await settle(f"attacker-{number}", **BORIS)
    hers, his = await dial(victim), await dial(attacker)
    if history in ("liked", "liked_me"):
        socket, target = (his, victim) if history == "liked" else (hers, attacker)
        ok(await socket.call("user/like", _to(target)))
        ok(await socket.call("profile", _to(target)))
    if history == "unblocked":
        ok(await his.call("user/block", _to(victim)))
        ok(await his.call("user/unblock", _to(victim)))
    if history in ("parted", "connected"):
        await _befriend(hers, victim, his, attacker)
    if history == "parted":
        ok(await his.call("user/disconnect", _to(victim)))
        await his.push("connection", state="closed")
    before = len(his.pushes)
    if blocked:
        ok(await hers.call("user/block", _to(attacker)))
        if history == "connected":
            await his.push("connection", state="closed")
    else:
        await set_state(server, victim, State.DELETED)
    witness = _Witness(attacker, victim, bystander)
    await _probe(witness, his, victim, bystander)
    log = ok(await his.call("sync", {"cursor": 0}))["events"]
    if blocked and history == "connected":  # a deletion by hand has not told the end; all else must be equal
        assert log.pop()["event"] in ("connection", "void")
        del his.pushes[before]
    witness.note("sync", log)
    witness.note("pushes", his.pushes[before:])
    for person in (victim, attacker):  # neither is in the way of the other world
        await set_state(server, person, State.DELETED)
    lines = [re.sub(r'"cursor": \d+', '"cursor": LOG', line) for line in witness.lines]
    return lines


async def test_an_unknown_person_is_like_one_who_blocked_me(dial: Any, settle: Any) -> None:
    """R48: never existing, unverified and blocking people get the same bytes on every event."""
    attacker, victim = await settle("attacker", **BORIS), await settle("victim", **ANNA)
    ok(await (await dial(victim)).call("user/block", _to(attacker)))
    socket = await dial(attacker)
    newcomer = SAMPLES["user/registr"].required
    unverified = ok(await (await dial()).call("user/registr", newcomer))["user_id"]
    for event, sample in SAMPLES.items():
        if "target_user_id" in sample.required:
            answers = {
                json.dumps(await socket.call(event, sample.required | {"target_user_id": target}))
                for target in (victim.id, unverified, 987_654_321, 2**53 - 1)
            }
            assert len(answers) == 1, (event, answers)
            if event == "user/block":  # the blocker's own list is the blocker's own matter
                for target in (victim.id, unverified, 987_654_321, 2**53 - 1):
                    ok(await socket.call("user/unblock", {"target_user_id": target}))
    logins = (victim.login, newcomer["login"], "nobody-at-all")
    answers = {json.dumps(await socket.call("user/connect", {"target_id": login})) for login in logins}
    assert len(answers) == 1, answers


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
