"""A bare python-socketio server that hands messages on: `python -m bench.peers.relay`; it prints its port.

The same loop, driver and codec as ours, without compression; who somebody is, they say themselves. Nothing is kept.
"""

import asyncio
from typing import Any

import socketio
import uvloop
from aiohttp import web

from bench.peers.echo import codec
from server.listen import allow_many_sockets


async def _serve() -> None:
    sio = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], json=codec, http_compression=False)
    people: dict[int, str] = {}
    numbers: dict[str, int] = {}

    async def connect(sid: str, environ: Any, auth: Any) -> None:
        people[auth["id"]] = sid
        numbers[sid] = auth["id"]

    async def send(sid: str, data: Any) -> Any:
        message = {"seq": 1, "from_user_id": numbers[sid], "message": data["message"], "sent_at": _NOW}
        push = {"seq": 1, "at": _NOW, "user_id": numbers[sid], "message": message}
        await sio.emit("message/new", push, to=people[data["target_user_id"]])
        return {"code": 200, "data": {"seq": 1, "sent_at": _NOW}}

    sio.on("connect", connect)
    sio.on("message/send", send)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=8192).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


_NOW = "2026-01-01T00:00:00.000Z"

if __name__ == "__main__":
    allow_many_sockets()
    uvloop.run(_serve())
