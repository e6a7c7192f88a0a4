"""A bare python-socketio server that answers at once: `python -m bench.peers.echo`; it prints the port it serves on.

The same loop, driver and codec as ours, without compression.
"""

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

import msgspec
import socketio
import uvloop
from aiohttp import web

from server.listen import allow_many_sockets

codec = SimpleNamespace(
    dumps=lambda value, **_: msgspec.json.encode(value).decode(), loads=lambda text, **_: msgspec.json.decode(text)
)


async def _serve(answer: Any) -> None:
    sio = socketio.AsyncServer(async_mode="aiohttp", transports=["websocket"], json=codec, http_compression=False)

    async def echo(name: str, sid: str, *payload: Any) -> Any:
        return answer

    sio.on("*", echo)
    app = web.Application()
    sio.attach(app)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=8192).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    allow_many_sockets()
    uvloop.run(_serve(json.loads(sys.argv[1])))
