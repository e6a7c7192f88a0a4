"""The data folder and the files with secrets: whose they are, and who may read them."""

import os
import pwd
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from server.doctor.findings import Finding, Look, Unseen


async def rights(look: Look) -> AsyncIterator[Finding]:
    """Nobody else reads the data folder, its keys and the passwords in .env."""
    for path in _secret(look):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            better = 0o700 if path.is_dir() else 0o600
            yield Finding(
                "folder.rights",
                f"{path} can be read or changed by others (mode {mode:o}).",
                "Other accounts of this machine reach what people wrote, or the keys with which they can be anybody.",
                f"chmod {better:o} {path}",
            )


def _secret(look: Look) -> Iterator[Path]:
    keys = look.data / "keys"
    paths = (look.data, look.data / "run", keys, *sorted(keys.glob("*")), look.dotenv)
    return (path for path in paths if path.exists())


async def owner(look: Look) -> AsyncIterator[Finding]:
    """All of it belongs to the account that the server runs as."""
    if not look.data.exists():
        raise Unseen(f"{look.data} is not there: nothing was ever started in it")
    mine = look.data.stat().st_uid
    for path in sorted((look.data, *look.data.iterdir(), *(look.data / "keys").glob("*"))):
        if path.lstat().st_uid != mine:
            yield Finding(
                "folder.owner",
                f"{path} belongs to {_name(path.lstat().st_uid)}, the data folder to {_name(mine)}.",
                "The server, or its database, can't read it or write it; a command was run as somebody else.",
                f"chown -R {_name(mine)} {path}, and run commands as that account.",
            )
    if os.geteuid() not in (0, mine):
        yield Finding(
            "folder.owner",
            f"The data folder belongs to {_name(mine)}; you are {_name(os.geteuid())}.",
            "Much of it can't be looked at.",
            f"Run this as its owner: sudo -u {_name(mine)} python -m server doctor",
        )


async def private(look: Look) -> AsyncIterator[Finding]:
    """The private servers start."""
    if look.fault:
        yield Finding(
            "folder.private",
            look.fault,
            "The server does not start either.",
            "Its last words say why (docs/operating.md, “MariaDB does not start”).",
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
