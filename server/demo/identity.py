"""Who is who among the invented people: their ids, by number, without anything else of them."""

import hashlib
from typing import Final

BLOCK: Final = 1000
"""People who are made, and written, at once."""
DEMO_LOGIN: Final = "demo"
"""The login of person 0, which is written last: who finds it knows that all the others are there."""
SOCIABLE: Final = 101
"""The first so many are open to everybody: programs act for those that come after person 0."""

_STRIDE: Final = 1 << 29
"""Ids are in the order of the numbers, so that they are added at the end of tables, yet look like any others;
2^24 people fit below 2^53."""


def person_id(seed: int, number: int) -> int:
    """Return the id of a person."""
    jitter = hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()
    return number * _STRIDE + 1 + int.from_bytes(jitter, "big") % (_STRIDE - 1)
