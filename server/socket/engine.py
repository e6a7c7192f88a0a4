"""Engine.IO over WebSocket: no compression, no polling, bounded both ways, and always closed in the end."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import Any

import engineio
import msgspec
import structlog
from aiohttp import WSMsgType, web
from structlog.contextvars import bind_contextvars

from server.config import Socket
from server.wire.fields import LARGEST_IMAGE

log = structlog.get_logger("socket")

LARGEST_TEXT = 65_536
LARGEST_BINARY = LARGEST_IMAGE
_CLOSE_WITHIN = 1.0
_IN_PIPE = 65_536
"""Bytes that the connection itself may hold; beyond it frames are queued, counted, and written as it drains."""
_PING, _PONG, _MESSAGE, _CLOSE = b"2", "3", "4", "1"


class Transport:
    """One WebSocket: reads frames in order, writes them without blocking anybody, answers for its own end."""

    connected = upgraded = True
    """What python-engineio asks of a socket when a second request names it: nothing is left to be upgraded."""

    def __init__(self, engine: "Engine", sid: str, request: web.Request, options: Socket) -> None:
        self.sid = sid
        self.backlog = 0
        """Bytes that wait to be written."""
        self.stalled_at: float | None = None
        """Since when nothing could be written, on the loop's clock."""
        self.closed = False
        self.on_drained: Callable[[], None] = _nothing
        self.on_slow: Callable[[], None] = _nothing
        """Called when it is about to be cut off for being slow, to write the last word."""
        self.on_heard: Callable[[], None] = _nothing
        """Called with every sign of life, a pong at least."""
        self._engine = engine
        self._request = request
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._ws = web.WebSocketResponse(compress=False, max_msg_size=LARGEST_BINARY + 1, timeout=_CLOSE_WITHIN)
        self._frames: deque[bytes] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_pong = False
        self._pipe: asyncio.Transport | None = None
        self._together = b""
        """What was framed, and leaves as soon as what goes on now has been done."""

    async def serve(self, opening: bytes) -> web.WebSocketResponse:
        """Speak until the socket ends, whoever ends it."""
        await self._ws.prepare(self._request)
        self._pipe = self._request.transport
        self.write(opening)
        self._timer = self._loop.call_later(self._options.ping_interval, self._ping)
        try:
            await self._read()
        except (ValueError, ConnectionError) as fault:
            log.info("socket.refused", reason=str(fault), seldom=True)
        except Exception:
            log.exception("socket.failed", seldom=True)
        finally:
            self.closed = True
            self._timer.cancel()
            await self._hang_up()
            self._let_go()
        return self._ws

    async def _read(self) -> None:
        while not self.closed:
            message = await self._ws.receive()
            self.on_heard()
            if message.type is WSMsgType.TEXT:
                if _is_too_large(message.data):
                    raise ValueError("a text frame is too large")
                await self._receive(message.data)
            elif message.type is WSMsgType.BINARY:
                await self._engine.receive(self.sid, message.data)
            else:
                return

    async def _receive(self, frame: str) -> None:
        kind, data = frame[:1], frame[1:]
        if kind == _MESSAGE:
            await self._engine.receive(self.sid, data)
        elif kind == _PONG:
            self._pong()
        elif kind == _CLOSE:
            self.closed = True
        else:
            raise ValueError("not an Engine.IO packet")

    def _ping(self) -> None:
        self.write(_PING)
        self._timer = self._loop.call_later(self._options.ping_timeout, self.abort)
        self._awaits_pong = True

    def _pong(self) -> None:
        """A pong that nobody asked for changes nothing."""
        if self._awaits_pong and self._timer:
            self._awaits_pong = False
            self._timer.cancel()
            self._timer = self._loop.call_later(self._options.ping_interval, self._ping)

    def write(self, frame: bytes) -> None:
        """Queue a text frame; a reader so slow that too much waits is cut off."""
        if self.closed:
            return
        self._engine.frames_sent += 1
        self._engine.bytes_sent += len(frame)
        pipe = self._pipe
        if self._writer is None and pipe and not pipe.is_closing() and self._in_pipe(pipe) < _IN_PIPE:
            if not self._together:
                self._engine.flush_soon(self)
            self._together += _framed(frame)
            return
        self._frames.append(frame)
        self.backlog += len(frame)
        if self._writer is None:
            self.stalled_at = self._loop.time()
            self._writer = self._loop.create_task(self._write())
        elif self.backlog > self._options.backlog_hard:
            self.cut_off()

    def _in_pipe(self, pipe: asyncio.Transport) -> int:
        return pipe.get_write_buffer_size() + len(self._together)

    def flush(self) -> None:
        """Hand to the connection what leaves together."""
        together, self._together = self._together, b""
        if together and self._pipe and not self._pipe.is_closing():
            self._pipe.write(together)

    async def _write(self) -> None:
        self.flush()
        try:
            while self._frames:
                frame = self._frames.popleft()
                await self._ws.send_frame(frame, WSMsgType.TEXT)
                self.backlog -= len(frame)
                self.stalled_at = self._loop.time()
        except (ConnectionError, RuntimeError):
            self.abort()  # the other side is gone; the reader notices
        finally:
            self._writer = None
            self.stalled_at = None
        self.on_drained()

    def cut_off(self) -> None:
        """Give a reader up who is too slow: instead of all that waits there is one last word, and a second to take it.

        What was not sent is in the log, so nothing is lost with it.
        """
        log.info("socket.slow", socket=self.sid, backlog=self.backlog, seldom=True)
        self._frames.clear()
        self.backlog = 0
        self.on_slow()
        self.closed = True  # nothing more is written, nor read
        self.close()

    def is_stalled(self) -> bool:
        """Tell whether nothing could be written for too long."""
        return self.stalled_at is not None and self._loop.time() - self.stalled_at > self._options.stall_timeout

    def close(self) -> None:
        """Write what waits, then close; after a second the connection is cut."""
        if self._closer is None:
            self._closer = self._loop.create_task(self._close())

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                while self._writer:
                    await self._writer
                self.flush()
                self.closed = True
                await self._ws.close()
        except (TimeoutError, ConnectionError, RuntimeError):
            pass
        finally:
            self.abort()

    def abort(self) -> None:
        """Cut the connection now."""
        self.closed = True
        self._frames.clear()
        self._together = b""
        self.backlog = 0
        if self._request.transport:
            self._request.transport.abort()

    async def _hang_up(self) -> None:
        self.flush()
        with contextlib.suppress(TimeoutError, ConnectionError, RuntimeError):
            async with asyncio.timeout(_CLOSE_WITHIN):
                await self._ws.close()
        if self._writer:
            self._writer.cancel()
        if self._request.transport:
            self._request.transport.abort()

    def _let_go(self) -> None:
        """Leave no cycles behind: where many come and go, everybody would wait for the collection of what is left."""
        self.on_drained = self.on_slow = self.on_heard = _nothing
        if fault := self._ws.exception():
            fault.__traceback__ = fault.__context__ = None  # they lead back to the socket


def _nothing() -> None:
    """Nobody wants to know."""


def _is_too_large(text: str) -> bool:
    """A character takes one byte to four, and most texts are short."""
    return 4 * len(text) > LARGEST_TEXT and len(text.encode("utf-8", "replace")) > LARGEST_TEXT


def _framed(text: bytes) -> bytes:
    """Return a WebSocket frame of text, as a server sends it."""
    size = len(text)
    if size < 126:
        return b"\x81%c%b" % (size, text)
    return (b"\x81\x7e" + size.to_bytes(2) if size < 65_536 else b"\x81\x7f" + size.to_bytes(8)) + text


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """python-engineio checks the request (origin, transport, version); the connection itself is a Transport."""

    options: Socket
    _to_flush: list[Transport] | None = None
    frames_sent = bytes_sent = frames_received = 0
    """So far, by all sockets."""

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        sid = self.generate_id()
        bind_contextvars(socket=sid)  # all that is logged on its behalf says so
        socket = Transport(self, sid, environ["aiohttp.request"], self.options)
        self.sockets[sid] = socket
        try:
            await self.handlers["connect"](sid, environ)
            return await socket.serve(self._open(sid))
        finally:
            self.sockets.pop(sid, None)
            await self.handlers["disconnect"](sid, self.reason.TRANSPORT_CLOSE)

    def flush_soon(self, socket: Transport) -> None:
        """Flush a socket when what goes on now has been done, and what follows from it at once.

        A push and the answer that comes with it leave in one piece: each piece costs as much as all the rest.
        """
        if self._to_flush is None:
            self._to_flush = []
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._flush)
        self._to_flush.append(socket)

    def _flush(self) -> None:
        sockets, self._to_flush = self._to_flush or [], None
        for socket in sockets:
            socket.flush()

    def _open(self, sid: str) -> bytes:
        return b"0" + msgspec.json.encode(
            {
                "sid": sid,
                "upgrades": [],
                "pingInterval": int(self.options.ping_interval * 1000),
                "pingTimeout": int(self.options.ping_timeout * 1000),
                "maxPayload": LARGEST_BINARY,
            }
        )

    async def receive(self, sid: str, data: str | bytes) -> None:
        """Hand on one message; what it raises ends the socket."""
        self.frames_received += 1
        await self.handlers["message"](sid, data)
