"""Photos for people whom a test is not about: one small picture, made once, that they share."""

import io
from datetime import datetime
from functools import cache
from typing import Any

from PIL import Image

from server.app import SERVICES
from server.outside.pictures.kept import Processed
from server.outside.pictures.pipeline import process
from server.outside.pictures.store import Store
from sql import photo, profile
from sql.transaction import Tx

_FILE = "shared-by-all"
_ID = "photo-id-shared-by-all"


def image(colour: str = "teal", size: tuple[int, int] = (8, 8), kind: str = "JPEG", **options: Any) -> bytes:
    """Return the bytes of an image: left half dark, so that it looks like something."""
    picture = Image.new("RGB", size, colour)
    picture.paste("black", (0, 0, max(1, size[0] // 2), size[1]))
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@cache
def _processed() -> Processed:
    return process(image())


async def give_photo(server: Any, user_id: int) -> None:
    """Put a photo into somebody's profile, past the decoder: it is the only one there, and its files are shared."""
    Store(server.config.server.data / "photos").write(_FILE, _processed(), durable=False)

    async def work(tx: Tx) -> None:
        row = photo.Photo(user_id, _ID, 0, _FILE, _processed().thumbhash, datetime.fromisoformat("2026-01-01"))
        await photo.replace(tx, user_id=user_id, photos=[row])
        await profile.refresh_found(tx, user_id=user_id)

    await server.app[SERVICES].transact(work)
