"""The Maildir that the server under test writes to."""

import asyncio
import email
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

_PAUSE = 0.005


class Mails:
    """Mails in the order in which they were waited for."""

    def __init__(self, maildir: Path) -> None:
        self._new = maildir / "new"
        self._read: set[Path] = set()

    def unread(self, address: str | None = None) -> list[EmailMessage]:
        """Return the mails to an address (or all) that nobody waited for yet."""
        return [mail for _, mail in self._unread(address)]

    def forget(self) -> None:
        """Count all that came so far as read."""
        self._read |= set(self._new.glob("*"))

    def _unread(self, address: str | None) -> list[tuple[Path, EmailMessage]]:
        files = sorted(set(self._new.glob("*")) - self._read, key=lambda path: path.stat().st_mtime_ns)
        mails = [(path, email.message_from_bytes(path.read_bytes(), policy=default)) for path in files]
        return [(path, mail) for path, mail in mails if address is None or mail["To"] == address]

    async def wait_for(self, address: str, timeout: float = 5.0) -> EmailMessage:
        """Return the next mail to an address."""
        async with asyncio.timeout(timeout):
            while not (waiting := self._unread(address)):
                await asyncio.sleep(_PAUSE)
        path, mail = waiting[0]
        self._read.add(path)
        return mail
