"""Pages of documentation, as tests read them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FRONT = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
GENERATED = {"events.md"}
_FENCE = re.compile(r"^(`{3,})(\w*)[^\n]*\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")


class Block(NamedTuple):
    """Code between fences, and its language."""

    language: str
    text: str


def pages() -> list[Path]:
    """Return all pages that people write."""
    return [*FRONT, *sorted(page for page in DOCS.glob("*.md") if page.name not in GENERATED)]


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of these languages."""
    found = [Block(match[2], match[3]) for match in _FENCE.finditer(page.read_text())]
    return [block for block in found if block.language in languages]


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text())


def spans(page: Path) -> Iterator[str]:
    """Yield what stands in code marks in the text of a page."""
    yield from _SPAN.findall(prose(page))


def commands(page: Path) -> Iterator[str]:
    """Yield what a reader may type: lines of shell, and what stands in code marks."""
    for block in blocks(page, "sh"):
        yield from block.text.replace("\\\n", " ").splitlines()
    yield from spans(page)
