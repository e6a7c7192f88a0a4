"""The connection that stays: it is reopened after every loss, until it is over for good."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from client_sdk.backoff import Backoff
from client_sdk.errors import ConnectionLost, MatchaError, SessionEnded, error_from
from client_sdk.link import Link

T = TypeVar("T")


class Listener(Protocol):
    """Whoever is told what happens on the connection, in the order of the wire."""

    def opened(self) -> None:
        """A link to the server was made, for the first time or again."""

    def heard(self, event: str, data: Any) -> None:
        """The server pushed something."""

    def ended(self) -> None:
        """Nothing will come any more."""


class Lifeline:
    """Links to the server, one after the other, and the calls that go over them."""

    def __init__(
        self,
        url: str,
        auth: Callable[[], Mapping[str, Any] | None],
        listener: Listener,
        *,
        timeout: float,
        wait: Callable[[float], Awaitable[Any]],
        random: Callable[[], float],
    ) -> None:
        self.over: MatchaError | None = None
        """Why the connection will not come back."""
        self._url = url
        self._auth = auth
        self._listener = listener
        self._timeout = timeout
        self._wait = wait
        self._random = random
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._wanted = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not ended since; the link itself may be away for a while."""
        return self._keeper is not None and self.over is None

    @property
    def connected(self) -> bool:
        """Whether there is a link right now."""
        return self._link is not None and not self._link.gone.is_set()

    async def open(self) -> None:
        """Connect; raise the server's refusal, or ConnectionLost."""
        link = await self._dial()
        self.over = None
        self._keeper = asyncio.create_task(self._keep(link))

    async def close(self) -> None:
        """Close for good."""
        self.end(ConnectionLost("The client is closed."))
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._link is not None:
            await self._link.close()

    def end(self, reason: MatchaError) -> None:
        """Give up for good: `reason` is raised to everything pending and everything later."""
        if self.over is not None:
            return
        self.over = reason
        self._linked.set()
        if self._link is not None:
            self._link.drop(reason)
        self._listener.ended()

    def want(self) -> None:
        """Say that a link is needed: nobody's connection comes back only then, as the server closes it when idle."""
        self._wanted.set()

    async def call(self, event: str, fields: Mapping[str, Any]) -> Any:
        """Emit once and return the answer's data; a loss before the answer is raised."""
        return await self._in_time(self._exchange(event, fields))

    async def insist(self, event: str, fields: Mapping[str, Any]) -> Any:
        """Like `call`, but emit again after a loss, for as long as there is time."""
        return await self._in_time(self._until_answered(event, fields))

    async def _in_time(self, exchange: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await exchange
        except TimeoutError:
            missing = "answer" if self.connected else f"connection to {self._url}"
            raise ConnectionLost(f"No {missing} within {self._timeout:g} s.", unknown=self.connected) from None

    async def _until_answered(self, event: str, fields: Mapping[str, Any]) -> Any:
        while True:
            try:
                return await self._exchange(event, fields)
            except ConnectionLost:
                if not self.is_open:
                    raise

    async def _exchange(self, event: str, fields: Mapping[str, Any]) -> Any:
        link = await self._reach()
        answer = await link.ask(event, fields)
        if not isinstance(answer, dict):
            raise MatchaError(f"The server's answer to {event} is not understood.")
        if answer.get("code") != 200:
            raise error_from(answer)
        return answer.get("data")

    async def _reach(self) -> Link:
        """Return the link, waiting for it if need be."""
        while True:
            if self.over is not None:
                raise self.over.with_traceback(None)
            if self._keeper is None:
                raise ConnectionLost("Not connected: await connect() first.")
            if self._link is not None and self.connected:
                return self._link
            self.want()
            self._linked.clear()
            await self._linked.wait()

    async def _dial(self) -> Link:
        link = Link(self._url, self._hear)
        await link.open(self._auth(), self._timeout)
        self._link = link
        self._wanted.clear()
        self._linked.set()
        self._listener.opened()
        return link

    async def _keep(self, link: Link) -> None:
        """Wait for each link's end and make the next one."""
        backoff = Backoff(self._random)
        while True:
            await link.gone.wait()
            await link.close()
            if self.over is not None:
                return
            reason, retry_after = str(link.goodbye.get("reason", "")), link.goodbye.get("retry_after")
            if link.answered or reason == "draining":
                backoff.start(reason, retry_after)
            else:
                backoff.fail(retry_after)
            try:
                link = await self._redial(backoff)
            except MatchaError as refusal:
                self.end(refusal)
                return

    async def _redial(self, backoff: Backoff) -> Link:
        """Try until there is a link; raise what makes it pointless to go on."""
        while True:
            if self._auth() is None:
                await self._wanted.wait()
            await self._wait(backoff.delay())
            try:
                return await self._dial()
            except MatchaError as error:
                if error.code == 401:
                    raise SessionEnded(error.message) from error
                if error.code == 400:
                    raise
                backoff.fail(error.retry_after)

    def _hear(self, event: str, data: Any) -> None:
        self._listener.heard(event, data)
        if event == "goodbye" and isinstance(data, dict) and data.get("reason") == "session_ended":
            self.end(SessionEnded("The session has ended. Sign in again."))
