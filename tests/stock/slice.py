"""Two people register, match, chat and part, over stock python-socketio that knows nothing but the contract."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import socketio

IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkQAYNDXAmEwMOMDglAMCIARA9mAdAAAAAAElFTkSuQmCC"
)
PATIENCE = 5  # seconds for anything to come
Link = Callable[[str], Awaitable[str]]  # mail address -> the link in the next mail to it


class Caller:
    """One socket, the pushes that came on it, and its calls."""

    def __init__(self, url: str) -> None:
        self.pushes: list[tuple[str, Any]] = []
        self.error: Any = None
        self._url, self._news = url, asyncio.Event()
        self.client = socketio.AsyncClient(reconnection_delay=0.1)
        self.client.on("*", self._pushed)
        self.client.on("connect_error", self._refused)

    async def connect(self, auth: Any = None) -> "Caller":
        """Connect and join; raises ConnectionError."""
        await self.client.connect(self._url, transports=["websocket"], auth=auth, wait_timeout=PATIENCE)
        return self

    async def _pushed(self, event: str, data: Any) -> None:
        self.pushes.append((event, data))
        self._news.set()

    async def _refused(self, error: Any) -> None:
        self.error = error

    async def answer(self, event: str, *payload: Any) -> dict[str, Any]:
        """Emit an event and return what it is answered."""
        answer: dict[str, Any] = await self.client.call(event, *payload, timeout=PATIENCE)
        return answer

    async def call(self, event: str, *payload: Any) -> Any:
        """Return the data of an answer that must be a success."""
        answer = await self.answer(event, *payload)
        assert answer["code"] == 200 and set(answer) == {"code", "data"}, (event, answer)
        return answer["data"]

    async def refused(self, code: int, name: str, event: str, *payload: Any) -> dict[str, Any]:
        """Return the error of an answer that must be this one."""
        answer = await self.answer(event, *payload)
        assert (answer["code"], answer["error"]["name"]) == (code, name), (event, answer)
        error: dict[str, Any] = answer["error"]
        return error

    async def push(self, event: str, **fields: Any) -> Any:
        """Return the first push of that event, come or to come, whose data has these fields."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for name, data in self.pushes:
                    if name == event and all(data.get(key) == value for key, value in fields.items()):
                        return data
                self._news.clear()
                await self._news.wait()

    async def close(self) -> None:
        """Leave, also in the midst of a reconnection."""
        await self.client.shutdown()


@dataclass
class Person:
    """Who takes part."""

    login: str
    mail: str
    password: str
    id: int = 0
    token: str = ""

    @property
    def credentials(self) -> dict[str, str]:
        """Login and password."""
        return {"login": self.login, "password": self.password}

    @property
    def target(self) -> dict[str, int]:
        """How others aim at this person."""
        return {"target_user_id": self.id}


class Slice:
    """The whole way of two people, a step a method."""

    def __init__(self, url: str, anna: Person, boris: Person, link: Link) -> None:
        self.url, self.link = url, link
        self.anna, self.boris = anna, boris
        self.hers, self.his, self.other = Caller(url), Caller(url), Caller(url)

    async def run(self) -> None:
        """Go the whole way; raises AssertionError where the contract is not kept."""
        try:
            await self.register(self.hers, self.anna, "Anna")
            await self.register(self.his, self.boris, "Boris")
            await self.complete()
            await self.match()
            await self.chat()
            await self.resume()
            await self.strangers()
            await self.block()
            await self.leave()
        finally:
            for caller in (self.hers, self.his, self.other):
                await caller.close()

    async def register(self, caller: Caller, person: Person, name: str) -> None:
        """Register, follow the link of the mail, sign in."""
        await caller.connect()
        await caller.refused(401, "unauthorized", "user/me")
        names = {"first_name": name, "last_name": "Orlova"}
        answer = await caller.call("user/registr", person.credentials | {"mail": person.mail} | names)
        person.id = answer["user_id"]
        await caller.refused(400, "not_verified", "user/login", person.credentials)
        await caller.refused(400, "invalid_credentials", "user/login", person.credentials | {"password": "no"})
        link = urlsplit(await self.link(person.mail))
        assert link.path == "/verify"
        fragment = {key: values[0] for key, values in parse_qs(link.fragment).items()}
        assert await caller.call("user/verification", fragment) == {"user_id": person.id}
        await caller.refused(400, "invalid_link", "user/verification", fragment)
        session = await caller.call("user/login", person.credentials)
        assert session["user_id"] == person.id and isinstance(session["cursor"], int)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", session["expires_at"])
        person.token = session["token"]
        me = await caller.call("user/me")
        assert (me["user_id"], me["login"], me["mail"]) == (person.id, person.login, person.mail)

    async def complete(self) -> None:
        """Both fill in their profiles."""
        hers = {"gender": "female", "age": 30, "sex": ["male"], "tags": ["chess"], "gps": {"lat": 55.75, "lon": 37.62}}
        his = {"gender": "male", "age": 33, "sex": ["female"], "tags": ["chess"], "gps": {"lat": 55.76, "lon": 37.64}}
        for caller, fields in ((self.hers, hers), (self.his, his)):
            own = await caller.call("user/save_profile", fields | {"image": [IMAGE]})
            assert own["photo"] == own["photos"][0] and own["photo"]["url"].keys() == {"small", "medium", "large"}
            me = await caller.call("user/me")
            assert [me[name] for name in ("gender", "age", "sex", "tags")] == list(fields.values())[:4]
            assert abs(me["gps"]["lat"] - fields["gps"]["lat"]) < 0.2  # type: ignore[index]
        error = await self.hers.refused(400, "invalid_payload", "user/save_profile", {"age": 12})
        assert (error["fields"]["age"]["code"], error["fields"]["age"]["params"]) == ("min", {"min": 18})

    async def match(self) -> None:
        """Find, like, part, and connect by login."""
        for caller, other in ((self.hers, self.boris), (self.his, self.anna)):
            for search in ({}, {"sort_by": 1}):
                users = (await caller.call("research", search))["users"]
                assert other.id in [card["user_id"] for card in users]
            profile = await caller.call("profile", other.target)
            assert profile["login"] == other.login and not profile["connected"] and "mail" not in profile
        await self.hers.refused(400, "invalid_payload", "user/like", self.anna.target)
        assert await self.hers.call("user/like", self.boris.target) == {"liked": True, "connected": False}
        early = self.boris.target | {"random_id": 1, "message": "early"}
        await self.hers.refused(400, "not_connected", "message/send", early)
        assert await self.his.call("user/like", self.anna.target) == {"liked": True, "connected": True}
        for caller, other in ((self.hers, self.boris), (self.his, self.anna)):
            assert (await caller.push("connection", state="connected"))["user"]["login"] == other.login
        assert await self.hers.call("user/disconnect", self.boris.target) == {}
        for caller in (self.hers, self.his):
            await caller.push("connection", state="closed")
            caller.pushes.clear()
        assert await self.his.call("user/connect", {"target_id": self.anna.login}) == {"state": "requested"}
        assert await self.hers.call("user/connect", {"target_id": self.boris.login}) == {"state": "connected"}
        for caller in (self.hers, self.his):
            await caller.push("connection", state="connected")

    async def chat(self) -> None:
        """Write, repeat, read."""
        message = self.boris.target | {"random_id": 7, "message": "Привет \N{WAVING HAND SIGN}"}
        first = await self.hers.call("message/send", message)
        assert first["seq"] == 1 and await self.hers.call("message/send", message) == first
        await self.hers.refused(400, "already_exists", "message/send", message | {"message": "another"})
        received = (await self.his.push("message/new"))["message"]
        assert received == {"from_user_id": self.anna.id, "message": message["message"], **first}
        assert (await self.hers.push("message/new"))["message"]["random_id"] == 7
        reply = self.anna.target | {"random_id": 7, "message": "Hi\nthere"}
        assert (await self.his.call("message/send", reply))["seq"] == 2
        history = await self.hers.call("message/history", self.boris.target)
        assert [entry["seq"] for entry in history["messages"]] == [2, 1]
        (connection,) = (await self.hers.call("user/connections"))["connections"]
        assert (connection["user"]["user_id"], connection["unread"]) == (self.boris.id, 1)
        assert await self.hers.call("message/read", self.boris.target | {"seq": 2}) == {}
        read = await self.his.push("message/read")
        assert (read["user_id"], read["by"], read["read_seq"]) == (self.anna.id, self.anna.id, 2)

    async def resume(self) -> None:
        """Miss some messages, come back with a cursor, sync."""
        start = (await self.his.call("sync", {"cursor": None}))["cursor"]
        await self.his.close()
        for number in (1, 2, 3):
            message = {"random_id": 100 + number, "message": f"missed {number}"}
            await self.hers.call("message/send", self.boris.target | message)
        self.his = await Caller(self.url).connect({"token": self.boris.token, "cursor": start})
        await self.his.push("message/new", seq=start + 3)
        assert [data["seq"] for _, data in self.his.pushes] == [start + 1, start + 2, start + 3]
        assert [data["message"]["message"] for _, data in self.his.pushes] == ["missed 1", "missed 2", "missed 3"]
        synced = await self.his.call("sync", {"cursor": start})
        assert [entry["data"] for entry in synced["events"]] == [data for _, data in self.his.pushes]
        assert (synced["cursor"], synced["more"]) == (start + 3, False)
        ahead = await self.his.call("sync", {"cursor": start + 1000})
        assert ahead == {"resync": True, "cursor": start + 3}

    async def strangers(self) -> None:
        """A bad token is refused in the shape of the contract; a good one in a payload counts for that event."""
        stranger = Caller(self.url)
        try:
            await stranger.connect({"token": "not a token"})
        except socketio.exceptions.ConnectionError:
            assert stranger.error["message"] == "unauthorized" and stranger.error["data"]["code"] == 401
            assert stranger.error["data"]["error"]["name"] == "unauthorized"
        else:
            raise AssertionError("a bad token got in")
        finally:
            await stranger.close()
        await self.other.connect()
        await self.other.refused(400, "unknown_event", "no/such/event", {})
        await self.other.refused(401, "unauthorized", "research")
        token = {"token": self.anna.token}
        assert (await self.other.call("user/me", token))["user_id"] == self.anna.id
        await self.other.refused(401, "unauthorized", "user/me", token | {"user_id": self.boris.id})

    async def block(self) -> None:
        """Who blocked me is not there; whom I blocked gets nothing from me."""
        assert await self.hers.call("user/block", self.boris.target) == {}
        await self.his.push("connection", state="closed", user_id=self.anna.id)
        message = {"random_id": 200, "message": "why"}
        await self.his.refused(400, "not_found", "message/send", self.anna.target | message)
        await self.his.refused(400, "not_found", "profile", self.anna.target)
        await self.hers.refused(900, "blacklisted", "message/send", self.boris.target | message)
        assert await self.hers.call("user/unblock", self.boris.target) == {}
        await self.his.refused(400, "not_connected", "message/send", self.anna.target | message)

    async def leave(self) -> None:
        """Sign out: on the socket, and of all sessions by login and password."""
        assert await self.hers.call("user/logout") == {}
        assert (await self.hers.push("goodbye"))["reason"] == "session_ended"
        await self.other.refused(401, "session_ended", "user/me", {"token": self.anna.token})
        assert await self.other.call("user/logout", self.boris.credentials) == {}
        assert (await self.his.push("goodbye"))["reason"] == "session_ended"
