"""Client: one WebSocket that sends what was built before and hands on what comes."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

from bench.generator import frames


class Refused(Exception):
    """The server did not let this client in, or cut it off."""


class Client(asyncio.Protocol):
    """Joins the namespace, answers pings; acks and pushes go to whoever has set `on_ack` and `on_push`."""

    def __init__(self, upgrade: bytes, auth: Any) -> None:
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.on_ack: Callable[[int, bytes], None] = lambda id, answer: None
        self.on_push: Callable[[bytes], None] = lambda message: None
        self._upgrade = upgrade
        self._connect = frames.connect(auth)
        self._rest = b""
        self._upgraded = False
        self._out: list[bytes] | None = None

    @classmethod
    async def open(cls, port: int, auth: Any = None, *, headers: dict[str, str] | None = None) -> Self:
        """Connect and join. Raises Refused."""
        upgrade = frames.upgrade("127.0.0.1", port, headers or {})
        loop = asyncio.get_running_loop()
        try:
            _, client = await loop.create_connection(lambda: cls(upgrade, auth), "127.0.0.1", port)
        except OSError as fault:
            raise Refused(str(fault)) from None
        await client.joined
        return client

    # -- the protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """Ask for a WebSocket."""
        self._transport = transport
        transport.write(self._upgrade)

    def data_received(self, data: bytes) -> None:
        """Hand on whole messages; what they are answered with leaves in one piece."""
        data = self._rest + data if self._rest else data
        if not self._upgraded:
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return
            self._upgraded = True
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._refuse(head.decode("latin-1"))
                return
        messages, self._rest = frames.cut(data)
        self._out = []
        for message in messages:
            self._take(message)
        out, self._out = self._out, None
        if out:
            self._transport.write(b"".join(out))

    def connection_lost(self, fault: Exception | None) -> None:
        """The connection is gone."""
        self._refuse("the connection was closed")
        self.gone.set()

    # -- messages --------------------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        """Send a frame; many that answer what came at once leave together."""
        if self._out is None:
            self._transport.write(frame)
        else:
            self._out.append(frame)

    def close(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    def _take(self, message: bytes) -> None:
        kind = message[:2]
        if kind == b"43":
            start = message.index(b"[")
            self.on_ack(int(message[2:start]), message[start:])
        elif kind == b"42":
            self.on_push(message)
        elif kind == b"2":
            self.send(frames.PONG)
        elif kind == b"40":
            self.joined.set_result(None)
        elif kind[:1] == b"0":
            self.send(self._connect)
        elif kind in (b"44", b"41", b""):
            self._refuse(message.decode() or "the server has closed")

    def _refuse(self, why: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(Refused(why))
