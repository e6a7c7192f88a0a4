"""The private Redis (or Valkey): memory only, since nothing in it may not be lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from server.embedded.child import Child, find_program
from server.embedded.errors import PrivateServerError
from server.embedded.folder import DataFolder, socket_folder

_SOCKET: Final = "redis.sock"


class Redis:
    """A Redis that writes nothing to disk but its log."""

    name = "Redis"

    def __init__(self, data: DataFolder) -> None:
        """Find the program; raises PrivateServerError with what to install if there is none."""
        self._data = data
        self._socket = data.sockets / _SOCKET
        program = find_program("redis-server", "valkey-server")
        if program is None:
            raise PrivateServerError(
                "Neither redis-server nor valkey-server is on this machine. Install one (Debian, Ubuntu: apt-get "
                "install redis-server), or name a server with redis.url (MATCHA_REDIS_URL)."
            )
        self._program = program

    @property
    def url(self) -> str:
        """Where it is reached."""
        return _url(self._socket)

    def prepare(self, say: Callable[[str], None]) -> None:
        """Nothing is kept, so nothing is prepared."""

    def child(self) -> Child:
        """Return its process, not yet started."""
        command = (
            self._program,
            *("--port", "0"),
            *("--unixsocket", str(self._socket)),
            *("--unixsocketperm", "700"),
            *("--save", ""),
            *("--appendonly", "no"),
        )
        return Child(self.name, command, data=self._data, log="redis.log")

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            once = Retry(NoBackoff(), 0)
            with redis.Redis(unix_socket_path=str(self._socket), socket_timeout=5, retry=once) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def redis_url(data: Path) -> str:
    """Return where it would be reached on this data folder."""
    return _url(socket_folder(data.resolve()) / _SOCKET)


def _url(socket: Path) -> str:
    return f"unix://{quote(str(socket), safe='/')}?db=0"
