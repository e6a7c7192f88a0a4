"""A pool of six portraits, as set-up makes one of five hundred."""

import itertools
import json
from pathlib import Path

from server.demo.portraits.__main__ import draw

_COLOURS = ("tomato", "teal", "gold", "navy", "plum", "peru")
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">'
    '<rect width="9" height="9" fill="{colour}"/><circle cx="4" cy="4" r="{radius}"/></svg>'
)


def draw_pool(folder: Path) -> Path:
    """Draw the pool."""
    looks = itertools.cycle(("female", "male", "any"))
    drawings = [
        {"look": next(looks), "svg": _SVG.format(colour=colour, radius=radius)}
        for radius, colour in enumerate(_COLOURS, start=1)
    ]
    assert draw(map(json.dumps, drawings), folder) == len(_COLOURS)
    return folder
