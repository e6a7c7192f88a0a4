"""A walk through every event: a few people do all that can be done, and keep what they were answered and told."""

from typing import Any

from tests.contract.client import Socket
from tests.contract.events import PASSWORD
from tests.contract.world import LYON, PARIS, Person, World

OPTIONS: dict[str, dict[str, Any]] = {"moderation": {"hold_reports": 1, "hold_age_days": 0}}
"""One report is enough to hear of it."""


class Walker:
    """A person on a socket; `answers` takes every event with its answer, `pushes` what was waited for."""

    def __init__(
        self, person: Person, socket: Socket, answers: list[tuple[str, Any]], pushes: list[tuple[str, Any]]
    ) -> None:
        self.person, self.socket, self.answers, self.pushes = person, socket, answers, pushes
        self.id, self.target = person.id, person.target

    async def do(self, event: str, **payload: Any) -> Any:
        """Call, and return the data of the answer or the error."""
        answer = await self.socket.answer(event, **payload)
        self.answers.append((event, answer))
        return answer.get("data", answer.get("error"))

    async def told(self, push: str) -> None:
        """Wait for a push that was not waited for yet."""
        self.pushes.append((push, await self.socket.push(push)))


class Walk:
    """All of it, in one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.answers: list[tuple[str, Any]] = []
        self.pushes: list[tuple[str, Any]] = []
        self.walkers: list[Walker] = []

    async def join(self, **profile: Any) -> Walker:
        """Let somebody come."""
        person = await self.world.join(**profile)
        walker = Walker(person, await person.open(), self.answers, self.pushes)
        self.walkers.append(walker)
        return walker

    async def go(self) -> "Walk":
        """Do all that can be done."""
        alice = await self.join(gender="female", age=28, gps=PARIS, tags=["tea"], sex=["male"])
        bob = await self.join(gender="male", age=30, gps=PARIS, tags=["tea"], description="Chess.")
        carol = await self.join(gender="male", age=35, gps=LYON)
        await self._accounts()
        await self._look(alice, bob)
        await self._meet(alice, bob)
        await self._talk(alice, bob)
        await self._come_and_go(alice, bob)
        await self._turn_away(alice, bob, carol)
        await self._be_refused(alice)
        await self._leave(alice, bob)
        for walker in self.walkers:
            self.pushes += [tuple(push) for push in walker.socket.pushes]
        return self

    async def _accounts(self) -> None:
        stranger, socket = self.world.stranger(), await self.world.open()
        nobody = Walker(stranger, socket, self.answers, self.pushes)
        new = {"login": stranger.login, "mail": stranger.mail, "password": PASSWORD}
        await nobody.do("user/registr", **new, first_name="New", last_name="Comer")
        await nobody.do("user/login", login=stranger.login, password=PASSWORD)  # not verified
        await self.world.mail(stranger.mail)  # the next one voids the link in it
        await nobody.do("user/resend_verification", mail=stranger.mail)
        await nobody.do("user/verification", **await self.world.verify_link(stranger.mail))
        await nobody.do("user/verification", ver_id="nonsense", login="nobody")
        await nobody.do("user/forgot_pass", mail=stranger.mail)
        await nobody.do("user/login", login=stranger.login, password=PASSWORD + "!")
        await nobody.do("user/login", login=stranger.login, password=PASSWORD)
        photo = await nobody.do("user/like", target_user_id=1)  # there is nobody by that id
        assert photo["name"] == "not_found", photo

    async def _look(self, alice: Walker, bob: Walker) -> None:
        await alice.do("user/me")
        await alice.do("user/save_profile", description="Trains.", wish={"age_min": 20}, birth_date="1996-02-29")
        await alice.told("profile/changed")
        await alice.do("research", limit=1)
        await alice.do("research", distance_max=20, tags=["tea"], online=True)
        await alice.do("tags", prefix="te")
        await alice.do("places", prefix="par")
        await alice.do("profile", **bob.target)
        await bob.told("notification")
        await bob.do("user/history")
        await bob.do("notifications/list")
        await bob.do("notifications/read", seq=1_000_000)

    async def _meet(self, alice: Walker, bob: Walker) -> None:
        await alice.do("user/like", **bob.target)
        await bob.do("user/likes")
        await bob.do("user/connect", target_id=alice.person.login)
        await alice.told("connection")
        await alice.do("user/unlike", **bob.target)
        await bob.do("notifications/read", seq=1_000_000)  # what is unread already is not told again
        await alice.do("user/like", **bob.target)
        await alice.do("user/disconnect", **bob.target)
        await alice.do("message/send", **bob.target, random_id=1, message="Still there?")  # not connected
        await alice.do("user/like", **bob.target)
        await bob.do("user/like", **alice.target)

    async def _talk(self, alice: Walker, bob: Walker) -> None:
        await alice.do("message/send", **bob.target, random_id=1, message="Tea at five?")
        await alice.do("message/send", **bob.target, random_id=1, message="Another text")  # already exists
        await bob.told("message/new")
        await bob.do("message/typing", **alice.target)
        await alice.told("message/typing")
        await bob.do("message/read", **alice.target, seq=1)
        await alice.told("message/read")
        await bob.do("message/history", **alice.target)
        await bob.do("user/connections")
        await bob.do("notifications", user_id=alice.id, random_id=1)

    async def _come_and_go(self, alice: Walker, bob: Walker) -> None:
        await alice.do("presence/watch", user_ids=[bob.id])
        for event, fields in (
            ("user/set_offline", {}),
            ("user/set_online", {}),
            ("user/settings", {"show_online": False}),
        ):
            await bob.do(event, **fields)
            await alice.told("presence")
        await bob.told("settings/changed")

    async def _turn_away(self, alice: Walker, bob: Walker, carol: Walker) -> None:
        before = await alice.person.cursor()
        await bob.do("message/send", **alice.target, random_id=2, message="Or at six?")
        await alice.do("user/block", **bob.target)
        await alice.told("relation/changed")
        await alice.do("message/send", **bob.target, random_id=3, message="You are blocked.")  # 900
        await alice.do("user/blocks")
        await alice.do("user/unblock", **bob.target)
        await alice.do("user/block", **bob.target)
        await alice.do("user/pass", **carol.target)
        await alice.do("user/unpass", **carol.target)
        await alice.do("report", **carol.target, report_id=2, comment="Watches.")
        await carol.told("notification")
        log = await alice.do("sync", cursor=before)
        self.pushes += [(entry["event"], entry["data"]) for entry in log["events"]]  # with a `void`
        await alice.do("sync", cursor=None)
        await alice.do("sync", cursor=2**40)

    async def _be_refused(self, alice: Walker) -> None:
        await alice.do("profile", target_user_id="1")
        await alice.do("user/me", token="nonsense")
        await alice.do("user/save_profile", image=[b"no image"])
        nobody = await self.world.join(photo=False)
        self.answers.append(("user/like", await nobody.answer("user/like", **alice.target)))  # photo required

    async def _leave(self, alice: Walker, bob: Walker) -> None:
        other = await alice.person.login_again()
        sessions = (await alice.do("user/sessions"))["sessions"]
        await other.open()
        [second] = [line["session_id"] for line in sessions if not line["current"]]
        await alice.do("user/end_session", session_id=second)
        await alice.do("user/reset_pass", old_pass=PASSWORD, new_pass="four loud brooks")
        await bob.do("user/logout")
        await bob.told("goodbye")
