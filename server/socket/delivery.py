"""Delivery: each connection has a cursor into its user's log. A push goes out live only as the next number;
in every other case the log is read. Hints from other processes and a tailer say when to look."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog

from server.context import Context, Services, Session
from server.ephemeral.hints import Hints
from server.socket.connection import Connection
from server.socket.engine import Transport
from server.socket.packet import event_frame
from server.wire.answers import iso
from server.wire.pushes import Logged, render, wire
from sql import sync
from sql.database import Conflict, DatabaseDown, Lost
from sql.transaction import Ended, Outcome, Tx

log = structlog.get_logger("delivery")

_PAGE = 100
_CHUNK = 512

StillLive = Callable[[int, list[str]], Awaitable[set[str]]]


class Feed:
    """One signed-in connection: what it has been sent (`cursor`) and what there is (`target`)."""

    def __init__(self, connection: Connection, session: Session, user: "User") -> None:
        self.connection = connection
        self.session = session
        self.user = user
        self.cursor = -1
        """The last number sent; -1 until it is known where to begin."""
        self.target = 0
        self.wanted: int | None = None
        """The cursor that the client came with."""
        self.catching_up: asyncio.Task[bool] | None = None


class User:
    """A user who is connected to this process."""

    def __init__(self, user_id: int) -> None:
        self.id = user_id
        self.feeds: dict[str, Feed] = {}
        self.generation = 0
        """Grows when the user may see less from now on: what was rendered before is thrown away."""


class Delivery:
    """Brings the log to those who are connected here."""

    def __init__(self, services: Services, hints: Hints, still_live: StillLive) -> None:
        self._services = services
        self._hints = hints
        self._still_live = still_live
        self._users: dict[int, User] = {}
        self._to_look: set[int] = set()
        self._look_now = asyncio.Event()
        self._soft = services.config.socket.backlog_soft
        hints.on_hint = self._hinted
        hints.on_gap = self._look_now.set

    # -- who is connected ------------------------------------------------------------------------------------------

    def join(self, connection: Connection, session: Session) -> Feed:
        """Count a connection in, before anything is read for it, so that nothing falls in between."""
        user = self._users.get(session.user_id)
        if user is None:
            user = self._users[session.user_id] = User(session.user_id)
            self._hints.listen(user.id)
        feed = user.feeds[connection.sid] = Feed(connection, session, user)
        connection.transport.on_drained = lambda: self._catch_up(feed)
        self._evict_oldest(user)
        return feed

    def _evict_oldest(self, user: User) -> None:
        most = int(self._services.config.limits.of("sockets_user"))
        for feed in list(user.feeds.values())[: max(0, len(user.feeds) - most)]:
            self.leave(feed)
            feed.connection.end("too_many_sockets")

    def begin(self, feed: Feed, cursor: int | None) -> None:
        """Start sending: what came after the cursor, or only what comes from now on."""
        feed.wanted = cursor
        self._hinted(feed.user.id)

    def _start(self, feed: Feed, stream: sync.Stream) -> None:
        if feed.wanted is None:
            feed.cursor = stream.last_seq
        elif stream.purged_seq <= feed.wanted <= stream.last_seq:
            feed.cursor = feed.wanted
        else:
            self._show_hole(feed, stream.last_seq)

    def _show_hole(self, feed: Feed, last_seq: int) -> None:
        """What was missed is no longer kept: a `void` far from the client's cursor makes it ask `sync`, which tells."""
        feed.cursor = last_seq
        at = iso(self._services.clock.now())
        feed.connection.push("void", {"seq": last_seq, "at": at})

    def leave(self, feed: Feed) -> None:
        """Count a connection out."""
        feed.user.feeds.pop(feed.connection.sid, None)
        if feed.catching_up:
            feed.catching_up.cancel()
        if not feed.user.feeds and self._users.get(feed.user.id) is feed.user:
            del self._users[feed.user.id]
            self._hints.ignore(feed.user.id)

    # -- after a commit --------------------------------------------------------------------------------------------

    def deliver(self, outcome: Outcome) -> None:
        """Tell those connected here what a commit has brought, without waiting, and hint to the other processes."""
        for user_id in outcome.stale:
            if user := self._users.get(user_id):
                user.generation += 1
        for user_id, entry, live in outcome.told:
            self._hints.give(user_id)
            if user := self._users.get(user_id):
                self._offer(user, entry, live)
        for ended in outcome.ended:
            self._hints.give(ended.user_id)
            self._end_sessions(ended)

    def _offer(self, user: User, entry: Logged, live: Any) -> None:
        frame = event_frame(*wire(entry, live)) if live is not None else None
        for feed in user.feeds.values():
            transport = feed.connection.transport
            is_next = feed.cursor + 1 == entry.seq and feed.catching_up is None
            if frame and is_next and transport.backlog < self._soft:
                feed.cursor = feed.target = entry.seq
                transport.write(frame)
            else:
                feed.target = max(feed.target, entry.seq)
                self._catch_up(feed)

    def _end_sessions(self, ended: Ended) -> None:
        if user := self._users.get(ended.user_id):
            for feed in list(user.feeds.values()):
                if ended.session_id in (None, feed.session.id) and feed.session.id != ended.keep:
                    self._end(feed)

    def _end(self, feed: Feed) -> None:
        feed.session.ended = True
        self.leave(feed)
        feed.connection.end("session_ended")

    # -- from the log ----------------------------------------------------------------------------------------------

    def _catch_up(self, feed: Feed) -> None:
        transport = feed.connection.transport
        if feed.catching_up is None and 0 <= feed.cursor < feed.target and self._can_write(transport):
            feed.catching_up = asyncio.get_running_loop().create_task(self._read_log(feed))
            feed.catching_up.add_done_callback(lambda task: self._caught_up(feed, task))

    def _can_write(self, transport: Transport) -> bool:
        """A reader who is slow is not fed until it has drained."""
        return not transport.closed and transport.backlog < self._soft

    def _caught_up(self, feed: Feed, task: "asyncio.Task[bool]") -> None:
        """Go on if there is more by now; after a fault the tailer comes back to it."""
        feed.catching_up = None
        if task.cancelled():
            return
        if fault := task.exception():
            log.error("delivery.failed", user_id=feed.user.id, exc_info=fault)
        elif task.result():
            self._catch_up(feed)

    async def _read_log(self, feed: Feed) -> bool:
        """Send what lies between cursor and target; tell whether that went well."""
        try:
            while feed.cursor < feed.target and self._can_write(feed.connection.transport):
                generation = feed.user.generation
                ctx = Context(self._reading(), self._services, feed.session)
                entries = await sync.list_after(ctx.tx, user_id=feed.user.id, after=feed.cursor, limit=_PAGE)
                pushes = await render(ctx, entries)
                if feed.user.generation != generation:
                    continue
                if not entries or entries[0].seq != feed.cursor + 1:
                    self._show_hole(feed, feed.target)
                for entry, (name, data) in zip(entries, pushes, strict=True):
                    if entry.seq == feed.cursor + 1:
                        feed.connection.push(name, data)
                        feed.cursor = entry.seq
        except (DatabaseDown, Lost, Conflict) as fault:
            log.warning("delivery.unavailable", user_id=feed.user.id, reason=str(fault))
            return False
        return True

    # -- the tailer ------------------------------------------------------------------------------------------------

    def _hinted(self, user_id: int) -> None:
        self._to_look.add(user_id)
        self._look_now.set()

    async def run(self) -> None:
        """Look at the streams of those connected here: of those hinted at at once, of all now and then."""
        while True:
            try:
                async with asyncio.timeout(self._services.config.delivery.tail_interval):
                    await self._look_now.wait()
            except TimeoutError:
                self._to_look.clear()
            users, self._to_look = self._to_look or set(self._users), set()
            self._look_now.clear()
            try:
                await self._look(users)
            except (DatabaseDown, Lost, Conflict) as fault:
                log.warning("tailer.unavailable", reason=str(fault))

    async def _look(self, user_ids: Iterable[int]) -> None:
        connected = [user_id for user_id in user_ids if user_id in self._users]
        for start in range(0, len(connected), _CHUNK):
            chunk = connected[start : start + _CHUNK]
            for stream in await sync.list_streams(self._reading(), user_ids=chunk):
                if user := self._users.get(stream.user_id):
                    await self._compare(user, stream)

    async def _compare(self, user: User, stream: sync.Stream) -> None:
        if any(feed.session.auth_epoch != stream.auth_epoch for feed in user.feeds.values()):
            await self._recheck(user, stream.auth_epoch)
        for feed in user.feeds.values():
            if feed.cursor < 0:
                self._start(feed, stream)
            feed.target = max(feed.target, stream.last_seq)
            self._catch_up(feed)

    async def _recheck(self, user: User, auth_epoch: int) -> None:
        """Sessions may have ended, here or in another process: ask which are left."""
        feeds = list(user.feeds.values())
        live = await self._still_live(user.id, list({feed.session.id for feed in feeds}))
        for feed in feeds:
            feed.session.auth_epoch = auth_epoch
            if feed.session.id not in live:
                self._end(feed)

    def _reading(self) -> Tx:
        deadline = asyncio.get_running_loop().time() + self._services.database.timeout
        return Tx(self._services.database, now=self._services.clock.now(), deadline=deadline)
