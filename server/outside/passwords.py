"""Passwords: Argon2id away from the event loop, never more at a time than the machine can bear."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from server.config import Password
from server.wire.errors import InvalidPayload, Unavailable

T = TypeVar("T")

_PRODUCT = "matcha42"
_SHORTEST_WORD = 4
_NICE = 15


@cache
def _words() -> frozenset[str]:
    """The common passwords, words and names that zxcvbn knows; read on the first registration."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words)


def _letters(text: str) -> str:
    """Case, digits and signs make no password good."""
    return "".join(character for character in text.casefold() if character.isalpha())


def _give_way() -> None:
    """Let the event loop go first on a shared core: Linux ranks each thread, and those it starts, by itself."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


class Passwords:
    """Hashes and checks passwords, a few at a time; more than the queue holds are refused."""

    def __init__(self, config: Password) -> None:
        self._hasher = PasswordHasher(config.time_cost, config.memory_kib, config.parallelism)
        self._executor = ThreadPoolExecutor(config.workers, thread_name_prefix="argon2", initializer=_give_way)
        self._most = self._room = config.workers + config.queue
        self._nobody = self._hasher.hash("nobody's password")

    def check(self, password: str, *, field: str, own: Iterable[str]) -> None:
        """Refuse what is guessed first: common ones, one word, one's own names. Raises InvalidPayload."""
        bare = _letters(password)
        own_words = {_letters(text) for word in (*own, _PRODUCT) for text in (word, word.partition("@")[0])}
        is_word = len(bare) >= _SHORTEST_WORD and bare in _words()
        if password.casefold() in _words() or is_word or (bare and bare in own_words):
            raise InvalidPayload.of(field, "weak", "This is easy to guess. Take several words, or something longer.")

    async def look_for_room(self) -> None:
        """Raise Unavailable when too many wait: better said before anything else is done for an event."""
        if self._room <= 0:
            raise Unavailable(retry_after=5)

    async def hash(self, password: str) -> str:
        """Return the hash to be kept. Raises Unavailable when too many wait."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether this is the password; for nobody's (None) it takes just as long. Raises Unavailable."""
        matches = await self._run(lambda: self._matches(password_hash or self._nobody, password))
        return matches and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether the hash was made with weaker settings than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise Unavailable(retry_after=5)
        self._room -= 1
        task = asyncio.get_running_loop().run_in_executor(self._executor, work)
        task.add_done_callback(lambda _: self._leave())
        return await asyncio.shield(task)

    def _leave(self) -> None:
        """Counted when the work is done, not when the one who asked has gone."""
        self._room += 1

    @property
    def waiting(self) -> int:
        """How many are being worked at, or wait for it."""
        return self._most - self._room

    def close(self) -> None:
        """Let go of the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)
