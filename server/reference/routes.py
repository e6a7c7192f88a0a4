"""GET /, where the reference is browsed, and GET /asyncapi.json, where programs read it."""

import asyncio

from aiohttp import web

from server.http import PAGES, page
from server.reference.page import render

DOCUMENT = PAGES.parents[1] / "asyncapi.json"


def reference_routes() -> list[web.RouteDef]:
    """Return the routes."""

    async def browse(request: web.Request) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(render, PAGES), content_type="text/html", charset="utf-8")

    async def document(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(DOCUMENT)

    own = ("reference.css", "reference.js", "icon.svg")
    return [
        web.get("/", browse),
        web.get("/asyncapi.json", document),
        *(web.get(f"/{name}", page(name)) for name in own),
    ]
