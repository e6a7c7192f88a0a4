"""GET /photo/…: a photo for whom its URL was made, as long as that person may see it."""

from aiohttp import web

from server.context import Services
from server.outside.photos import Capability
from server.outside.pictures.kept import KINDS, SIZES
from sql import photo
from sql.database import DatabaseDown

_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Vary": "Accept",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


def photo_route(services: Services) -> web.RouteDef:
    """Return the route. Whatever is wrong with a URL, it is not found; the path says nothing of the disk."""

    async def show(request: web.Request) -> web.Response:
        size = request.match_info["size"]
        capability = services.photos.read(request.match_info["token"])
        if capability is None or size not in SIZES:
            raise web.HTTPNotFound
        variant = f"{size}.{'webp' if _takes_webp(request) else 'jpg'}"
        file = await _file(services, capability)
        etag = f'"{capability.photo_id}.{variant}"'
        if file and etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=_HEADERS | {"ETag": etag})
        content = await services.photos.load(file, variant) if file else None
        if content is None:
            raise web.HTTPNotFound
        kind = KINDS[variant.partition(".")[2]]
        return web.Response(body=content, content_type=kind, headers=_HEADERS | {"ETag": etag})

    return web.get("/photo/{token}/{size}", show)


async def _file(services: Services, capability: Capability) -> str | None:
    viewer_id, user_id, photo_id = capability
    try:
        return await services.read(lambda tx: photo.get_file(tx, viewer_id=viewer_id, user_id=user_id, id=photo_id))
    except DatabaseDown:
        raise web.HTTPServiceUnavailable from None


def _takes_webp(request: web.Request) -> bool:
    """Whoever does not say so gets a JPEG, which everything reads."""
    kinds = [part.replace(" ", "").partition(";") for part in request.headers.get("Accept", "").lower().split(",")]
    return any(kind == "image/webp" and params not in ("q=0", "q=0.0") for kind, _, params in kinds)
