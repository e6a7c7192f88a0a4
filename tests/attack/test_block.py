"""Attacks on blocks: nothing crosses one, in either direction, and nobody can tell it from a deletion."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

import server.app  # noqa: F401  (which registers every event)
from server.app import SERVICES
from server.wire.events import registry
from server.wire.pushes import Kind, Push
from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.server import Person
from tests.ground.strategies import SAMPLES, TARGET_ID, aim
from tests.ground.worlds import Witness, Worlds, settled

ANNA = {"first_name": "Annabella", "last_name": "Orlova", "gender": "female", "sex": ["male"], "tags": ["trains"]}
BORIS = {"first_name": "Boriska", "last_name": "Petrov", "gender": "male", "sex": ["female"], "tags": ["trains"]}
HERE = {"gps": {"lat": 55.751244, "lon": 37.618423}, "age": 30}

REFUSES, FORGIVES, SILENT, APART = "refuses", "forgives", "silent", "apart"
CASES = {
    "profile": REFUSES,
    "user/like": REFUSES,
    "user/connect": REFUSES,
    "user/pass": REFUSES,
    "user/block": REFUSES,
    "message/send": REFUSES,
    "message/history": REFUSES,
    "message/read": REFUSES,
    "message/typing": REFUSES,
    "notifications": REFUSES,
    "user/unlike": FORGIVES,
    "user/disconnect": FORGIVES,
    "user/unpass": FORGIVES,
    "user/unblock": FORGIVES,
    "report": FORGIVES,
    "research": SILENT,
    "user/me": SILENT,
    "user/history": SILENT,
    "user/likes": SILENT,
    "user/blocks": SILENT,
    "user/connections": SILENT,
    "user/sessions": SILENT,
    "user/settings": SILENT,
    "user/save_profile": SILENT,
    "user/set_online": SILENT,
    "user/set_offline": SILENT,
    "notifications/list": SILENT,
    "notifications/read": SILENT,
    "presence/watch": SILENT,
    "sync": SILENT,
    "tags": SILENT,
    "places": SILENT,
    # These are about accounts and passwords, and some would end the session that looks.
    "user/login": APART,
    "user/logout": APART,
    "user/registr": APART,
    "user/verification": APART,
    "user/resend_verification": APART,
    "user/forgot_pass": APART,
    "user/reset_pass": APART,
    "user/end_session": APART,
}
"""What every event says of somebody behind a block."""


def to(person: Any, **fields: Any) -> dict[str, Any]:
    return {"target_user_id": person.id} | fields


def sample(event: str, target: Any) -> dict[str, Any]:
    """Return a payload aimed at somebody; lists of ids too."""
    payload = aim(SAMPLES[event].required, target_id=target.id, target_login=target.login)
    return {
        name: [target.id if part == TARGET_ID else part for part in value] if isinstance(value, list) else value
        for name, value in payload.items()
    }


def test_every_event_has_a_case():
    """R47, R48: whoever adds an event says here what a block does to it."""
    assert registry.keys() <= CASES.keys()


# -- the past of two people --------------------------------------------------------------------------------------------


class Two(NamedTuple):
    """Anna, who will block, and Boris, each with a socket."""

    anna: Person
    boris: Person
    hers: RawSocket
    his: RawSocket


async def nothing(two: Two) -> None:
    """They don't know each other."""


async def visited(two: Two) -> None:
    ok(await two.his.call("profile", to(two.anna)))
    ok(await two.hers.call("profile", to(two.boris)))


async def liked(two: Two) -> None:
    ok(await two.his.call("user/like", to(two.anna)))


async def liked_me(two: Two) -> None:
    ok(await two.hers.call("user/like", to(two.boris)))


async def requested(two: Two) -> None:
    ok(await two.his.call("user/connect", {"target_id": two.anna.login}))
    ok(await two.his.call("user/pass", to(two.anna)))
    ok(await two.hers.call("notifications", {"user_id": two.boris.id, "random_id": 1}))


async def unblocked(two: Two) -> None:
    ok(await two.his.call("user/block", to(two.anna)))
    ok(await two.his.call("user/unblock", to(two.anna)))


async def connected(two: Two) -> None:
    await visited(two)
    await liked(two)
    await liked_me(two)


async def chatted(two: Two) -> None:
    await connected(two)
    for sender, target, number in ((two.his, two.anna, 1), (two.hers, two.boris, 1), (two.his, two.anna, 2)):
        ok(await sender.call("message/send", to(target, random_id=number, message=f"words to {target.login}")))
    ok(await two.his.call("message/read", to(two.anna, seq=2)))
    ok(await two.his.call("notifications", {"user_id": two.anna.id, "random_id": 1}))


async def parted(two: Two) -> None:
    await chatted(two)
    ok(await two.his.call("user/disconnect", to(two.anna)))


HIDDEN = {"online": None, "last_seen": None}
PASTS = [nothing, visited, liked, liked_me, requested, unblocked, connected, chatted, parted]


# -- R47: a block is whole, and goes both ways -------------------------------------------------------------------------


@pytest.fixture
async def two(dial: Any, settle: Any) -> Two:
    anna, boris = await settle("annabella", **ANNA, **HERE), await settle("boriska", **BORIS, **HERE)
    hers, his = [await dial(auth={"token": person.token, "cursor": 0}) for person in (anna, boris)]
    return Two(anna, boris, hers, his)


async def sees_nothing(socket: RawSocket, me: Any, other: Any, *, blocker: bool) -> None:
    """Ask for everything that there is: nothing tells of the other, but the blocker's own black list."""
    for event in sorted(registry.keys() - {"user/unblock"}):
        if CASES[event] == APART:
            continue
        answer = await socket.call(event, sample(event, other))
        if blocker and event == "message/send":
            refused(answer, "blacklisted")
        elif CASES[event] == REFUSES and not (blocker and event == "user/block"):
            refused(answer, "not_found")
        elif CASES[event] == FORGIVES:
            assert ok(answer) == {}
        elif not (blocker and event == "user/blocks"):
            shows_nothing(event, _entries(event, ok(answer)), me, other, blocker=blocker)


def _entries(event: str, data: Any) -> list[Any]:
    if event == "presence/watch":  # repeats the ids that it was asked for
        return [(event, presence) for presence in data["presence"].values() if presence != HIDDEN]
    return [(entry["event"], entry["data"]) for entry in data["events"]] if event == "sync" else [(event, data)]


def shows_nothing(where: str, entries: list[Any], me: Any, other: Any, *, blocker: bool) -> None:
    """None of these answers or pushes has a trace of the other: neither who it is nor a word that was said."""
    allowed = [{"state": "closed"}, {"blocked": True}] if blocker else [{"state": "closed"}]
    for name, data in entries:
        if name not in ("connection", "relation/changed") or not any(part.items() <= data.items() for part in allowed):
            told = json.dumps(data)
            for trace in (str(other.id), other.login, other.mail, f"words to {other.login}", f"words to {me.login}"):
                assert trace not in told, f"{where} shows {trace}: {told}"


@pytest.mark.parametrize("past", PASTS)
async def test_nothing_crosses_a_block_in_either_direction(two: Two, past: Any) -> None:
    """R47: on every surface, whatever was between the two before; and nothing comes back when it is lifted."""
    await past(two)
    since = [len(await caught_up(socket)) for socket in (two.hers, two.his)]
    ok(await two.hers.call("user/block", to(two.boris)))
    for _ in range(2):  # what was tried behind the block has left nothing either
        await sees_nothing(two.hers, two.anna, two.boris, blocker=True)
        await sees_nothing(two.his, two.boris, two.anna, blocker=False)
    hers, his = [(await caught_up(socket))[start:] for socket, start in zip((two.hers, two.his), since, strict=True)]
    shows_nothing("a push", hers, two.anna, two.boris, blocker=True)
    shows_nothing("a push", his, two.boris, two.anna, blocker=False)
    ok(await two.hers.call("user/unblock", to(two.boris)))
    for socket in (two.hers, two.his):
        for event in ("user/likes", "user/connections", "user/history", "user/blocks", "notifications/list"):
            assert people_of(ok(await socket.call(event))) == [], event
        assert ok(await socket.call("user/me"))["unread"] == {"messages": 0, "notifications": 0}
    for socket, other in ((two.hers, two.boris), (two.his, two.anna)):
        refused(await socket.call("message/send", to(other, random_id=99, message="x")), "not_connected")
        profile = ok(await socket.call("profile", to(other)))
        assert not [name for name in ("liked", "liked_me", "requested", "requested_me", "connected") if profile[name]]


async def caught_up(socket: RawSocket) -> list[Any]:
    """Return all pushes of a socket that has been open from the first one on."""
    newest = ok(await socket.call("sync", {"cursor": None}))["cursor"]
    if newest:
        await socket.until(lambda push: push.data.get("seq") == newest)
    return socket.pushes


@pytest.mark.parametrize("past", PASTS)
async def test_what_waited_for_whom_is_blocked_is_not_told(server: Any, dial: Any, two: Two, past: Any) -> None:
    """R47: the log of somebody who was away during all of it, read after the block."""
    await past(two)
    ok(await two.hers.call("user/block", to(two.boris)))
    for me, other in ((two.boris, two.anna), (two.anna, two.boris)):
        told = await caught_up(await dial(auth={"token": me.token, "cursor": 0}))
        seqs = [push.data["seq"] for push in told if "seq" in push.data]
        assert seqs == list(range(1, len(seqs) + 1))
        shows_nothing("the log", told, me, other, blocker=me is two.anna)


LISTS = {
    "research": None,
    "user/likes": "user/like",
    "user/history": "profile",
    "notifications/list": "profile",
    "user/connections": "user/like",
}


@pytest.mark.parametrize("blocked_by", ["the viewer", "the other"])
@pytest.mark.parametrize("event", LISTS)
async def test_a_block_holds_for_pages_that_were_begun(dial: Any, settle: Any, event: str, blocked_by: str) -> None:
    """R47: from the next page on the two are gone from each other's lists, and nobody else is skipped."""
    viewer = await settle("viewer", **BORIS, **HERE)
    women = [await settle(f"woman-{number}", **ANNA, **HERE) for number in range(4)]
    socket, theirs = await dial(viewer), [await dial(woman) for woman in women]
    for woman, hers in zip(women, theirs, strict=True):
        if act := LISTS[event]:
            ok(await hers.call(act, to(viewer)))
        if event == "user/connections":
            ok(await socket.call("user/like", to(woman)))
    whole = people_of(ok(await socket.call(event, {"limit": 4})))
    page = ok(await socket.call(event, {"limit": 1}))
    seen = people_of(page)
    gone = next(number for number, woman in enumerate(women) if woman.id == whole[-1])
    if blocked_by == "the viewer":
        ok(await socket.call("user/block", to(women[gone])))
    else:
        ok(await theirs[gone].call("user/block", to(viewer)))
    while page["cursor"]:
        page = ok(await socket.call(event, {"limit": 1, "cursor": page["cursor"]}))
        assert people_of(page), "an empty page tells that somebody was there"
        seen += people_of(page)
    assert seen == whole[:-1]


def people_of(page: dict[str, Any]) -> list[int]:
    rows = next(rows for rows in page.values() if isinstance(rows, list))
    return [row.get("user", row)["user_id"] for row in rows]


async def test_nobody_takes_back_anothers_block(two: Two) -> None:
    """R47: neither a block of one's own nor an unblock opens what the other one has closed."""
    ok(await two.hers.call("user/block", to(two.boris)))
    refused(await two.his.call("user/block", to(two.anna)), "not_found")
    ok(await two.his.call("user/unblock", to(two.anna)))
    await sees_nothing(two.his, two.boris, two.anna, blocker=False)
    ok(await two.hers.call("user/unblock", to(two.boris)))
    ok(await two.his.call("user/block", to(two.anna)))
    refused(await two.hers.call("user/block", to(two.boris)), "not_found")
    ok(await two.hers.call("user/unblock", to(two.boris)))
    await sees_nothing(two.hers, two.anna, two.boris, blocker=False)


# -- R48: one cannot tell a block from a deletion ----------------------------------------------------------------------


@asynccontextmanager
async def dialled(server: Any, *people: Person) -> AsyncIterator[list[RawSocket]]:
    """Open a socket for each of these people."""
    async with AsyncExitStack() as sockets:
        yield [
            await sockets.enter_async_context(await RawSocket.open(server.url, auth={"token": person.token}))
            for person in people
        ]


async def delete(server: Any, victim: Any, other: Any) -> None:
    """Delete an account, as one does that leaves: who is connected is told, like after any end."""
    low, high = sorted((victim.id, other.id))
    [(was_connected,)] = await server.database.fetch(
        "SELECT COALESCE(SUM(connected), 0) FROM pair WHERE low_id = %s AND high_id = %s", low, high
    )
    await set_state(server, victim, State.DELETED)

    async def tell(tx: Any) -> None:
        tx.mark_stale(other.id)
        if was_connected:
            tx.push(other.id, Push(Kind.CONNECTION, victim.id, 0))

    await server.app[SERVICES].transact(tell)


PROBES = [
    ("message/history", {"before": 2}),
    ("message/history", {"after": 0, "limit": 100}),
    ("message/read", {"seq": 2}),
    ("message/send", {"random_id": 1, "message": "words to victim"}),  # a repeat of one that was sent
    ("message/send", {"random_id": 1, "message": "other words"}),
    ("report", {"report_id": 3, "comment": "gone"}),
]
SEARCHES = [{"sort_by": sort_by, "order": order} for sort_by in range(5) for order in ("asc", "desc")]
SEARCHES += [{"distance_max": 100}, {"limit": 1}, {"tags": ["trains"]}, {"online": True}]


async def probe(witness: Witness, victim: Any, bystander: Any) -> None:
    """All that an attacker can try on the victim, and look for elsewhere."""
    for event in sorted(registry.keys() - {"user/block", "user/unblock"}):
        if CASES[event] != APART:
            await witness.ask(event, sample(event, victim))
    for event, fields in PROBES:
        await witness.ask(event, to(victim, **fields))
    for filters in SEARCHES:
        await witness.ask("research", {name: value for name, value in filters.items() if name in SEARCH_FIELDS})
    for event in ("user/connections", "user/likes", "user/history", "notifications/list", "user/blocks"):
        await witness.ask(event, {"limit": 1})
    await witness.ask("profile", to(bystander))
    for event in ("user/block", "profile", "message/send", "user/blocks", "user/unblock", "profile", "user/me"):
        await witness.ask(event, sample(event, victim))


SEARCH_FIELDS = registry["research"].model.model_fields.keys()


@pytest.mark.parametrize("past", PASTS)
async def test_a_block_looks_like_a_deletion(worlds: Worlds, past: Any) -> None:
    """R48: two worlds, in one the victim blocks the attacker, in the other it is deleted: the same bytes in both."""
    async with worlds.begin() as server:
        victim = await settled(server, "victim", **ANNA, **HERE)
        attacker = await settled(server, "attacker", **BORIS, **HERE)
        bystander = await settled(server, "bystander", **ANNA, **HERE)
        async with dialled(server, victim, attacker, bystander) as (hers, his, theirs):
            for socket in (his, theirs):
                ok(await socket.call("user/like", to(bystander if socket is his else attacker)))
            await past(Two(victim, attacker, hers, his))
    seen = []
    for is_blocked in (True, False):
        async with worlds.go_on() as server, dialled(server, attacker) as [his]:
            witness, since = Witness(his), ok(await his.call("sync", {"cursor": None}))["cursor"]
            if is_blocked:
                async with dialled(server, victim) as [hers]:
                    ok(await hers.call("user/block", to(attacker)))
                    for event in ("profile", "user/like", "message/send", "message/typing", "report", "user/block"):
                        if event in registry:  # what she tries afterwards is not heard of either
                            await hers.call(event, sample(event, attacker))
            else:
                await delete(server, victim, attacker)
            if past in (connected, chatted):
                await his.push("connection", state="closed")
            for _ in range(2):
                await probe(witness, victim, bystander)
            answers, pushes = witness.answers, await witness.all_pushes(since=since)
            log = await RawSocket.open(server.url, auth={"token": attacker.token, "cursor": 0})
            async with log:
                again = Witness(log)
                await again.ask("sync", {"cursor": 0})
                seen.append((answers, pushes, again.answers, await again.all_pushes(since=0)))
    for blocked, deleted in zip(*seen, strict=True):
        for one, other in zip(blocked, deleted, strict=True):
            assert one == other


async def test_an_unknown_person_is_like_one_who_blocked_me(dial: Any, two: Two) -> None:
    """R41, R48: never existing, unverified and blocking people get the same bytes on every event."""
    ok(await two.hers.call("user/block", to(two.boris)))
    newcomer = SAMPLES["user/registr"].required
    unverified = ok(await (await dial()).call("user/registr", newcomer))["user_id"]
    targets = [Person("", "nobody-at-all"), Person("", newcomer["login"]), two.anna]
    targets[0].id, targets[1].id = 987_654_321, unverified
    for event in sorted(registry):
        if CASES[event] in (REFUSES, FORGIVES):
            answers = {json.dumps(await two.his.call(event, sample(event, target))) for target in targets}
            assert len(answers) == 1, (event, answers)
