"""Photos: bytes in, safe pictures out, to whom may see them.

Whoever makes pictures without a server uses these two, which stand alone:
`server.outside.pictures.pipeline.process(image: bytes) -> Processed` (`.files`, `.thumbhash`, `.look`), and
`server.outside.pictures.store.Store(config.server.data / "photos").write(file, processed, durable=False)`,
where `file` (64 characters at most, such as the hex of a SHA-256) is what the column `photo.file` holds;
the column `photo.thumbhash` holds `processed.thumbhash`, and `photo.id` 22 letters of URL-safe Base64.
"""

import asyncio
import struct
from base64 import b64encode
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

import structlog

from server.clock import Clock, Ids
from server.config import Config
from server.outside.pictures.kept import SIZES, Processed
from server.outside.pictures.store import Store
from server.outside.pictures.workers import Workers
from server.outside.tokens import Tokens
from server.wire.answers import Photo
from server.wire.errors import Unavailable
from sql import photo
from sql.database import Database, DatabaseDown
from sql.transaction import CommitUnknown, Tx, transact

log = structlog.get_logger("photos")

T = TypeVar("T")

_DAY = 86_400
_SKEW = 60
_PURPOSE = "photo"
_CAPABILITY = struct.Struct(">QQI22s")
_GRACE = 600.0
_AT_ONCE = 2
_BATCH = 100


class Taken(NamedTuple):
    """An image that was taken in: its files are there, though nobody's yet."""

    file: str
    thumbhash: bytes
    look: int


class Capability(NamedTuple):
    """Who may fetch which photo of whom."""

    viewer_id: int
    user_id: int
    photo_id: str


class Photos:
    """Takes, keeps and shows photos."""

    def __init__(self, config: Config, database: Database, tokens: Tokens, *, clock: Clock, ids: Ids) -> None:
        self._url = f"{config.server.url}/photo"
        self._pause = config.photos.sweep
        self._grace = timedelta(seconds=_GRACE + config.server.event_timeout)
        self._turns: WeakValueDictionary[object, asyncio.Semaphore] = WeakValueDictionary()
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._ids = ids
        self._workers = Workers(config.photos)
        self._store = Store(config.server.data / "photos")

    @property
    def waiting(self) -> int:
        """How many images are being taken in, or wait for it."""
        return self._workers.waiting

    # -- taking in ---------------------------------------------------------------------------------------------------

    async def take_in(self, images: list[bytes], *, of: object) -> list[Taken]:
        """Take images of somebody in, all or none; their files go again if no photo names them soon.

        One person can't keep all workers busy: what else they send waits. Raises Unreadable, Unavailable, DatabaseDown.
        """
        if not images:
            return []
        async with self._turns.setdefault(of, asyncio.Semaphore(_AT_ONCE)):
            return await self._keep([await self._workers.process(image) for image in images])

    async def _keep(self, processed: list[Processed]) -> list[Taken]:
        files = [self._ids.token() for _ in processed]
        due_at = self._clock.now() + self._grace
        await self._transact(lambda tx: photo.trash(tx, files=files, due_at=due_at))
        try:
            await asyncio.to_thread(self._write, dict(zip(files, processed, strict=True)))
        except OSError as fault:
            log.error("photos.not_written", reason=str(fault))
            raise Unavailable(retry_after=5) from fault
        return [Taken(file, one.thumbhash, one.look) for file, one in zip(files, processed, strict=True)]

    def _write(self, files: dict[str, Processed]) -> None:
        for file, processed in files.items():
            self._store.write(file, processed)

    # -- showing -----------------------------------------------------------------------------------------------------

    def shape(self, viewer_id: int, row: photo.Photo) -> Photo:
        """Return a photo as one viewer may fetch it, until tomorrow or the day after; the same all day long."""
        day = int(self._clock.time()) // _DAY
        token = self._tokens.seal(_PURPOSE, _CAPABILITY.pack(viewer_id, row.user_id, day, row.id.encode()))
        return Photo(
            photo_id=row.id,
            url={size: f"{self._url}/{token}/{size}" for size in SIZES},
            hash=b64encode(row.thumbhash).decode(),
        )

    def read(self, token: str) -> Capability | None:
        """Return what a URL of ours stands for, in its time."""
        content = self._tokens.unseal(_PURPOSE, token)
        if content is None:
            return None
        viewer_id, user_id, day, photo_id = _CAPABILITY.unpack(content)
        if not -_SKEW <= self._clock.time() - day * _DAY < 2 * _DAY:
            return None
        return Capability(viewer_id, user_id, photo_id.decode())

    async def load(self, file: str, variant: str) -> bytes | None:
        """Return what stands in a file, such as `small.webp`."""
        try:
            return await asyncio.to_thread(self._store.read, file, variant)
        except OSError as fault:
            log.error("photos.not_read", reason=str(fault))
            return None

    # -- clearing away -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Remove the files that nobody names any more, until cancelled."""
        while True:
            await asyncio.sleep(self._pause)
            try:
                while await self._transact(self._clear) == _BATCH:
                    pass
            except (DatabaseDown, CommitUnknown, OSError) as fault:
                log.warning("photos.not_cleared", reason=str(fault))

    async def _clear(self, tx: Tx) -> int:
        """Whoever takes a photo away waits for the same rows: none is forgotten."""
        due = await photo.lock_due(tx, now=self._clock.now(), limit=_BATCH)
        named = await photo.list_named(tx, files=due)
        await asyncio.to_thread(self._remove, [file for file in due if file not in named])
        await photo.rescue(tx, files=due)
        return len(due)

    def _remove(self, files: list[str]) -> None:
        for file in files:
            self._store.remove(file)

    async def _transact(self, work: Callable[[Tx], Awaitable[T]]) -> T:
        result, _ = await transact(self._database, self._clock.now(), work, random=self._ids.random)
        return result

    async def close(self) -> None:
        """End the workers."""
        await self._workers.close()
