"""The start: who is made on the first one, what is said on each, and which programs act for some of them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import AF_INET6, socket
from typing import Final

from server.config import Config
from server.context import Services
from server.demo import key, portraits, story
from server.demo.identity import DEMO_LOGIN, person_id
from server.demo.writer import Plan, fill, is_unfinished, known_hash, refuse_strangers
from server.embedded.child import Child
from server.embedded.folder import DataFolder
from sql.bulk import Bulk

_ROOT: Final = Path(__file__).parents[2]
_FAREWELL: Final = 2.0  # seconds for the bots to sign out
_LOOK: Final = 0.02
_ANYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


async def first_start(services: Services, say: Callable[[str], None]) -> None:
    """Make the people of a first start, where that has not been done. Raises DemoError."""
    demo = services.config.demo
    if demo.users and _is_due(services.config):
        say(f"Making {demo.users} invented people (once).")
        await make(services, users=demo.users, seed=demo.seed)


def _is_due(config: Config) -> bool:
    with _bulk(config) as bulk:
        return is_unfinished(bulk, config.demo.seed, config.demo.users)


async def make(services: Services, *, users: int, seed: int, tick: Callable[[int], object] = lambda added: None) -> int:
    """Make all of so many people who are not there yet, and return how many were made. Raises DemoError."""
    config = services.config
    pool = config.demo.portraits or portraits.POOL
    portraits.read(pool)
    with _bulk(config) as bulk:
        refuse_strangers(bulk, seed, users)
        is_begun = bool(bulk.list_there([person_id(seed, 0)]))
        password_hash = known_hash(bulk, seed, users)
    password_hash = password_hash or await services.passwords.hash(key.read_or_draw(config.server.data))
    portraits.hang(pool, config.server.data / "photos")
    plan = Plan(str(config.database.url), seed, users, pool, password_hash, services.clock.now())
    made = await fill(plan, tick=tick)
    if not is_begun:
        await story.tell(services, seed)
    return made


def login_line(config: Config) -> str | None:
    """Return what to say of the demo login, as long as there is one: whoever has forgotten it has an open account."""
    password = key.read(config.server.data)
    if password is None:
        return None
    with _bulk(config) as bulk:
        if not bulk.has_login(DEMO_LOGIN):
            return None
    return f"demo login: {DEMO_LOGIN} / {password}  (all invented people have this password)"


@asynccontextmanager
async def bots(config: Config, data: DataFolder, listener: socket) -> AsyncIterator[None]:
    """Have a process beside this one act for some of the invented people, where there are any."""
    process = _bots(config, data, listener)
    if process:
        process.start()
    try:
        yield
    finally:
        if process:
            process.terminate()
            await _ended(process)
            process.kill()


def _bots(config: Config, data: DataFolder, listener: socket) -> Child | None:
    demo = config.demo
    if not (demo.users and demo.bots and key.read(config.server.data)):
        return None
    with _bulk(config) as bulk:
        logins = bulk.list_logins([person_id(demo.seed, number) for number in range(1, demo.bots + 1)])
    command = (
        *("env", f"PYTHONPATH={_ROOT}", sys.executable, "-m", "server.demo.bots"),
        *("--url", _url(listener), "--password-file", str(key.path(config.server.data))),
        *("--seed", str(demo.seed), "--pause", str(demo.pause), *logins),
    )
    return Child("The bots", command, data=data, log="bots.log") if logins else None


async def _ended(process: Child) -> None:
    for _ in range(round(_FAREWELL / _LOOK)):
        if not process.running:
            return
        await asyncio.sleep(_LOOK)


def _url(listener: socket) -> str:
    """Return where a process on this machine reaches what listens there."""
    host, port = listener.getsockname()[:2]
    host = _ANYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if listener.family == AF_INET6 else f"http://{host}:{port}"


def _bulk(config: Config) -> Bulk:
    return Bulk(str(config.database.url))
