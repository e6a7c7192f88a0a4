"""The process in which images are decoded: one after the other, with little memory and nothing that is worth stealing.

Reads from standard input, writes to standard output: four bytes that say how many follow, then those.
An empty answer means that the image is not taken. When standard input ends, so does the process.
"""

import os
import resource
import signal
import sys
from typing import BinaryIO

import msgspec

from server.outside.pictures.kept import Unreadable
from server.outside.pictures.pipeline import process

_HEAD = 4
_NICER = 5


def main(most_pixels: int, memory_mib: int, seconds: float) -> None:
    """Serve until there is nobody to serve any more."""
    os.nice(_NICER)  # who chats does not wait for who uploads
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib << 20, memory_mib << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    _put(sink, b"")  # ready
    while (image := _get(source)) is not None:
        signal.setitimer(signal.ITIMER_REAL, seconds)  # that is its end, also when nobody is left to kill it
        answer = _answer(image, most_pixels)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _put(sink, answer)


def _answer(image: bytes, most_pixels: int) -> bytes:
    try:
        return msgspec.msgpack.encode(process(image, most_pixels=most_pixels))
    except (Unreadable, MemoryError):
        return b""


def _get(source: BinaryIO) -> bytes | None:
    head = source.read(_HEAD)
    return source.read(int.from_bytes(head)) if len(head) == _HEAD else None


def _put(sink: BinaryIO, content: bytes) -> None:
    sink.write(len(content).to_bytes(_HEAD) + content)
    sink.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
