"""The file of a backup: a tar archive that any tar reads, with a checksum for each file and a manifest at its end.

An archive without its manifest was cut off, and is not taken.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from server.backup.errors import BackupError

DATABASE: Final = "database.sql.gz"
_SUMS: Final = "SHA256SUMS"
_MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_NAMES: Final = re.compile(rf"{re.escape(DATABASE)}|keys/[\w-]+|photos/[\w-]{{1,2}}/[\w-]+\.\w+\.\w+", re.ASCII)
_PIECE: Final = 1 << 20


class Manifest(msgspec.Struct, frozen=True):
    """What an archive says of itself."""

    made_at: str
    schema: int
    """The version of the database's tables."""
    database: str
    """Which server the database was dumped from."""
    files: int
    sums: str
    """The SHA-256 of the list of checksums."""
    format: int = _FORMAT


class _Hashed(io.RawIOBase):
    """A file whose checksum is taken as it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._sum = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(size)
        self._sum.update(piece)
        return piece

    @property
    def sum(self) -> str:
        return self._sum.hexdigest()


class Writer:
    """Writes an archive, front to back."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115 (`finish` closes it)
        self._sums: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._sums

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, name: str, source: IO[bytes], *, size: int, mtime: float) -> None:
        """Add a file."""
        hashed = _Hashed(source)
        self._write(name, hashed, size, mtime)
        self._sums[name] = hashed.sum

    def finish(self, *, made_at: str, mtime: float, schema: int, database: str) -> None:
        """Add checksums and manifest; the archive is whole now."""
        sums = "".join(f"{sum}  {name}\n" for name, sum in self._sums.items()).encode()
        checksum = hashlib.sha256(sums).hexdigest()
        manifest = Manifest(made_at, schema, database, files=len(self._sums), sums=checksum)
        for name, content in ((_SUMS, sums), (_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))):
            self._write(name, io.BytesIO(content), len(content), mtime)
        self._tar.close()

    def _write(self, name: str, source: Any, size: int, mtime: float) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = size, int(mtime), 0o600
        self._tar.addfile(info, source)
        self._tar.members.clear()  # type: ignore[attr-defined]  # kept otherwise, for each of perhaps millions


def verify(file: Path) -> Manifest:
    """Read a whole archive and return its manifest. Raises BackupError if anything in it is not as it was written."""
    found: dict[str, str] = {}
    told: dict[str, bytes] = {}

    def look(name: str, content: IO[bytes]) -> None:
        if name in (_SUMS, _MANIFEST):
            told[name] = content.read()
        else:
            found[name] = _sum(content)

    _read(file, look)
    if set(told) != {_SUMS, _MANIFEST}:
        raise BackupError(f"{file} is cut off: its end is missing. Take another backup.")
    manifest = _manifest(file, told[_MANIFEST])
    expected = dict(line.split("  ", 1)[::-1] for line in told[_SUMS].decode("utf-8", "replace").splitlines())
    if hashlib.sha256(told[_SUMS]).hexdigest() != manifest.sums or len(expected) != manifest.files:
        raise BackupError(f"{file} is damaged: its list of checksums is not what was written. Take another backup.")
    for name in expected.keys() | found.keys():
        if expected.get(name) != found.get(name):
            raise BackupError(f"{file} is damaged: {name} is not what was written. Take another backup.")
    return manifest


def unpack(file: Path, put: Callable[[str, IO[bytes]], None]) -> None:
    """Hand on the files of an archive that was verified, in their order."""
    _read(file, lambda name, content: None if name in (_SUMS, _MANIFEST) else put(name, content))


def _read(file: Path, look: Callable[[str, IO[bytes]], None]) -> None:
    try:
        with tarfile.open(file, mode="r|") as tar:
            while member := tar.next():
                tar.members.clear()  # type: ignore[attr-defined]
                content = tar.extractfile(member) if member.isreg() else None
                if content is None or not (member.name in (_SUMS, _MANIFEST) or _NAMES.fullmatch(member.name)):
                    raise BackupError(f"{file} is no backup of this program: {member.name!r} is in it.")
                look(member.name, content)
    except (tarfile.TarError, EOFError) as fault:
        raise BackupError(f"{file} is cut off or no backup: {fault}. Take another one.") from fault
    except OSError as fault:
        raise BackupError(f"{file} can't be read: {fault.strerror or fault}.") from fault


def _manifest(file: Path, text: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as fault:
        raise BackupError(f"{file} is damaged: {_MANIFEST} is not what was written. Take another backup.") from fault
    if manifest.format != _FORMAT:
        raise BackupError(f"{file} was made by another version of this program: restore it with that one.")
    return manifest


def _sum(content: IO[bytes]) -> str:
    sum = hashlib.sha256()
    while piece := content.read(_PIECE):
        sum.update(piece)
    return sum.hexdigest()
