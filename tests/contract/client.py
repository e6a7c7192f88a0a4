"""A client written from the contract alone: stock python-socketio, aiohttp, JSON. It waits for what comes."""

import asyncio
import io
import random
from base64 import b64encode
from typing import Any, NamedTuple, Self

import aiohttp
import socketio
from PIL import Image

from tests.contract.events import EVENTS
from tests.contract.shapes import matches

PATIENCE = 5  # seconds for anything to come
NOTHING: Any = object()  # an event without any payload
STATUS = {900: 403}  # HTTP statuses that are not the code


class Push(NamedTuple):
    """One event that came from the server."""

    event: str
    data: Any


class Gone(Exception):
    """The socket closed before the answer came."""


class Refused(Exception):
    """CONNECT_ERROR, with its whole body."""

    def __init__(self, body: Any) -> None:
        super().__init__(repr(body))
        self.body = body


def ok(answer: dict[str, Any]) -> Any:
    """Return the data of an answer that must be a success."""
    assert answer["code"] == 200, answer
    assert set(answer) == {"code", "data"}, answer
    return answer["data"]


def refused(answer: dict[str, Any], code: int, name: str) -> dict[str, Any]:
    """Return the error of an answer that must be this one."""
    assert set(answer) == {"code", "error"}, answer
    error: dict[str, Any] = answer["error"]
    assert (answer["code"], error["name"]) == (code, name), answer
    assert isinstance(error["message"], str) and error["message"], answer
    return error


def faults(answer: dict[str, Any]) -> set[str]:
    """Return the paths of the fields that an answer calls invalid."""
    fields = refused(answer, 400, "invalid_payload")["fields"]
    for fault in fields.values():
        assert set(fault) == {"code", "params", "message"}, answer
        assert isinstance(fault["code"], str) and fault["code"], answer
        assert isinstance(fault["params"], dict), answer
        assert isinstance(fault["message"], str) and fault["message"], answer
    return set(fields)


class Caller:
    """Whoever sends events; the ways of sending differ."""

    async def answer(self, event: str, **payload: Any) -> dict[str, Any]:
        """Send an event and return the whole answer."""
        raise NotImplementedError

    async def ok(self, event: str, **payload: Any) -> Any:
        """Return the data of an answer that must be a success."""
        return ok(await self.answer(event, **payload))

    async def refused(self, code: int, name: str, event: str, **payload: Any) -> dict[str, Any]:
        """Return the error of an answer that must be this one."""
        return refused(await self.answer(event, **payload), code, name)

    async def faults(self, event: str, **payload: Any) -> set[str]:
        """Return the paths of the fields that the answer calls invalid."""
        return faults(await self.answer(event, **payload))


class Socket(Caller):
    """One stock socket, and all that came on it."""

    def __init__(self, url: str) -> None:
        self.pushes: list[Push] = []
        self.reason: str | None = None  # why it closed
        self._url, self._news, self._refusal = url, asyncio.Event(), None
        self.client = socketio.AsyncClient(reconnection=False)
        self.client.on("*", self._pushed)
        self.client.on("connect_error", self._on_refusal)
        self.client.on("disconnect", self._on_close)

    async def open(self, auth: Any = None, headers: dict[str, str] | None = None) -> Self:
        """Connect; raises Refused with the body of the CONNECT_ERROR."""
        try:
            await self.client.connect(
                self._url, headers=headers or {}, auth=auth, transports=["websocket"], wait_timeout=PATIENCE
            )
        except socketio.exceptions.ConnectionError as error:
            await self.close()
            raise Refused(self._refusal or str(error)) from None
        return self

    async def answer(self, event: str, **payload: Any) -> dict[str, Any]:
        """Emit an event and return its one acknowledgement; raises Gone."""
        return await self.send(event, payload or NOTHING)

    async def send(self, event: str, payload: Any = NOTHING) -> dict[str, Any]:
        """The same with any payload at all; a tuple is several arguments."""
        answers = self.start(event, payload)
        return await (await answers)

    async def start(self, event: str, payload: Any = NOTHING) -> "asyncio.Future[dict[str, Any]]":
        """Emit an event; what is returned brings the acknowledgement."""
        answered: list[tuple[Any, ...]] = []

        def acknowledge(*arguments: Any) -> None:
            answered.append(arguments)
            self._news.set()

        await self.client.emit(event, () if payload is NOTHING else payload, callback=acknowledge)

        async def acknowledged() -> dict[str, Any]:
            await self._until(lambda: answered or None)
            assert len(answered) == 1 and len(answered[0]) == 1, answered
            return answered[0][0]

        return asyncio.ensure_future(acknowledged())

    async def tell(self, event: str, **payload: Any) -> None:
        """Emit an event without an acknowledgement id."""
        await self.client.emit(event, payload)

    async def push(self, event: str, **fields: Any) -> Any:
        """Return the data of the first push of that event with those fields, come or to come; it is taken away."""

        def look() -> Push | None:
            for push in self.pushes:
                if push.event == event and all(push.data.get(name) == value for name, value in fields.items()):
                    return push
            return None

        found = await self._until(look)
        self.pushes.remove(found)
        return found.data

    def seen(self, event: str) -> list[Any]:
        """Return the data of all pushes of that event that came so far."""
        return [push.data for push in self.pushes if push.event == event]

    async def until(self, seq: int) -> list[Push]:
        """Wait for the push of that number; return all of the log that came so far."""

        def look() -> list[Push] | None:
            logged = [push for push in self.pushes if "seq" in push.data]
            return logged if any(push.data["seq"] == seq for push in logged) else None

        return await self._until(look)

    async def closed(self) -> str:
        """Wait until the server closed the socket; return why, in the words of python-socketio."""
        return await self._until(lambda: self.reason, open_only=False)

    async def close(self) -> None:
        """Leave."""
        await self.client.shutdown()

    async def _until(self, look: Any, open_only: bool = True) -> Any:
        async with asyncio.timeout(PATIENCE):
            while (found := look()) is None:
                if open_only and self.reason:
                    raise Gone(f"{self.reason}; {self.pushes}")
                self._news.clear()
                await self._news.wait()
        return found

    async def _pushed(self, event: str, data: Any = NOTHING) -> None:
        self.pushes.append(Push(event, data))
        self._wake()

    async def _on_refusal(self, body: Any = None) -> None:
        self._refusal = body

    async def _on_close(self, reason: str) -> None:
        self.reason = reason
        self._wake()

    def _wake(self) -> None:
        # All who wait look again: each clears the flag only after it has looked.
        self._news.set()


class Reply(NamedTuple):
    """What came over HTTP: the answer, and what was around it."""

    answer: dict[str, Any]
    status: int
    headers: Any


class Http(Caller):
    """The same events as routes."""

    def __init__(self, url: str, session: aiohttp.ClientSession, token: str | None = None) -> None:
        self._url, self._session, self._token = url, session, token

    async def answer(self, event: str, **payload: Any) -> dict[str, Any]:
        """Send the event by the first of its methods and return the whole answer."""
        return (await self.reply(event, payload)).answer

    async def reply(
        self,
        event: str,
        payload: dict[str, Any],
        *,
        method: str | None = None,
        slash: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send the event; the answer must be JSON under the status that goes with its code."""
        method = method or EVENTS[event].methods[0]
        headers = ({"Authorization": f"Bearer {self._token}"} if self._token else {}) | (headers or {})
        url = f"{self._url}/api/{event}{'/' if slash else ''}"
        body: dict[str, Any] = {"params": _query(payload)} if method == "GET" else {"json": _plain(payload)}
        async with self._session.request(method, url, headers=headers, allow_redirects=False, **body) as response:
            assert response.content_type == "application/json", (response.status, await response.text())
            answer = await response.json()
            assert response.status == STATUS.get(answer["code"], answer["code"]), (response.status, answer)
            assert response.headers["Cache-Control"] == "no-store", event
            assert response.headers["Referrer-Policy"] == "no-referrer", event
            return Reply(answer, response.status, response.headers.copy())


def _query(payload: dict[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in payload.items():
        values = value if isinstance(value, list) else [] if value is None else [value]
        pairs += [(name, str(part).lower() if isinstance(part, bool) else str(part)) for part in values]
    return pairs


def _plain(payload: Any) -> Any:
    if isinstance(payload, bytes):
        return b64encode(payload).decode()
    if isinstance(payload, dict):
        return {name: _plain(value) for name, value in payload.items()}
    return [_plain(value) for value in payload] if isinstance(payload, list) else payload


def picture(seed: int, *, size: tuple[int, int] = (64, 64), form: str = "JPEG") -> bytes:
    """Return a picture like no other."""
    chance = random.Random(seed)
    coarse = Image.frombytes("RGB", (6, 6), chance.randbytes(6 * 6 * 3))
    file = io.BytesIO()
    coarse.resize(size, Image.Resampling.BICUBIC).save(file, form)
    return file.getvalue()


def matching(value: Any, shape: Any) -> Any:
    """Return the value, which must have exactly this shape."""
    wrong = matches(value, shape)
    assert not wrong, wrong
    return value
