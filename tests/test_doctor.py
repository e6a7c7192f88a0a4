"""The doctor: each finding has a real cause here, and where all is well nothing is found."""

import asyncio
import json
import os
import resource
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from redis.asyncio import Redis

from server.clock import Clock
from server.config import Config
from server.demo.identity import person_id
from server.doctor import (
    CHECKS,
    Bounds,
    Finding,
    Look,
    cache,
    database,
    examine,
    folder,
    in_words,
    machine,
    mail,
    service,
)
from server.doctor import address as address_
from server.doctor.findings import Level
from server.embedded import PrivateServers, Urls
from sql.database import connect_options
from sql.migration import newest
from tests.ground.program import PATIENCE, Start, copied, free_port
from tests.ground.server import config_for
from tests.ground.tls import Certificate, sign

PUBLIC = {"public_url": "https://dating.example.org"}


@pytest.fixture
def look(empty_world: Urls, tmp_path: Path) -> Callable[..., Look]:
    """`look(section={…})`: what the doctor looks at, with options; `pid` says that the server runs."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)

    def look_(*, pid: int | None = None, bounds: Bounds | None = None, **options: dict[str, Any]) -> Look:
        config = config_for(empty_world, data, **options)
        urls = config.database.url, config.redis.url
        return Look(config, *urls, pid=pid, dotenv=tmp_path / ".env", bounds=bounds or Bounds())

    return look_


async def found(check: Any, *arguments: Any) -> list[Finding]:
    return [finding async for finding in check(*arguments)]


async def only(check: Any, *arguments: Any) -> Finding:
    [finding] = await found(check, *arguments)
    assert finding.what and finding.meaning and finding.remedy
    return finding


# --- the whole ---


def said(program: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(program.said)
    return told


def test_where_all_is_well_nothing_is_found_whether_the_server_runs_or_not(
    start_program: Start, prepared: Path, tmp_path: Path
):
    data = copied(prepared, tmp_path / "data")
    running = start_program("run", data).ready()
    seen = start_program("doctor --json", data)
    assert seen.process.wait(PATIENCE) == 0, seen.said
    assert said(seen)["findings"] == []
    assert running.status("/readyz") == 200
    assert running.end() == 0
    alone = start_program("doctor", data)
    assert alone.process.wait(PATIENCE) == 0, alone.said
    assert alone.said.endswith(f"{len(CHECKS)} checks: nothing wrong.\n")
    assert not {"Traceback", "✗", "·"} & set(alone.said.split())


def test_where_nothing_was_ever_started_nothing_is_made(start_program: Start, tmp_path: Path):
    program = start_program("doctor --json", tmp_path / "data")
    assert program.process.wait(PATIENCE) == 0, program.said
    assert said(program)["findings"] == []
    assert said(program)["unseen"]["database.settings"] == "the database does not run"
    assert not (tmp_path / "data").exists()


def test_what_is_wrong_is_told_to_people_and_to_programs(start_program: Start, prepared: Path, tmp_path: Path):
    data = copied(prepared, tmp_path / "data")
    data.chmod(0o755)
    for command in ("doctor", "doctor --json"):
        program = start_program(command, data, MATCHA_MAIL_SMTP=f"smtp://127.0.0.1:{free_port()}")
        assert program.process.wait(PATIENCE) == 1
        assert "hunter2" not in program.said and "Traceback" not in program.said
    findings = {finding["check"]: finding for finding in said(program)["findings"]}
    assert findings.keys() == {"folder.rights", "mail.smtp", "mail.sender"}
    assert findings["folder.rights"]["remedy"] == f"chmod 700 {data}"
    assert findings["folder.rights"]["level"] == "wrong"


def test_a_database_that_does_not_start_is_a_finding_among_others(start_program: Start, prepared: Path, tmp_path: Path):
    data = copied(prepared, tmp_path / "data")
    (data / "mariadb" / "ibdata1").write_bytes(b"not a database")
    program = start_program("doctor --json", data)
    assert program.process.wait(PATIENCE) == 1, program.said
    [finding] = said(program)["findings"]
    assert finding["check"] == "folder.private" and "The private MariaDB does not start" in finding["what"]


async def test_a_check_that_cannot_look_says_why_and_the_others_go_on(look):
    broken = look(database={"url": f"mysql://root@127.0.0.1:{free_port()}/matcha"})
    report = await examine(broken)
    assert [finding.check for finding in report.findings] == ["database.reached"]
    assert {"database.settings", "database.schema", "service.invented"} < report.unseen.keys()
    assert not report.is_good
    words = in_words(report)
    assert "✗ The database cannot be reached" in words and "? Not looked at: database.settings" in words


# --- the machine ---


async def test_old_and_missing_packages(look, tmp_path):
    bounds = tmp_path / "requirements.in"
    bounds.write_text("aiohttp>=999  # much newer\nPyMySQL>=1.1,<1.1.1\nno-such-package>=1\nredis[hiredis]>=4\n")
    there = [finding.what for finding in await found(machine.packages, look(), bounds)]
    assert [what.split()[0] for what in there] == ["aiohttp", "PyMySQL", "no-such-package"]
    assert there[2] == "no-such-package is missing; no-such-package>=1 is needed."
    assert await found(machine.packages, look()) == []


async def test_a_full_disk(look):
    finding = await only(machine.space, look(bounds=Bounds(free_bytes=1 << 60)))
    assert (finding.check, finding.level) == ("machine.disk", Level.WRONG)
    assert await found(machine.space, look()) == []


async def test_a_slow_disk(look):
    finding = await only(machine.sync, look(bounds=Bounds(sync_seconds=0)))
    assert (finding.check, finding.level) == ("machine.sync", Level.ADVICE)


async def test_few_files_for_many_people(look):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    many = Bounds(sockets=(limits[1] if limits[1] != resource.RLIM_INFINITY else 1 << 62))
    if limits[1] != resource.RLIM_INFINITY:
        assert (await only(machine.open_files, look(bounds=many))).check == "machine.ulimit"
    process = await asyncio.create_subprocess_exec("sleep", "60")
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (256, limits[1]))
    finding = await only(machine.open_files, look(pid=process.pid))
    assert finding.what == "The server may open 256 files; 1000 people need 1200."
    assert await found(machine.open_files, look(pid=process.pid, bounds=Bounds(sockets=50))) == []
    process.kill()
    await process.wait()


async def test_a_clock_that_nobody_sets():
    assert machine.kernel_clock_state() in range(6)
    assert machine.unsynchronised().check == "machine.clock"


# --- the data folder ---


@pytest.mark.parametrize("name", [".", "keys", "keys/signing", "keys/demo", "run", "../.env"])
async def test_a_secret_that_others_can_read(look, tmp_path, name):
    data = tmp_path / "data"
    for path in (data / "keys", data / "run"):
        path.mkdir(mode=0o700)
    for path in (data / "keys" / "signing", data / "keys" / "demo", tmp_path / ".env"):
        path.touch(mode=0o600)
    assert await found(folder.rights, look()) == []
    path = (data / name).resolve()
    path.chmod(path.stat().st_mode | 0o040)
    finding = await only(folder.rights, look())
    assert str(path) in finding.what and finding.remedy.startswith(f"chmod {'700' if path.is_dir() else '600'} ")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_a_file_of_somebody_else(look, tmp_path):
    data = tmp_path / "data"
    (data / "photos").mkdir()
    assert await found(folder.owner, look()) == []
    os.chown(data / "photos", 12345, -1)
    finding = await only(folder.owner, look())
    assert f"{data / 'photos'} belongs to 12345" in finding.what


# --- the database ---


@pytest.fixture
def settings(private_servers: tuple[PrivateServers, Urls]) -> Iterator[Callable[..., None]]:
    """`settings(max_connections=20)` sets variables of MariaDB, which get back what they were."""
    options = connect_options(str(private_servers[1].migrate_url))
    with pymysql.connect(**options, autocommit=True) as connection, connection.cursor() as cursor:
        before: dict[str, Any] = {}

        def set_(**values: Any) -> None:
            for name, value in values.items():
                cursor.execute(f"SELECT @@GLOBAL.{name}")
                before.setdefault(name, cursor.fetchall()[0][0])
                cursor.execute(f"SET GLOBAL {name} = %s", [value])

        set_(innodb_flush_log_at_trx_commit=1)
        yield set_
        for name, value in before.items():
            cursor.execute(f"SET GLOBAL {name} = %s", [value])


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("innodb_flush_log_at_trx_commit", 2, "database.durable"),
        ("sql_mode", "", "database.sql_mode"),
        ("sql_mode", "NO_ENGINE_SUBSTITUTION", "database.sql_mode"),
        ("max_connections", 12, "database.connections"),
        ("max_allowed_packet", 1 << 20, "database.packet"),
        ("read_only", 1, "database.read_only"),
    ],
)
async def test_a_setting_that_loses_or_refuses_something(look, settings, name, value, check):
    assert await found(database.settings, look()) == []
    settings(**{name: value})
    assert (await only(database.settings, look())).check == check


async def test_a_database_that_lives_in_another_time(look, settings):
    assert await found(database.reached, look()) == []
    settings(init_connect="SET timestamp = 1000000000")  # for all but administrators
    assert "2001-09-09" in (await only(database.reached, look())).what


async def test_connections_that_are_not_given_what_is_set(look, settings, private_servers):
    """As behind a proxy that passes on statements, but not what was set before them."""
    assert await found(database.sessions, look()) == []
    settings(time_zone="+02:00", sql_mode="", tx_isolation="REPEATABLE-READ", character_set_client="latin1")
    options = connect_options(str(private_servers[1].database_url))
    with pymysql.connect(**options, charset="latin1") as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION VARIABLES")
        plain = dict(cursor.fetchall())
    words = [finding.what.partition(" of ")[0] for finding in database.unexpected(plain)]
    assert words == ["The time zone", "The isolation", "The character set", "The SQL mode"]


async def test_more_data_than_memory_and_more_memory_than_the_machine_has(look, settings, monkeypatch):
    assert await found(database.memory, look()) == []
    small = look(database={"url": None}, bounds=Bounds(memory_share=0.0001))
    small = Look(small.config, look().database_url, None, bounds=small.bounds)
    assert (await only(database.memory, small)).check == "database.memory"

    async def much(tx: Any) -> int:
        return 1 << 40

    monkeypatch.setattr("sql.doctor.get_size", much)  # 256 MiB of rows would take a minute
    finding = await only(database.memory, look())
    assert (finding.check, finding.level) == ("database.buffer_pool", Level.ADVICE)


async def execute(url: str | None, statement: str, *values: Any) -> None:
    def run() -> None:
        with pymysql.connect(**connect_options(str(url)), autocommit=True) as connection:
            connection.cursor().execute(statement, values)

    await asyncio.to_thread(run)


@asynccontextmanager
async def alteration(urls: Urls, there: str, back: str) -> AsyncIterator[None]:
    await execute(urls.migrate_url, there)
    try:
        yield
    finally:
        await execute(urls.migrate_url, back)


async def test_a_schema_that_is_newer_older_or_half_there(look, private_servers):
    _, urls = private_servers
    assert await found(database.schema, look()) == []
    newer = "INSERT INTO migration VALUES (99, 'x')", "DELETE FROM migration WHERE version = 99"
    async with alteration(urls, *newer):
        assert "at version 99" in (await only(database.schema, look())).what
    last = newest()
    older = f"DELETE FROM migration WHERE version = {last}", f"INSERT INTO migration VALUES ({last}, 'x')"
    async with alteration(urls, *older):
        assert f"is at version {last - 1} of " in (await only(database.schema, look())).what
    async with alteration(urls, "RENAME TABLE visit TO visit_", "RENAME TABLE visit_ TO visit"):
        assert (await only(database.schema, look())).what == "Tables are missing: visit."


async def test_a_table_of_another_kind(look, private_servers):
    _, urls = private_servers
    async with alteration(urls, "ALTER TABLE nudge ENGINE = MyISAM", "ALTER TABLE nudge ENGINE = InnoDB"):
        assert "nudge is MyISAM" in (await only(database.schema, look())).what
    back = "ALTER TABLE nudge CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    async with alteration(urls, "ALTER TABLE nudge CONVERT TO CHARACTER SET latin1", back):
        assert "with latin1_" in (await only(database.schema, look())).what


# --- Redis ---


@pytest.fixture
async def redis(empty_world: Urls) -> AsyncIterator[Any]:
    async with Redis.from_url(str(empty_world.redis_url), decode_responses=True) as redis:
        yield redis
        await redis.config_set("maxmemory", 0)
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("save", "")
        await redis.config_set("appendonly", "no")
        await redis.config_resetstat()


async def test_a_redis_that_drops_keys_silently(look, redis):
    assert await found(cache.cache, look()) == []
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    assert await found(cache.cache, look()) == [], "without a bound it never does"
    await redis.config_set("maxmemory", 100 << 20)
    assert (await only(cache.cache, look())).check == "redis.eviction"


async def test_a_redis_that_has_dropped_keys_or_is_about_to_refuse_them(look, redis):
    await redis.set("big", "x" * (1 << 20))
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used * 1.1))
    assert (await only(cache.cache, look())).check == "redis.full"
    await redis.config_set("maxmemory-policy", "allkeys-random")
    await redis.config_set("maxmemory", used - (1 << 19))
    await redis.set("more", "x")
    await redis.config_set("maxmemory", 0)
    assert (await only(cache.cache, look())).check == "redis.evicted"


@pytest.mark.parametrize(("name", "value"), [("save", "900 1"), ("appendonly", "yes")])
async def test_a_redis_that_writes_to_the_disk(look, redis, name, value):
    await redis.config_set(name, value)
    finding = await only(cache.cache, look())
    assert (finding.check, finding.level) == ("redis.persistence", Level.ADVICE)


async def test_a_redis_that_is_not_there(look):
    finding = await only(cache.cache, look(redis={"url": f"redis://127.0.0.1:{free_port()}/0"}))
    assert finding.check == "redis.reached"


# --- mail ---


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return sign(tmp_path_factory.mktemp("tls"))


@asynccontextmanager
async def mail_server(**options: Any) -> AsyncIterator[int]:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, given: Any) -> AuthResult:
        return AuthResult(success=given.password == b"right", handled=False)

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: SMTP(object(), loop=loop, authenticator=authenticate, **options), "127.0.0.1", 0
    )
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()


async def test_a_mail_server_that_lets_us_in_or_not(look, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.file))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*certificate)
    async with mail_server(tls_context=tls, auth_required=True) as port:
        right, wrong = (f"smtp://us:{word}@127.0.0.1:{port}" for word in ("right", "wrong"))
        assert await found(mail.smtp, look(mail={"smtp": right})) == []
        finding = await only(mail.smtp, look(mail={"smtp": wrong}))
        assert finding.what.startswith("The mail server refuses user or password")
        monkeypatch.delenv("SSL_CERT_FILE")
        assert "certificate" in (await only(mail.smtp, look(mail={"smtp": right}))).what
    async with mail_server() as port:
        finding = await only(mail.smtp, look(mail={"smtp": f"smtp://us:right@127.0.0.1:{port}"}))
        assert "STARTTLS" in finding.what
        assert await found(mail.smtp, look(mail={"smtp": f"smtp://127.0.0.1:{port}"})) == []


async def test_no_mail_server_where_others_register(look):
    assert await found(mail.smtp, look()) == []
    assert (await only(mail.smtp, look(server=PUBLIC))).check == "mail.smtp"


@pytest.mark.parametrize("sender", ["Us <us@localhost>", "us@example", "us@exa_mple.org"])
async def test_a_sender_that_nobody_can_answer(look, sender):
    assert (await only(mail.sender, look(server=PUBLIC, mail={"sender": sender}))).check == "mail.sender"
    good = look(server=PUBLIC, mail={"sender": "Us <us@dating.de>"})
    assert await found(mail.sender, good) == []
    assert await found(mail.sender, look(mail={"sender": sender})) == []


# --- the public address; what answers there is looked at in test_deploy ---


@pytest.mark.parametrize(
    ("server", "checks"),
    [
        ({}, []),
        (PUBLIC, []),
        ({"host": "0.0.0.0"}, ["url.missing"]),
        ({"public_url": "http://dating.example.org"}, ["url.scheme"]),
        (PUBLIC | {"origins": ["http://app.example.org"]}, ["url.origins"]),
        (PUBLIC | {"origins": ["https://app.example.org", "http://localhost:5173"]}, []),
    ],
)
async def test_the_public_address(look, server, checks):
    assert [finding.check for finding in await found(address_.public_url, look(server=server))] == checks


async def test_a_public_address_at_which_nothing_answers(look):
    nothing = look(pid=os.getpid(), server={"public_url": f"http://127.0.0.1:{free_port()}"})
    assert (await only(address_.answers, nothing)).check == "url.answers"


# --- the service ---


def key_file(config: Config, text: str) -> Path:
    path = config.server.data / "keys" / "signing"
    path.parent.mkdir(mode=0o700)
    path.write_text(text)
    return path


async def test_keys_that_are_old_or_damaged(look):
    ours = look(session={"keys": []})
    path = key_file(ours.config, "k3y" * 20 + "\n")
    assert await found(service.secrets, ours) == []
    long_ago = (datetime.now() - timedelta(days=401)).timestamp()  # noqa: DTZ005 (as the file system has it)
    os.utime(path, (long_ago, long_ago))
    finding = await only(service.secrets, ours)
    assert (finding.check, finding.level) == ("secrets.age", Level.ADVICE)
    path.write_text("k3y")
    finding = await only(service.secrets, ours)
    assert finding.check == "secrets.keys" and "k3y" not in finding.what


async def test_invented_people_among_real_ones(look):
    demo = {"users": 1000, "bots": 20}
    assert await found(service.invented, look(demo=demo)) == []
    row = "INSERT INTO account VALUES (%s, 'demo', NULL, NULL, '', 1, 'en', NOW())"
    await execute(look().database_url, row, person_id(42, 0))
    assert await found(service.invented, look(demo=demo)) == []
    there = [finding.check for finding in await found(service.invented, look(demo=demo, server=PUBLIC))]
    assert there == ["demo.people", "demo.users", "demo.bots"]


async def test_portraits_that_were_never_drawn(look, tmp_path):
    demo = {"users": 10, "portraits": tmp_path / "none"}
    assert (await only(service.drawn, look(demo=demo))).check == "demo.portraits"
    assert await found(service.drawn, look()) == []


async def test_mails_that_are_stuck(look):
    running = look(pid=os.getpid())
    now = Clock().now()
    mail_ = "INSERT INTO outbox (id, template, address, language, params, attempts, due_at, noted_at)"
    mail_ += " VALUES (%s, 'taken', 'a@b.c', 'en', '{}', %s, %s, %s)"
    await execute(running.database_url, mail_, 1, 0, now, now)
    assert await found(service.mails, running) == []
    await execute(running.database_url, mail_, 2, 0, now - timedelta(hours=2), now - timedelta(hours=2))
    await execute(running.database_url, mail_, 3, 4, now + timedelta(minutes=5), now - timedelta(minutes=50))
    assert (await only(service.mails, running)).what.startswith("2 mails wait to be sent")


async def test_photos_that_do_not_go(look):
    running = look(pid=os.getpid())
    await execute(running.database_url, "INSERT INTO photo_trash VALUES ('a', %s)", Clock().now())
    assert await found(service.trash, running) == []
    await execute(running.database_url, "INSERT INTO photo_trash VALUES ('b', %s)", Clock().now() - timedelta(hours=2))
    assert (await only(service.trash, running)).what.startswith("1 files")


async def test_a_machine_that_can_make_no_backup(look, monkeypatch, tmp_path):
    assert await found(service.backups, look(server=PUBLIC)) == []
    monkeypatch.setattr("server.embedded.child._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await only(service.backups, look(server=PUBLIC))).remedy == "apt-get install mariadb-client"
