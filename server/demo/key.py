"""The one password of all invented people: drawn for each installation, kept beside the keys of the server.

A fixed one would let anybody into the demo people of an operator who has forgotten them.
"""

import secrets
from pathlib import Path
from typing import Final

from server.demo.words import INTERESTS

_WORDS: Final = 4
_LONGEST: Final = 8


def path(data: Path) -> Path:
    """Return where the password stands."""
    return data / "keys" / "demo"


def read(data: Path) -> str | None:
    """Return the password, if it was drawn here."""
    try:
        return path(data).read_text("utf-8").strip()
    except FileNotFoundError:
        return None


def read_or_draw(data: Path) -> str:
    """Return the password, drawn now if there was none; only the owner may read the file."""
    if password := read(data):
        return password
    words = [word for word in INTERESTS if word.isalpha() and word.isascii() and len(word) <= _LONGEST]
    password = "-".join(secrets.choice(words) for _ in range(_WORDS))
    file = path(data)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(f"{password}\n", "utf-8")
    draft.replace(file)  # whole or not at all
    return password
