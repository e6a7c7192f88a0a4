"""The server under test: the real application on real sockets, with its clock in the test's hand."""

import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_app import _cached_build_middleware

from client_sdk import Client
from server.app import GATEWAY, SERVICES, create_app
from server.clock import Ids
from server.config import Config
from server.embedded import PrivateServers
from server.listen import bind
from server.outside.places import Places
from tests.ground.accounts import verification
from tests.ground.clock import FakeClock
from tests.ground.freeze import freeze, thaw
from tests.ground.mails import Mails

PASSWORD = "correct horse battery"
KEY = "the key of tests, known to whoever reads this"
_PLACES: dict[str, Places] = defaultdict(Places)
"""The towns of each database, which never change: read once for all servers of a run."""


class RunningServer:
    """One process of the server, inside this one."""

    def __init__(
        self,
        config: Config,
        clock: FakeClock,
        servers: PrivateServers,
        log: list[logging.LogRecord],
        ids: Ids | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.ids = ids
        self.log = log
        self.mails = Mails(config.server.data / "mail")
        self.redis_url = config.redis.url
        self._servers = servers

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["RunningServer"]:
        """Serve on a port of its own."""
        places = _PLACES[str(self.config.database.url)]
        self.app = create_app(self.config, clock=self.clock, ids=self.ids, places=places)
        self.gateway = self.app[GATEWAY]
        self.database = self.app[SERVICES].database
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        [listener] = bind("127.0.0.1", 0)
        await web.SockSite(runner, listener).start()
        self.port: int = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self.port}"
        try:
            yield self
        finally:
            await runner.cleanup()
            _cached_build_middleware.cache_clear()  # it would keep every application that there was

    @asynccontextmanager
    async def database_down(self) -> AsyncIterator[None]:
        """Freeze MariaDB: it neither answers nor refuses, the harder of the two ways to be down."""
        with self._frozen("MariaDB"):
            yield

    @asynccontextmanager
    async def redis_down(self) -> AsyncIterator[None]:
        """Freeze Redis."""
        with self._frozen("Redis"):
            yield

    @contextmanager
    def _frozen(self, name: str) -> Iterator[None]:
        [pid] = [child.pid for child in self._servers.children if child.name == name]
        freeze(pid)
        try:
            yield
        finally:
            thaw(pid)


class Person(Client):
    """Somebody with an account, signed in."""

    id: int

    def __init__(self, url: str, login: str) -> None:
        super().__init__(url)
        self.login = login
        self.password = PASSWORD
        self.mail = f"{login}@example.org"

    async def join(self, mails: Mails, **profile: Any) -> None:
        """Register, follow the link, sign in."""
        name = self.login.capitalize()
        await self.connect()
        given = {"first_name": name, "last_name": "Example"} | profile
        await self.account.register(self.login, self.mail, self.password, **given)
        link = verification(await mails.wait_for(self.mail))
        await self.account.verify(link["ver_id"], link["login"])
        await self.session.login(self.login, self.password)


def config_for(servers: Any, data: Path, **options: dict[str, Any]) -> Config:
    """Return the options of a test: cheap passwords, limits out of the way unless the test is about them."""
    sections: dict[str, dict[str, Any]] = {
        "server": {"data": data},
        "database": {"url": servers.database_url},
        "redis": {"url": servers.redis_url},
        "session": {"keys": [KEY]},
        "password": {"time_cost": 1, "memory_kib": 8, "parallelism": 1},
        "delivery": {"tail_interval": 0.2},
        "mail": {"retry": 0.2},
        "limits": {"scale": 1000.0},
        "demo": {"users": 0},
    }
    for section, values in options.items():
        sections[section] = sections.get(section, {}) | values
    return Config.model_validate(sections)
