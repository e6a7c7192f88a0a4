"""Which file is written in which language."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import server.app  # noqa: F401  (which registers every event)
from server.reference import asyncapi, markdown, sdk, typescript
from server.reference.description import Reference, describe

ROOT = Path(__file__).parents[2]


def _written(write: Callable[[Reference], str]) -> str:
    return write(describe())


OUTPUTS: Mapping[str, Callable[[], str]] = {
    "docs/events.md": partial(_written, markdown.write),
    "asyncapi.json": partial(_written, asyncapi.write),
    "client_sdk/types.py": partial(_written, sdk.write),
    "web/src/lib/events.ts": partial(_written, typescript.write),
}
"""The text of every file that is generated and committed, by its path."""
