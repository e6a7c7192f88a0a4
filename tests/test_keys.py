"""The keys that sign: made on the first start, rotated, refused when they are no secret."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from client_sdk import Client
from client_sdk.errors import Unauthorized
from server import keys
from server.app import SERVICES
from server.config import Config, ConfigError
from server.keys import KeysError
from server.wire import errors
from tests.ground.program import PATIENCE, Start
from tests.ground.server import KEY, Person

NOW = datetime.fromisoformat("2026-01-15")
DAY = timedelta(days=1)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config.model_validate({"server": {"data": tmp_path}})


def test_the_first_start_makes_one_for_the_owners_eyes_only(config: Config):
    [key] = keys.in_use(config, NOW)
    file = keys.path(config.server.data)
    assert len(key) == 64
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert keys.in_use(config, NOW) == [key]
    assert keys.in_use(Config.model_validate({"server": {"data": config.server.data / "other"}}), NOW) != [key]


def test_an_older_key_is_read_as_long_as_anything_it_has_signed_is_good(config: Config):
    [first] = keys.in_use(config, NOW)
    assert keys.rotate(config, NOW) == 1
    second, old = keys.in_use(config, NOW)
    assert (old, second != first) == (first, True)
    assert keys.rotate(config, NOW + 59 * DAY) == 2
    assert keys.in_use(config, NOW + 59 * DAY)[1:] == [second, first]
    assert keys.in_use(config, NOW + 60 * DAY)[1:] == [second]
    assert keys.rotate(config, NOW + 200 * DAY) == 1, "and leaves the file with the next rotation"
    assert first not in keys.path(config.server.data).read_text()
    assert keys.path(config.server.data).stat().st_mode & 0o777 == 0o600


def test_sessions_of_a_year_keep_keys_for_a_year(config: Config):
    config = config.model_copy(update={"session": config.session.model_copy(update={"max_days": 365})})
    [first] = keys.in_use(config, NOW)
    keys.rotate(config, NOW)
    assert first in keys.in_use(config, NOW + 364 * DAY)


def test_after_a_leak_all_older_ones_are_dropped(config: Config):
    [first] = keys.in_use(config, NOW)
    assert keys.rotate(config, NOW, drop=True) == 0
    assert first not in keys.in_use(config, NOW)


@pytest.mark.parametrize("content", ["", "short", "k" * 64 + " yesterday", "\xff" * 64, "\n"])
def test_a_damaged_file_is_told_and_not_repeated(config: Config, content: str):
    keys.in_use(config, NOW)
    keys.path(config.server.data).write_text(content)
    for use in (keys.in_use, keys.rotate):
        with pytest.raises(KeysError, match="not a list of keys") as refusal:
            use(config, NOW)
        assert not content.strip() or content not in str(refusal.value)
    assert keys.rotate(config, NOW, drop=True) == 0, "which mends it"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "secret-key",
        KEY[:31],
        "x" * 40,
        "0123456789" * 4,
        "an-example-key-of-more-than-32-letters",
        "please-change-me-please-change-me-now",
        "django-insecure-Secret_Key-0f6d1a9b3c",
    ],
)
def test_short_keys_and_examples_are_refused_and_not_repeated(tmp_path: Path, key: str):
    file = tmp_path / "config.yaml"
    file.write_text(f"session: {{keys: [{KEY!r}, {key!r}]}}\n")
    with pytest.raises(
        ConfigError, match=r"key 'keys', item 2: expected (text of 32|a key drawn at random)"
    ) as refusal:
        Config.load(file, {})
    assert not key or key not in str(refusal.value)


# --- with a server ---


@pytest.mark.config(session={"keys": []})
async def test_a_token_outlives_a_rotation_after_which_the_new_key_signs(start_server, server, alice: Person):
    keys.rotate(server.config, server.clock.now())
    rotated = await start_server()
    async with Client(rotated.url, token=alice.token) as client:
        assert (await client.profile.me()).login == "alice"
        newer = (await client.session.login("alice", alice.password)).token
    with pytest.raises(errors.Unauthorized):
        server.app[SERVICES].tokens.read_session(newer)  # which has not been started again


@pytest.mark.config(session={"keys": []})
async def test_a_token_is_void_once_its_key_is_dropped(start_server, server, alice: Person):
    keys.rotate(server.config, server.clock.now(), drop=True)
    rotated = await start_server()
    with pytest.raises(Unauthorized):
        await Client(rotated.url, token=alice.token).connect()


async def test_configured_keys_are_good_in_turn_until_they_are_taken_out(start_server, alice: Person):
    newer = "the newer key of tests, as well known"
    both = await start_server(session={"keys": [newer, KEY]})
    async with Client(both.url, token=alice.token) as client:
        assert client.id == alice.id
    after = await start_server(session={"keys": [newer]})
    with pytest.raises(Unauthorized):
        await Client(after.url, token=alice.token).connect()


# --- the command ---


def test_the_command_says_what_follows_and_never_the_key(start_program: Start, tmp_path: Path):
    first = start_program("rotate-keys", tmp_path / "data")
    assert first.process.wait(PATIENCE) == 0
    second = start_program("rotate-keys", tmp_path / "data")
    assert second.process.wait(PATIENCE) == 0
    assert "1 older are read until 60 days" in second.said
    dropped = start_program("rotate-keys --drop-old", tmp_path / "data")
    assert dropped.process.wait(PATIENCE) == 0
    assert "everybody signs in anew" in dropped.said
    [key] = keys.read(keys.path(tmp_path / "data"))
    assert key.text not in first.said + second.said + dropped.said


def test_the_command_leaves_configured_keys_to_whoever_configures_them(start_program: Start, tmp_path: Path):
    program = start_program("rotate-keys", tmp_path / "data", MATCHA_SESSION_KEYS=f'["{KEY}"]')
    assert program.process.wait(PATIENCE) == 1
    assert "session.keys (MATCHA_SESSION_KEYS)" in program.said and KEY not in program.said
    assert not keys.path(tmp_path / "data").exists()


def test_a_start_with_an_example_key_is_refused(start_program: Start, tmp_path: Path):
    program = start_program("run", tmp_path / "data", MATCHA_SESSION_KEYS=f'["{"x" * 40}"]')
    assert program.process.wait(PATIENCE) == 2
    assert "drawn at random" in program.said and "x" * 40 not in program.said
    assert not os.path.exists(tmp_path / "data")
