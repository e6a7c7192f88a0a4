"""Floods: token buckets in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable

from server.wire.errors import RateLimited

_MOST_KEPT = 50_000


class Bucket:
    """A bucket that holds `burst` and gains `rate` a second."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left = burst
        self._at = now

    def take(self, cost: float, now: float, *, limit: str = "socket_rate") -> None:
        """Take out `cost`. Raises RateLimited with the seconds until there is enough, and the name of the limit."""
        self._left = min(self._burst, self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < cost:
            raise RateLimited((cost - self._left) / self._rate, limit=limit)
        self._left -= cost


class Buckets:
    """Buckets by key; those not used for longest are forgotten, when they have long been full again."""

    def __init__(self, rate: float, burst: float, *, limit: str, time: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._rate = rate
        self._burst = burst
        self._time = time
        self._buckets: OrderedDict[object, Bucket] = OrderedDict()

    def take(self, key: object, cost: float = 1) -> None:
        """Take out `cost` of the bucket of this key. Raises RateLimited."""
        now = self._time()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = Bucket(self._rate, self._burst, now)
            if len(self._buckets) > _MOST_KEPT:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        bucket.take(cost, now, limit=self._limit)
