"""Delivery: each connection has a cursor into its user's log. A push goes out live only as the next number;
in every other case the log is read. Hints from other processes and a tailer say when to look."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import structlog

from server.context import Context, Services, SignedIn
from server.ephemeral.hints import Hints
from server.socket.attendance import Attendance
from server.socket.connection import Connection
from server.socket.feed import Ahead, Feed, User
from server.socket.packet import encoded_event_frame, event_frame
from server.socket.watching import Watching
from server.tally import SIZES, Histogram
from server.wire.answers import Presence, iso
from server.wire.pushes import Kind, Logged, Push, encode, render
from sql import sync
from sql.database import DatabaseDown
from sql.transaction import Ended, Outcome, Told, Tx

log = structlog.get_logger("delivery")

_PAGE = 100
_KEPT = 50
"""So many pushes are kept for a socket while its log is read: less than a megabyte, were they all the longest."""
_CHUNK = 512

StillLive = Callable[[int, list[str]], Awaitable[set[str]]]


class _Page(NamedTuple):
    """A stretch of a log as it may be seen; and up to which number what was kept may be, by the epoch of the sight."""

    entries: list[Logged]
    pushes: list[tuple[str, dict[str, Any]]]
    until: int
    sight_epoch: int


class Delivery:
    """Brings the log to those who are connected here."""

    def __init__(
        self, services: Services, hints: Hints, attendance: Attendance, watching: Watching, still_live: StillLive
    ) -> None:
        self._services = services
        self._hints = hints
        self._attendance = attendance
        self._watching = watching
        self._still_live = still_live
        self._users: dict[int, User] = {}
        self._to_look: set[int] = set()
        self._look_now = asyncio.Event()
        self._soft = services.config.socket.backlog_soft
        self._all_due = 0.0
        """When all are to be looked at again, on the loop's clock."""
        self._found: dict[int, int] = {}
        """What the last look at all brought that nothing had told of, and perhaps something tells of yet."""
        self.repaired = 0
        """How many pushes nothing ever told of: they were found by looking."""
        self.pushed: Counter[str] = Counter()
        """How many were sent, by the way they took."""
        self.looks, self.pages = Histogram(SIZES), Histogram(SIZES)
        """How many users were looked at, and how many pushes read, at a time."""
        hints.on_hint = self._look_at
        hints.on_push = self._hear
        hints.on_gap = self._look_at_all
        hints.on_whisper = self._whisper

    # -- who is connected ------------------------------------------------------------------------------------------

    def join(self, connection: Connection, who: SignedIn, cursor: int | None) -> Feed:
        """Count a connection in and send what came after its cursor; without one, what comes from now on.

        Between the look at the log in `who` and now something may have come: the log is looked at again, soon.
        """
        user = self._users.get(who.session.user_id)
        if user is None:
            user = self._users[who.session.user_id] = User(who.session.user_id)
            self._hints.listen(user.id)
        seat = self._attendance.arrive(user.id, connection)
        feed = user.feeds[connection.sid] = Feed(connection, who.session, user, who.log, seat)
        connection.transport.on_drained = lambda: self._catch_up(feed)
        if cursor is not None and who.log.purged_seq <= cursor <= who.log.last_seq:
            feed.cursor = cursor
        elif cursor is not None:
            self._show_hole(feed)
        self._catch_up(feed)
        self._look_at(user.id)
        self._evict_oldest(user)
        return feed

    def _evict_oldest(self, user: User) -> None:
        most = int(self._services.config.limits.of("sockets_user"))
        for feed in list(user.feeds.values())[: max(0, len(user.feeds) - most)]:
            self.leave(feed)
            feed.connection.end("too_many_sockets")

    def _show_hole(self, feed: Feed) -> None:
        """What was missed is no longer kept: a `void` far from the client's cursor makes it ask `sync`, which tells."""
        feed.cursor = feed.target
        feed.connection.push("void", {"seq": feed.target, "at": iso(self._services.clock.now())})

    def leave(self, feed: Feed) -> None:
        """Count a connection out."""
        if feed.user.feeds.get(feed.connection.sid) is feed:
            del feed.user.feeds[feed.connection.sid]
        if feed.catching_up:
            feed.catching_up.cancel()
        self._attendance.leave(feed.seat, at_once=feed.session.ended)
        self._watching.stop(feed)
        if not feed.user.feeds and self._users.get(feed.user.id) is feed.user:
            del self._users[feed.user.id]
            self._hints.ignore(feed.user.id)

    def watch(self, feed: Feed, told: Mapping[int, Presence]) -> None:
        """Tell a connection when these people, of whom it has just been told, come and go."""
        if feed.user.feeds.get(feed.connection.sid) is feed:
            self._watching.start(feed, told)

    # -- after a commit --------------------------------------------------------------------------------------------

    def deliver(self, outcome: Outcome) -> None:
        """Tell those connected here what a commit has brought, without waiting, and hint to the other processes."""
        for user_id in outcome.stale:
            if user := self._users.get(user_id):
                user.sees_less()
        for told in outcome.told:
            self._tell(told)
            if told.entry.push.kind is Kind.SETTINGS_CHANGED:
                self._hints.announce(told.user_id)  # who hides, or shows, looks as if they left, or came
        for user_id, name, data in outcome.whispers:
            self._whisper(user_id, name, data)
            self._hints.whisper(user_id, name, data)
        for user_id in outcome.moved:
            self._hints.announce(user_id)
        for ended in outcome.ended:
            self._hints.give(ended.user_id)
            self._end_sessions(ended)
            self._attendance.end(ended)

    def _whisper(self, user_id: int, name: str, data: dict[str, Any]) -> None:
        """Send what may be lost to all who read fast enough."""
        if user := self._users.get(user_id):
            for feed in user.feeds.values():
                if feed.connection.transport.backlog < self._soft:
                    feed.connection.push(name, data)
                    self.pushed["whisper"] += 1

    def _tell(self, told: Told) -> None:
        """Tell this user here, and have the other processes do so."""
        (seq, _, push), user = told.entry, self._users.get(told.user_id)
        ahead = None
        if told.live is not None and (user or not self._hints.is_alone):
            ahead = Ahead(seq, told.sight_epoch, push, encoded_event_frame(encode(told.entry, told.live)))
            self._hints.bring(told.user_id, *ahead)
        else:
            self._hints.give(told.user_id)
        if user:
            self._offer(user, seq, ahead)

    def _offer(self, user: User, seq: int, ahead: Ahead | None) -> None:
        self._found.pop(user.id, None)
        for feed in user.feeds.values():
            is_next = feed.cursor + 1 == seq and feed.catching_up is None
            if ahead and is_next and feed.connection.transport.backlog < self._soft:
                self._send_next(feed, seq, ahead.push, ahead.frame, "live")
            elif ahead and feed.catching_up:
                self._keep(feed, ahead)
            feed.target = max(feed.target, seq)
            self._catch_up(feed)

    def _hear(self, user_id: int, seq: int, sight_epoch: int, push: list[int], frame: str) -> None:
        """Another process brings a push: it is sent as soon as a look has shown that it still may be seen."""
        if user := self._users.get(user_id):
            kind, *rest = push
            ahead = Ahead(seq, sight_epoch, Push(Kind(kind), *rest), frame.encode())
            for feed in user.feeds.values():
                self._keep(feed, ahead)
            self._look_at(user_id)

    def _keep(self, feed: Feed, ahead: Ahead) -> None:
        """Keep a push until what comes before it was read: who is told much would never be told live again."""
        follows = ahead.seq == feed.newest_ahead + 1 if feed.ahead else ahead.seq > feed.cursor
        if follows and len(feed.ahead) < _KEPT:
            feed.ahead.append(ahead)

    def _send_ahead(self, feed: Feed, until: int, sight_epoch: int) -> None:
        """Send what was kept up to a number, as far as it comes next; this is how often something had left the sight.

        Nothing is sent from before that.
        """
        while feed.ahead and (feed.ahead[0].seq <= feed.cursor or feed.ahead[0].sight_epoch < sight_epoch):
            feed.ahead.popleft()
        while feed.ahead and feed.ahead[0].seq == feed.cursor + 1 <= until and self._can_write(feed):
            seq, _, push, frame = feed.ahead.popleft()
            self._send_next(feed, seq, push, frame, "live")

    def _send_next(self, feed: Feed, seq: int, push: Push, frame: bytes, way: str) -> None:
        feed.connection.transport.write(frame)
        feed.cursor = seq
        feed.target = max(feed.target, seq)
        self.pushed[way] += 1
        self._watching.told(feed, push)

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
        if feed.user.feeds.get(feed.connection.sid) is not feed:
            return  # it has left
        if feed.catching_up is None and feed.cursor < feed.target and self._can_write(feed):
            feed.catching_up = asyncio.get_running_loop().create_task(self._read_log(feed))
            feed.catching_up.add_done_callback(lambda task: self._caught_up(feed, task))

    def _can_write(self, feed: Feed) -> bool:
        """A reader who is slow is not fed until it has drained; long texts fill it before the end of a page."""
        transport = feed.connection.transport
        return not transport.closed and transport.backlog < self._soft

    def _caught_up(self, feed: Feed, task: "asyncio.Task[bool]") -> None:
        """Go on if there is more by now; after a fault the tailer comes back to it."""
        feed.catching_up = None
        feed.ahead.clear()
        if task.cancelled():
            return
        if fault := task.exception():
            log.error("delivery.failed", user_id=feed.user.id, socket=feed.connection.sid, exc_info=fault, seldom=True)
        elif task.result():
            self._catch_up(feed)

    async def _read_log(self, feed: Feed) -> bool:
        """Send what lies between cursor and target; tell whether that went well."""
        try:
            while feed.cursor < feed.target and self._can_write(feed):
                generation = feed.user.generation
                page = await self._services.read(lambda tx: self._page(tx, feed))
                if feed.user.generation != generation:
                    continue
                if not page.entries or page.entries[0].seq != feed.cursor + 1:
                    self._show_hole(feed)
                for entry, push in zip(page.entries, page.pushes, strict=True):
                    if entry.seq == feed.cursor + 1 and self._can_write(feed):
                        self._send_next(feed, entry.seq, entry.push, event_frame(*push), "log")
                self._send_ahead(feed, page.until, page.sight_epoch)
        except DatabaseDown as fault:
            log.warning("delivery.unavailable", reason=str(fault), seldom=True)
            return False
        return True

    async def _page(self, tx: Tx, feed: Feed) -> _Page:
        """Read on; last of all, and only if something was kept meanwhile, whether it may still be seen."""
        entries = await sync.list_after(tx, user_id=feed.user.id, after=feed.cursor, limit=feed.missing(_PAGE))
        self.pages.note(len(entries))
        pushes = await render(Context(tx, self._services, feed.session), entries)
        until = feed.newest_ahead
        [stream] = await sync.list_streams(tx, user_ids=[feed.user.id]) if until else [None]
        return _Page(entries, pushes, until, stream.sight_epoch if stream else 0)

    def lags(self) -> list[int]:
        """Return by how many pushes each connection is behind its log."""
        return [feed.target - feed.cursor for user in self._users.values() for feed in user.feeds.values()]

    # -- the tailer ------------------------------------------------------------------------------------------------

    def _look_at(self, user_id: int) -> None:
        """Look at this user's log soon."""
        self._found.pop(user_id, None)
        self._to_look.add(user_id)
        self._look_now.set()

    def _look_at_all(self) -> None:
        """Look at everybody's log now."""
        self._all_due = 0.0
        self._look_now.set()

    async def run(self) -> None:
        """Look at the logs of those connected here: when told to, and now and then at all, whatever else comes."""
        clock = asyncio.get_running_loop().time
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._all_due):
                    await self._look_now.wait()
            self._look_now.clear()
            told, self._to_look = self._to_look, set()
            users: Iterable[int] = told
            if clock() >= self._all_due:
                users = set(self._users)
                self._all_due = clock() + self._services.config.delivery.tail_interval
                self.repaired += sum(self._found.values())
                self._found.clear()
            try:
                await self._look(users, told)
            except DatabaseDown as fault:
                log.warning("tailer.unavailable", reason=str(fault), seldom=True)

    async def _look(self, user_ids: Iterable[int], told: Collection[int]) -> None:
        """Look at the logs of these users, of whom some were told to have something new."""
        connected = [user_id for user_id in user_ids if user_id in self._users]
        for start in range(0, len(connected), _CHUNK):
            chunk = connected[start : start + _CHUNK]
            self.looks.note(len(chunk))
            users = [self._users[user_id] for user_id in chunk if user_id in self._users]
            kept = {feed: feed.newest_ahead for user in users for feed in user.feeds.values() if feed.ahead}
            for stream in await self._services.read(partial(sync.list_streams, user_ids=chunk)):
                if user := self._users.get(stream.user_id):
                    if user.id not in told:
                        self._suspect(user, stream.last_seq)
                    await self._compare(user, stream, kept)

    def _suspect(self, user: User, last_seq: int) -> None:
        """There may be news that nothing told of; unless it is told of until the next look at all, it was lost."""
        news = last_seq - max((feed.target for feed in user.feeds.values()), default=last_seq)
        if news > 0:
            self._found[user.id] = news

    async def _compare(self, user: User, stream: sync.Stream, kept: Mapping[Feed, int]) -> None:
        """Send what was kept when the look began, and may still be seen, and have the rest read."""
        if any(feed.session.auth_epoch != stream.auth_epoch for feed in user.feeds.values()):
            await self._recheck(user, stream.auth_epoch)
        for feed in user.feeds.values():
            feed.target = max(feed.target, stream.last_seq)
            if feed.catching_up is None and self._can_write(feed):
                self._send_ahead(feed, kept.get(feed, 0), stream.sight_epoch)
            self._catch_up(feed)

    async def _recheck(self, user: User, auth_epoch: int) -> None:
        """Sessions may have ended, here or in another process: ask which are left."""
        feeds = list(user.feeds.values())
        live = await self._still_live(user.id, list({feed.session.id for feed in feeds}))
        for feed in feeds:
            feed.session.auth_epoch = auth_epoch
            if feed.session.id not in live:
                self._end(feed)
