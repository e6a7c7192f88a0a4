"""Passwords: Argon2id away from the event loop, never more at a time than the machine can bear."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from server.config import Password
from server.wire.errors import Unavailable

T = TypeVar("T")


class Passwords:
    """Hashes and checks passwords, a few at a time; more than the queue holds are refused."""

    def __init__(self, config: Password) -> None:
        self._hasher = PasswordHasher(config.time_cost, config.memory_kib, config.parallelism)
        self._executor = ThreadPoolExecutor(config.workers, thread_name_prefix="argon2")
        self._room = config.workers + config.queue
        self._nobody = self._hasher.hash("nobody's password")

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

    def close(self) -> None:
        """Let go of the threads."""
        self._executor.shutdown(wait=False, cancel_futures=True)
