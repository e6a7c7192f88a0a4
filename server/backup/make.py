"""Making a backup, beside a server that serves.

The photos that are there first, then one snapshot of the database, then the photos that came meanwhile: what a row of
the snapshot names was there before it, and is removed only after its row is gone. So everything that the snapshot
names is in the archive, but for photos that came after the beginning and went before the end.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from server.backup.archive import DATABASE, Writer
from server.backup.dump import dump
from server.backup.errors import BackupError
from sql.backup import About


def make(file: Path, *, data: Path, url: str, about: About, now: datetime) -> int:
    """Write the archive, which is there whole or not at all, and return its size. Raises BackupError."""
    with _draft(file) as draft:
        archive = Writer(draft)
        _add_photos(archive, data)
        with tempfile.TemporaryFile(dir=file.parent) as dumped:
            dump(url, dumped)
            size = dumped.tell()
            dumped.seek(0)
            archive.add(DATABASE, dumped, size=size, mtime=now.timestamp())
        _add_photos(archive, data)
        for key in sorted((data / "keys").glob("*")):
            _add(archive, data, key)
        made_at = now.astimezone(UTC).isoformat(timespec="seconds")
        archive.finish(made_at=made_at, mtime=now.timestamp(), schema=about.schema, database=about.server)
    return file.stat().st_size


@contextmanager
def _draft(file: Path) -> Iterator[IO[bytes]]:
    """Give a file that takes its name when it is complete and on the disk; nobody else may read it."""
    draft = file.with_name(f"{file.name}.part")
    if file.exists():
        raise BackupError(f"{file} is there already: name another file, or remove it.")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BackupError(f"{draft} is there: another backup is being made, or was cut off; then remove it.") from None
    except OSError as fault:
        raise _not_written(file, fault) from fault
    try:
        with open(descriptor, "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(file)
    except OSError as fault:
        raise _not_written(file, fault) from fault
    finally:
        draft.unlink(missing_ok=True)


def _not_written(file: Path, fault: OSError) -> BackupError:
    return BackupError(f"{file} can't be written: {fault.strerror or fault}.")


def _add_photos(archive: Writer, data: Path) -> None:
    for folder in _listed(data / "photos"):
        for photo in _listed(Path(folder)):
            if not photo.endswith(".new"):
                _add(archive, data, Path(photo))


def _listed(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries)
    except FileNotFoundError:
        return []


def _add(archive: Writer, data: Path, path: Path) -> None:
    """Add a file that is not there yet; one that was removed meanwhile is nobody's any more."""
    name = path.relative_to(data).as_posix()
    if name in archive:
        return
    try:
        with path.open("rb") as opened:
            about = os.fstat(opened.fileno())
            archive.add(name, opened, size=about.st_size, mtime=about.st_mtime)
    except FileNotFoundError:
        pass
