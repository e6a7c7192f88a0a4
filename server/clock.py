"""Seams: time and chance come from here, so that tests can hold both still."""

import random
import secrets
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC).replace(tzinfo=None)


class Clock:
    """The wall clock, UTC, in whole milliseconds, which is what the database keeps."""

    def now(self) -> datetime:
        """Return the time as a naive datetime in UTC."""
        return _EPOCH + timedelta(milliseconds=int(self.time() * 1000))

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.time()


class Ids:
    """Ids that cannot be guessed, and chance where nothing depends on its secrecy."""

    def __init__(self) -> None:
        self.random = random.Random()

    def number(self) -> int:
        """Return a random id from 1 to 2^53 - 1, which JavaScript can hold."""
        return secrets.randbelow(2**53 - 1) + 1

    def token(self) -> str:
        """Return an opaque id of 128 bits, 22 characters."""
        return secrets.token_urlsafe(16)
