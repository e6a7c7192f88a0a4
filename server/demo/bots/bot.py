"""A bot: comes and goes, looks at people who are here, likes back, and answers whoever writes."""

import asyncio
import contextlib
import logging
import zlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from client_sdk import (
    Client,
    ConnectionChanged,
    MatchaError,
    MessageNew,
    Notification,
    Push,
    SessionEnded,
    Unauthorized,
)
from server.demo.bots.talk import answer, opening

log = logging.getLogger("bots")

# Pauses in seconds, from … to; all are multiplied by the crew's `pause`.
_ARRIVE: Final = (1.0, 90.0)
_STAY: Final = (300.0, 1500.0)
_AWAY: Final = (120.0, 900.0)
_LOOK: Final = (120.0, 400.0)
_CONSIDER: Final = (10.0, 90.0)
_READ: Final = (2.0, 8.0)
_TYPE: Final = (2.0, 7.0)
_BETWEEN_LOGINS: Final = 0.5
_VISITED_AGAIN: Final = 1800.0
"""Seconds before anybody of the crew visits the same person again."""
_GOODBYE: Final = 1.0


@dataclass
class Crew:
    """What the bots of one process share."""

    url: str
    password: str
    logins: frozenset[str]
    seed: int = 0
    pause: float = 1.0
    likes_back: float = 0.75
    writes_first: float = 0.6
    """In how many cases of one."""
    visited: dict[int, float] = field(default_factory=dict)
    """When somebody was visited last, by anyone."""
    door: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One at a time signs in: checking a password is work for the server."""

    async def run(self) -> None:
        """Live, all of them, until cancelled."""
        async with asyncio.TaskGroup() as bots:
            for login in sorted(self.logins):
                bots.create_task(Bot(login, self).live())


class Bot:
    """One invented person."""

    def __init__(self, login: str, crew: Crew) -> None:
        self.login = login
        self._crew = crew
        self._random = Random(f"{crew.seed}:{login}")
        self._token: str | None = None
        self._client = Client(crew.url)
        self._busy: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def live(self) -> None:
        """Come and go until cancelled."""
        await self._wait(_ARRIVE)
        while True:
            try:
                await self._be_here()
            except (SessionEnded, Unauthorized):
                self._token = None
            except MatchaError as fault:
                log.warning("%s left: %s", self.login, fault)
            except Exception:
                log.exception("%s left.", self.login)
            await self._wait(_AWAY)

    async def _wait(self, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._crew.pause * self._random.uniform(*seconds))

    def _would(self, what: str, user_id: int, share: float) -> bool:
        """Decide once and for all: the same bot would always do the same to the same person."""
        return zlib.crc32(f"{self._crew.seed}:{self.login}:{what}:{user_id}".encode()) % 1000 < share * 1000

    # -- being here ----------------------------------------------------------------------------------------------------

    async def _be_here(self) -> None:
        self._client = Client(self._crew.url, token=self._token)
        pushes = self._client.events(MessageNew, ConnectionChanged, Notification)
        listening = asyncio.create_task(self._listen(pushes))
        try:
            await self._come_in()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._crew.pause * self._random.uniform(*_STAY)):
                    await self._look_around()
            await self._client.presence.offline()
        except asyncio.CancelledError:
            await self._sign_out()
            raise
        finally:
            for task in (listening, *self._busy.values()):
                task.cancel()
            await self._client.close()

    async def _come_in(self) -> None:
        if self._token:
            await self._client.connect()
        else:
            async with self._crew.door:
                await self._client.connect()
                self._token = (await self._client.session.login(self.login, self._crew.password)).token
                await asyncio.sleep(self._crew.pause * _BETWEEN_LOGINS)
        await self._client.presence.online()

    async def _sign_out(self) -> None:
        """Leave no session behind when the program ends."""
        with contextlib.suppress(MatchaError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await self._client.session.logout()

    async def _listen(self, pushes: Any) -> None:
        async for push in pushes:
            self._hear(push)

    def _hear(self, push: Push) -> None:
        match push:
            case MessageNew(user_id=user_id) if push.message.from_user_id == user_id:
                self._soon(self._talk, user_id)
            case ConnectionChanged(user_id=user_id, state="connected"):
                self._soon(self._talk, user_id)
            case Notification(kind="like" | "request", user=card) if card:
                self._soon(self._like_back, card.user_id)
            case Notification(kind="visit", user=card) if card and card.login not in self._crew.logins:
                self._soon(self._visit, card.user_id)

    async def _look_around(self) -> None:
        """See what has come meanwhile, and who is here; again and again."""
        while True:
            for like in await self._client.relation.likes():
                self._soon(self._like_back, like.user.user_id)
            for connection in await self._client.relation.connections():
                last = connection.last_message
                if last is None or last.from_user_id == connection.user.user_id:
                    self._soon(self._talk, connection.user.user_id)
            for card in await self._client.research.search(online=True, limit=50):
                if card.login not in self._crew.logins:
                    self._soon(self._visit, card.user_id)
            await self._wait(_LOOK)

    # -- acts ----------------------------------------------------------------------------------------------------------

    def _soon(self, act: Callable[[int], Coroutine[Any, Any, None]], user_id: int) -> None:
        """Do something about somebody after a while, unless it is being done."""
        key = (act.__name__, user_id)
        if key not in self._busy:
            self._busy[key] = asyncio.create_task(self._do(act, user_id))
            self._busy[key].add_done_callback(lambda _: self._busy.pop(key, None))

    async def _do(self, act: Callable[[int], Coroutine[Any, Any, None]], user_id: int) -> None:
        try:
            await act(user_id)
        except MatchaError as fault:  # they may have left, or blocked us, or we were too quick
            log.info("%s: %s", self.login, fault)

    async def _visit(self, user_id: int) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._crew.visited.get(user_id, float("-inf")) < self._crew.pause * _VISITED_AGAIN:
            return
        self._crew.visited[user_id] = now
        await self._wait(_CONSIDER)
        await self._client.profile.get(user_id)

    async def _like_back(self, user_id: int) -> None:
        if self._would("like", user_id, self._crew.likes_back):
            await self._wait(_CONSIDER)
            await self._client.relation.like(user_id)

    async def _talk(self, user_id: int) -> None:
        """Answer what was written last; to somebody new say a first word, or wait for theirs. Never write twice."""
        await self._wait(_READ)
        while said := await self._next_words(user_id):
            await self._client.message.typing(user_id)
            await self._wait(_TYPE)
            if said == await self._next_words(user_id):  # nothing else was written meanwhile
                await self._client.message.send(user_id, said)
            await self._wait(_READ)

    async def _next_words(self, user_id: int) -> str | None:
        """Return what to say as things stand, the same as long as they do."""
        history = await self._client.message.history(user_id, limit=1)
        random = Random(f"{self._crew.seed}:{self.login}:{user_id}:{history[0].seq if history else 0}")
        if not history:
            if not self._would("write", user_id, self._crew.writes_first):
                return None
            return opening((await self._client.profile.get(user_id)).description, random)
        newest = history[0]
        await self._client.message.read(user_id, newest.seq)
        return answer(newest.message, random) if newest.from_user_id == user_id else None
