"""Attendance: the sockets of this process, as Redis is told of them, and people's last time online in MySQL."""

import asyncio
import contextlib
from collections.abc import Callable, Collection
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

import structlog

from server.context import Services
from server.ephemeral.hints import Hints
from server.ephemeral.presence import Socket, is_away
from server.socket.connection import Connection
from server.wire.errors import Unavailable
from sql import presence as rows
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown, Ended

log = structlog.get_logger("presence")

_CHUNK = 256
_LATELY = timedelta(minutes=10)
"""Whoever was here so lately counts as here in the database all the same."""

Then = Callable[[Any], None]


def _nothing(reply: Any) -> None:
    """Most replies say nothing new."""


class Seat:
    """A signed-in socket, and when Redis was last told that it lives."""

    def __init__(self, user_id: int, socket: Socket, connection: Connection) -> None:
        self.user_id = user_id
        self.socket = socket
        self.connection = connection
        self.renewed_at = socket.came_at


class Act(NamedTuple):
    """One command for Redis, and what is done with its reply."""

    add: Callable[[Any], None]
    then: Then = _nothing


class Attendance:
    """Notes who comes, lives and goes; one round trip at a time tells it all."""

    def __init__(self, services: Services, hints: Hints) -> None:
        self._services = services
        self._presence = services.presence
        self._clock = services.clock
        self._options = services.config.presence
        self._most = int(services.config.limits.of("sockets_user"))
        self._hints = hints
        self._seats: dict[str, Seat] = {}
        self._acts: list[Act] = []
        self._due: set[Seat] = set()
        self._something = asyncio.Event()
        self._pause = min(1.0, self._options.patience)
        self._has_gap = False
        hints.on_evicted = self._evict
        self.loops = (self._keep_telling, self._keep_looking)

    # -- sockets come and go ---------------------------------------------------------------------------------------

    def arrive(self, user_id: int, connection: Connection) -> Seat:
        """Somebody has a new socket."""
        socket = Socket(self._clock.time(), self._hints.process, connection.sid)
        seat = self._seats[connection.sid] = Seat(user_id, socket, connection)
        self._presence.away.discard(user_id)
        self._presence.came.add(user_id)
        self._note(partial(self._presence.arrive, user_id=user_id, socket=socket), partial(self._arrived, seat))
        connection.transport.on_heard = lambda: self._heard(seat)
        return seat

    def leave(self, seat: Seat, *, at_once: bool) -> None:
        """A socket is gone; unless its session was ended, its person may be on the way back."""
        if self._seats.get(seat.socket.sid) is seat:
            del self._seats[seat.socket.sid]
            self._due.discard(seat)
            act = self._presence.remove if at_once else self._presence.leave
            within = 0 if at_once else self._options.patience
            self._note(partial(act, user_id=seat.user_id, socket=seat.socket), self._gone(seat.user_id, within))

    def end(self, ended: Ended) -> None:
        """Sessions have ended: what somebody said in them of being here holds no longer."""
        user_id, session_id, keep = ended
        act = partial(self._presence.take_back, user_id=user_id, session_id=session_id or "", keep=keep)
        self._note(act, self._gone(user_id, 0))

    def _gone(self, user_id: int, within: float) -> Then:
        """Once Redis knows of it, look whether there is something else that holds the person."""
        return lambda reply: self._presence.leaving.update({user_id: self._clock.time() + within})

    def _heard(self, seat: Seat) -> None:
        """A socket lives: that is told once in a while, however much comes from it."""
        now = self._clock.time()
        if now - seat.renewed_at >= self._options.renew and self._seats.get(seat.socket.sid) is seat:
            seat.renewed_at = now
            self._due.add(seat)

    def _note(self, add: Callable[..., None], then: Then) -> None:
        self._acts.append(Act(add, then))
        self._something.set()

    # -- to Redis --------------------------------------------------------------------------------------------------

    async def _keep_telling(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause):
                    await self._something.wait()
            self._something.clear()
            await self._tell()

    async def _tell(self) -> None:
        """Tell what was noted, and everything anew when Redis was away or has forgotten; one round trip mostly."""
        acts, self._acts = self._acts, []
        due, self._due = self._due, set()
        if self._has_gap:
            acts += [Act(partial(self._presence.stay_away, user_id=user_id)) for user_id in self._presence.away]
            due = set(self._seats.values())
        acts += [self._renewal(seat) for seat in due]
        acts.append(Act(self._presence.sign, self._look_at_sign))
        self._has_gap = False
        try:
            for start in range(0, len(acts), _CHUNK):
                await self._send(acts[start : start + _CHUNK])
        except Unavailable as fault:
            log.info("presence.unavailable", reason=str(fault.__cause__))
            self._has_gap = True

    def _renewal(self, seat: Seat) -> Act:
        add = partial(self._presence.renew, user_id=seat.user_id, socket=seat.socket)
        return Act(add, partial(self._renewed, seat.user_id))

    async def _send(self, acts: list[Act]) -> None:
        async with self._presence.pipeline(try_again=True) as pipeline:
            for act in acts:
                act.add(pipeline)
            replies = await pipeline.execute()
        for act, reply in zip(acts, replies, strict=True):
            act.then(reply)

    def _look_at_sign(self, reply: str | None) -> None:
        if reply is None:
            self._has_gap = True
            self._something.set()

    def _renewed(self, user_id: int, members: list[str]) -> None:
        """Learn whether the person is away, by what was said to another process."""
        (self._presence.away.add if is_away(members) else self._presence.away.discard)(user_id)

    def _arrived(self, seat: Seat, members: list[str]) -> None:
        """The oldest of too many sockets gives way, wherever it is; one of a process that died is just forgotten."""
        self._renewed(seat.user_id, members)
        sockets = Socket.list_in(members)
        for oldest in sockets[: max(0, len(sockets) - self._most)]:
            self._note(partial(self._presence.remove, user_id=seat.user_id, socket=oldest), _nothing)
            if oldest.process == self._hints.process:
                self._evict(oldest.sid)
            else:
                self._hints.evict(oldest.process, oldest.sid)

    def _evict(self, sid: str) -> None:
        if seat := self._seats.get(sid):
            seat.connection.end("too_many_sockets")

    # -- to MySQL, and to those who watch --------------------------------------------------------------------------

    async def _keep_looking(self) -> None:
        clock = asyncio.get_running_loop().time
        flush_at = clock() + self._options.flush
        while True:
            await asyncio.sleep(self._pause)
            await self._look()
            if clock() >= flush_at:
                flush_at = clock() + self._options.flush
                await self.flush()

    async def _look(self) -> None:
        """Find out who of those that were leaving is gone: their last time online is written, then others look.

        Of those who come back after longer it is written too: search looks among those who were here lately.
        """
        came, self._presence.came = self._presence.came, set()
        before = self._services.clock.now() - _LATELY
        await self._write(came - self._presence.away, partial(rows.update_returned, before=before))
        now, leaving = self._clock.time(), self._presence.leaving
        due = [user_id for user_id, at in leaving.items() if at <= now]
        for start in range(0, len(due), _CHUNK):
            try:
                tops = await self._presence.list_tops(due[start : start + _CHUNK])
            except Unavailable:
                return
            gone = [user_id for user_id, top in tops.items() if top.until <= now]
            await self._write(gone)
            for user_id in gone:
                self._hints.announce(user_id)
            for user_id, top in tops.items():
                if leaving.get(user_id, now + 1) <= now:
                    del leaving[user_id]
                if now < top.until and not (top.is_socket or top.is_away):
                    leaving.setdefault(user_id, top.until)

    async def flush(self) -> None:
        """Write down that who is here is here; whoever is away was here last when they said so."""
        seated = {seat.user_id for seat in self._seats.values()}
        self._presence.away &= seated
        await self._write({*seated, *self._presence.leaving} - self._presence.away)

    async def _write(self, user_ids: Collection[int], update: Callable[..., Any] = rows.update_active) -> None:
        ordered = sorted(user_ids)
        try:
            for start in range(0, len(ordered), _CHUNK):
                chunk = ordered[start : start + _CHUNK]
                await self._services.transact(partial(update, user_ids=chunk))
        except (DatabaseDown, CommitUnknown) as fault:
            log.warning("presence.not_written", reason=str(fault))

    async def finish(self) -> None:
        """The process ends: tell what is still to be told."""
        await self._tell()
        await self.flush()
