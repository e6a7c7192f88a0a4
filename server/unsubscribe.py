"""GET and POST /unsubscribe: the link that turns mails off, by a click or by the mail program (RFC 8058).

Opening it changes nothing: programs that look at links ahead of their readers only ever get.
"""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from handlers.settings import unsubscribe
from server.context import Context, Services
from server.http import PAGES
from server.socket.gateway import Gateway
from server.wire.errors import InvalidLink, RateLimited
from sql.database import DatabaseDown
from sql.transaction import CommitUnknown, Outcome, Tx


def unsubscribe_routes(services: Services, gateway: Gateway, deliver: Callable[[Outcome], None]) -> list[web.RouteDef]:
    """Return the routes. What is posted besides the token does not matter; who posts it neither."""

    async def show(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(PAGES / "unsubscribe.html")

    async def act(request: web.Request) -> web.StreamResponse:
        try:
            gateway.callers.take(gateway.addresses.of(request), 1)
            user_id = services.tokens.read_unsubscribe(request.query.get("token", ""))
            _, outcome = await services.transact(partial(_unsubscribe, services, user_id))
        except InvalidLink:
            return web.FileResponse(PAGES / "unsubscribe_old.html", status=400)
        except RateLimited:
            raise web.HTTPTooManyRequests from None
        except (DatabaseDown, CommitUnknown):
            raise web.HTTPServiceUnavailable from None
        deliver(outcome)
        return web.FileResponse(PAGES / "unsubscribed.html")

    return [web.get("/unsubscribe", show, allow_head=False), web.post("/unsubscribe", act)]


async def _unsubscribe(services: Services, user_id: int, tx: Tx) -> None:
    await unsubscribe(Context(tx, services), user_id)
