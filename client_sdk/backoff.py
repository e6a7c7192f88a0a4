"""How long to wait before trying again."""

import math
from collections.abc import Callable

LONGEST = 60.0
# How wide a crowd must spread when it comes back. A user with too many sockets would only push out another one.
WINDOWS = {"draining": 5.0, "idle": 0.0, "too_many_sockets": LONGEST}


class Backoff:
    """Full jitter: any moment of a window that doubles with every failure, so that a crowd never comes at once."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._window = 1.0
        self._least = 0.0

    def start(self, reason: str = "", retry_after: object = None) -> None:
        """Begin anew after a connection that was good, and ended for `reason`."""
        self._window = WINDOWS.get(reason, 1.0)
        self._least = _seconds(retry_after)

    def fail(self, retry_after: object = None) -> None:
        """Note a failure; the server may have said when to come back at the earliest."""
        self._window = min(LONGEST, max(1.0, 2 * self._window))
        self._least = _seconds(retry_after)

    def delay(self) -> float:
        """Return how many seconds to wait now."""
        return self._least + self._random() * self._window


def _seconds(retry_after: object) -> float:
    """Return what a server said, if it makes sense."""
    return retry_after if isinstance(retry_after, int | float) and 0 <= retry_after < math.inf else 0.0
