"""Room: how many bytes of images may be on their way in at a time, of all together and of one caller."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from server.wire.errors import RateLimited, Unavailable

_SHARES = 4


class Room:
    """Taken before the first byte is kept, given back when the last one is gone."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._share = size // _SHARES
        self._taken: Counter[object] = Counter()

    def take(self, caller: object, size: int) -> None:
        """Take so many bytes. Raises RateLimited when one caller has a share already, Unavailable when all is taken."""
        if self._taken[caller] + size > self._share:
            raise RateLimited(1, limit="images_arriving")
        if size > self._left:
            raise Unavailable
        self._taken[caller] += size
        self._left -= size

    @contextmanager
    def held(self, caller: object, size: int) -> Iterator[int]:
        """Take so many bytes for a while. Raises RateLimited, Unavailable."""
        self.take(caller, size)
        try:
            yield size
        finally:
            self.give_back(caller, size)

    def give_back(self, caller: object, size: int) -> None:
        """Give so many bytes back."""
        self._taken[caller] -= size
        self._left += size
        if not self._taken[caller]:
            del self._taken[caller]
