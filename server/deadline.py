"""Deadlines: as `asyncio.timeout`, for many who are all given as long; they share one timer, and most never need it."""

import asyncio
from types import TracebackType


class Deadline:
    """What runs in this block is cut off when its time is up, and `TimeoutError` is raised."""

    __slots__ = ("_among", "_at_first", "_is_late", "_task")

    def __init__(self, among: "Deadlines") -> None:
        self._among = among
        self._is_late = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._at_first = task, task.cancelling()
        self._among.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_late:
            self._among.remove(self)
        elif self._task.uncancel() <= self._at_first and kind is asyncio.CancelledError:
            raise TimeoutError from fault

    def miss(self) -> None:
        """The time is up."""
        self._is_late = True
        self._task.cancel()


class Deadlines:
    """Deadlines of one length: who came first is late first, so one timer for the first of them does for all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Deadline:
        """Return a deadline for a `with` block."""
        return Deadline(self)

    def add(self, deadline: Deadline) -> None:
        """From now on its time runs."""
        loop = asyncio.get_running_loop()
        self._due[deadline] = due = loop.time() + self._seconds
        if self._timer is None:
            self._timer = loop.call_at(due, self._look, loop)

    def remove(self, deadline: Deadline) -> None:
        """It was met."""
        del self._due[deadline]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cut off who is late, and come again when the next one may be."""
        self._timer = None
        now = loop.time()
        for deadline, due in list(self._due.items()):
            if due > now:
                self._timer = loop.call_at(due, self._look, loop)
                return
            del self._due[deadline]
            deadline.miss()
