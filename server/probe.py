"""GET /probe/…: how a request arrives through whatever stands in front, told to whom has the keys of this server."""

import struct
from typing import Final

from aiohttp import web

from server.context import Services
from server.outside.tokens import Tokens
from server.socket.address import Addresses

_PURPOSE: Final = "probe"
_TIME: Final = struct.Struct(">Q")
_GOOD: Final = 60.0


def probe_path(tokens: Tokens, now: float) -> str:
    """Return what may be asked for a minute."""
    return f"/probe/{tokens.seal(_PURPOSE, _TIME.pack(int(now)))}"


def probe_route(services: Services, addresses: Addresses) -> web.RouteDef:
    """Return the route."""

    async def tell(request: web.Request) -> web.Response:
        content = services.tokens.unseal(_PURPOSE, request.match_info["token"])
        if content is None or abs(services.clock.time() - _TIME.unpack(content)[0]) > _GOOD:
            raise web.HTTPNotFound
        return web.json_response({"peer": request.remote, "address": addresses.of(request)})

    return web.get("/probe/{token}", tell)
