"""Attacks on what likes, visits and notifications give away to those whom they do not concern."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from server.app import SERVICES
from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.server import Person
from tests.ground.worlds import Witness, Worlds, settled

ANNA = {"gender": "female", "sex": ["male"], "tags": ["trains"], "age": 30, "gps": {"lat": 55.75, "lon": 37.61}}
BORIS = {"gender": "male", "sex": ["female"], "tags": ["trains"], "age": 30, "gps": {"lat": 55.75, "lon": 37.61}}
CARD = set(
    "user_id login first_name age gender photo place distance fame common_tags online last_seen score why".split()
)


def to(person: Any, **fields: Any) -> dict[str, Any]:
    return {"target_user_id": person.id} | fields


@asynccontextmanager
async def dialled(server: Any, person: Person) -> AsyncIterator[RawSocket]:
    async with await RawSocket.open(server.url, auth={"token": person.token}) as socket:
        yield socket


async def do(server: Any, actor: Person, acts: list[tuple[str, dict[str, Any]]]) -> None:
    """Let somebody act; what is done is done before anybody looks."""
    async with dialled(server, actor) as socket:
        for event, payload in acts:
            ok(await socket.call(event, payload))


async def discreet(server: Any, login: str, **profile: Any) -> Person:
    """Return somebody of whom nobody sees when they come and go: that is another matter."""
    person = await settled(server, login, **profile)
    await do(server, person, [("user/settings", {"show_online": False})])
    return person


async def look_around(witness: Witness, people: list[Person]) -> None:
    """All that shows how somebody stands in the world: cards, sorts, filters, counters."""
    for sort_by in range(5):
        for order in ("asc", "desc"):
            await witness.ask("research", {"sort_by": sort_by, "order": order})
    for filters in ({"fame_min": 1}, {"limit": 1}, {"tags": ["trains"]}, {"common_tags_min": 1}):
        await witness.ask("research", filters)
    for person in people:
        await witness.ask("profile", to(person))
    for event in ("user/me", "user/likes", "user/history", "user/connections", "notifications/list"):
        await witness.ask(event)
    await witness.ask("sync", {"cursor": 0})


Act = Callable[[Person], list[tuple[str, dict[str, Any]]]]
ACTS: dict[str, Act] = {
    "like": lambda victim: [("user/like", to(victim))],
    "request": lambda victim: [("user/connect", {"target_id": victim.login})],
    "visit": lambda victim: [("profile", to(victim))],
    "nudge": lambda victim: [("notifications", {"user_id": victim.id, "random_id": 1})],
    "pass": lambda victim: [("user/pass", to(victim))],
    "like and unlike": lambda victim: [("user/like", to(victim)), ("user/unlike", to(victim))],
    "block": lambda victim: [("user/block", to(victim))],
    "report": lambda victim: [("report", to(victim, report_id=1))],
}


# -- R80: likes and visits ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ACTS)
async def test_nobody_else_can_see_that_somebody_acted(worlds: Worlds, act: str) -> None:
    """R80: a third person who watches a victim can't tell whether a suspect has acted: the same bytes."""
    async with worlds.begin() as server:
        victim, suspect = await discreet(server, "victim", **ANNA), await discreet(server, "suspect", **BORIS)
        watcher = await discreet(server, "watcher", **BORIS | {"sex": []})
    seen = []
    for acts in (ACTS[act](victim), []):
        async with worlds.go_on() as server, dialled(server, watcher) as socket:
            await do(server, suspect, acts)
            witness = Witness(socket)
            await look_around(witness, [victim, suspect])
            seen.append((witness.answers, socket.pushes))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("act", ["pass", "visit", "like and unlike", "report"])
async def test_a_probe_by_likes_tells_nothing_but_a_match(worlds: Worlds, act: str) -> None:
    """R80: whoever likes and unlikes somebody learns whether that is mutual, for both are told; nothing else."""
    async with worlds.begin() as server:
        victim, prober = await discreet(server, "victim", **ANNA), await discreet(server, "prober", **BORIS)
    seen = []
    for acts in (ACTS[act](prober), []):
        async with worlds.go_on() as server, dialled(server, prober) as socket:
            await do(server, victim, acts)
            since = ok(await socket.call("sync", {"cursor": None}))["cursor"]
            witness = Witness(socket)
            for event in ("user/like", "user/unlike", "user/like", "user/like", "user/disconnect", "profile"):
                await witness.ask(event, to(victim))
            await witness.ask("user/connect", {"target_id": victim.login})
            pushes = [event["event"] for event in ok(await socket.call("sync", {"cursor": since}))["events"]]
            seen.append((witness.answers, pushes))
    assert seen[0] == seen[1]


async def test_who_likes_one_stands_nowhere_in_search(worlds: Worlds) -> None:
    """R80: no sort, filter or score depends on acts towards the one who searches."""
    async with worlds.begin() as server:
        for number in range(3):
            fan = await discreet(server, f"fan-{number}", **ANNA)
        viewer = await discreet(server, "viewer", **BORIS)
    seen = []
    for acts in ([("profile", to(viewer)), ("user/like", to(viewer))], []):
        async with worlds.go_on() as server, dialled(server, viewer) as socket:
            await do(server, fan, acts)
            witness = Witness(socket)
            for sort_by in range(5):
                for order in ("asc", "desc"):
                    await witness.ask("research", {"sort_by": sort_by, "order": order})
            seen.append(witness.answers)
    assert seen[0] == seen[1]


LIMITS = {"scale": 1, "registrations": 100, "mails_address": 100, "socket_rate": 1000.0, "socket_burst": 1000}


@pytest.mark.config(limits=LIMITS)
async def test_probes_are_few_and_leave_what_is_documented(server: Any, dial: Any, alice: Any, mallory: Any) -> None:
    """R80: three cycles a day and pair; each leaves one row of the log, void as soon as the like is taken back."""
    hers, his = await dial(alice), await dial(mallory)
    for cycle in range(1, 4):
        ok(await his.call("user/like", to(alice)))
        assert ok(await hers.call("user/me"))["unread"]["notifications"] == 1
        [notice] = ok(await hers.call("notifications/list"))["notifications"]
        assert (notice["kind"], notice["count"]) == ("like", 1)
        ok(await his.call("user/unlike", to(alice)))
        assert ok(await hers.call("user/me"))["unread"]["notifications"] == 0
        assert ok(await hers.call("notifications/list"))["notifications"] == []
        assert ok(await hers.call("user/likes"))["likes"] == []
        events = ok(await hers.call("sync", {"cursor": 0}))["events"]
        assert [event["event"] for event in events] == ["void"] * cycle
    refused(await his.call("user/like", to(alice)), "rate_limited")
    assert ok(await his.call("profile", to(alice)))["liked"] is False


async def test_who_is_blocked_leaves_no_visit(server: Any, dial: Any, alice: Any, mallory: Any) -> None:
    """R80: neither does the blocker."""
    hers, his = await dial(alice), await dial(mallory)
    ok(await hers.call("user/block", to(mallory)))
    refused(await his.call("profile", to(alice)), "not_found")
    refused(await hers.call("profile", to(mallory)), "not_found")
    ok(await hers.call("user/unblock", to(mallory)))
    for socket in (hers, his):
        assert ok(await socket.call("user/history"))["visits"] == []
        assert ok(await socket.call("notifications/list"))["notifications"] == []


# -- R81: notifications ------------------------------------------------------------------------------------------------


async def every_kind(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    """Let Bob give Alice every kind of notification that somebody stands behind."""
    hers, his = await dial(alice), await dial(bob)
    ok(await his.call("profile", to(alice)))
    ok(await his.call("notifications", {"user_id": alice.id, "random_id": 1}))
    ok(await his.call("user/like", to(alice)))
    ok(await his.call("user/connect", {"target_id": alice.login}))
    ok(await hers.call("user/like", to(bob)))
    ok(await his.call("user/unlike", to(alice)))
    ok(await his.call("user/like", to(alice)))
    ok(await his.call("message/send", to(alice, random_id=1, message="hello")))


async def waiting(server: Any, alice: Any) -> tuple[set[str], set[str], int]:
    """Return the kinds that are told to somebody who comes back, those in the list, and how many are unread."""
    async with await RawSocket.open(server.url, auth={"token": alice.token, "cursor": 0}) as socket:
        newest = ok(await socket.call("sync", {"cursor": None}))["cursor"]
        await socket.until(lambda push: push.data.get("seq") == newest)
        told = {push.data["kind"] for push in socket.pushes if push.event == "notification"}
        listed = ok(await socket.call("notifications/list"))
        unread = ok(await socket.call("user/me"))["unread"]["notifications"]
        assert unread == listed["unread"]
        return told, {notice["kind"] for notice in listed["notifications"]}, unread


async def block(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    ok(await (await dial(alice)).call("user/block", to(bob)))


async def be_blocked(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    ok(await (await dial(bob)).call("user/block", to(alice)))


async def vanish(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    async def tell(tx: Any) -> None:
        tx.mark_stale(alice.id)

    await set_state(server, bob, State.DELETED)
    await server.app[SERVICES].transact(tell)


@pytest.mark.parametrize("end", [block, be_blocked, vanish])
async def test_what_waits_to_be_told_vanishes_with_whom_it_is_about(
    server: Any, dial: Any, alice: Any, bob: Any, end: Callable[..., Awaitable[None]]
) -> None:
    """R81: notifications that were never delivered are not delivered after a block or a deletion, nor counted."""
    await every_kind(server, dial, alice, bob)
    told, listed, unread = await waiting(server, alice)
    assert told == listed >= {"visit", "nudge", "match", "message"} and unread == len(listed)
    await end(server, dial, alice, bob)
    for _ in range(2):
        assert await waiting(server, alice) == (set(), set(), 0)
        async with Redis.from_url(server.redis_url) as redis:
            await redis.flushall()


@pytest.mark.parametrize("end", ["user/unlike", "user/disconnect"])
async def test_what_is_no_longer_so_vanishes_when_a_connection_ends(
    server: Any, dial: Any, alice: Any, bob: Any, end: str
) -> None:
    """R81: what remains is what happened all the same: that one came by, gave a nudge, and left."""
    await every_kind(server, dial, alice, bob)
    ok(await (await dial(bob)).call(end, to(alice)))
    told, listed, unread = await waiting(server, alice)
    assert told == listed == {"visit", "nudge", "unlike"}
    assert unread == 3


async def test_a_notification_carries_a_card_and_no_more(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    """R81: of nobody but the one it is about."""
    hers = await dial(alice)
    await every_kind(server, dial, alice, bob)
    told = [push.data for push in hers.pushes if push.event == "notification"]
    assert told
    for data in told:
        assert set(data) == {"seq", "at", "kind", "user", "count"}
        assert set(data["user"]) == CARD and data["user"]["user_id"] == bob.id


async def test_nobody_reads_or_counts_anothers_notifications(
    server: Any, dial: Any, alice: Any, bob: Any, mallory: Any
) -> None:
    """R81: reading marks one's own; a number from another's log does nothing there."""
    await every_kind(server, dial, alice, bob)
    before = await waiting(server, alice)
    his = await dial(mallory)
    assert ok(await his.call("notifications/list"))["notifications"] == []
    for seq in (1, 5, 10**6):
        assert ok(await his.call("notifications/read", {"seq": seq})) == {"unread": 0}
    assert await waiting(server, alice) == before


async def test_an_old_key_brings_nothing_back(server: Any, dial: Any, alice: Any, bob: Any) -> None:
    """R81: counters in Redis are only as good as the log they were made at."""
    await every_kind(server, dial, alice, bob)
    await waiting(server, alice)
    async with Redis.from_url(server.redis_url) as redis:
        kept = {key: await redis.dump(key) for key in await redis.keys("unread:*")}
        assert kept, "a counter was kept"
        await block(server, dial, alice, bob)
        for key, value in kept.items():
            await redis.restore(key, 60_000, value, replace=True)
    assert await waiting(server, alice) == (set(), set(), 0)
