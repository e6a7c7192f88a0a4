"""The keys that sign tokens: one is made on the first start, `python -m server rotate-keys` puts a new one before it.

`<data>/keys/signing` has a key a line, the newest first, and after each older one the day on which it ceased to sign.
"""

import math
import secrets
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from server.config import SHORTEST_KEY, Config
from server.outside.tokens import UNSUBSCRIBE_DAYS


class KeysError(Exception):
    """The keys can't be used; the message says what to do, and never what they are."""


class Key(NamedTuple):
    """A key, and when it ceased to sign; None for the one that does."""

    text: str
    retired_at: datetime | None


def path(data: Path) -> Path:
    """Return where the keys stand."""
    return data / "keys" / "signing"


def lifetime(config: Config) -> timedelta:
    """Return how long the longest of what a key has signed is good."""
    return timedelta(days=max(config.session.max_days, UNSUBSCRIBE_DAYS, math.ceil(config.links.verify_hours / 24)))


def in_use(config: Config, now: datetime) -> list[str]:
    """Return the keys, newest first: the configured ones, or those kept here, made now if there were none.

    Raises KeysError.
    """
    if config.session.keys:
        return config.session.keys
    file = path(config.server.data)
    if not file.exists():
        _write(file, [Key(secrets.token_urlsafe(48), None)])
    return [key.text for key in _current(read(file), now - lifetime(config))]


def rotate(config: Config, now: datetime, *, drop: bool = False) -> int:
    """Put a new key before the others and return how many older ones are still read; `drop` keeps none.

    Raises KeysError.
    """
    if config.session.keys:
        raise KeysError(
            "The keys stand in session.keys (MATCHA_SESSION_KEYS), so they are changed there: put a new one first, "
            f"and take the old one out {lifetime(config).days} days later."
        )
    file = path(config.server.data)
    known = read(file) if file.exists() and not drop else []
    older = _current([Key(key.text, key.retired_at or now) for key in known], now - lifetime(config))
    _write(file, [Key(secrets.token_urlsafe(48), None), *older])
    return len(older)


def read(file: Path) -> list[Key]:
    """Return the keys of a file, newest first. Raises KeysError."""
    try:
        keys = [_parsed(line) for line in file.read_text("ascii").splitlines()]
    except (OSError, ValueError):
        keys = []
    if not keys or any(len(key.text) < SHORTEST_KEY for key in keys):
        raise KeysError(
            f"{file} is not a list of keys that this program can read. Put it back from a backup, or remove it: "
            "a new key is made at the next start, and everybody signs in anew."
        )
    return keys


def _parsed(line: str) -> Key:
    text, _, retired = line.partition(" ")
    return Key(text, datetime.fromisoformat(retired) if retired else None)


def _current(keys: list[Key], since: datetime) -> list[Key]:
    return [key for key in keys if key.retired_at is None or key.retired_at > since]


def _write(file: Path, keys: list[Key]) -> None:
    """Write the file whole or not at all, for its owner's eyes only."""
    lines = [key.text if key.retired_at is None else f"{key.text} {key.retired_at.isoformat()}" for key in keys]
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text("".join(f"{line}\n" for line in lines), "ascii")
    draft.replace(file)
