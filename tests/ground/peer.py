"""A server of a few lines that misbehaves on purpose."""

import asyncio
from typing import Any

import socketio
from aiohttp import web

AT = "2026-01-01T12:00:00.000Z"
ME = {"user_id": 1, "login": "alice", "first_name": "Alice", "last_name": "A"}
SILENCE = object()


def refused(name: str, code: int = 400, **details: Any) -> dict[str, Any]:
    return {"code": code, "error": {"name": name, "message": name, **details}}


def message(seq: int, text: str = "hi") -> dict[str, Any]:
    said = {"seq": seq, "from_user_id": 2, "message": text, "sent_at": AT}
    return {"seq": seq, "at": AT, "user_id": 2, "message": said}


class Peer:
    """A server of a few lines that can be told to lose, repeat, hold back and hang up."""

    def __init__(self) -> None:
        self.url = ""
        self.log: list[dict[str, Any]] = []
        """What `sync` knows: the data of `message/new` pushes, by seq."""
        self.seen: list[tuple[str, Any]] = []
        self.auths: list[Any] = []
        self.answers: dict[str, Any] = {}
        """event → an answer, a list of answers used up one by one, or a function of the payload."""
        self.refusals: list[dict[str, Any]] = []
        self.page = 200
        self._sio = socketio.AsyncServer(async_mode="aiohttp", cors_allowed_origins="*")
        self._sio.on("connect", self._connect)
        self._sio.on("*", self._event)
        self._runner: web.AppRunner | None = None
        self._requests: list[web.Request] = []

    async def start(self, port: int = 0) -> None:
        app = web.Application()
        self._sio.attach(app)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self.drop()
        assert self._runner is not None
        await self._runner.cleanup()

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for request in self._requests:
            if request.transport is not None:
                request.transport.abort()
        self._requests.clear()

    async def push(self, *seqs: int, logged: bool = True) -> None:
        for seq in seqs:
            if logged:
                self.log.append(message(seq))
            await self.emit("message/new", message(seq))

    async def emit(self, event: str, data: Any) -> None:
        await self._sio.emit(event, data)

    def count(self, event: str) -> int:
        return sum(name == event for name, _ in self.seen)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        self.auths.append(auth)
        if self.refusals:
            refusal = self.refusals.pop(0)
            raise socketio.exceptions.ConnectionRefusedError(refusal["error"]["name"], refusal)
        self._requests.append(environ["aiohttp.request"])

    async def _event(self, event: str, sid: str, data: Any = None) -> Any:
        self.seen.append((event, data))
        answer = self.answers.get(event, self._usual)
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(event, data)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is SILENCE:
            await asyncio.Event().wait()
        return answer

    def _usual(self, event: str, data: Any) -> Any:
        newest = max((push["seq"] for push in self.log), default=0)
        if event == "user/me":
            return {"code": 200, "data": {**ME, "cursor": newest, "new_field": 1}}
        if event == "user/login":
            return {"code": 200, "data": {"token": "t", "user_id": 1, "expires_at": AT, "cursor": newest}}
        if event == "sync":
            return {"code": 200, "data": self._sync(data["cursor"])}
        return {"code": 200, "data": data}

    def _sync(self, cursor: int) -> dict[str, Any]:
        later = sorted((push for push in self.log if push["seq"] > cursor), key=lambda push: push["seq"])
        events = [{"event": "message/new", "data": push} for push in later[: self.page]]
        last = later[: self.page][-1]["seq"] if later else cursor
        return {"events": events, "cursor": last, "more": len(later) > self.page}


async def at_once(seconds: float) -> None:
    """Wait no time at all."""
