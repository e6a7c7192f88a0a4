"""The outbox: what was posted arrives once and in order, through losses, limits, crashes and refusals."""

import asyncio
import shutil
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from client_sdk import (
    AlreadyExists,
    Client,
    ConnectionLost,
    Draft,
    DraftRefused,
    Internal,
    InvalidPayload,
    MessageNew,
    NotConnected,
    OutboxError,
    SessionEnded,
    Unauthorized,
)
from client_sdk.outbox_file import OutboxFile
from tests.ground.bot_process import BotProcess
from tests.ground.peer import AT, ME, SILENCE, Peer, at_once, message, refused
from tests.ground.proxy import ChaosProxy
from tests.ground.server import Person
from tests.ground.waiting import until

BOB, CAROL = 2, 3
LIMITED = refused("rate_limited", 429, retry_after=3)
LONG_LIMITED = refused("rate_limited", 429, retry_after=3600)
UNAVAILABLE = refused("unavailable", 503, retry_after=2, unknown=True)
INTERNAL = refused("internal", 500, error_id="e")


class Post:
    """What the peer does with `message/send`: keep each number's text once, unless told otherwise before."""

    def __init__(self, peer: Peer) -> None:
        self.said: dict[int, list[str]] = {}
        self.first: list[Any] = []
        """Answers to give before it begins to behave; each is instead of keeping a text."""
        self.tries: list[dict[str, Any]] = []
        self.held: dict[int, asyncio.Event] = {}
        """Whoever is written to here is answered when the event is set."""
        self.under_way = self.most_under_way = 0
        self._known: dict[tuple[int, int], tuple[str, int]] = {}
        peer.answers["message/send"] = self._send

    async def _send(self, event: str, data: dict[str, Any]) -> Any:
        self.tries.append(data)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        if self.first:
            answer = self.first.pop(0)
        else:
            answer = self._keep(data["target_user_id"], data["random_id"], data["message"])
        if data["target_user_id"] in self.held:
            await self.held[data["target_user_id"]].wait()
        self.under_way -= 1
        return answer

    def _keep(self, to: int, random_id: int, text: str) -> Any:
        said = self.said.setdefault(to, [])
        if (to, random_id) not in self._known:
            said.append(text)
            self._known[to, random_id] = text, len(said)
        kept, seq = self._known[to, random_id]
        return {"code": 200, "data": {"seq": seq, "sent_at": AT}} if kept == text else refused("already_exists")


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.start()
    yield peer
    await peer.stop()


@pytest.fixture
def post(peer: Peer) -> Post:
    return Post(peer)


@pytest.fixture
async def client(peer: Peer, post: Post) -> AsyncIterator[Client]:
    async with Client(peer.url, token="t", cursor=0, timeout=3.0, wait=at_once) as client:
        yield client


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bot.outbox"


@pytest.fixture
def start(peer: Peer, post: Post, file: Path) -> Callable[..., Client]:
    """`start()` makes a client of the program's next start."""
    return lambda **more: Client(peer.url, token="t", cursor=0, timeout=3.0, wait=at_once, outbox=file, **more)


async def drained(client: Client) -> None:
    async with asyncio.timeout(5):
        await client.outbox.drained()


def random_ids(post: Post) -> list[int]:
    return [data["random_id"] for data in post.tries]


# In order, once


async def test_what_is_posted_arrives_in_order_and_says_where_it_stands(client: Client, post: Post) -> None:
    drafts = [client.message.post(BOB, f"{number}") for number in range(20)]
    assert (len(client.outbox), list(client.outbox), drafts[0].done) == (20, drafts, False)
    assert [(await draft).seq for draft in drafts] == list(range(1, 21))
    assert (len(client.outbox), drafts[0].done) == (0, True)
    assert post.said == {BOB: [f"{number}" for number in range(20)]}
    assert (await drafts[3]).seq == 4, "a draft may be waited for as often as one likes"


async def test_one_conversation_waits_for_its_answer_and_the_others_go_on(client: Client, post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    drafts = [client.message.post(to, text) for text in ("a", "b") for to in (BOB, CAROL)]
    await drafts[3]
    assert post.said == {BOB: ["a"], CAROL: ["a", "b"]} and not drafts[0].done
    post.held[BOB].set()
    await drained(client)
    assert post.said == {BOB: ["a", "b"], CAROL: ["a", "b"]}


async def test_few_conversations_are_sent_in_at_a_time(client: Client, post: Post) -> None:
    gate = asyncio.Event()
    post.held = dict.fromkeys(range(10, 30), gate)
    for to in post.held:
        client.message.post(to, "hi")
    await until(lambda: post.under_way == 4)
    await asyncio.sleep(0.02)
    assert post.under_way == 4
    gate.set()
    await drained(client)
    assert (post.most_under_way, len(post.said)) == (4, 20)


async def test_a_lost_connection_neither_loses_nor_doubles(client: Client, peer: Peer, post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    drafts = [client.message.post(BOB, text) for text in ("a", "b")]
    await until(lambda: post.tries)
    await peer.drop()
    del post.held[BOB]
    assert [(await draft).seq for draft in drafts] == [1, 2]
    assert post.said == {BOB: ["a", "b"]}
    assert [data["message"] for data in post.tries] == ["a", "a", "b"]
    assert random_ids(post)[0] == random_ids(post)[1]


async def test_what_is_posted_during_an_outage_longer_than_any_call_arrives_after_it(peer: Peer, post: Post) -> None:
    gate = asyncio.Event()
    async with Client(peer.url, token="t", cursor=0, timeout=0.05, wait=lambda _: gate.wait()) as client:
        await peer.drop()
        await until(lambda: not client.connected)
        drafts = [client.message.post(BOB, text) for text in ("a", "b")]
        await asyncio.sleep(0.15)
        assert post.said == {} and not drafts[0].done
        gate.set()
        await drained(client)
    assert post.said == {BOB: ["a", "b"]}


async def test_waiting_for_a_draft_can_be_given_up(client: Client, post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    draft = client.message.post(BOB, "a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(draft, 0.01)
    post.held[BOB].set()
    assert (await draft).seq == 1


async def test_a_reply_goes_through_the_outbox(client: Client, peer: Peer, post: Post) -> None:
    post.first = [LIMITED]
    async with client.expecting(MessageNew) as got:
        await peer.push(1)
        event = await got
    assert (await event.reply("yes", random_id=7)).seq == 1
    assert random_ids(post) == [7, 7]


# Limits and faults


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([LIMITED] * 4, [4.0] * 4),
        ([UNAVAILABLE] * 3, [4.0, 6.0, 10.0]),
        ([INTERNAL] * 9, [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0]),
        ([refused("unavailable", 503)] * 30, [2.0, 4.0, 8.0, 16.0, 32.0] + 25 * [60.0]),
    ],
    ids=["rate_limited", "unavailable", "internal", "long"],
)
async def test_a_draft_is_tried_again_not_before_the_server_says(
    peer: Peer, post: Post, answers: list[Any], expected: list[float]
) -> None:
    delays: list[float] = []

    async def wait(seconds: float) -> None:
        delays.append(seconds)

    post.first = list(answers)
    async with Client(peer.url, token="t", cursor=0, wait=wait, random=lambda: 1.0) as client:
        drafts = [client.message.post(BOB, text) for text in ("a", "b")]
        assert [(await draft).seq for draft in drafts] == [1, 2]
    assert delays == expected
    assert len({*random_ids(post)}) == 2


async def test_a_short_limit_slows_all_down_and_a_long_one_only_its_conversation(peer: Peer, post: Post) -> None:
    gate, delays = asyncio.Event(), []

    async def wait(seconds: float) -> None:
        delays.append(seconds)
        await gate.wait()

    post.first = [LONG_LIMITED]
    async with Client(peer.url, token="t", cursor=0, wait=wait, random=lambda: 0.0) as client:
        slow = client.message.post(BOB, "a")
        assert (await client.message.post(CAROL, "b")).seq == 1
        assert not slow.done
        post.first = [LIMITED] * 4
        others = [client.message.post(to, "c") for to in range(10, 20)]
        await until(lambda: len(delays) == 5)
        assert (len(post.tries), delays) == (6, [3600.0, 3.0, 3.0, 3.0, 3.0])
        gate.set()
        await asyncio.gather(slow, *others)


async def test_an_answer_ends_the_wait_for_one(peer: Peer, post: Post) -> None:
    """Ten unanswered messages are the limit: the eleventh may go when the other person has written."""
    post.first = [LONG_LIMITED] * 2

    async def for_ever(seconds: float) -> None:
        await asyncio.Event().wait()

    async with Client(peer.url, token="t", cursor=0, wait=for_ever) as client:
        drafts = [client.message.post(BOB, text) for text in ("eleven", "twelve")]
        await until(lambda: post.tries)
        own = message(1)["message"] | {"from_user_id": 1}
        await peer.emit("message/new", message(1) | {"message": own})
        await until(lambda: client.cursor == 1)
        await asyncio.sleep(0.01)
        assert len(post.tries) == 1, "one's own message, from elsewhere, is no answer"
        await peer.push(2)
        await until(lambda: len(post.tries) == 2)
        await asyncio.sleep(0.01)
        assert len(post.tries) == 2, "one answer ends one wait"
        await peer.push(3)
        assert [(await draft).seq for draft in drafts] == [1, 2]


@pytest.mark.parametrize(("answer", "error"), [
    (refused("not_connected"), NotConnected),
    (refused("invalid_payload", fields={}), InvalidPayload),
    (refused("blacklisted", 900), None),
    (refused("not_found"), None),
    (refused("from_the_future", 400), None),
])  # fmt: skip
async def test_what_is_refused_is_told_and_holds_nobody_up(
    client: Client, post: Post, answer: Any, error: type[Exception] | None
) -> None:
    told = client.events(DraftRefused)
    post.first = [answer]
    drafts = [client.message.post(BOB, text) for text in ("bad", "good")]
    with pytest.raises(error or Exception, match=answer["error"]["name"]) as raised:
        await drafts[0]
    assert (await drafts[1]).seq == 1
    event = await anext(told)
    assert (event.user_id, event.text, event.random_id) == (BOB, "bad", drafts[0].random_id)
    assert event.error is raised.value
    assert len(post.tries) == 2


async def test_a_draft_at_which_the_server_fails_again_and_again_is_given_up(client: Client, post: Post) -> None:
    post.first = [LIMITED] * 20 + [INTERNAL] * 10
    drafts = [client.message.post(BOB, text) for text in ("poison", "good")]
    with pytest.raises(Internal):
        await drafts[0]
    assert (await drafts[1]).seq == 1
    assert post.said == {BOB: ["good"]}


async def test_a_number_that_was_used_before_is_drawn_again_unless_it_is_the_authors(
    client: Client, post: Post
) -> None:
    post.first = [refused("already_exists")]
    assert (await client.message.post(BOB, "drawn")).seq == 1
    assert len({*random_ids(post)}) == 2
    same = [client.message.post(BOB, "mine", random_id=7) for _ in range(2)]
    assert [(await draft).seq for draft in same] == [2, 2]
    with pytest.raises(AlreadyExists):
        await client.message.post(BOB, "another", random_id=7)


# The end of a client


async def test_without_a_user_nothing_can_be_posted(peer: Peer, post: Post) -> None:
    client = Client(peer.url)
    with pytest.raises(Unauthorized):
        client.message.post(BOB, "a")
    async with client:
        with pytest.raises(Unauthorized):
            client.message.post(BOB, "a")
        await client.session.login("alice", "secret")
        assert (await client.message.post(BOB, "a")).seq == 1
    with pytest.raises(ConnectionLost):
        client.message.post(BOB, "b")


async def test_a_closed_client_tells_whoever_waits(client: Client, post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    drafts = [client.message.post(BOB, text) for text in ("a", "b")]
    waiting = asyncio.create_task(client.outbox.drained())
    await until(lambda: post.tries)
    await client.close()
    for awaited in (*drafts, waiting):
        with pytest.raises(ConnectionLost, match="closed"):
            await awaited
    assert len(client.outbox) == 0


async def test_an_ended_session_tells_whoever_waits_and_the_next_one_goes_on(
    start: Callable[..., Client], peer: Peer, post: Post
) -> None:
    post.held[BOB] = asyncio.Event()
    async with start() as client:
        drafts = [client.message.post(BOB, text) for text in ("a", "b")]
        await until(lambda: post.tries)
        await peer.emit("goodbye", {"reason": "session_ended", "retry_after": None})
        for draft in drafts:
            with pytest.raises(SessionEnded):
                await draft
        with pytest.raises(SessionEnded):
            client.message.post(BOB, "c")
        post.held.clear()
        await client.connect()
        await drained(client)
    assert post.said == {BOB: ["a", "b"]}


async def test_a_connection_that_is_refused_for_good_ends_it_all(client: Client, peer: Peer, post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    draft = client.message.post(BOB, "a")
    await until(lambda: post.tries)
    peer.refusals = [refused("unauthorized", 401)]
    await peer.drop()
    with pytest.raises(SessionEnded):
        await draft


# The file


async def test_what_is_left_is_sent_by_the_next_start(start: Callable[..., Client], post: Post) -> None:
    post.held[BOB] = asyncio.Event()
    async with start() as client:
        for number in range(5):
            client.message.post(BOB, f"b{number}")
            client.message.post(CAROL, f"c{number}", random_id=number)
        await until(lambda: post.said.get(CAROL) == [f"c{number}" for number in range(5)])
    post.held.clear()
    async with start() as client:
        assert [draft.text for draft in client.outbox] == [f"b{number}" for number in range(5)]
        client.message.post(BOB, "b5")
        await drained(client)
    async with start() as client:
        assert len(client.outbox) == 0
    assert post.said == {BOB: [f"b{number}" for number in range(6)], CAROL: [f"c{number}" for number in range(5)]}
    first = [data["random_id"] for data in post.tries if data["message"] == "b0"]
    assert len(first) == 2 and len({*first}) == 1


async def test_whose_number_it_is_is_known_after_a_restart(start: Callable[..., Client], post: Post) -> None:
    async with start() as client:
        post.first = [SILENCE, SILENCE]
        client.message.post(BOB, "given", random_id=7)
        client.message.post(CAROL, "drawn")
        await until(lambda: len(post.tries) == 2)
    post.first = [refused("already_exists")] * 2
    client = start()
    told = client.events(DraftRefused)
    async with client:
        await drained(client)
        assert (await anext(told)).text == "given"
    assert post.said == {CAROL: ["drawn"]}


async def test_a_new_number_is_written_down_before_it_is_tried(start: Callable[..., Client], post: Post) -> None:
    async with start() as client:
        post.first = [refused("already_exists"), SILENCE]
        client.message.post(BOB, "a")
        await until(lambda: len(post.tries) == 2)
    async with start() as client:
        await drained(client)
    first, second, third = random_ids(post)
    assert first != second == third


async def test_another_users_file_is_refused_in_words(start: Callable[..., Client], peer: Peer, file: Path) -> None:
    async with start() as client:
        client.message.post(BOB, "a")
    peer.answers["user/me"] = {"code": 200, "data": ME | {"user_id": 9, "cursor": 0}}
    with pytest.raises(OutboxError, match="is the outbox of user 1; this is user 9"):
        await start().connect()
    peer.answers["user/login"] = {"code": 200, "data": {"token": "t", "user_id": 9, "expires_at": AT, "cursor": 0}}
    with pytest.raises(OutboxError, match="user 9"):
        await Client(peer.url, login="carol", password="secret", outbox=file).connect()


async def test_two_clients_do_not_use_one_file(start: Callable[..., Client]) -> None:
    async with start():
        with pytest.raises(OutboxError, match="in use by another client"):
            await start().connect()
    async with start():
        pass


def test_a_file_that_is_none_is_refused_and_left_alone(file: Path) -> None:
    for content in (b"The quick brown fox\n" * 100, another_database(file)):
        file.write_bytes(content)
        with pytest.raises(OutboxError, match=r"bot\.outbox"):
            OutboxFile(file, 1)
        assert file.read_bytes() == content
    file.unlink()
    file.mkdir()
    with pytest.raises(OutboxError, match=r"bot\.outbox"):
        OutboxFile(file, 1)


def another_database(file: Path) -> bytes:
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE song (name TEXT)")
    database.close()
    content = file.read_bytes()
    file.unlink()
    return content


async def test_what_can_not_be_written_down_is_not_taken(start: Callable[..., Client], post: Post) -> None:
    async with start() as client:
        assert client.outbox._file is not None
        client.outbox._file._db.execute("PRAGMA query_only = ON")
        with pytest.raises(OutboxError, match="cannot"):
            client.message.post(BOB, "a")
        assert (len(client.outbox), post.tries) == (0, [])


async def test_what_can_not_be_struck_out_has_arrived_all_the_same(start: Callable[..., Client], post: Post) -> None:
    async with start() as client:
        draft = client.message.post(BOB, "a")
        assert client.outbox._file is not None
        client.outbox._file._db.execute("PRAGMA query_only = ON")
        assert (await draft).seq == 1
    async with start() as client:
        await drained(client)
    assert (len(post.tries), post.said) == (2, {BOB: ["a"]})


async def test_nobody_else_reads_the_file_and_what_was_sent_is_gone_from_it(
    start: Callable[..., Client], file: Path
) -> None:
    async with start() as client:
        draft = client.message.post(BOB, "my dearest secret")
        assert b"my dearest secret" in contents(file)
        assert {stat.S_IMODE(part.stat().st_mode) for part in file.parent.glob("bot.outbox*")} == {0o600}
        await draft
    assert [part.name for part in file.parent.glob("bot.outbox*")] == ["bot.outbox"]
    assert b"dearest" not in contents(file)


def contents(file: Path) -> bytes:
    return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))


# Crashes


async def test_after_a_crash_in_the_middle_of_a_write_what_was_taken_before_is_there(tmp_path: Path) -> None:
    """The file as it stands at a crash: whole up to some byte of what was being written last."""
    chance = Random(4)
    for crash in range(12):
        file = tmp_path / f"{crash}.outbox"
        outbox = OutboxFile(file, 1)
        kept = [f"{number}" * chance.randint(1, 900) for number in range(chance.randint(1, 8))]
        for text in kept:
            outbox.keep(Draft(BOB, text, 1, drawn=True))
        log = file.with_name(f"{file.name}-wal")
        before = log.stat().st_size
        outbox.keep(Draft(BOB, "last" * 2000, 1, drawn=True))
        torn = tmp_path / "torn.outbox"
        shutil.copy(file, torn)
        at = chance.randrange(before, log.stat().st_size)
        torn.with_name("torn.outbox-wal").write_bytes(log.read_bytes()[:at])
        outbox.close()
        found = OutboxFile(torn, 1)
        assert [draft.text for draft in found.read()] == kept
        found.close()


def copied(file: Path, copy: Path) -> Path:
    """Return the file as a crash leaves it at this moment, with what lies beside it."""
    for part in file.parent.glob(f"{file.name}*"):
        shutil.copy(part, copy.with_name(part.name.replace(file.name, copy.name)))
    return copy


async def test_through_losses_limits_faults_and_crashes_all_is_said_once_and_in_order(
    peer: Peer, post: Post, file: Path, tmp_path: Path
) -> None:
    """A program posts and crashes, again and again; the last one only says what the others left."""
    chance = Random(2)
    posted: dict[int, list[str]] = {BOB: [], CAROL: [], 4: []}
    for crash in range(12):
        client = Client(peer.url, token="t", cursor=0, timeout=0.5, wait=at_once, random=chance.random, outbox=file)
        await client.connect()
        for _ in range(chance.randint(2, 15)):
            to = chance.choice([*posted])
            posted[to].append(f"{len(posted[to])}")
            client.message.post(to, posted[to][-1])
            post.first += chance.choices([LIMITED, UNAVAILABLE, INTERNAL], k=chance.randint(0, 1))
            if chance.random() < 0.2:
                await peer.drop()
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.003]))
        file = copied(file, tmp_path / f"crash-{crash}")
        await client.close()
    async with Client(peer.url, token="t", cursor=0, wait=at_once, outbox=file) as client:
        await drained(client)
    assert post.said == posted
    assert len(post.tries) > sum(map(len, posted.values())), "nothing was ever repeated"


async def test_a_bot_that_is_killed_behind_a_line_that_breaks_loses_and_doubles_nothing(
    server: Any, connected: tuple[Person, Person], file: Path
) -> None:
    alice, bob = connected
    chance = Random(5)
    sure: list[int] = []
    perhaps: set[int] = set()
    assert alice.token
    async with ChaosProxy(server.port, seed=5) as proxy:
        proxy.cut_randomly(1000, 3500)
        for _ in range(3):
            first = max([-1, *sure, *perhaps]) + 1
            bot = await BotProcess.start(proxy.url, alice.token, file, bob.id, first)
            await bot.posts(chance.randint(40, 80))
            await asyncio.sleep(chance.random() / 100)
            await bot.kill()
            sure += bot.posted
            perhaps.add(max([first - 1, *bot.posted]) + 1)  # taken, perhaps, and killed before it could say so
    async with Client(alice.url, token=alice.token, outbox=file) as client:
        await drained(client)
        said = [int(message.message) async for message in client.message.all(bob.id)]
    assert proxy.accepted > 6, "the line hardly broke"
    assert said == sorted({*said}), "each once, in order"
    assert [number for number in said if number not in perhaps] == sure
    assert {*said} <= {*sure} | perhaps
