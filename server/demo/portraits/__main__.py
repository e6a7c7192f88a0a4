"""Draws the pool at set-up: node draw.mjs COUNT | python -m server.demo.portraits FOLDER."""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Final

import msgspec
from resvg_py import svg_to_bytes

from server.demo import portraits
from server.demo.portraits import Portrait
from server.outside.pictures.pipeline import process
from server.outside.pictures.store import Store

_SIDE: Final = 480


class _Drawing(msgspec.Struct):
    look: str
    svg: str


def draw(lines: Iterable[str], pool: Path) -> int:
    """Make a pool of these drawings, one JSON object a line, anew; return how many there are."""
    shutil.rmtree(pool, ignore_errors=True)
    pool.mkdir(parents=True)
    with Pool(len(os.sched_getaffinity(0))) as workers:
        drawn = workers.imap_unordered(_draw, ((line, pool) for line in lines), chunksize=4)
        found = {portrait.file: portrait for portrait in drawn}
    portraits.write(pool, [found[file] for file in sorted(found)])
    return len(found)


def _draw(work: tuple[str, Path]) -> Portrait:
    line, pool = work
    drawing = msgspec.json.decode(line, type=_Drawing)
    image = bytes(svg_to_bytes(svg_string=drawing.svg, width=_SIDE, height=_SIDE, skip_system_fonts=True))
    processed = process(image)
    file = hashlib.sha256(processed.files["large.webp"]).hexdigest()
    Store(pool).write(file, processed, durable=False)
    return Portrait(file, processed.thumbhash, drawing.look)


if __name__ == "__main__":
    draw(sys.stdin, Path(sys.argv[1]))
