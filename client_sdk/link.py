"""One connection. The only file that touches python-socketio, which has no type hints."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import aiohttp
import socketio

from client_sdk.errors import ConnectionLost, MatchaError, error_from

# Without a logger of ours the libraries put handlers on their own, and at INFO they print every frame, passwords too.
log = logging.getLogger("client_sdk.socketio")
log.setLevel(logging.ERROR)

Hear = Callable[[str, Any], None]


class Link:
    """A connection from its handshake to its end; it never comes back, a new one is made instead.

    python-socketio starts a task for every frame. asyncio runs tasks in the order of their creation up to their first
    wait, and the handlers here never wait: so `hear` is called in the order of the wire.
    """

    def __init__(self, url: str, hear: Hear) -> None:
        self.gone = asyncio.Event()
        self.answered = False
        """True once the server has answered something: this connection was a good one."""
        self.goodbye: dict[str, Any] = {}
        self._url = url
        self._hear = hear
        self._pending: set[asyncio.Future[Any]] = set()
        self._refusal: MatchaError | None = None
        self._http = aiohttp.ClientSession()
        self._sio = socketio.AsyncClient(
            reconnection=False, handle_sigint=False, logger=log, engineio_logger=log, http_session=self._http
        )
        self._sio.on("*", self._take)
        self._sio.on("connect_error", self._refused)
        self._sio.on("disconnect", self._disconnected)

    async def open(self, auth: Mapping[str, Any] | None, timeout: float) -> None:
        """Connect; raise the error the server refuses with, or ConnectionLost when it cannot be reached."""
        try:
            async with asyncio.timeout(timeout):
                await self._sio.connect(self._url, auth=auth, transports=["websocket"], wait_timeout=timeout)
        except Exception as error:  # the library raises ValueError, TypeError and others where a server misbehaves
            if self._refusal:
                raise self._refusal from None
            raise ConnectionLost(f"Cannot connect to {self._url}.") from error
        finally:
            if not self._sio.connected:
                await self.close()
        self._sio.eio.read_loop_task.add_done_callback(lambda _: self.drop())

    async def ask(self, event: str, fields: Mapping[str, Any]) -> Any:
        """Emit an event and return the server's answer as it came."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.add(answer)
        try:
            await self._sio.emit(event, fields, callback=partial(self._answer, answer))
            return await answer
        except socketio.exceptions.BadNamespaceError:
            raise ConnectionLost("The connection was lost.") from None
        finally:
            self._pending.discard(answer)

    def drop(self, reason: MatchaError | None = None) -> None:
        """Take the connection for lost: what is pending fails at once."""
        self.gone.set()
        for answer in self._pending:
            if not answer.done():
                answer.set_exception(reason or ConnectionLost("The connection was lost meanwhile.", unknown=True))

    async def close(self) -> None:
        """Say goodbye if there is someone to say it to, and close."""
        self.drop()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1):
                await self._sio.disconnect()
        await self._http.close()

    def _answer(self, answer: asyncio.Future[Any], data: Any = None, *_: Any) -> None:
        self.answered = True
        if not answer.done():
            answer.set_result(data)

    def _take(self, event: str, data: Any = None, *_: Any) -> None:
        if event == "goodbye" and isinstance(data, dict):
            self.goodbye = data
        self._hear(event, data)

    def _refused(self, data: Any = None, *_: Any) -> None:
        if isinstance(data, dict):
            answer = data.get("data")
            self._refusal = error_from(answer if isinstance(answer, dict) else {"error": data})

    def _disconnected(self, *_: Any) -> None:
        self.drop()
