"""Makes one dense stream of what arrives: each push of the log once, in order, nothing missing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from client_sdk.backoff import Backoff
from client_sdk.errors import ConnectionLost, MatchaError
from client_sdk.pushes import Push, Resync, parse, seq_of
from client_sdk.types import SyncPage

log = logging.getLogger("client_sdk")


class Feed:
    """One queue for everything: pushes, and the duty to catch up which every new connection brings."""

    def __init__(
        self,
        cursor: int | None,
        sync: Callable[[int], Awaitable[SyncPage]],
        publish: Callable[[Push], None],
        finish: Callable[[], None],
        reopened: Callable[[], None],
        *,
        wait: Callable[[float], Awaitable[Any]],
        random: Callable[[], float],
    ) -> None:
        self.cursor = cursor
        """The `seq` of the last push that was handed on; None until it is known."""
        self._sync = sync
        self._publish = publish
        self._finish = finish
        self._reopened = reopened
        self._wait = wait
        self._random = random
        self.clear()

    def clear(self) -> None:
        """Forget what is not handed on yet; the server still has it."""
        self._steps: asyncio.Queue[Callable[[], Awaitable[None]] | None] = asyncio.Queue()
        self._ended = False

    def start(self, cursor: int) -> None:
        """Take the server's newest cursor, unless a place is known already."""
        if self.cursor is None:
            self.cursor = cursor

    def opened(self) -> None:
        """A connection was made: what was missed before it comes before what it brings."""
        if self.cursor is not None:
            self._steps.put_nowait(self._catch_up)
        self._reopened()

    def heard(self, event: str, data: Any) -> None:
        """A push arrived."""
        seq = seq_of(data)
        if seq is not None:
            self.start(seq - 1)
        self._steps.put_nowait(partial(self._take, event, data))

    def ended(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._steps.put_nowait(None)

    async def run(self) -> None:
        """Work off the queue until the end."""
        while step := await self._steps.get():
            try:
                await step()
            except Exception:
                if not self._ended:
                    log.exception("Cannot catch up with the log from %s.", self.cursor)
        self._finish()

    async def _take(self, event: str, data: Any) -> None:
        push = parse(event, data)
        if self._misses_some_before(push):
            await self._catch_up()
            if self._misses_some_before(push):
                log.warning("The log has nothing between %s and %s.", self.cursor, push.seq)
        self._hand_on(push)

    async def _catch_up(self) -> None:
        """Read the log from the cursor to its end."""
        more = True
        while more and self.cursor is not None:
            page = await self._page(self.cursor)
            more = page.more and page.cursor > self.cursor
            self._read(page)

    async def _page(self, cursor: int) -> SyncPage:
        """Ask for a page until the server gives it, or refuses it for good."""
        backoff = Backoff(self._random)
        while True:
            try:
                return await self._sync(cursor)
            except MatchaError as error:
                if self._ended or error.code in (400, 401):
                    raise
                if isinstance(error, ConnectionLost):
                    continue  # the call has waited for the connection, which may be back just now
                backoff.fail(error.retry_after)
                await self._wait(backoff.delay())

    def _read(self, page: SyncPage) -> None:
        for event in page:
            self._hand_on(parse(event.event, event.data))
        if page.resync:
            self._publish(Resync(cursor=page.cursor))
        self.cursor = page.cursor

    def _misses_some_before(self, push: Push) -> bool:
        return push.seq is not None and self.cursor is not None and push.seq > self.cursor + 1

    def _hand_on(self, push: Push) -> None:
        """Publish a push, unless it was published before."""
        if push.seq is not None:
            if self.cursor is not None and push.seq <= self.cursor:
                return
            self.cursor = push.seq
        self._publish(push)
