"""Attacks by acting at the same moment: what comes of it is what some order would have brought, and is told once."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable
from typing import Any, NamedTuple

import pytest

from tests.ground.accounts import State, set_state
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket

ROUNDS = int(os.environ.get("RACES", "20"))
"""`make chaos` asks for more."""
LIKE, REQUEST, MATCH = 1, 2, 3


def to(person: Any, **fields: Any) -> dict[str, Any]:
    return {"target_user_id": person.id} | fields


async def at_once(*acts: Awaitable[Any]) -> list[Any]:
    """Let all begin at the same moment, and return what came of each."""
    barrier = asyncio.Barrier(len(acts))

    async def begin(act: Awaitable[Any]) -> Any:
        await barrier.wait()
        return await act

    return await asyncio.gather(*map(begin, acts))


class Scene(NamedTuple):
    """Alice and Bob, each with a socket at two processes."""

    server: Any
    alice: Any
    bob: Any
    hers: list[RawSocket]
    his: list[RawSocket]
    urls: list[str]

    async def notices(self, person: Any) -> list[tuple[Any, ...]]:
        """Return kind and count of what somebody was told."""
        rows: list[tuple[Any, ...]] = await self.server.database.fetch(
            "SELECT kind, count FROM notification WHERE user_id = %s ORDER BY kind", person.id
        )
        return rows

    async def log(self, socket: RawSocket, since: int) -> list[str]:
        """Return what the log of somebody has got since."""
        events = ok(await socket.call("sync", {"cursor": since}))["events"]
        return [event["event"] for event in events]


async def newest(socket: RawSocket) -> int:
    cursor: int = ok(await socket.call("sync", {"cursor": None}))["cursor"]
    return cursor


@pytest.fixture
async def scene(server: Any, start_server: Any, alice: Any, bob: Any) -> AsyncIterator[Scene]:
    urls = [server.url, (await start_server()).url]
    hers, his = [[await RawSocket.open(url, auth={"token": person.token}) for url in urls] for person in (alice, bob)]
    yield Scene(server, alice, bob, hers, his, urls)
    for socket in (*hers, *his):
        await socket.close()


async def test_a_double_like_is_one(scene: Scene) -> None:
    """R85 a: one like, one notification, one of the day's likes."""
    for number in range(1, ROUNDS + 1):
        since = await newest(scene.his[0])
        for answer in await at_once(*(socket.call("user/like", to(scene.bob)) for socket in scene.hers * 2)):
            assert ok(answer) == {"liked": True, "connected": False}
        assert await scene.notices(scene.bob) == [(LIKE, 1)]
        assert await scene.log(scene.his[0], since) == ["notification"]
        [(used,)] = await scene.server.database.fetch(
            "SELECT used FROM quota WHERE user_id = %s AND kind = 1 AND target_id = 0", scene.alice.id
        )
        assert used == number
        ok(await scene.hers[0].call("user/unlike", to(scene.bob)))
        assert await scene.notices(scene.bob) == []


async def test_a_like_and_a_request_at_once_are_a_request(scene: Scene) -> None:
    """R85 a: whichever comes first."""
    one, other = scene.hers
    for _ in range(ROUNDS):
        by_login = {"target_id": scene.bob.login}
        await at_once(one.call("user/like", to(scene.bob)), other.call("user/connect", by_login))
        [liked] = ok(await scene.his[0].call("user/likes"))["likes"]
        assert liked["kind"] == "request"
        assert (REQUEST, 1) in await scene.notices(scene.bob)
        ok(await one.call("user/unlike", to(scene.bob)))


async def test_wishes_that_meet_at_the_same_moment_are_one_match(scene: Scene) -> None:
    """R85 b: connected once, and each is told once, of the match and of the connection."""
    for number in range(ROUNDS):
        hers, his = scene.hers[number % 2], scene.his[0]
        since = [await newest(socket) for socket in (hers, his)]
        answers = await at_once(hers.call("user/like", to(scene.bob)), his.call("user/like", to(scene.alice)))
        assert sorted(ok(answer)["connected"] for answer in answers) == [False, True], "the second met the first"
        told = [await scene.log(socket, start) for socket, start in zip((hers, his), since, strict=True)]
        for events in told:
            assert (events.count("connection"), events.count("relation/changed")) == (1, 1)
        assert sum(events.count("notification") for events in told) in (2, 3), "two matches, and the first wish"
        for person in (scene.alice, scene.bob):
            assert (MATCH, 1) in await scene.notices(person)
        ok(await hers.call("user/disconnect", to(scene.bob)))
        for socket in (hers, his):
            ok(await socket.call("notifications/read", {"seq": await newest(socket)}))


async def test_no_message_gets_past_a_block(scene: Scene) -> None:
    """R85 c: what was stored was stored before, and after the block's answer nothing arrives any more."""
    blocker = scene.hers[0]
    for number in range(ROUNDS):
        ok(await blocker.call("user/like", to(scene.bob)))
        ok(await scene.his[0].call("user/like", to(scene.alice)))
        ack, words = blocker.next_id(), f"round {number}"
        writes = [
            socket.call("message/send", to(scene.alice, random_id=number * 10 + copy, message=words))
            for copy, socket in enumerate(scene.his * 2)
        ]
        _, *sent = await at_once(blocker.emit("user/block", to(scene.bob), ack=ack), *writes)
        ok(await blocker.answer(ack))
        refusals = [refused(answer, "not_found") for answer in sent if answer["code"] != 200]
        stored = await scene.server.database.fetch("SELECT COUNT(*) FROM message WHERE body = %s", words)
        assert stored == [(len(sent) - len(refusals),)]
        ok(await blocker.call("user/unblock", to(scene.bob)))
        answered = next(n for n, frame in enumerate(blocker.frames) if str(frame).startswith(f"43{ack}["))
        assert not [frame for frame in blocker.frames[answered:] if "message/new" in str(frame)]


async def test_a_like_an_unlike_and_the_end_of_an_account_leave_nothing_half(scene: Scene) -> None:
    """R85 g: a like of somebody who is gone is refused whole; what stands was told."""
    one, other = scene.hers
    low, high = sorted((scene.alice.id, scene.bob.id))
    side = "low" if scene.alice.id == low else "high"
    for _ in range(ROUNDS):
        liked, unliked, _ = await at_once(
            one.call("user/like", to(scene.bob)),
            other.call("user/unlike", to(scene.bob)),
            set_state(scene.server, scene.bob, State.DELETED),
        )
        assert ok(unliked) == {}
        if liked["code"] != 200:
            refused(liked, "not_found")
        rows = await scene.server.database.fetch(
            f"SELECT {side}_liked_at FROM pair WHERE low_id = %s AND high_id = %s", low, high
        )
        stands = bool(rows and rows[0][0])
        assert not stands or (liked["code"] == 200 and await scene.notices(scene.bob))
        refused(await one.call("user/like", to(scene.bob)), "not_found")
        await scene.server.database.fetch("UPDATE account SET state = 1 WHERE id = %s", scene.bob.id)
        ok(await one.call("user/unlike", to(scene.bob)))
        await scene.server.database.fetch("DELETE FROM notification")


async def test_one_random_id_a_hundred_times_at_once_is_one_message(scene: Scene) -> None:
    """On two sockets at each of two processes: one row, one answer, one push."""
    ok(await scene.hers[0].call("user/like", to(scene.bob)))
    ok(await scene.his[0].call("user/like", to(scene.alice)))
    hers = [await RawSocket.open(url, auth={"token": scene.alice.token}) for url in scene.urls]
    for number in range(max(1, ROUNDS // 10)):
        since = await newest(scene.his[0])
        sends = [
            socket.call("message/send", to(scene.bob, random_id=number, message=f"{number}"))
            for socket in (*scene.hers, *hers)
            for _ in range(25)
        ]
        answers = [ok(answer) for answer in await at_once(*sends)]
        assert all(answer == answers[0] for answer in answers)
        stored = await scene.server.database.fetch("SELECT COUNT(*) FROM message WHERE body = %s", f"{number}")
        assert stored == [(1,)]
        assert (await scene.log(scene.his[0], since)).count("message/new") == 1
    for socket in hers:
        await socket.close()
