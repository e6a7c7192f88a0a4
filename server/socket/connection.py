"""Connection: one client on one socket: who it is, what it has under way, how far it has been told."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from server.config import Socket
from server.context import Session
from server.flood import Bucket
from server.socket.engine import Transport
from server.socket.packet import DISCONNECT_FRAME, Packet, ack_frame, event_frame
from server.wire.errors import MatchaError, RateLimited
from server.wire.events import Order, Spec

Run = Callable[[], Awaitable[None]]

_SETTLE_WITHIN = 0.8
"""Seconds that what is under way is given before a socket is closed."""


class Lane:
    """The order of one socket: events start as they came, and `Order` says which wait for which to finish."""

    __slots__ = ("_barrier", "_options", "_running", "_series", "_waiting", "_writing")

    def __init__(self, options: Socket) -> None:
        self._options = options
        self._waiting: list[tuple[Order, object, Run]] = []  # few, and mostly none: a deque would be larger
        self._running: list[asyncio.Task[None]] = []
        self._writing: list[asyncio.Task[None]] = []
        self._series: object = None
        """What those that write have in common, if there may be several."""
        self._barrier: asyncio.Task[None] | None = None

    def submit(self, order: Order, run: Run, series: object = None) -> None:
        """Start what may start now, queue what has to wait. Raises RateLimited when too many wait.

        Those that write need not wait for each other within a series: something else keeps their order.
        """
        if not self._waiting and self._may_start(order, series):
            self._start(order, series, run)
        elif len(self._waiting) < self._options.queue:
            self._waiting.append((order, series, run))
        else:
            raise RateLimited(1, limit="socket_queue")

    def _may_start(self, order: Order, series: object) -> bool:
        if self._barrier or len(self._running) >= self._options.running:
            return False
        if order is Order.ORDERED and self._writing:
            return series is not None and series == self._series
        return not (order is Order.BARRIER and self._running)

    def _start(self, order: Order, series: object, run: Run) -> None:
        task = asyncio.ensure_future(run())
        self._running.append(task)
        if order is Order.ORDERED:
            self._writing.append(task)
            self._series = series
        elif order is Order.BARRIER:
            self._barrier = task
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        """Whatever waited for this one starts."""
        self._running.remove(task)
        if task in self._writing:
            self._writing.remove(task)
        elif task is self._barrier:
            self._barrier = None
        while self._waiting and self._may_start(*self._waiting[0][:2]):
            self._start(*self._waiting.pop(0))

    @property
    def waiting(self) -> int:
        """How many wait to be started."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Tell whether nothing waits or runs."""
        return not self._running  # what waits, waits for something that runs

    async def settle(self) -> None:
        """Wait until nothing waits or runs."""
        while self._running:
            await asyncio.wait(self._running)

    def drop(self) -> None:
        """Forget what has not started: the client is gone. What runs may be committing, so it is left to finish."""
        self._waiting.clear()


class Half(NamedTuple):
    """A packet that waits for its attachments, since a time on the loop's clock, and what was decided when it began."""

    packet: Packet
    since: float
    spec: Spec | None = None
    refusal: MatchaError | None = None


class Connection:
    """One client; it lives as long as its transport."""

    def __init__(self, transport: Transport, address: str, agent: str, *, options: Socket, flood: Bucket) -> None:
        self.transport = transport
        self.address = address
        self.agent = agent
        self.flood = flood
        self.lane = Lane(options)
        self.greeted = False
        """Whether it has tried to join."""
        self.joined = False
        self.session: Session | None = None
        self.heard_at = asyncio.get_running_loop().time()
        """When it connected or last sent an event with a token, on the loop's clock."""
        self.half: Half | None = None
        self.gone = asyncio.Event()
        """Set when the socket has ended."""
        self._ending: asyncio.Task[None] | None = None
        transport.on_slow = lambda: self._say_goodbye("slow", None)

    @property
    def sid(self) -> str:
        """The id of the transport."""
        return self.transport.sid

    def push(self, name: str, data: dict[str, Any]) -> None:
        """Send an event to this client."""
        self.transport.write(event_frame(name, data))

    def ack(self, id: int | None, answer: bytes) -> None:
        """Answer an event; nothing if no answer was asked for."""
        if id is not None:
            self.transport.write(ack_frame(id, answer))

    def end(self, reason: str, *, retry_after: int | None = None, within: float = _SETTLE_WITHIN) -> None:
        """Say goodbye and close, after the answers to what is under way; `within` so many seconds in any case."""
        if self._ending is None and not self.transport.closed:
            self._ending = asyncio.get_running_loop().create_task(self._end(reason, retry_after, within))

    async def _end(self, reason: str, retry_after: int | None, within: float) -> None:
        try:
            async with asyncio.timeout(within):
                await self.lane.settle()
        except TimeoutError:
            pass
        self._say_goodbye(reason, retry_after)
        if self.joined and reason == "session_ended":
            self.transport.write(DISCONNECT_FRAME)
        self.transport.close()

    def _say_goodbye(self, reason: str, retry_after: int | None) -> None:
        if self.joined:
            self.push("goodbye", {"reason": reason, "retry_after": retry_after})
