"""HTTP: the same events by routes, for those who have no socket. One table, one adapter, no rule of its own."""

import asyncio
import logging
import re
import secrets
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler
from structlog.contextvars import bind_contextvars

from server.config import Server
from server.health import Health
from server.socket.dispatch import Caller, Dispatcher, Done, refused
from server.socket.gateway import Gateway, agent_of
from server.socket.journal import Entry
from server.wire.errors import Forbidden, InvalidPayload, UnknownEvent
from server.wire.events import Spec, registry
from server.wire.fields import LARGEST_IMAGE, MOST_IMAGES

PAGES = Path(__file__).parent / "pages"
LARGEST_BODY = 65_536
LARGEST_WITH_IMAGES = LARGEST_BODY + MOST_IMAGES * (LARGEST_IMAGE * 4 // 3 + 4)
"""Base64 makes four bytes of three."""
_IMAGES_WITHIN = 30.0
_ID = 8
"""Bytes of the id by which all lines of the log about one request are known."""
_HEADERS = {
    "Server": "matcha42",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
_STATUS = {900: 403}
_ONLY: dict[str, Any] = {"GET": {"allow_head": False}}
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def _is_our_fault(record: logging.LogRecord) -> bool:
    """aiohttp logs a request that it cannot read, whole and with its query: such records are dropped."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logging.getLogger("aiohttp.server").addFilter(_is_our_fault)


class Adapter:
    """Turns a request into an event and its answer into a response."""

    def __init__(self, dispatcher: Dispatcher, gateway: Gateway, config: Server) -> None:
        self._dispatch = dispatcher
        self._gateway = gateway
        self._origins = config.allowed_origins
        self._body_within = config.event_timeout

    def routes(self) -> list[web.RouteDef]:
        """Return a route for each method of each event, with and without the last slash."""
        return [
            web.route(method, f"/api/{spec.name}{slash}", self._handler(spec), **_ONLY.get(method, {}))
            for spec in registry.values()
            for method in spec.methods
            for slash in ("", "/")
        ]

    def _handler(self, spec: Spec) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            bind_contextvars(request=secrets.token_hex(_ID))
            try:
                done = await self._handle(request, spec)
            except Exception as fault:
                done = self._dispatch.refuse(Entry(spec.name, None, self._gateway.addresses.of(request)), fault)
            return _response(done)

        return handle

    async def _handle(self, request: web.Request, spec: Spec) -> Done:
        if request.headers.get("Origin", "").lower() not in {"", *self._origins}:
            raise Forbidden("Pages of other origins may not call this.")
        address = self._gateway.addresses.of(request)
        self._gateway.callers.take(address, spec.cost)
        scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else None
        caller = Caller(None, address, agent_of(request), token)
        with self._gateway.room.held(address, _bytes_of_images(request, spec)) as size:
            within = _IMAGES_WITHIN if size else self._body_within
            request = request.clone(client_max_size=LARGEST_BODY + size)
            payload = _query(request, spec) if request.method == "GET" else await _body(request, within)
            return await self._dispatch(spec, [payload], caller)


def _bytes_of_images(request: web.Request, spec: Spec) -> int:
    """Return how much larger the body may be than others."""
    announced = request.content_length
    if not (spec.takes_images and request.body_exists) or (announced is not None and announced <= LARGEST_BODY):
        return 0
    most = LARGEST_WITH_IMAGES - LARGEST_BODY
    return most if announced is None else min(announced, most)


def _query(request: web.Request, spec: Spec) -> dict[str, Any]:
    """Return the fields of a query string, each parsed to its type; text that does not fit stays text."""
    fields: dict[str, Any] = {}
    for name in request.query:
        values = request.query.getall(name)
        kind = int if name == "user_id" else spec.kinds.get(name, str)
        if kind is not list and len(values) > 1:
            raise InvalidPayload.of(name[:64], "type", "This should be given once.", expected="one value")
        fields[name] = values if kind is list else _parsed(values[0], kind)
    return fields


def _parsed(text: str, kind: type) -> Any:
    if kind is int and _WHOLE.fullmatch(text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind is bool else text


async def _body(request: web.Request, within: float) -> Any:
    if request.content_length == 0 or not request.body_exists:
        return {}
    if request.content_type != "application/json":
        raise InvalidPayload.of("payload", "type", "Send JSON, with Content-Type: application/json.")
    try:
        async with asyncio.timeout(within):
            return msgspec.json.decode(await request.read())
    except (TimeoutError, web.RequestPayloadError):
        raise InvalidPayload.of("payload", "format", "The body did not arrive whole.") from None
    except web.HTTPRequestEntityTooLarge:
        raise InvalidPayload.of("payload", "max_length", "This is too large.") from None
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InvalidPayload.of("payload", "format", "This is not JSON.") from None


def _response(done: Done) -> web.Response:
    return web.Response(body=done.answer, status=_STATUS.get(done.code, done.code), content_type="application/json")


@web.middleware
async def safe_headers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every path, also those that do not exist, in one shape and with the same headers."""
    try:
        response = await handler(request)
    except web.HTTPException as fault:
        response = _fault(request, fault)
    if not response.prepared:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def _fault(request: web.Request, fault: web.HTTPException) -> web.Response:
    if request.path.startswith("/api/"):
        response = _response(refused(UnknownEvent()))
        if fault.status != HTTPStatus.NOT_FOUND:
            response.set_status(fault.status)
    else:
        response = web.Response(text=fault.reason, status=fault.status)
    if allowed := fault.headers.get("Allow"):
        response.headers["Allow"] = allowed
    return response


def page(name: str) -> Handler:
    """Return the handler of a page of ours."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / name)

    return handle


def health_routes(health: Health) -> list[web.RouteDef]:
    """Return the routes that tell whether the process lives and whether it can serve."""

    async def alive(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def ready(request: web.Request) -> web.Response:
        checks = await health.check()
        return web.json_response(checks, status=200 if all(checks.values()) else 503)

    return [web.get("/healthz", alive), web.get("/readyz", ready)]
