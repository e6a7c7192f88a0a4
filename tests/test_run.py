"""The whole program, as an operator meets it: real processes in folders of their own."""

import asyncio
import itertools
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from client_sdk import Client, ConnectionChanged, MessageNew
from server.embedded import PrivateServerError, PrivateServers
from server.embedded.mariadb import MariaDB
from server.embedded.redis import Redis
from tests.ground.mails import Mails
from tests.ground.photos import image
from tests.ground.portraits import draw_pool
from tests.ground.program import PATIENCE, Start, alive, copied, eventually, free_port
from tests.ground.server import KEY, Person


@pytest.fixture
def start(start_program: Start) -> Start:
    return start_program


@pytest.fixture
def data(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of its own, whose path is short enough for the sockets to be in it."""
    return copied(prepared, tmp_path_factory.mktemp("data") / prepared.name)


# --- starting and stopping ---


def test_it_says_that_it_is_ready_and_ctrl_c_ends_it_and_its_children(start: Start, data: Path):
    program = start("run", data).ready()
    children = program.children()
    assert set(children) == {"mariadbd", "redis-server"}
    assert program.sql("SELECT @@innodb_log_file_size / @@innodb_buffer_pool_size") == ((2,),)
    begun = time.monotonic()
    assert program.end() == 0
    assert time.monotonic() - begun < 5
    assert alive(*children.values()) == set()
    assert "Traceback" not in program.said
    assert program.said.startswith("matcha42 is ready at")  # nothing to make, nothing to migrate


def test_sigterm_ends_it_as_well_also_while_it_starts(start: Start, data: Path):
    program = start("run", data)
    eventually(lambda: "mariadbd" in program.children())
    children = program.children()
    assert program.end(signal.SIGTERM) == 0
    assert alive(*children.values()) == set()
    assert "Traceback" not in program.said
    assert start("run", data).ready().end(signal.SIGTERM) == 0


def test_a_second_start_on_one_folder_is_refused_in_words(start: Start, data: Path):
    first = start("run", data).ready()
    for command in ("run", "migrate"):
        second = start(command, data)
        assert second.process.wait(PATIENCE) == 1
        assert f"The data folder {data} is in use by the server with process id {first.process.pid}." in second.said
        assert "MATCHA_SERVER_DATA" in second.said
        assert "Traceback" not in second.said
    assert first.status("/readyz") == 200


def test_two_folders_run_side_by_side(start: Start, prepared: Path, data: Path, tmp_path: Path):
    first = start("run", data)
    second = start("run", copied(prepared, tmp_path / "another")).ready()
    first.ready().sql("CREATE TABLE mine (id INT PRIMARY KEY)")
    assert second.sql("SHOW TABLES LIKE 'mine'") == ()
    assert not set(first.children().values()) & set(second.children().values())


def test_a_taken_port_is_told_before_anything_is_started(start: Start, tmp_path: Path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        program = start("run", tmp_path / "new", MATCHA_SERVER_PORT=str(port))
        assert program.process.wait(PATIENCE) == 1
    assert f"Port {port} on localhost is taken by another program." in program.said
    assert "MATCHA_SERVER_PORT" in program.said
    assert "Traceback" not in program.said
    assert not (tmp_path / "new" / "mariadb").exists()


def test_wrong_options_end_it_with_status_2_and_all_of_them_told(start: Start, tmp_path: Path):
    (tmp_path / "config.yaml").write_text("server: {prot: 1}\n")
    program = start("run", tmp_path / "new", MATCHA_DEMO_USERS="many")
    assert program.process.wait(PATIENCE) == 2
    assert "config.yaml: section 'server': there is no key 'prot'; did you mean 'port'?" in program.said
    assert "MATCHA_DEMO_USERS (section 'demo', key 'users'): expected a whole number." in program.said
    assert "Traceback" not in program.said


# --- invented people ---


def test_the_first_start_invents_people_and_says_how_to_be_one_and_the_next_does_not(
    start: Start, data: Path, tmp_path: Path
):
    demo = {"MATCHA_DEMO_USERS": "40", "MATCHA_DEMO_PORTRAITS": str(draw_pool(tmp_path / "pool"))}
    program = start("run", data, **demo, MATCHA_DEMO_BOTS="2").ready()
    eventually(lambda: "demo login: demo / " in program.said)
    assert program.said.startswith("Making 40 invented people (once).\nmatcha42 is ready at")
    eventually(lambda: len(program.children()) == 3)
    children = program.children()
    assert any(name.startswith("python") for name in children), "the bots"
    assert program.end() == 0
    assert alive(*children.values()) == set()
    assert (data / "log" / "bots.log").read_text() == ""

    again = start("run", data, **demo, MATCHA_DEMO_BOTS="0").ready()
    eventually(lambda: "demo login: demo / " in again.said)
    assert "Making" not in again.said
    [login] = [line for line in program.said.splitlines() if line.startswith("demo login")]
    assert login in again.said.splitlines()
    assert set(again.children()) == {"mariadbd", "redis-server"}
    assert again.sql("SELECT COUNT(*) FROM account") == ((40,),)
    assert again.end() == 0


def test_a_command_invents_as_many_people_as_one_likes_and_goes_on_where_it_was_stopped(
    start: Start, data: Path, tmp_path: Path
):
    pool = {"MATCHA_DEMO_PORTRAITS": str(draw_pool(tmp_path / "pool"))}
    stopped = start("demo --users 30000", data, **pool)
    eventually(lambda: (data / "keys" / "demo").exists())
    eventually(lambda: stopped.sql("SELECT COUNT(*) > 0 FROM account") == ((1,),))
    assert stopped.end() == 0
    assert "Stopped. The same command goes on from here." in stopped.said
    assert "Traceback" not in stopped.said
    finished = start("demo --users 3000", data, **pool)
    assert finished.process.wait(PATIENCE) == 0
    assert "demo login: demo / " in finished.said


def test_without_portraits_the_first_start_says_what_to_do(start: Start, data: Path, tmp_path: Path):
    program = start("run", data, MATCHA_DEMO_USERS="40", MATCHA_DEMO_PORTRAITS=str(tmp_path / "none"))
    assert program.process.wait(PATIENCE) == 1
    assert "scripts/install.sh run" in program.said and "MATCHA_DEMO_USERS=0" in program.said
    assert "Traceback" not in program.said


# --- the staff ---


def test_the_staff_is_served_while_the_server_runs_and_while_it_does_not(start: Start, data: Path):
    running = start("run", data).ready()
    running.sql("INSERT INTO account VALUES (7, 'alice', NULL, NULL, '', 1, 'en', NOW())")
    running.sql("INSERT INTO profile (user_id, first_name, last_name, held) VALUES (7, 'Alice', 'Example', 1)")
    running.sql("INSERT INTO moderation_case VALUES (7, 1, '', '2026-01-15 12:00')")

    def say(command: str) -> str:
        program = start(command, data)
        assert program.process.wait(PATIENCE) == 0, program.said
        return program.said

    assert say("held") == "alice\treports\t2026-01-15 12:00 UTC\n"
    assert running.end() == 0
    assert say("held") == "alice\treports\t2026-01-15 12:00 UTC\n"
    assert say("release alice") == "Search finds alice again.\n"
    assert say("held") == ""


# --- what is killed comes back ---


def test_killed_children_end_within_two_seconds_and_nothing_acknowledged_is_lost(start: Start, data: Path):
    program = start("run", data).ready()
    children = program.children()
    program.sql("CREATE TABLE proof (id INT PRIMARY KEY)")
    for number in range(20):
        program.sql(f"INSERT INTO proof VALUES ({number})")
    program.end(signal.SIGKILL)
    eventually(lambda: not alive(*children.values()), within=2)
    again = start("run", data).ready()
    assert again.sql("SELECT COUNT(*) FROM proof") == ((20,),)
    assert again.end() == 0


def test_a_start_right_after_a_kill_waits_for_the_dying_and_serves(start: Start, data: Path):
    start("run", data).ready().end(signal.SIGKILL)
    start("run", data).ready()


@pytest.mark.parametrize("name", ["mariadbd", "redis-server"])
def test_a_killed_private_server_is_started_again(start: Start, data: Path, name: str):
    program = start("run", data).ready()
    first = program.children()
    os.kill(first[name], signal.SIGKILL)
    eventually(lambda: program.children().get(name, first[name]) != first[name])
    eventually(lambda: program.status("/readyz") == 200)
    assert program.process.poll() is None
    assert len(program.children()) == 2
    assert program.end() == 0


def test_a_kill_while_the_database_is_made_leaves_nothing_half_made(start: Start, tmp_path: Path):
    new = tmp_path / "new"
    program = start("migrate", new)
    eventually(lambda: any(new.glob("mariadb.new-*/ib*")))
    program.end(signal.SIGKILL)
    assert not (new / "mariadb").exists()
    assert start("migrate", new).process.wait(PATIENCE) == 0
    assert (new / "mariadb").is_dir()
    assert list(new.glob("mariadb.new-*")) == []


# --- servers of one's own ---


@pytest.fixture
def external(prepared: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A MariaDB and a Redis that are not the program's, as the variables that name them."""
    servers = PrivateServers()
    try:
        urls = servers.start(copied(prepared, tmp_path / "external"), database=True, redis=True, durable=False)
        yield {"MATCHA_DATABASE_URL": str(urls.migrate_url), "MATCHA_REDIS_URL": str(urls.redis_url)}
    finally:
        servers.stop()


def test_servers_that_are_named_are_used_and_no_private_one_is_started(
    start: Start, tmp_path: Path, external: dict[str, str]
):
    program = start("run", tmp_path / "new", **external).ready()
    assert program.children() == {}
    assert not (tmp_path / "new" / "mariadb").exists()
    assert program.end() == 0


async def test_two_processes_on_one_database_and_redis_deliver_to_each_other(
    start: Start, tmp_path: Path, external: dict[str, str]
):
    shared = external | {"MATCHA_SESSION_KEYS": json.dumps([KEY]), "MATCHA_DELIVERY_TAIL_INTERVAL": "600"}
    one, other = (start("run", tmp_path / name, **shared).ready() for name in ("one", "other"))
    async with Person(one.url, "alice") as alice, Person(other.url, "bob") as bob:
        await alice.join(Mails(one.data / "mail"), image=[image()])
        await bob.join(Mails(other.data / "mail"), image=[image()])
        async with alice.expecting(ConnectionChanged) as hers:
            await alice.relation.like(bob.id)
            await bob.relation.like(alice.id)
            assert (await hers).state == "connected"
        for number in range(20):
            async with alice.expecting(MessageNew) as hers, bob.expecting(MessageNew) as his:
                await (alice if number % 2 else bob).message.send((bob if number % 2 else alice).id, f"{number}")
                assert (await hers).message.message == (await his).message.message == f"{number}"
        elsewhere = Client(other.url, token=alice.token, cursor=0)
        async with elsewhere.expecting(MessageNew) as got, elsewhere:
            assert (await got).message.message == "0", "a token and a cursor are good at any process"


def test_one_of_them_may_be_named_alone(start: Start, tmp_path: Path, external: dict[str, str]):
    program = start("run", tmp_path / "new", MATCHA_DATABASE_URL=external["MATCHA_DATABASE_URL"]).ready()
    assert set(program.children()) == {"redis-server"}


def test_a_named_database_that_is_not_there_is_told(start: Start, tmp_path: Path):
    nobody = f"mysql://root:hunter2@127.0.0.1:{free_port()}/matcha"
    program = start("run", tmp_path / "new", MATCHA_DATABASE_URL=nobody)
    assert program.process.wait(PATIENCE) == 1
    assert "The database cannot be reached" in program.said
    assert "hunter2" not in program.said
    assert "Traceback" not in program.said


# --- the private servers by themselves ---


@pytest.fixture
def redis_alone(tmp_path: Path) -> Iterator[Callable[[Path], tuple[PrivateServers, list[str]]]]:
    started: list[PrivateServers] = []

    def start_(folder: Path) -> tuple[PrivateServers, list[str]]:
        said: list[str] = []
        started.append(servers := PrivateServers(said.append))
        servers.start(folder, database=False, redis=True)
        return servers, said

    yield start_
    for servers in started:
        servers.stop()


def test_a_path_too_long_for_sockets_gets_a_short_one(tmp_path: Path, redis_alone: Any):
    deep = tmp_path / ("very-deep-" * 12)
    servers, said = redis_alone(deep)
    (line,) = said
    short = Path(line.rsplit(" ", 1)[1].rstrip("."))
    assert line == f"The path of {deep} is too long for sockets: they are in {short}."
    assert short.stat().st_mode & 0o777 == 0o700
    assert (short / "redis.sock").is_socket()
    servers.stop()
    short.chmod(0o777)  # what somebody else could have prepared
    with pytest.raises(PrivateServerError, match="was made by another user"):
        redis_alone(deep)
    shutil.rmtree(short)


def test_a_data_folder_that_can_not_be_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PrivateServerError, match=r"file/data can't be used: Not a directory.*MATCHA_SERVER_DATA"):
        PrivateServers().claim(tmp_path / "file" / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could")
def test_root_does_not_take_the_folder_of_another_account(start: Start, data: Path):
    os.chown(data, 12345, -1)
    program = start("migrate", data)
    assert program.process.wait(PATIENCE) == 1
    assert f"The data folder {data} belongs to the account 12345" in program.said


def test_nobody_else_reaches_the_sockets_and_data(tmp_path: Path, redis_alone: Any):
    (tmp_path / "open" / "run").mkdir(parents=True)  # as an operator may have made it
    redis_alone(tmp_path / "open")
    assert (tmp_path / "open" / "run").stat().st_mode & 0o077 == 0
    redis_alone(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0


def test_the_folder_is_held_as_long_as_any_child_lives(tmp_path: Path, redis_alone: Any):
    servers, _ = redis_alone(tmp_path / "new")
    servers.claim(tmp_path / "new").release()
    with pytest.raises(PrivateServerError, match=f"in use by the server with process id {os.getpid()}"):
        PrivateServers().claim(tmp_path / "new")
    servers.children[0].kill()
    PrivateServers().claim(tmp_path / "new").release()


async def test_what_dies_again_and_again_is_started_after_longer_and_longer_pauses(
    tmp_path: Path, redis_alone: Any, monkeypatch: pytest.MonkeyPatch
):
    servers, _ = redis_alone(tmp_path / "new")
    (redis,) = servers.children
    starts: list[float] = []
    monkeypatch.setattr(redis, "_command", ["/bin/false"])
    began = type(redis).start
    monkeypatch.setattr(type(redis), "start", lambda child: (starts.append(time.monotonic()), began(child)))
    redis.kill()
    watch = asyncio.create_task(servers.watch())
    await asyncio.sleep(1.8)
    watch.cancel()
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert 2 <= len(pauses) <= 4
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(("buffer_pool", "log"), [(32, 64), (256, 512), (2048, 1024)])
def test_the_log_grows_with_the_memory_up_to_a_bound(tmp_path: Path, buffer_pool: int, log: int):
    folder = PrivateServers().claim(tmp_path / "new")
    command = MariaDB(folder, durable=True, buffer_pool=buffer_pool).child()._command
    folder.release()
    assert [option for option in command if "-log-file-size=" in option] == [f"--innodb-log-file-size={log}M"]


def test_a_program_that_is_missing_is_told_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("server.embedded.child._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PrivateServerError, match="apt-get install mariadb-server-core"):
        PrivateServers().start(tmp_path / "new", database=True, redis=False)
    with pytest.raises(PrivateServerError, match="apt-get install redis-server"):
        PrivateServers().start(tmp_path / "new", database=False, redis=True)


def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Redis, "url", "unused")
    monkeypatch.setattr("server.embedded.redis.find_program", lambda *names: "/bin/false")
    with pytest.raises(PrivateServerError, match=r"The private Redis does not start: see .*redis\.log"):
        PrivateServers().start(tmp_path / "new", database=False, redis=True)
    PrivateServers().claim(tmp_path / "new")  # the folder was let go
