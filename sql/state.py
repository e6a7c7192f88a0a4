"""What an account may do, which also decides who is counted."""

from enum import IntEnum


class State(IntEnum):
    """What an account may do; only ACTIVE ones exist for others."""

    UNVERIFIED = 0
    ACTIVE = 1
    BANNED = 2
    DELETED = 3
