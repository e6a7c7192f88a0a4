"""The client: what a bot or a test holds in its hand."""

import asyncio
import contextlib
import logging
import random as random_
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, overload
from weakref import WeakSet

import msgspec

from client_sdk.account import Accounts
from client_sdk.errors import ConnectionLost, SessionEnded
from client_sdk.feed import Feed
from client_sdk.lifeline import Lifeline
from client_sdk.message import Messages
from client_sdk.notification import Notifications
from client_sdk.outbox import Outbox
from client_sdk.place import Towns
from client_sdk.presence import Presences
from client_sdk.profile import Profiles
from client_sdk.pushes import Push
from client_sdk.relation import Relations
from client_sdk.report import Reports
from client_sdk.research import Research
from client_sdk.session import Sessions
from client_sdk.settings import OwnSettings
from client_sdk.subscription import Subscription
from client_sdk.sync import Sync
from client_sdk.tag import Tags
from client_sdk.types import LoggedIn
from client_sdk.visit import Visitors

log = logging.getLogger("client_sdk")

E = TypeVar("E", bound=Push)
Handler = Callable[[E], Awaitable[None]]
_HANDLE_WITHIN = 1.0


class Client:
    """A connection to a matcha42 server, as one user or, without a token and before a login, as nobody.

    `login` (or mail) and `password` sign in whenever there is no token. `cursor` is the `seq` of the last push that was
    seen, to go on from there. `outbox` is a file for what is posted, so that it survives the program; one user's, and
    in use by one client at a time. `timeout` is in seconds, for each call. Tests give `wait` and `random`.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        login: str | None = None,
        password: str | None = None,
        cursor: int | None = None,
        outbox: Path | None = None,
        timeout: float = 15.0,
        wait: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        random: Callable[[], float] = random_.random,
    ) -> None:
        self.url = url
        self.token = token
        self.id: int | None = None
        """The user's id, once it is known."""
        self.account = Accounts(self)
        self.session = Sessions(self)
        self.settings = OwnSettings(self)
        self.profile = Profiles(self)
        self.relation = Relations(self)
        self.visit = Visitors(self)
        self.report = Reports(self)
        self.message = Messages(self)
        self.presence = Presences(self)
        self.notification = Notifications(self)
        self.research = Research(self)
        self.tag = Tags(self)
        self.place = Towns(self)
        self.sync = Sync(self)
        self.outbox = Outbox(self, outbox, wait=wait, random=random)
        self._credentials = (login, password) if login is not None and password is not None else None
        self._wait = wait
        self._random = random
        self._feed = Feed(
            cursor,
            self.sync.since,
            self._publish,
            self._finish,
            self.presence.reopened,
            wait=wait,
            random=random,
        )
        self._lifeline = Lifeline(url, self._auth, self._feed, timeout=timeout, wait=wait, random=random)
        self._handlers: list[tuple[type[Push], Handler[Any]]] = []
        self._subscriptions: WeakSet[Subscription[Any]] = WeakSet()
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Client {self.url} user_id={self.id}>"

    @property
    def cursor(self) -> int | None:
        """The `seq` of the last push that was handed on."""
        return self._feed.cursor

    @property
    def connected(self) -> bool:
        """Whether there is a connection right now."""
        return self._lifeline.connected

    # Opening and closing

    async def connect(self) -> None:
        """Connect, and with a token or a password sign in.

        Raises what the server refuses with; ConnectionLost when it cannot be reached; OutboxError.
        """
        if self._lifeline.is_open:
            return
        if self._tasks:
            await self.close()
        self._feed.clear()
        await self._lifeline.open()
        try:
            await self._recognise()
        except BaseException:
            await self.close()
            raise
        self._to_handle = self.events()
        self._tasks = [asyncio.create_task(self._feed.run()), asyncio.create_task(self._dispatch(self._to_handle))]

    async def close(self) -> None:
        """Close the connection; handlers that still run are cancelled, and what was posted is sent no more.

        `await client.outbox.drained()` before it lets the outbox be emptied.
        """
        await self._lifeline.close()
        self._finish()
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others)

    async def wait_closed(self) -> None:
        """Wait until the client is closed and its handlers are through; raise SessionEnded if the server ended it."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        reason = self._lifeline.over
        if reason is not None and not isinstance(reason, ConnectionLost):
            raise reason

    def run(self) -> None:
        """Connect and serve the handlers until the session ends or Ctrl-C is pressed; for programs that are a bot."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._serve())

    async def __aenter__(self) -> "Client":
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None and self._tasks:
            await self._handle_rest()
        await self.close()

    async def _handle_rest(self) -> None:
        """Let handlers see what was heard, since `cursor` counts it as seen; for a second at most."""
        self._to_handle.end()
        await asyncio.wait(self._tasks[1:], timeout=_HANDLE_WITHIN)

    # Calling

    async def call(self, event: str, /, **fields: Any) -> Any:
        """Emit an event once and return its answer; fields that are UNSET are left out.

        Raises the error of the answer, or ConnectionLost, whose `unknown` says that it may have been done all the same.
        """
        return await self._lifeline.call(event, _payload(fields))

    async def insist(self, event: str, /, **fields: Any) -> Any:
        """Like `call`, but emit again when the connection is lost before the answer: for what may be repeated."""
        return await self._lifeline.insist(event, _payload(fields))

    # Listening

    def on(self, kind: type[E]) -> Callable[[Handler[E]], Handler[E]]:
        """Call the decorated async function with every push of a kind, one after the other; Push means all."""

        def register(handler: Handler[E]) -> Handler[E]:
            self._handlers.append((kind, handler))
            return handler

        return register

    @overload
    def events(self) -> Subscription[Push]: ...

    @overload
    def events(self, *kinds: type[E]) -> Subscription[E]: ...

    def events(self, *kinds: type[Any]) -> Subscription[Any]:
        """Return the pushes of these kinds, or all, from now on, to be read with `async for`."""
        subscription: Subscription[Any] = Subscription(kinds or (Push,))
        self._subscriptions.add(subscription)
        if self._lifeline.over is not None:
            subscription.end()
        return subscription

    def wait_for(
        self, kind: type[E], matches: Callable[[E], bool] = lambda _: True, *, timeout: float | None = 5.0
    ) -> Coroutine[Any, Any, E]:
        """Return the first push of a kind, and that matches, from this call on; raise TimeoutError if there is none."""
        return self._first(self.events(kind), kind.__name__, matches, timeout)

    @contextlib.asynccontextmanager
    async def expecting(
        self, kind: type[E], matches: Callable[[E], bool] = lambda _: True, *, timeout: float | None = 5.0
    ) -> AsyncIterator[Awaitable[E]]:
        """Watch for a push before causing it: `async with c.expecting(MessageNew) as got: …; event = await got`."""
        waiting = self.wait_for(kind, matches, timeout=timeout)
        try:
            yield waiting
        except BaseException:
            waiting.close()
            raise

    # Behind the scenes

    def _auth(self) -> Mapping[str, Any] | None:
        if self.token is None:
            return None
        return {"token": self.token} | ({} if self.cursor is None else {"cursor": self.cursor})

    async def _recognise(self) -> None:
        """Find out who one is, or sign in, or be nobody."""
        if self.token is not None:
            me = await self.profile.me()
            self.id = me.user_id
            self._feed.start(me.cursor)
            self.outbox.start(me.user_id)
        elif self._credentials is not None:
            await self.session.login(*self._credentials)

    def _sign_in(self, answer: LoggedIn) -> None:
        """Be this user from now on, as the server already takes this socket to be. Raises OutboxError."""
        self.outbox.start(answer.user_id)
        self.token, self.id = answer.token, answer.user_id
        self._feed.start(answer.cursor)
        self._lifeline.want()

    def _sign_out(self) -> None:
        """Be nobody again: the server closes this connection, `connect` makes a new one."""
        self.token = self.id = self._feed.cursor = None
        self.presence.forget()
        self._lifeline.end(SessionEnded("You have logged out."))

    async def _serve(self) -> None:
        async with self:
            await self.wait_closed()

    def _publish(self, event: Push) -> None:
        event.__dict__["client"] = self
        self.presence.heard(event)
        self.outbox.heard(event)
        for subscription in list(self._subscriptions):
            subscription.put(event)

    def _finish(self) -> None:
        self.presence.stop()
        self.outbox.stop(self._lifeline.over or ConnectionLost("The client is closed."))
        for subscription in list(self._subscriptions):
            subscription.end()

    async def _dispatch(self, events: Subscription[Push]) -> None:
        async for event in events:
            for kind, handler in self._handlers:
                if isinstance(event, kind):
                    await self._handle(handler, event)

    async def _handle(self, handler: Handler[E], event: E) -> None:
        try:
            await handler(event)
        except Exception as error:
            if error is not self._lifeline.over:  # whatever waits for something is told of the end
                log.exception("A handler failed on %s.", type(event).__name__)

    async def _first(
        self, events: Subscription[E], name: str, matches: Callable[[E], bool], timeout: float | None
    ) -> E:
        try:
            async with asyncio.timeout(timeout):
                async for event in events:
                    if matches(event):
                        return event
        except TimeoutError:
            raise TimeoutError(f"no {name} within {timeout} s") from None
        raise self._lifeline.over or ConnectionLost("The client is closed.")


def _payload(fields: Mapping[str, Any]) -> Any:
    """Return the fields as JSON has them, without those that are UNSET."""
    given = {name: value for name, value in fields.items() if value is not msgspec.UNSET}
    return msgspec.to_builtins(given, builtin_types=(bytes,))
