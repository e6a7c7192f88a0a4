"""The quick start, as it stands on its page: every command is typed, in its order, into a real shell."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path
from typing import Any

import pytest_asyncio

from client_sdk import Client, MessageNew
from tests.ground.pages import DOCS, ROOT, blocks
from tests.ground.photos import image
from tests.ground.waiting import until

PAGE = DOCS / "quickstart.md"
PATIENCE = 20  # seconds for anything to come


class Shell:
    """A folder that looks to its commands like a clone in which `make run` serves."""

    def __init__(self, folder: Path, server: Any) -> None:
        self._folder, self._server = folder, server
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environ = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "MATCHA_PASSWORD": "seven green teapots"}
        self._running: list[Process] = []
        (folder / ".venv/bin").mkdir(parents=True)
        (folder / ".venv/bin/activate").touch()
        (folder / ".venv/portraits/style").mkdir(parents=True)
        (folder / ".venv/portraits/style/1.large.jpg").write_bytes(image(size=(400, 400)))
        (folder / "var").symlink_to(server.config.server.data)

    def here(self, text: str) -> str:
        """Return commands as they reach the server under test, which has another port."""
        for command in ("register", "verify", "chat"):
            text = text.replace(f"client_sdk {command}", f"client_sdk {command} --url {self._server.url}")
        return text.replace("http://localhost:8080", self._server.url)

    async def start(self, text: str) -> Process:
        """Begin what is typed."""
        shell = await asyncio.create_subprocess_exec(
            *("bash", "-ec", self.here(text)),
            cwd=self._folder,
            env=self._environ,
            stdin=PIPE,
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        self._running.append(shell)
        return shell

    async def run(self, text: str) -> str:
        """Return what is said by commands that end well."""
        shell = await self.start(text)
        async with asyncio.timeout(PATIENCE):
            said, _ = await shell.communicate()
        assert shell.returncode == 0, f"{text}\n{said.decode()}"
        return said.decode()

    def write(self, name: str, text: str) -> None:
        """Save a file."""
        (self._folder / name).write_text(self.here(text))

    async def close(self) -> None:
        """End what still runs."""
        for shell in self._running:
            if shell.returncode is None:
                os.killpg(shell.pid, 15)
            await shell.wait()


@pytest_asyncio.fixture
async def shell(tmp_path, server):
    shell = Shell(tmp_path, server)
    yield shell
    await shell.close()


async def hear(shell: Process, words: str) -> str:
    """Return the first line that has these words."""
    assert shell.stdout
    async with asyncio.timeout(PATIENCE):
        while line := (await shell.stdout.readline()).decode():
            if words in line:
                return line
    raise AssertionError(f"it ended without {words!r}")


async def say(shell: Process, line: str) -> None:
    assert shell.stdin
    shell.stdin.write(f"{line}\n".encode())
    await shell.stdin.drain()


async def test_the_quick_start_leads_to_two_people_who_chat_and_a_bot(server, shell):
    begin, activate, register, verify, alice, bob, curl, bot = [block.text for block in blocks(PAGE, "sh")]
    assert begin == "make run\n"  # this is what tests/test_run.py is about
    await shell.run(activate)
    assert "Registered as bob" in await shell.run(register)
    for login in ("alice", "bob"):
        await server.mails.wait_for(f"{login}@example.org")
    assert "The mail address of bob is confirmed" in await shell.run(verify)

    hers = await shell.start(alice)
    await hear(hers, "Waiting until bob asks you too")
    his = await shell.start(bob)
    for one in (hers, his):
        await hear(one, "Type a line to send it")
    await say(hers, "Tea?")
    await hear(his, "alice: Tea?")
    for one in (hers, his):
        await say(one, "/quit")
        assert await one.wait() == 0

    said = await shell.run(curl + 'echo; echo "$TOKEN"')
    assert said.count('{"code":200,') == 3, said
    await assert_the_bot_answers(server, shell, bot, token=said.splitlines()[-1])


def signed_in(server: Any) -> set[int]:
    """Return who has a socket."""
    return {one.session.user_id for one in server.gateway.connections.values() if one.session}


async def assert_the_bot_answers(server: Any, shell: Shell, command: str, *, token: str) -> None:
    [program] = blocks(PAGE, "python")
    shell.write("bot.py", program.text)
    async with Client(server.url) as alice:
        await alice.session.login("alice", "seven green teapots")
        [connection] = await alice.relation.connections()
        assert connection.last_message and connection.last_message.message == "Tea at five?"
        bob_id = connection.user.user_id
        await shell.start(f"TOKEN={token}\n{command}")
        await until(lambda: bob_id in signed_in(server))
        async with alice.expecting(MessageNew, lambda event: event.message.from_user_id == bob_id) as got:
            await alice.message.send(bob_id, "hello")
            assert (await got).message.message == "Hi! How was your day?"
