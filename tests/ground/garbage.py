"""Garbage: what leads back to itself, so that only a collection finds it, for which everybody waits."""

import gc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

_OURS = ("server", "handlers", "sql", "aiohttp.web")


@contextmanager
def garbage() -> Iterator[Counter[str]]:
    """Count by type, once it is over, what of the server was left to be collected meanwhile."""
    found = Counter[str]()
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        types = (type(thing) for thing in gc.garbage)
        found.update(f"{one.__module__}.{one.__qualname__}" for one in types if one.__module__.startswith(_OURS))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
