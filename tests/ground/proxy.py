"""A TCP proxy that is a bad network: it cuts, delays, stalls, drops and refuses, the same way for the same seed."""

import asyncio
import random
import socket
import struct
from dataclasses import dataclass
from typing import Self

_LINGER_NOT = struct.pack("ii", 1, 0)  # closing with this sends RST instead of FIN
_CHUNK = 65536


class _Cut(Exception):
    """A connection has passed as many bytes as it may."""


@dataclass(eq=False)
class Way:
    """One direction of a connection: how much was passed on, and after how many bytes it is cut (None: never)."""

    source: socket.socket
    sink: socket.socket
    cut: int | None
    passed: int = 0


@dataclass(eq=False)
class Link:
    """One proxied connection, up from the client and down to it."""

    up: Way
    down: Way

    def close(self, *, reset: bool) -> None:
        """Close both sockets, with RST or in good manners."""
        for side in (self.up.source, self.up.sink):
            if reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            side.close()


class ChaosProxy:
    """Stands before `target_port` on loopback; what it does next is told by its methods."""

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self.accepted = 0
        self.links: dict[asyncio.Task[None], Link] = {}
        self.delay = 0.0  # seconds that each chunk waits
        self._random = random.Random(seed)
        self.target_port = target_port
        self._cuts: list[tuple[int | None, int | None]] = []
        self._cut_range: tuple[int, int] | None = None
        self._refusing = False
        self._up, self._down = asyncio.Event(), asyncio.Event()
        for gate in (self._up, self._down):
            gate.set()

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"http://127.0.0.1:{self.port}"

    def cut_after(self, *, up: int | None = None, down: int | None = None) -> None:
        """Cut the next connection (asked twice: the next two, in order) after exactly so many bytes."""
        self._cuts.append((up, down))

    def cut_randomly(self, lowest: int, highest: int) -> None:
        """From now on cut every new connection after a random number of bytes, up or down."""
        self._cut_range = (lowest, highest)

    def refuse(self) -> None:
        """From now on cut every new connection at once."""
        self._refusing = True

    def stall(self, *, up: bool = True) -> None:
        """Stop reading from both sides, or from the server alone, until `calm`."""
        self._down.clear()
        if up:
            self._up.clear()

    def calm(self) -> None:
        """Be a good network again, for the connections there are and those to come."""
        self._cuts, self._cut_range, self._refusing, self.delay = [], None, False, 0.0
        for gate in (self._up, self._down):
            gate.set()
        for link in self.links.values():
            link.up.cut = link.down.cut = None

    async def drop_all(self) -> None:
        """Cut every connection there is."""
        serving = list(self.links)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self._listener.close()
        await self.drop_all()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(self._listener)
            self.accepted += 1
            server = socket.socket()
            up, down = self._next_cut()
            link = Link(Way(client, server, up), Way(server, client, down))
            task = asyncio.create_task(self._serve(link))
            self.links[task] = link
            task.add_done_callback(self.links.pop)

    def _next_cut(self) -> tuple[int | None, int | None]:
        if self._refusing:
            return 0, 0
        if self._cuts:
            return self._cuts.pop(0)
        if self._cut_range is None:
            return None, None
        at = self._random.randint(*self._cut_range)
        return (at, None) if self._random.random() < 0.5 else (None, at)

    async def _serve(self, link: Link) -> None:
        clean = False
        try:
            for side in (link.up.source, link.up.sink):
                side.setblocking(False)
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(link.up.sink, ("127.0.0.1", self.target_port))
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(link.up, self._up))
                pumps.create_task(self._pump(link.down, self._down))
            clean = True
        except* (_Cut, OSError):
            pass
        finally:
            link.close(reset=not clean)

    async def _pump(self, way: Way, gate: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        while way.passed != way.cut:
            await gate.wait()
            data = await loop.sock_recv(way.source, _CHUNK)
            if not data:
                way.sink.shutdown(socket.SHUT_WR)
                return
            if self.delay:
                await asyncio.sleep(self.delay)
            passing = data if way.cut is None else data[: way.cut - way.passed]
            await loop.sock_sendall(way.sink, passing)
            way.passed += len(passing)
        raise _Cut
