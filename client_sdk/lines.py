"""Lines of standard input, read without a thread, so that nothing hangs when the program ends."""

import asyncio
import os
from collections.abc import AsyncIterator


class Lines:
    """What is typed or piped in, line by line, up to its end or a line that says `stop`."""

    def __init__(self, descriptor: int, stop: str) -> None:
        self.stopped = asyncio.Event()
        """Set as soon as `stop` was read, even if lines before it are still to be taken."""
        self._descriptor = descriptor
        self._stop = stop
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._rest = b""
        self._open()

    async def __aiter__(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line

    def close(self) -> None:
        """Read no more."""
        asyncio.get_running_loop().remove_reader(self._descriptor)

    def _open(self) -> None:
        try:
            asyncio.get_running_loop().add_reader(self._descriptor, self._read)
        except PermissionError:  # a file, or /dev/null: it cannot be waited for, and never has to be
            while self._read():
                pass

    def _read(self) -> bool:
        """Take what there is; False at the end."""
        data = os.read(self._descriptor, 65536)
        *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        for line in lines:
            self._take(line.decode(errors="replace").strip())
        if not data:
            self._lines.put_nowait(None)
            self.close()
        return bool(data)

    def _take(self, line: str) -> None:
        if line == self._stop:
            self.stopped.set()
            self._lines.put_nowait(None)
        elif line:
            self._lines.put_nowait(line)
