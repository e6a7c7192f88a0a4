"""A server under test, and people who came to it by the contract: a photo, a mail, a link."""

import asyncio
import itertools
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
from redis.asyncio import Redis

from server.embedded import PrivateServers, Urls
from sql.database import Database
from tests.contract.client import Caller, Http, Socket, picture
from tests.contract.events import PASSWORD
from tests.ground.clock import FakeClock
from tests.ground.recorders import LogRecorder
from tests.ground.server import RunningServer, config_for

DAY, HOUR = 86_400, 3_600
PARIS, LYON, TOKYO = ({"lat": 48.8566, "lon": 2.3522}, {"lat": 45.764, "lon": 4.8357}, {"lat": 35.68, "lon": 139.69})


@dataclass(eq=False)
class Person(Caller):
    """Somebody with an account, signed in over HTTP; a socket is opened when it is needed."""

    world: "World"
    login: str
    mail: str
    password: str
    id: int = 0
    token: str = ""

    def __post_init__(self) -> None:
        self._socket: Socket | None = None

    @property
    def target(self) -> dict[str, int]:
        """How others aim at this person."""
        return {"target_user_id": self.id}

    @property
    def http(self) -> Http:
        """This person over HTTP."""
        return Http(self.world.url, self.world.session, self.token)

    async def open(self, cursor: int | None = None) -> Socket:
        """Return a new socket that is signed in."""
        auth = {"token": self.token} | ({} if cursor is None else {"cursor": cursor})
        return await self.world.open(auth)

    async def over(self, way: str) -> Caller:
        """Return this person's way to call: "socket" or "http"."""
        if way == "http":
            return self.http
        if self._socket is None or self._socket.reason:
            self._socket = await self.open()
        return self._socket

    async def answer(self, event: str, **payload: Any) -> dict[str, Any]:
        """Call over a socket of one's own."""
        return await (await self.over("socket")).answer(event, **payload)

    async def cursor(self) -> int:
        """Return the end of this person's log."""
        return (await self.http.ok("sync", cursor=None))["cursor"]

    async def since(self, cursor: int) -> list[tuple[str, Any]]:
        """Return what the log has after `cursor`, whose numbers must be dense."""
        page = await self.http.ok("sync", cursor=cursor)
        events = [(entry["event"], entry["data"]) for entry in page["events"]]
        assert [data["seq"] for _, data in events] == list(range(cursor + 1, cursor + 1 + len(events))), events
        assert not page["more"]
        return events

    async def login_again(self) -> "Person":
        """Return the same person with another session."""
        person = Person(self.world, self.login, self.mail, self.password, self.id)
        person.token = (await self.world.http.ok("user/login", login=self.login, password=self.password))["token"]
        return person


class World:
    """One server, its mails, its clock, and what tests opened there."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.url, self.clock = server, server.url, server.clock
        self._sockets: list[Socket] = []
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> "World":
        self.session = aiohttp.ClientSession()
        self.http = Http(self.url, self.session)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()
        await self.session.close()

    async def leave(self) -> None:
        """Close the sockets that a test opened."""
        closing, self._sockets = self._sockets, []
        await asyncio.gather(*(socket.close() for socket in closing))

    async def open(self, auth: Any = None, headers: dict[str, str] | None = None) -> Socket:
        """Return a new socket."""
        socket = Socket(self.url)
        self._sockets.append(socket)
        return await socket.open(auth, headers)

    def number(self) -> int:
        """Return a number that this world has not seen."""
        return next(self._numbers)

    async def mail(self, address: str) -> str:
        """Return the text of the next mail to an address."""
        body = (await self.server.mails.wait_for(address)).get_body(("plain", "html"))
        assert body is not None
        text: str = body.get_content()
        return text

    async def verify_link(self, address: str) -> dict[str, str]:
        """Return what the next verification link in a mail to an address stands for."""
        ver_id, login = await self._link(address, r"/verify#ver_id=([^&\s]+)&login=(\S+)")
        return {"ver_id": ver_id, "login": login}

    async def reset_link(self, address: str) -> dict[str, str]:
        """Return what the next link to a new password stands for."""
        (reset_id,) = await self._link(address, r"/reset#reset_id=([^&\s]+)")
        return {"reset_id": reset_id}

    async def _link(self, address: str, pattern: str) -> tuple[str, ...]:
        while True:
            found = re.search(r"(https?://[^\s/]+)" + pattern, await self.mail(address))
            if found:
                return tuple(unquote(part) for part in found.groups()[1:])

    def stranger(self, login: str | None = None) -> Person:
        """Return somebody who has no account yet."""
        login = login or f"person{self.number()}"
        return Person(self, login, f"{login}@example.org", PASSWORD)

    async def register(self, person: Person, *, photo: bool = True, **profile: Any) -> Person:
        """Register somebody, who is not verified."""
        given = {"first_name": "Sasha", "last_name": "Orlova"} | profile
        if photo:
            given = {"image": [picture(self.number())]} | given
        answer = await self.http.ok(
            "user/registr", login=person.login, mail=person.mail, password=person.password, **given
        )
        person.id = answer["user_id"]
        return person

    async def join(self, login: str | None = None, *, photo: bool = True, **profile: Any) -> Person:
        """Register, follow the link, sign in."""
        person = await self.register(self.stranger(login), photo=photo, **profile)
        await self.http.ok("user/verification", **await self.verify_link(person.mail))
        session = await self.http.ok("user/login", login=person.login, password=person.password)
        person.token = session["token"]
        return person

    async def crowd(self, *profiles: dict[str, Any]) -> list[Person]:
        """Let several people join, one after the other."""
        return [await self.join(**profile) for profile in profiles]

    async def pair(self) -> tuple[Person, Person]:
        """Return two people who are strangers to each other."""
        one, other = await self.crowd({}, {})
        return one, other

    async def connect(self, one: Person, other: Person) -> None:
        """Let two people like each other."""
        await one.http.ok("user/like", **other.target)
        assert (await other.http.ok("user/like", **one.target))["connected"]

    async def couple(self) -> tuple[Person, Person]:
        """Return two people who are connected."""
        one, other = await self.pair()
        await self.connect(one, other)
        return one, other


async def empty(urls: Urls) -> None:
    """Nobody has ever been here."""
    database = Database(urls.database_url, timeout=10)
    for (table,) in await database.fetch("SHOW TABLES"):
        if not table.startswith(("migration", "town")):
            await database.fetch(f"DELETE FROM `{table}`")
    database.close()
    async with Redis.from_url(urls.redis_url) as redis:
        await redis.flushall()


def builder(servers: tuple[PrivateServers, Urls], data: Path, stack: AsyncExitStack) -> Callable[..., Any]:
    """Return what starts a server in an empty world, or beside one in the same."""
    clock = FakeClock()

    async def build(*, beside: bool = False, **options: dict[str, Any]) -> World:
        if not beside:
            await empty(servers[1])
        recorder = stack.enter_context(LogRecorder())
        running = RunningServer(config_for(servers[1], data, **options), clock, servers[0], recorder.records)
        await stack.enter_async_context(running.serving())
        return await stack.enter_async_context(World(running))

    return build
