"""A client of raw frames: sends anything at all, and speaks just enough Socket.IO to be answered."""

import asyncio
import json
import re
import socket
import struct
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, Self, TypeVar

import aiohttp

T = TypeVar("T")

ABSENT: Any = object()  # "no argument at all", where None is a value that is sent
_PACKET = re.compile(r"(\d)(?:(/[^,]*),)?(\d*)(.*)", re.DOTALL)
_LINGER_NOT = struct.pack("ii", 1, 0)  # closing with this sends RST instead of FIN


class Push(NamedTuple):
    """One event that the server emitted."""

    event: str
    data: Any


class Refused(Exception):
    """The server answered CONNECT_ERROR; `error` is its whole body."""

    def __init__(self, error: Any) -> None:
        super().__init__(repr(error))
        self.error = error


class Gone(Exception):
    """The socket closed before what was awaited came."""


class RawSocket:
    """One WebSocket to the server; pings are answered, acks and pushes are sorted, all else is up to the test."""

    def __init__(self, session: aiohttp.ClientSession, ws: aiohttp.ClientWebSocketResponse, answer_pings: bool) -> None:
        self.answer_pings = answer_pings
        self.frames: list[str | bytes] = []
        self.pushes: list[Push] = []
        self.acks: dict[int, list[list[Any]]] = {}
        self.joined: dict[str, list[Any]] = {}  # namespace -> bodies of its CONNECTs
        self.refusals: dict[str, list[Any]] = {}  # namespace -> bodies of its CONNECT_ERRORs
        self.parted: list[str] = []  # namespaces the server disconnected
        self._session, self._ws = session, ws
        self._read_frames = 0
        self._last_id = 0
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        connect: bool = True,
        auth: Any = ABSENT,
        headers: dict[str, str] | None = None,
        answer_pings: bool = True,
    ) -> Self:
        """Open a WebSocket and, unless `connect` is false, join the namespace `/`; raises Refused."""
        session = aiohttp.ClientSession()
        try:
            ws = await session.ws_connect(
                url + "/socket.io/?EIO=4&transport=websocket",
                headers=headers,
                max_msg_size=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=0.5),  # a server that is gone does not say goodbye
            )
        except BaseException:
            await session.close()
            raise
        self = cls(session, ws, answer_pings)
        try:
            await self._look(lambda: self.frames or None, 5)  # the Engine.IO handshake
            self._read_frames = 1
            if connect:
                await self.join(auth)
        except BaseException:
            await self.close()
            raise
        return self

    async def join(self, auth: Any = ABSENT, namespace: str = "/", timeout: float = 5) -> Any:
        """Send CONNECT and return the body of the server's; raises Refused."""
        joined, refused = self.joined.setdefault(namespace, []), self.refusals.setdefault(namespace, [])
        so_far = len(joined), len(refused)
        await self.send("40" + _scope(namespace) + ("" if auth is ABSENT else json.dumps(auth)))
        await self._look(lambda: (len(joined), len(refused)) != so_far or None, timeout)
        if len(refused) > so_far[1]:
            raise Refused(refused[-1])
        return joined[-1]

    async def send(self, frame: str | bytes) -> None:
        """Send one frame as it is; raises Gone when the socket is closed."""
        try:
            await (self._ws.send_str(frame) if isinstance(frame, str) else self._ws.send_bytes(frame))
        except (ConnectionError, RuntimeError, aiohttp.ClientError) as error:
            raise Gone(f"cannot send: {error}") from None

    async def send_while_open(self, *frames: str | bytes) -> None:
        """Send frames up to the moment when the server closes the socket."""
        try:
            for frame in frames:
                await self.send(frame)
        except Gone:
            pass

    async def emit(self, event: str, *args: Any, ack: int | None = None) -> None:
        """Emit an event; with `ack` it carries that acknowledgement id."""
        await self.send(f"42{'' if ack is None else ack}{json.dumps([event, *args])}")

    async def call(self, event: str, payload: Any = ABSENT, timeout: float = 5) -> dict[str, Any]:
        """Emit an event with an acknowledgement id and return the one answer."""
        return await self.call_raw(json.dumps([event] if payload is ABSENT else [event, payload]), timeout=timeout)

    async def call_raw(self, body: str, *attachments: bytes, timeout: float = 5) -> dict[str, Any]:
        """Send `body` as the text of an event (binary when it has attachments) and return the one answer."""
        ack = self.next_id()
        await self.send(f"45{len(attachments)}-{ack}{body}" if attachments else f"42{ack}{body}")
        for attachment in attachments:
            await self.send(attachment)
        return await self.answer(ack, timeout)

    async def call_or_close(self, event: str, payload: Any = ABSENT, timeout: float = 5) -> dict[str, Any] | None:
        """Call, where the server may also close the socket: None is what it did."""
        try:
            return await self.call(event, payload, timeout)
        except Gone:
            return None

    async def call_raw_or_close(self, body: str, *attachments: bytes) -> dict[str, Any] | None:
        """The same of `call_raw`."""
        try:
            return await self.call_raw(body, *attachments)
        except Gone:
            return None

    def next_id(self) -> int:
        """An acknowledgement id that this socket has not used yet."""
        self._last_id += 1
        return self._last_id

    async def answer(self, ack: int, timeout: float = 5) -> dict[str, Any]:
        """Wait for the answer to the acknowledgement id `ack`."""
        (answer,) = (await self._look(lambda: self.acks.get(ack), timeout))[0]
        assert isinstance(answer, dict), f"an answer must be an object: {answer!r}"
        return answer

    async def frame(self, timeout: float = 5) -> str | bytes:
        """Return the next frame that was not yet returned (pings are left out)."""

        def unread() -> str | bytes | None:
            return self.frames[self._read_frames] if len(self.frames) > self._read_frames else None

        found = await self._look(unread, timeout)
        self._read_frames += 1
        return found

    async def until(self, predicate: Callable[[Push], bool], timeout: float = 5, since: int = 0) -> Push:
        """Return the first push, come already or yet to come, that the predicate accepts."""
        return await self._look(lambda: next((p for p in self.pushes[since:] if predicate(p)), None), timeout)

    async def push(self, event: str, timeout: float = 5, **fields: Any) -> Any:
        """Return the data of the first push of that event with those fields."""

        def wanted(push: Push) -> bool:
            return push.event == event and all(push.data.get(name) == value for name, value in fields.items())

        return (await self.until(wanted, timeout)).data

    async def closed(self, timeout: float = 5) -> int | None:
        """Wait until the server closed the socket and return its close code (None: cut without a word)."""
        await asyncio.wait_for(asyncio.shield(self._reading), timeout)
        return self._ws.close_code

    @property
    def is_open(self) -> bool:
        """Whether the socket was open when last looked at."""
        return not self._reading.done()

    @property
    def answered_twice(self) -> list[int]:
        """Acknowledgement ids that got more than one answer, or an answer that is not one argument."""
        return [ack for ack, answers in self.acks.items() if len(answers) != 1 or len(answers[0]) != 1]

    async def abort(self) -> None:
        """Cut the TCP connection with a reset, as a crashed client does."""
        tcp = self._ws.get_extra_info("socket")
        if tcp is not None:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        transport = self._ws._writer.transport
        if transport is not None:
            transport.abort()
        self._ws._response.close()
        await self._finish()

    async def close(self) -> None:
        """Close the socket in good manners."""
        if self.is_open:
            await self._stop_reading()
            await self._ws.close()
        await self._finish()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _finish(self) -> None:
        await self._stop_reading()
        await self._session.close()

    async def _stop_reading(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])

    async def _look(self, look: Callable[[], T | None], timeout: float) -> T:
        async with asyncio.timeout(timeout):
            while (found := look()) is None:
                if self._reading.done():
                    self._reading.result()  # what the reader stumbled over comes first
                    raise Gone(f"the socket closed with {self._ws.close_code}; last frames: {self.frames[-3:]}")
                self._news.clear()
                await self._news.wait()
        return found

    async def _read(self) -> None:
        try:
            async for message in self._ws:
                if message.type is aiohttp.WSMsgType.TEXT:
                    await self._sort(message.data)
                elif message.type is aiohttp.WSMsgType.BINARY:
                    self.frames.append(message.data)
                self._news.set()
        finally:
            self._news.set()

    async def _sort(self, frame: str) -> None:
        if frame == "2":
            if self.answer_pings:
                await self._ws.send_str("3")
            return
        self.frames.append(frame)
        packet = _PACKET.fullmatch(frame[1:]) if frame[:1] == "4" else None
        if packet is None:
            return
        kind, namespace, ack, text = packet[1], packet[2] or "/", packet[3], packet[4]
        body = json.loads(text, parse_constant=_not_json) if text else None
        if kind == "0":
            self.joined.setdefault(namespace, []).append(body)
        elif kind == "1":
            self.parted.append(namespace)
        elif kind == "2":
            self.pushes.append(Push(body[0], *body[1:]))
        elif kind == "3":
            self.acks.setdefault(int(ack), []).append(body)
        elif kind == "4":
            self.refusals.setdefault(namespace, []).append(body)


def _scope(namespace: str) -> str:
    return "" if namespace == "/" else namespace + ","


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"the server sent {constant}, which is not JSON")
