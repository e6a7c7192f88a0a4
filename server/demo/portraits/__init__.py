"""Portraits: a pool of drawings, made at set-up, that invented people share as their photos.

The pool is a store of photos like the one in the data folder, with `index.json` beside it, which is written last.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from server.demo.errors import DemoError

POOL: Final = Path(__file__).parents[3] / ".venv" / "portraits"
"""Where set-up draws them: it goes and comes with what is installed."""
_INDEX: Final = "index.json"


class Portrait(msgspec.Struct, frozen=True):
    """A drawing in the pool; `look` is whom it suits: `female`, `male` or `any`."""

    file: str
    thumbhash: bytes
    look: str


class NoPortraits(DemoError):
    """There is no pool; the message says how to make it."""


def read(pool: Path) -> list[Portrait]:
    """Return what is in the pool. Raises NoPortraits."""
    try:
        portraits = msgspec.json.decode((pool / _INDEX).read_bytes(), type=list[Portrait])
    except (OSError, msgspec.MsgspecError):
        portraits = []
    if not portraits:
        raise NoPortraits(
            f"There are no portraits for the invented people in {pool}. Draw them: scripts/install.sh run; "
            "or do without people: MATCHA_DEMO_USERS=0."
        )
    return portraits


def write(pool: Path, portraits: list[Portrait]) -> None:
    """Say what is in the pool, now that all of it is there."""
    draft = pool / f"{_INDEX}.new"
    draft.write_bytes(msgspec.json.encode(portraits))
    draft.replace(pool / _INDEX)


def hang(pool: Path, photos: Path) -> None:
    """Put the pool's files among the photos, as links where both are on one disk."""
    for source in pool.glob("*/*"):
        target = photos / source.relative_to(pool)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Link or copy a file, whole or not at all."""
    try:
        os.link(source, target)
    except OSError:
        draft = target.with_name(f"{target.name}.demo")
        shutil.copyfile(source, draft)
        draft.replace(target)
