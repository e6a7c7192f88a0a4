"""The store: pictures in the data folder, under names that we made."""

import os
from pathlib import Path

from server.outside.pictures.kept import VARIANTS, Processed

_DRAFT = ".new"


class Store:
    """`<folder>/<first two letters>/<file>.<size>.<kind>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, file: str, variant: str) -> Path:
        """Return where `small.webp` or another variant of a file stands."""
        return self._folder / file[:2] / f"{file}.{variant}"

    def write(self, file: str, processed: Processed, *, durable: bool = True) -> None:
        """Write all variants, each whole or not at all; `durable` waits for the disk. Raises OSError."""
        self.path(file, "").parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        for variant in VARIANTS:
            path = self.path(file, variant)
            draft = path.with_name(path.name + _DRAFT)
            with draft.open("wb") as opened:
                opened.write(processed.files[variant])
                if durable:
                    opened.flush()
                    os.fsync(opened.fileno())
            draft.replace(path)

    def read(self, file: str, variant: str) -> bytes:
        """Return one variant. Raises OSError."""
        return self.path(file, variant).read_bytes()

    def remove(self, file: str) -> None:
        """Remove all that there is of a file, whole or begun. Raises OSError."""
        for variant in VARIANTS:
            path = self.path(file, variant)
            path.unlink(missing_ok=True)
            path.with_name(path.name + _DRAFT).unlink(missing_ok=True)
