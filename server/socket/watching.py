"""Watching: sockets are told when those whom they watch come and go, and only what they may see of it."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping
from functools import partial

import structlog

from handlers.presence import Look, list_presence
from server.context import Context, Services
from server.ephemeral.hints import Hints
from server.socket.feed import Feed, Watch
from server.wire.answers import Presence
from server.wire.pushes import Kind, Push
from sql.database import DatabaseDown
from sql.transaction import Tx

log = structlog.get_logger("watching")

_CHUNK = 256


class Watching:
    """Who watches whom from this process. A hint is only a reason to look: what is told was just read and checked."""

    def __init__(self, services: Services, hints: Hints) -> None:
        self._services = services
        self._hints = hints
        self._soft = services.config.socket.backlog_soft
        self._interval = services.config.presence.sweep
        self._watches: defaultdict[int, set[Watch]] = defaultdict(set)
        self._to_look: dict[tuple[Watch, int], None] = {}
        self._look_now = asyncio.Event()
        self.told_of = 0
        """How often so far somebody was told that somebody came or went."""
        hints.on_presence = self._look_at

    def start(self, feed: Feed, told: Mapping[int, Presence]) -> None:
        """Watch these people, who were told of so in the answer, and nobody else any more.

        They may have come or gone between that and now, so they are looked at again.
        """
        former, feed.watch = feed.watch, Watch(feed, dict(told))
        for user_id in told:
            if not self._watches[user_id]:
                self._hints.watch(user_id)
            self._watches[user_id].add(feed.watch)
        self._forget(former)
        self._look_soon(feed.watch, *told)

    def stop(self, feed: Feed) -> None:
        """Watch nobody any more."""
        former, feed.watch = feed.watch, None
        self._forget(former)

    def _forget(self, watch: Watch | None) -> None:
        for user_id in watch.told if watch else ():
            self._watches[user_id].discard(watch)
            if not self._watches[user_id]:
                del self._watches[user_id]
                self._hints.unwatch(user_id)

    def told(self, feed: Feed, push: Push) -> None:
        """A push went to this feed after which it may see more or less of others."""
        if feed.watch and push.kind is Kind.SETTINGS_CHANGED:
            self._look_soon(feed.watch, *feed.watch.told)
        elif feed.watch and push.kind is Kind.CONNECTION and push.other_id in feed.watch.told:
            self._look_soon(feed.watch, push.other_id)

    def _look_at(self, user_id: int) -> None:
        for watch in self._watches.get(user_id, ()):
            self._look_soon(watch, user_id)

    def _look_soon(self, watch: Watch, *user_ids: int) -> None:
        self._to_look.update(((watch, user_id), None) for user_id in user_ids)
        self._look_now.set()

    async def run(self) -> None:
        """Look when there is a reason to; and now and then at all, for hints get lost and servers die without any."""
        clock = asyncio.get_running_loop().time
        all_due = clock() + self._interval
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(all_due):
                    await self._look_now.wait()
            self._look_now.clear()
            if clock() >= all_due:
                all_due = clock() + self._interval
                for user_id in self._watches:
                    self._look_at(user_id)
            await self._look()

    async def _look(self) -> None:
        looks, self._to_look = list(self._to_look), {}
        for start in range(0, len(looks), _CHUNK):
            chunk = [(watch, user_id) for watch, user_id in looks[start : start + _CHUNK] if watch.feed.watch is watch]
            wanted = {Look(watch.feed.user.id, user_id) for watch, user_id in chunk}
            try:
                seen = await self._services.read(partial(self._see, looks=wanted))
            except DatabaseDown as fault:
                log.warning("watching.unavailable", reason=str(fault))
                self._to_look.update(dict.fromkeys(looks[start:]))
                return
            if self._services.presence.is_down:  # nobody knows what is new
                self._to_look.update(dict.fromkeys(looks[start:]))
                return
            for watch, user_id in chunk:
                self._tell(watch, user_id, seen[Look(watch.feed.user.id, user_id)])

    async def _see(self, tx: Tx, looks: set[Look]) -> dict[Look, Presence]:
        return await list_presence(Context(tx, self._services), looks)

    def _tell(self, watch: Watch, user_id: int, now: Presence) -> None:
        """Tell what is new; a reader who is slow hears of it at a later look."""
        connection = watch.feed.connection
        is_known = now.online is not None or now.last_seen is None
        if (
            watch.feed.watch is watch
            and is_known
            and _differ(watch.told[user_id], now)
            and connection.transport.backlog < self._soft
        ):
            watch.told[user_id] = now
            self.told_of += 1
            connection.push("presence", {"user_id": user_id, "online": now.online, "last_seen": now.last_seen})


def _differ(told: Presence, now: Presence) -> bool:
    """Tell whether there is something to tell; that somebody is still here is nothing new, however long."""
    return told.online != now.online or (not now.online and told.last_seen != now.last_seen)
