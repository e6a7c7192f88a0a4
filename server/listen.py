"""The sockets the server listens on, bound before anything slow begins, so that a taken port is told at once."""

from __future__ import annotations

import errno
import resource
import socket
import sys
from typing import Final

# Addresses a name stands for but that this machine can't use: `localhost` is often ::1 too where IPv6 is off.
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_OPEN_FILES: Final = 1_048_576
_UNSENT: Final = 131_072
"""Bytes that the system may hold back for a reader who takes none; without a bound it is megabytes of each."""
_TCP_NOTSENT_LOWAT: Final = getattr(socket, "TCP_NOTSENT_LOWAT", 25)
"""Python 3.11 has no name for it."""


class ListenError(Exception):
    """The server can't listen there; the text says why, and what to do."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Bind a socket to every address of `host`; raises ListenError in words."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ListenError(f"server.host {host!r} is no address of this machine: {error.strerror}.") from error
    bound: list[socket.socket] = []
    for family, _, _, _, address in dict.fromkeys(found):
        try:
            bound.append(_bind(family, address))
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise refused(host, port, error) from error
    if not bound:
        raise ListenError(f"server.host {host!r} is no address of this machine. Correct it (MATCHA_SERVER_HOST).")
    return bound


def _bind(family: int, address: tuple[str | int | bytes, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if sys.platform == "linux":  # whoever is accepted inherits it
            listener.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _UNSENT)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener


def refused(host: str, port: int, error: OSError) -> ListenError:
    """Say why the system won't let us listen."""
    if error.errno == errno.EADDRINUSE:
        reason = f"Port {port} on {host} is taken by another program."
    elif error.errno == errno.EACCES:
        reason = f"Only root may listen on port {port}."
    else:
        reason = f"Port {port} on {host} can't be listened on: {error.strerror}."
    return ListenError(f"{reason} Free it, or choose another port with server.port (MATCHA_SERVER_PORT).")


def allow_many_sockets() -> None:
    """Raise the number of files this process may open as far as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
