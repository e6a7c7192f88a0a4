"""Backup and restore: drilled with real programs, while people chat."""

import asyncio
import io
import json
import os
import resource
import shutil
import tarfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from client_sdk import Client, Resync
from client_sdk.errors import SessionEnded
from server.backup import BackupError
from server.backup.archive import verify
from server.embedded import PrivateServers
from tests.ground.answers import ok
from tests.ground.healthy import HealthyPair
from tests.ground.mails import Mails
from tests.ground.photos import image
from tests.ground.program import PATIENCE, Program, Start, copied
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD, Person


@pytest.fixture
def data(prepared: Path, tmp_path: Path) -> Path:
    return copied(prepared, tmp_path / prepared.name)


@pytest.fixture
def run(start_program: Start) -> Any:
    """`await run("backup", data, file)`: start a command, wait for its end, return its status and what it said."""

    async def run_(command: str, data: Path, *files: Path, **environ: str) -> tuple[int, str]:
        program = start_program(command, data, *map(str, files), **environ)
        status = await asyncio.to_thread(program.process.wait, PATIENCE)
        assert "Traceback" not in program.said, program.said
        return status, program.said

    return run_


@asynccontextmanager
async def couple(program: Program) -> AsyncIterator[tuple[Person, Person]]:
    """Alice and Bob, connected, each with a photo that went through the decoder."""
    mails = Mails(program.data / "mail")
    async with Person(program.url, "alice") as alice, Person(program.url, "bob") as bob:
        await alice.join(mails, image=[image(colour) for colour in ("red", "gold", "navy", "plum", "peru")])
        await bob.join(mails, image=[image("blue")])
        await alice.relation.like(bob.id)
        await bob.relation.like(alice.id)
        yield alice, bob


async def texts(one: Client, other: Client) -> list[str]:
    assert other.id
    page = await one.message.history(other.id, limit=100)
    return [message.message for message in page.messages]


async def loads(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status == 200 and (await answer.read())[:2] == b"\xff\xd8"


def names(file: Path) -> list[str]:
    with tarfile.open(file) as tar:
        return tar.getnames()


async def test_what_was_acknowledged_before_a_backup_is_there_after_it_is_put_back(
    start_program: Start, run: Any, data: Path, tmp_path: Path
):
    file, new = tmp_path / "backup.tar", tmp_path / "new"
    program = start_program("run", data, MATCHA_PHOTOS_SWEEP="0.05").ready()
    async with couple(program) as (alice, bob):
        elsewhere = Client(program.url)
        await elsewhere.connect()
        ended = (await elsewhere.session.login("bob", PASSWORD)).token
        await elsewhere.session.logout()
        await alice.message.send(bob.id, "before")
        (data / "photos" / "aa").mkdir(exist_ok=True)
        (data / "photos" / "aa" / "removed.small.webp").write_bytes(b"nobody names it")
        before = alice.cursor
        removing = asyncio.create_task(remove_photos(alice))
        async with HealthyPair(program.url, alice, bob):
            status, said = await run("backup", data, file)
        await removing
        assert (status, "the keys that sign: keep it where only you" in said) == (0, True), said
        await alice.message.send(bob.id, "after")
        assert "after" in await texts(alice, bob)
        tokens, later = {alice.login: alice.token, bob.login: bob.token}, ok(await newest(program, alice.token))
    assert file.stat().st_mode & 0o777 == 0o600
    assert program.end() == 0

    status, said = await run("restore", new, file)
    assert (status, "is back: 2 accounts." in said) == (0, True), said
    assert "photos came and went" not in said
    assert "photos/aa/removed.small.webp" in names(file) and not list(new.glob("photos/*/removed.*"))
    assert {path.stat().st_mode & 0o077 for path in (new, *new.glob("keys/*"), *new.glob("photos/**"))} == {0}
    assert not (new / "restoring").exists()
    again = start_program("run", new).ready()
    async with Client(again.url, token=tokens["bob"]) as bob, Client(again.url, token=tokens["alice"]) as alice:
        known = await texts(alice, bob)
        assert "before" in known and "after" not in known
        kept = (await bob.profile.get(alice.id)).photos + (await bob.profile.me()).photos
        assert [await loads(photo.url["small"].replace(program.url, again.url)) for photo in kept].count(True) >= 2
        assert all([await loads(photo.url["large"].replace(program.url, again.url)) for photo in kept])
        assert await alice.message.send(bob.id, "and on it goes")
    for cursor in (before, later):
        await is_told_to_read_anew(again, tokens["alice"], cursor)
    async with Client(again.url) as nobody:
        with pytest.raises(SessionEnded):
            await nobody.call("user/me", token=ended)
    assert again.end() == 0


async def remove_photos(alice: Person) -> None:
    """Take one after the other away, while a backup is made: each is in the snapshot with its file, or not at all."""
    ids = [photo.photo_id for photo in (await alice.profile.me()).photos]
    while ids:
        await alice.profile.save(image=ids)
        await asyncio.sleep(0.3)
        ids.pop()


async def newest(program: Program, token: str | None) -> Any:
    async with await RawSocket.open(program.url, auth={"token": token}) as socket:
        synced = await socket.call("sync", {"cursor": None})
    return {**synced, "data": synced["data"]["cursor"]}


async def is_told_to_read_anew(program: Program, token: str | None, cursor: int | None) -> None:
    """Also a client that saw what the restored log has never had, and though the log has gone on since."""
    async with await RawSocket.open(program.url, auth={"token": token}) as socket:
        assert ok(await socket.call("sync", {"cursor": cursor}))["resync"] is True
    assert token
    returning = Client(program.url, token=token, cursor=cursor)
    async with returning.expecting(Resync) as told, returning:
        resync = await told
        other = Client(program.url, token=token)
        async with other:
            assert other.cursor == resync.cursor


@pytest.fixture(scope="module")
def made(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backup: nobody has been there; made while the server does not run."""
    folder = tmp_path_factory.mktemp("made")
    data = copied(prepared, folder / "data")
    (data / "photos" / "ab").mkdir(parents=True)
    (data / "photos" / "ab" / "abc.small.webp").write_bytes(b"nobody names it")
    (data / "photos" / "ab" / "abd.small.webp.new").write_bytes(b"half written")
    (data / "keys").mkdir()
    (data / "keys" / "signing").write_text("k" * 64)
    program = Program("backup", data, str(folder / "backup.tar"), said=folder / "said")
    assert program.process.wait(PATIENCE) == 0, program.said
    return folder / "backup.tar"


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path))


async def test_any_tar_and_sha256sum_read_it(backup: Path, tmp_path: Path):
    assert names(backup) == [
        "photos/ab/abc.small.webp",
        "database.sql.gz",
        "keys/signing",
        "SHA256SUMS",
        "manifest.json",
    ]
    out = tmp_path / "out"
    out.mkdir()
    for command in (["tar", "-xf", str(backup)], ["sha256sum", "--check", "--quiet", "SHA256SUMS"]):
        process = await asyncio.create_subprocess_exec(*command, cwd=out)
        assert await process.wait() == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["format"], manifest["files"]) == (1, 3)
    assert "MariaDB" in manifest["database"] or manifest["database"][0] in "89"


async def test_only_an_empty_folder_takes_a_backup(backup: Path, run: Any, data: Path):
    status, said = await run("restore", data, backup)
    assert (status, f"{data} is in use: there is a folder 'mariadb'." in said) == (1, True), said
    status, said = await run("backup", data, backup)
    assert (status, f"{backup} is there already" in said) == (1, True), said


def damaged(backup: Path, name: str, change: Any) -> Path:
    """Write the archive anew with one member changed; None leaves it out."""
    file = backup.with_name("damaged.tar")
    with tarfile.open(backup) as old, tarfile.open(file, "w") as new:
        for member in old:
            content = old.extractfile(member)
            assert content
            data = change(content.read()) if member.name == name else content.read()
            if data is not None:
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
    return file


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("database.sql.gz", lambda data: data[:-1] + b"x", "database.sql.gz is not what was written"),
        ("keys/signing", lambda data: b"x" * len(data), "keys/signing is not what was written"),
        ("keys/signing", lambda data: None, "keys/signing is not what was written"),
        ("SHA256SUMS", lambda data: data.replace(b"0", b"1"), "its list of checksums is not what was written"),
        ("manifest.json", lambda data: None, "is cut off"),
        ("manifest.json", lambda data: b"{}", "manifest.json is not what was written"),
        ("manifest.json", lambda data: data.replace(b'"format": 1', b'"format": 2'), "made by another version"),
    ],
)
def test_a_damaged_one_is_refused(backup: Path, name: str, change: Any, told: str):
    with pytest.raises(BackupError, match=told):
        verify(damaged(backup, name, change))


def test_one_that_was_cut_off_and_what_is_no_backup_are_refused(backup: Path, tmp_path: Path):
    whole = backup.read_bytes()
    cut = tmp_path / "cut.tar"
    for content in (whole[: len(whole) // 2], whole[:1536], b"hello", b""):
        cut.write_bytes(content)
        with pytest.raises(BackupError, match=r"is cut off"):
            verify(cut)
    with pytest.raises(BackupError, match="can't be read: No such file"):
        verify(tmp_path / "none.tar")
    with tarfile.open(tmp_path / "foreign.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../../etc/cron.d/evil"))
    with pytest.raises(BackupError, match="is no backup of this program"):
        verify(tmp_path / "foreign.tar")


async def test_a_newer_or_damaged_one_is_refused_before_anything_is_touched(backup: Path, run: Any, tmp_path: Path):
    newer = damaged(backup, "manifest.json", lambda data: json.dumps(json.loads(data) | {"schema": 999}).encode())
    status, said = await run("restore", tmp_path / "new", newer)
    assert (status, "made by a newer program: its database is at version 999" in said) == (1, True), said
    assert not {"mariadb", "keys", "photos", "restoring"} & {path.name for path in (tmp_path / "new").iterdir()}


async def test_a_disk_that_is_full_leaves_no_half_backup(start_program: Start, data: Path, tmp_path: Path):
    program = start_program("run", data).ready()
    file, limits = tmp_path / "backup.tar", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))  # less than the towns take
    try:
        backup = start_program("backup", data, str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert await asyncio.to_thread(backup.process.wait, PATIENCE) == 1
    assert f"{file} can't be written: File too large." in backup.said
    assert [name for name in os.listdir(tmp_path) if ".tar" in name] == []
    assert program.end() == 0


# --- a database of one's own ---


@pytest.fixture
def external(prepared: Path, tmp_path: Path) -> Iterator[str]:
    """A MariaDB that is not the program's; its URL by an account that may change tables."""
    servers = PrivateServers()
    try:
        urls = servers.start(copied(prepared, tmp_path / "external"), database=True, redis=False, durable=False)
        yield str(urls.migrate_url)
    finally:
        servers.stop()


async def test_a_named_database_must_be_empty_and_is_left_so_when_it_can_not_be_filled(
    backup: Path, run: Any, tmp_path: Path, external: str
):
    new, named = tmp_path / "new", {"MATCHA_DATABASE_URL": external}
    status, said = await run("restore", new, backup, **named)
    assert (status, "The database is not empty: there is a table 'account'." in said) == (1, True), said

    empty = {"MATCHA_DATABASE_URL": external.replace("/matcha?", "/other?")}
    socket = external.partition("unix_socket=")[2]
    await sql(socket, "CREATE DATABASE other CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")
    file = damaged(backup, "database.sql.gz", lambda data: data)
    status, said = await run("restore", new, file, **empty)
    assert (status, "is back: 0 accounts." in said) == (0, True), said
    assert (new / "keys" / "signing").exists() and not (new / "mariadb").exists()
    assert "account" in await sql(socket, "SHOW TABLES FROM other")


async def sql(socket: str, statement: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *("mariadb", "--no-defaults", f"--socket={socket}", "--user=root", "--execute", statement),
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()
