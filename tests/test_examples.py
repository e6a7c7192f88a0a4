"""The examples of the SDK and its guide: all of them run, against a real server; and the wheel that brings them."""

import ast
import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest

from client_sdk import ConnectionChanged, MessageNew, Presence
from client_sdk.examples.reminder_bot import remind
from tests.conftest import People
from tests.ground.photos import image
from tests.ground.server import Person, RunningServer
from tests.ground.waiting import until

ROOT = Path(__file__).parents[1]


def text(event: MessageNew) -> str:
    return event.message.message


@asynccontextmanager
async def example(name: str, person: Person, friend: Person, **environ: str) -> AsyncIterator[Process]:
    """Run an example as somebody, of whom a connected friend sees when they are here."""
    async with program([sys.executable, "-m", f"client_sdk.examples.{name}"], person, friend, **environ) as process:
        yield process


@asynccontextmanager
async def program(
    command: list[str], person: Person, friend: Person, cwd: Path = ROOT, **environ: str
) -> AsyncIterator[Process]:
    given = {"MATCHA_URL": person.url, "MATCHA_TOKEN": person.token or "", "PYTHONPATH": str(ROOT)}
    await person.presence.offline()
    await friend.presence.watch([person.id])
    async with friend.expecting(Presence, lambda event: bool(event.online), timeout=20) as here:
        process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=given | environ, stdout=PIPE, stderr=PIPE)
        await here
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")


async def ask(person: Person, other: Person, words: str) -> str:
    """Write to somebody, and return what they answer."""
    async with person.expecting(MessageNew, lambda event: not event.mine) as got:
        await person.message.send(other.id, words)
        return text(await got)


async def befriend(one: Person, other: Person) -> None:
    await one.relation.like(other.id)
    await other.relation.like(one.id)


# The examples


async def test_the_echo_bot_says_back_what_it_is_told(connected: tuple[Person, Person]) -> None:
    alice, bob = connected
    async with example("echo_bot", bob, alice):
        assert await ask(alice, bob, "привет") == "привет"
        assert await ask(alice, bob, "and again") == "and again"


async def test_the_matchmaker_likes_back_and_introduces_those_who_ask_for_it(
    connected: tuple[Person, Person], people: People
) -> None:
    alice, bob = connected
    names = ("dave", ["chess", "tea"]), ("erin", ["tea", "opera"]), ("frank", ["chess"]), ("grace", ["tea"])
    dave, erin, frank, grace = [await people(name, tags=tags) for name, tags in names]
    told: dict[str, asyncio.Queue[str]] = {}

    async def says(person: Person) -> str:
        async with asyncio.timeout(5):
            return await told[person.login].get()

    async with example("matchmaker_bot", bob, alice):
        for person in (dave, erin, frank, grace):
            told[person.login] = heard = asyncio.Queue[str]()

            @person.on(MessageNew)
            async def hear(event: MessageNew, heard: asyncio.Queue[str] = heard) -> None:
                if not event.mine:
                    heard.put_nowait(text(event))

            await befriend_bot(person, bob)
        await dave.message.send(bob.id, "Introduce me")
        await grace.message.send(bob.id, "hello")
        await erin.message.send(bob.id, "introduce me ")
        assert (await says(dave), await says(erin)) == ("You and erin share: tea.", "You and dave share: tea.")
        await dave.message.send(bob.id, "stop")
        await erin.relation.block(bob.id)
        await frank.message.send(bob.id, "introduce me")
        await grace.message.send(bob.id, "introduce me")
        await dave.message.send(bob.id, "introduce me")
        assert {await says(dave), await says(dave)} == {"You and frank share: chess.", "You and grace share: tea."}
        assert (await says(frank), await says(grace)) == ("You and dave share: chess.", "You and dave share: tea.")
    assert all(heard.empty() for heard in told.values())


async def befriend_bot(person: Person, bot: Person) -> None:
    """Like a bot, and wait until it likes back."""
    async with person.expecting(ConnectionChanged) as got:
        await person.relation.like(bot.id)
        assert (await got).state == "connected"


async def test_the_reminder_bot_reminds_when_it_was_asked_to(
    server: RunningServer, connected: tuple[Person, Person]
) -> None:
    alice, bob = connected
    due: list[tuple[float, Callable[..., Any], str]] = []

    def now() -> datetime:
        return server.clock.now().astimezone()

    remind(bob, now, lambda seconds, call, words: due.append((seconds, call, words)))
    tomorrow = now() + timedelta(days=1)
    answer = await ask(alice, bob, f"Remind me tomorrow at {tomorrow:%H:%M} dinner\nwith Carol")
    assert answer == f"I will, on {tomorrow:%d.%m. at %H:%M}."
    [(seconds, call, words)] = due
    assert timedelta(days=1, minutes=-2) < timedelta(seconds=seconds) <= timedelta(days=1)
    async with alice.expecting(MessageNew, lambda event: not event.mine) as got:
        call(words)
        assert text(await got) == "You asked me to remind you: dinner\nwith Carol"
    for nonsense in ("remind me", "remind me today at 25:00 tea", "remind me tomorrow at 12:60 tea"):
        await alice.message.send(bob.id, nonsense)
    assert await ask(alice, bob, "remind me today at 23:59 tea") == f"I will, on {now():%d.%m.} at 23:59."
    assert len(due) == 2


async def test_the_load_client_says_how_many_messages_were_acknowledged(
    connected: tuple[Person, Person],
) -> None:
    alice, bob = connected
    few = {"MATCHA_CLIENTS": "3", "MATCHA_SENDS": "5", "MATCHA_TOKEN": f"{alice.token},{bob.token}"}
    async with example("load_client", bob, alice, **few) as process:
        assert process.stdout
        said = (await process.stdout.read()).decode()
        await process.wait()
    assert re.fullmatch(
        r"15 messages acknowledged in [\d.]+ s: \d+ a second\n"
        r"latency: half within [\d.]+ ms, 95 % within [\d.]+ ms, 99 % within [\d.]+ ms\n",
        said,
    )
    assert len((await alice.message.history(bob.id, limit=100)).messages) == 15


# The guide


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "sdk.md").read_text(), re.DOTALL | re.MULTILINE)


def as_served(block: str, person: Person) -> str:
    """Return a piece of the guide for a server under test."""
    return block.replace("http://localhost:8080", person.url).replace("seven green teapots", person.password)


PROGRAMS = [block for block in blocks() if block.endswith("bot.run()\n")]
PIECES = [block for block in blocks() if block not in PROGRAMS]


async def test_the_pieces_of_the_guide_run_from_top_to_bottom(
    connected: tuple[Person, Person], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, _ = connected
    (tmp_path / "me.jpg").write_bytes(image())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "guide"}
    try:
        for piece in PIECES:
            code = compile(as_served(piece, alice), "sdk.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if (running := eval(code, names)) is not None:
                await running
    finally:
        await names["alice"].close()
    assert (len(PIECES), len(PROGRAMS)) == (9, 2)
    said = [message.message async for message in alice.message.all(connected[1].id)]
    assert said[-2:] == ["hello", "Hi! How was your day?"]
    assert "This arrives, today or after the next start." in said


async def test_the_first_bot_of_the_guide_greets(connected: tuple[Person, Person], tmp_path: Path) -> None:
    alice, bob = connected
    async with program([sys.executable, "-c", as_served(PROGRAMS[0], bob)], bob, alice):
        assert await ask(alice, bob, "hello") == "Hi! How was your day?"


async def test_the_bot_that_goes_on_where_it_was_answers_each_message_once(
    connected: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = connected
    command = [sys.executable, "-c", as_served(PROGRAMS[1], bob)]

    async def answers() -> list[str]:
        return [message.message async for message in alice.message.all(bob.id) if message.from_user_id == bob.id]

    async def answered(count: int) -> bool:
        return len(await answers()) == count

    for start in (0, 3, 6):
        async with program(command, bob, alice, cwd=tmp_path):
            await alice.message.send(bob.id, f"{start}")
            await until(lambda start=start: answered(start + 1))
        for number in (start + 1, start + 2):
            await alice.message.send(bob.id, f"{number}")
    assert await answers() == [f"You said: {number}" for number in range(7)]


# The wheel


def run(*command: str, cwd: Path, **environ: str) -> str:
    done = subprocess.run(command, cwd=cwd, env={"PATH": os.environ["PATH"]} | environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build it as pip would, without a network, from a copy that has the rest of the project beside it."""
    source = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("client_sdk", "server", "handlers", "sql"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    out = tmp_path_factory.mktemp("wheel")
    options = "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "-w", str(out)
    run(sys.executable, "-m", "pip", "wheel", *options, str(source), cwd=source)
    [found] = out.iterdir()
    return found


def test_the_wheel_has_the_sdk_and_its_examples_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        [metadata] = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    ours = {f"{path.relative_to(ROOT)}" for path in (ROOT / "client_sdk").rglob("*.py")} | {"client_sdk/py.typed"}
    assert files == ours
    assert (told["Name"], told["License-Expression"], told["Requires-Python"]) == ("matcha42-sdk", "MIT", ">=3.11")
    needed = [re.split("[<>=!~;]", line)[0] for line in told.get_all("Requires-Dist") or []]
    assert sorted(needed) == ["aiohttp", "msgspec", "python-engineio", "python-socketio"]
    assert all(re.search(">=[0-9]", line) for line in told.get_all("Requires-Dist") or [])


def test_what_the_wheel_installs_runs_without_the_rest(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    options = "--no-deps", "--no-index", "--disable-pip-version-check", "--target", str(site)
    run(sys.executable, "-m", "pip", "install", *options, str(wheel), cwd=tmp_path)
    ask = "import client_sdk, client_sdk.examples.reminder_bot, client_sdk.__main__; print(client_sdk.__file__)"
    assert run(sys.executable, "-c", ask, cwd=tmp_path, PYTHONPATH=str(site)).startswith(str(site))
    assert "register" in run(sys.executable, "-m", "client_sdk", "--help", cwd=tmp_path, PYTHONPATH=str(site))
