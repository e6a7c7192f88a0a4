"""The ground of a run: a private MariaDB and Redis with durable commits, people, and servers to be asked."""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.machine import ROOT, Cores
from bench.people import KEY, People
from bench.process import Generator, Served
from server.embedded import PrivateServers, Urls
from server.outside import towns
from sql.database import connect_options
from sql.migration import migrate

_SECTIONS: dict[str, dict[str, Any]] = {
    "session": {"keys": [KEY]},
    "demo": {"users": 0},
    "limits": {"scale": 1000.0},
    "log": {"level": "info", "format": "json"},
}

_BUFFER_POOL = 1024
"""MiB: a run writes a million messages and pushes, and is not about reading them from the disk again."""


class Ground:
    """What all figures stand on."""

    def __init__(self, folder: Path, urls: Urls, cores: Cores, children: dict[str, int]) -> None:
        assert urls.database_url and urls.redis_url
        self.children = children
        """The processes of the databases, by name."""
        self.folder = folder
        self.cores = cores
        self.urls = urls
        self.people = People(urls.database_url)

    @contextmanager
    def ours(self, **options: dict[str, Any]) -> Iterator[Served]:
        """Run our server as `make run` does, but on the databases of this run; options are sections of config.yaml."""
        sections = _SECTIONS | {"server": {"data": str(self.folder / "data")}}
        sections |= {"database": {"url": self.urls.database_url}, "redis": {"url": self.urls.redis_url}}
        sections |= {name: sections.get(name, {}) | values for name, values in options.items()}
        port = free_port()
        sections["server"] = sections["server"] | {"port": port}
        config = self.folder / "config.yaml"
        config.write_text(json.dumps(sections))  # JSON is YAML
        with self._served("server", "run", "--config", str(config)) as served:
            served.hear("is ready at")
            served.port = port
            yield served

    @contextmanager
    def peer(self, module: str, *arguments: str) -> Iterator[Served]:
        """Run one of `bench.peers`; it says on which port."""
        with self._served(f"bench.peers.{module}", *arguments) as served:
            served.port = int(served.hear())
            yield served

    @contextmanager
    def node_peer(self) -> Iterator[Served]:
        """Run `bench/peers/node` on the databases of this run; it says on which port."""
        assert self.urls.database_url
        options = connect_options(self.urls.database_url)
        names = {"unix_socket": "socketPath", "db": "database"}
        told = json.dumps({names.get(name, name): value for name, value in options.items()})
        node = shutil.which("node")
        assert node and (ROOT / "bench/peers/node/node_modules").is_dir(), "make bench installs it"
        command = (node, str(ROOT / "bench/peers/node/server.mjs"), told)
        with Served(command, log=self.folder / "server.log", begin=self.cores.only_server()) as served:
            served.port = int(served.hear())
            yield served

    def _served(self, module: str, *arguments: str) -> Served:
        command = (sys.executable, "-m", module, *arguments)
        return Served(command, log=self.folder / "server.log", begin=self.cores.only_server())

    def generator(self) -> Generator:
        """Start the process that asks."""
        return Generator(log=self.folder / "generator.log")


@contextmanager
def laid(cores: Cores, *, fewest: int = 0) -> Iterator[Ground]:
    """Lay the ground, and take it away again; `fewest`: only with towns of so many people, instead of all."""
    cores.leave_the_server_alone()
    servers = PrivateServers()
    with tempfile.TemporaryDirectory(prefix="matcha-bench-") as name:
        folder = Path(name)
        urls = servers.start(folder / "databases", database=True, redis=True, durable=True, buffer_pool=_BUFFER_POOL)
        try:
            assert urls.migrate_url
            asyncio.run(migrate(urls.migrate_url))
            if fewest:
                asyncio.run(towns.load(urls.migrate_url, fewest=fewest))
            yield Ground(folder, urls, cores, {child.name: child.pid for child in servers.children if child.pid})
        finally:
            servers.stop()


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
