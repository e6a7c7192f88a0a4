"""The outbox: messages that arrive once and in order, whatever becomes of the connection meanwhile."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from client_sdk.backoff import Backoff
from client_sdk.draft import Draft
from client_sdk.errors import (
    AlreadyExists,
    ConnectionLost,
    MatchaError,
    OutboxError,
    RateLimited,
    SessionEnded,
    Unauthorized,
    Unavailable,
)
from client_sdk.noun import draw
from client_sdk.outbox_file import OutboxFile
from client_sdk.pushes import DraftRefused, MessageNew, Push

if TYPE_CHECKING:
    from client_sdk.client import Client

log = logging.getLogger("client_sdk")

_AT_ONCE = 4
"""Messages under way at a time; the server bears 16 events, and the author has calls of their own."""
_SHORT = 10.0
"""Seconds: a shorter limit is one on everything that the user writes, a longer one is about one conversation."""
_PATIENT = (ConnectionLost, RateLimited, SessionEnded, Unauthorized, Unavailable)
_TRIES = 10
"""How often the server may fail at a draft before it is given up, so that it does not hold up others for ever."""


class _Patience:
    """How often and how soon a draft is tried again."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0

    def ends(self, fault: MatchaError, draft: Draft) -> bool:
        """Tell whether another try is pointless."""
        if isinstance(fault, _PATIENT):
            return False
        self._failures += 1
        passes = draft.drawn if isinstance(fault, AlreadyExists) else fault.code == 0 or 500 <= fault.code < 600
        return not passes or self._failures == _TRIES

    def delay(self, fault: MatchaError) -> float:
        """Return after how many seconds to try again."""
        if isinstance(fault, ConnectionLost):
            return 0.0  # the call itself has waited for the connection
        if isinstance(fault, RateLimited):
            self._backoff.start(retry_after=fault.retry_after)
        else:
            self._backoff.fail(fault.retry_after)
        return self._backoff.delay()


@dataclass(eq=False)
class _Conversation:
    """What waits to be said to one person; the first of it is being sent."""

    drafts: deque[Draft] = field(default_factory=deque)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Outbox:
    """What was posted and has not arrived yet, in order for each person: `len(outbox)`, `list(outbox)`.

    With a file, what is left when the program ends is sent by the next one; without, it is lost.
    """

    def __init__(
        self,
        client: "Client",
        path: Path | None,
        *,
        wait: Callable[[float], Awaitable[Any]],
        random: Callable[[], float],
    ) -> None:
        self._client = client
        self._path = path
        self._wait = wait
        self._random = random
        self._file: OutboxFile | None = None
        self._over: MatchaError | None = Unauthorized("Sign in first: what is posted is somebody's.")
        self._conversations: dict[int, _Conversation] = {}

    def __iter__(self) -> Iterator[Draft]:
        for conversation in self._conversations.values():
            yield from conversation.drafts

    def __len__(self) -> int:
        return sum(len(conversation.drafts) for conversation in self._conversations.values())

    async def drained(self) -> None:
        """Wait until nothing is left: all that was posted has arrived, or was refused.

        Raises ConnectionLost or SessionEnded when the client is closed before.
        """
        while drafts := list(self):
            await drafts[0].settled()
        if self._over:
            raise self._over.with_traceback(None)

    # For the client

    def start(self, owner: int) -> None:
        """Begin to send, first of all what an earlier program left in the file. Raises OutboxError."""
        if self._over is None:
            return
        if self._path is not None:
            self._file = OutboxFile(self._path, owner)
        self._over = None
        self._slots = asyncio.Semaphore(_AT_ONCE)
        for draft in self._file.read() if self._file else ():
            self._add(draft)

    def stop(self, reason: MatchaError) -> None:
        """Send no more; whoever waits for a draft is told why."""
        if self._over is not None:
            return
        self._over = reason
        for conversation in self._conversations.values():
            if conversation.task is not None:
                conversation.task.cancel()
            for draft in conversation.drafts:
                draft.fail(reason)
        self._conversations.clear()
        if self._file:
            self._file.close()
            self._file = None

    def post(self, user_id: int, text: str, random_id: int | None) -> Draft:
        """Take a text, write it down, and send it in its turn."""
        if self._over:
            raise self._over.with_traceback(None)
        draft = Draft(user_id, text, draw() if random_id is None else random_id, drawn=random_id is None)
        if self._file:
            self._file.keep(draft)
        self._add(draft)
        return draft

    def heard(self, push: Push) -> None:
        """Take note that somebody answers: to them more may be written."""
        if isinstance(push, MessageNew) and not push.mine and push.user_id in self._conversations:
            self._conversations[push.user_id].answered.set()

    # Sending

    def _add(self, draft: Draft) -> None:
        conversation = self._conversations.setdefault(draft.user_id, _Conversation())
        conversation.drafts.append(draft)
        if conversation.task is None:
            conversation.task = asyncio.create_task(self._work(draft.user_id, conversation))

    async def _work(self, user_id: int, conversation: _Conversation) -> None:
        """Send what waits for one person, one after the other."""
        while conversation.drafts:
            await self._settle(conversation, conversation.drafts[0])
            if self._over:
                return
            conversation.drafts.popleft()
        del self._conversations[user_id]

    async def _settle(self, conversation: _Conversation, draft: Draft) -> None:
        """Send a draft until it has arrived, or is refused, or the outbox is stopped."""
        patience = _Patience(Backoff(self._random))
        while True:
            async with self._slots:
                conversation.answered.clear()
                fault = await self._try(draft)
                if fault is None or self._is_over():
                    return
                if patience.ends(fault, draft):
                    self._refuse(draft, fault)
                    return
                delay = patience.delay(fault)
                if isinstance(fault, RateLimited) and delay <= _SHORT:
                    await self._wait(delay)
                    continue
            await self._rest(conversation, delay)

    async def _try(self, draft: Draft) -> MatchaError | None:
        """Send a draft and strike it out, or return what was wrong."""
        try:
            sent = await self._client.message.send(draft.user_id, draft.text, draft.random_id)
        except MatchaError as fault:
            if isinstance(fault, AlreadyExists) and draft.drawn:
                self._redraw(draft)
            return fault
        self._forget(draft)
        draft.succeed(sent)
        return None

    def _redraw(self, draft: Draft) -> None:
        """Choose another number, as that one was used for another text, long ago."""
        random_id = draw()
        with contextlib.suppress(OutboxError):
            if self._file:
                self._file.renumber(draft, random_id)
            draft.random_id = random_id

    def _refuse(self, draft: Draft, fault: MatchaError) -> None:
        self._forget(draft)
        draft.fail(fault)
        self._client._publish(
            DraftRefused(user_id=draft.user_id, text=draft.text, random_id=draft.random_id, error=fault)
        )

    def _forget(self, draft: Draft) -> None:
        try:
            if self._file:
                self._file.forget(draft)
        except OutboxError as error:  # then it is sent again some day, and is known by its random_id
            log.warning("A draft stays in the file: %s", error)

    async def _rest(self, conversation: _Conversation, seconds: float) -> None:
        """Let others go first for some seconds, or until the other person answers."""
        waiting = [asyncio.ensure_future(self._wait(seconds)), asyncio.ensure_future(conversation.answered.wait())]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    def _is_over(self) -> bool:
        """Stop together with the client."""
        over = self._client._lifeline.over
        if over is not None:
            self.stop(over)
        return self._over is not None
