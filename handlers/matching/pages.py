"""Places in the pages of a search: what a cursor holds, so that any process can go on from it."""

import hashlib
import json
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

from handlers.matching.look import Pool
from server.outside.tokens import Tokens
from sql.research import Found

_MARKS = 450
"""So many people who were shown last are kept in mind, in four bytes each, for a cursor of 4000 characters at most."""


class Place(NamedTuple):
    """A place in the pages: the day of the first one, by which ages and ties are reckoned, and who was shown before."""

    day: date
    after: Found | Pool | None
    seen: tuple[int, ...]

    def is_new(self, user_id: int) -> bool:
        """Tell whether somebody was not shown yet."""
        return _mark(user_id) not in self.seen

    def cursor(self, tokens: Tokens, what: str, rest: Found | Pool, shown: Iterable[int]) -> str:
        """Return the cursor of what comes after the page that showed these."""
        pool = [*rest.placed, *rest.placeless] if isinstance(rest, Pool) else []
        last = rest.last if isinstance(rest, Pool) else rest
        seen = [*self.seen, *map(_mark, shown)][-_MARKS:]
        marks = urlsafe_b64encode(struct.pack(f"<{len(seen)}I", *seen)).decode()
        return tokens.page(what, [last and last[1:], pool, self.day.isoformat(), marks])


def read(tokens: Tokens, what: str, cursor: str) -> Place:
    """Return the place that a cursor is of. Raises InvalidPayload."""
    last, pool, day, seen = tokens.read_page(what, cursor)
    marks = urlsafe_b64decode(seen)
    found = Found(0, *last) if last else None
    after = Pool(tuple(pool[:2]), tuple(pool[2:]), found) if pool else found
    return Place(date.fromisoformat(day), after, struct.unpack(f"<{len(marks) // 4}I", marks))


def fingerprint(*parts: Any) -> str:
    """Return what a cursor goes with: the same viewer, sort and filters only."""
    return "research." + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _mark(user_id: int) -> int:
    """Return what stands for somebody: ids are random, four bytes tell people apart."""
    return user_id & 0xFFFFFFFF
