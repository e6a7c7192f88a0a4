"""Putting a backup back, where nothing is yet.

All is made in `<data>/restoring` and takes its place when it is complete; what was cut off is begun anew.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Final, NamedTuple, TypeVar

from server.backup.archive import DATABASE, unpack, verify
from server.backup.dump import load
from server.backup.errors import BackupError
from server.clock import Clock, Ids
from sql import backup
from sql.database import Database
from sql.migration import newest
from sql.transaction import Tx, transact

T = TypeVar("T")

KEPT: Final = ("keys", "photos", "mariadb")
"""What of a data folder is in a backup, in the order in which it takes its place."""
_PATIENCE: Final = 3600.0

Databases = Callable[[Path], AbstractContextManager[str]]
"""Gives the empty database to restore into; a private one is made in the folder and stopped at the end."""


class Restored(NamedTuple):
    """What was put back."""

    made_at: str
    accounts: int
    missing: int
    """Photos that are named and whose files the backup has not."""


def restore(file: Path, *, data: Path, database: Databases) -> Restored:
    """Check the whole file, then put it back. Raises BackupError."""
    manifest = verify(file)
    if manifest.schema > newest():
        raise BackupError(
            f"{file} was made by a newer program: its database is at version {manifest.schema}, this program knows "
            f"{newest()}. Restore it with the newer one."
        )
    _expect_nothing(data)
    stage = data / "restoring"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        with database(stage) as url:
            accounts, missing = _fill(file, stage, url)
        for name in KEPT:
            if (stage / name).exists():
                (stage / name).rename(data / name)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Restored(manifest.made_at, accounts, missing)


def _expect_nothing(data: Path) -> None:
    for name in KEPT:
        if (data / name).exists():
            raise BackupError(
                f"{data} is in use: there is a folder {name!r}. Restore into an empty one (MATCHA_SERVER_DATA), or "
                "move that one away."
            )


def _fill(file: Path, stage: Path, url: str) -> tuple[int, int]:
    """Put everything into its place in the stage, and the database; return accounts and missing photos."""
    if tables := _ask(url, backup.list_tables):
        raise BackupError(f"The database is not empty: there is a table {tables[0]!r}. Restore into an empty one.")
    try:
        unpack(file, lambda name, content: _put(stage, name, content, url))
        _ask(url, backup.renumber)
        while _ask(url, backup.delete_events):
            pass
        missing = _keep_named(stage / "photos", _ask(url, backup.list_files))
        return _ask(url, backup.count_accounts), missing
    except BaseException:
        _ask(url, backup.drop_tables)
        raise


def _put(stage: Path, name: str, content: IO[bytes], url: str) -> None:
    if name == DATABASE:
        load(url, content)
        return
    path = stage / name
    for folder in (*path.relative_to(stage).parents[-2::-1],):
        (stage / folder).mkdir(mode=0o700, exist_ok=True)
    path.touch(mode=0o600)
    with path.open("wb") as opened:
        shutil.copyfileobj(content, opened)


def _keep_named(photos: Path, named: set[str]) -> int:
    """Remove photos that were taken away while the backup was made; return how many are missing."""
    there = {path.name.partition(".")[0] for path in photos.glob("*/*")}
    for path in photos.glob("*/*"):
        if path.name.partition(".")[0] not in named:
            path.unlink()
    return len(named - there)


def _ask(url: str, work: Callable[[Tx], Awaitable[T]]) -> T:
    async def asked() -> T:
        database = Database(url, timeout=_PATIENCE)
        try:
            result, _ = await transact(database, Clock().now(), work, random=Ids().random)
        finally:
            database.close()
        return result

    return asyncio.run(asked())
