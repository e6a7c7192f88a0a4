"""Faults of the database, at whichever statement a test wants them."""

from collections.abc import Awaitable, Callable
from typing import Any

import pymysql
import pytest

from sql.driver import Driver
from tests.ground.recorders import in_background

CONFLICT = pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")
LOST = pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query")
_OWN = ("ROLLBACK", "SET autocommit", "SET SESSION")
"""Not counted: what undoes everything, what is sent along with a statement, and what a new connection begins with."""


class Breaker:
    """Makes the k-th statement of events fail, as the database would; `of` counts only those with this text."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault: Exception | None = None
        self._left, self._of = 0, ""
        self._before: Callable[[], Awaitable[None]] | None = None
        ask = Driver.ask

        async def ask_or_fail(driver: Driver, texts: list[str]) -> Any:
            for place, text in enumerate(texts):
                if await self._is_due(text):
                    return await self._fail(lambda some: ask(driver, some), driver, texts, place)
            return await ask(driver, texts)

        monkeypatch.setattr(Driver, "ask", ask_or_fail)

    def arm(self, at: int, fault: Exception | None, *, of: str = "") -> None:
        """Let the k-th fail; `fault` is None again when it has."""
        self._left, self.fault, self._of, self._before = at, fault, of, None

    def arm_before(self, at: int, act: Callable[[], Awaitable[None]]) -> None:
        """Do something right before the k-th, which does not fail by itself."""
        self._left, self.fault, self._of, self._before = at, None, "", act

    @property
    def is_armed(self) -> bool:
        """Tell whether it is still to come."""
        return self.fault is not None or self._before is not None

    async def _is_due(self, text: str) -> bool:
        if not self.is_armed or in_background() or text.startswith(_OWN) or self._of not in text:
            return False
        self._left -= 1
        if self._left == 0 and self._before:
            act, self._before = self._before, None
            await act()
        return self._left == 0 and self.fault is not None

    async def _fail(self, ask: Any, driver: Driver, texts: list[str], place: int) -> Any:
        """What goes out with it is run all the same: after a conflict with nothing left of what was before."""
        fault, self.fault = self.fault, None
        before = await ask(texts[:place]) if place else []
        if not isinstance(fault, pymysql.err.Error) or fault.args[0] == LOST.args[0]:
            driver.close()
            raise fault or AssertionError
        undo = ["ROLLBACK"] if fault.args[0] == CONFLICT.args[0] else []
        after = await ask([*undo, *texts[place + 1 :]]) if undo or texts[place + 1 :] else []
        return [*before, fault, *after[len(undo) :]]


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """See `Breaker`."""
    return Breaker(monkeypatch)
