"""A clock that tests set."""

import time
from datetime import UTC, datetime

from server.clock import Clock

_START = datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()


class FakeClock(Clock):
    """Runs like a real one, from a fixed date, and jumps when told to."""

    def __init__(self) -> None:
        self.offset = _START - time.monotonic()

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.monotonic() + self.offset

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self.offset += seconds
