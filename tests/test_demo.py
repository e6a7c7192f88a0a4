"""Invented people: who they are, how they are made, what waits for the demo login, and the bots that act for some."""

import asyncio
import itertools
import json
import re
import shutil
import statistics
import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest
from pydantic import TypeAdapter

from client_sdk import Client, ConnectionChanged, MessageNew, MessageTyping, Notification
from handlers.matching.age import age_on
from server.app import SERVICES
from server.demo import key, portraits, start
from server.demo.bots import talk
from server.demo.bots.bot import Bot, Crew
from server.demo.errors import DemoError
from server.demo.geography import snapper
from server.demo.identity import BLOCK, SOCIABLE, person_id
from server.demo.names import letters
from server.demo.population import Population, Towns
from server.demo.words import INTERESTS, INVENTED
from server.wire import fields
from sql import profile
from sql.bulk import Bulk, Rows
from tests.conftest import Start
from tests.ground.portraits import draw_pool

SEED = 7
NOW = datetime(2026, 1, 15, 12, tzinfo=UTC).replace(tzinfo=None)
DRAWING = Path(portraits.__file__).parent
PLACES = {
    "Paris": (48.8566, 2.3522, 2_100_000, "FR"),
    "Versailles": (48.8047, 2.1342, 85_000, "FR"),
    "Moscow": (55.7522, 37.6156, 10_400_000, "RU"),
    "London": (51.5085, -0.1257, 8_900_000, "GB"),
    "Suva": (-18.1416, 178.4415, 88_000, "FJ"),
}


@pytest.fixture(scope="session")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pool(tmp_path_factory.mktemp("demo") / "pool")


def world(pool: Path, seed: int = SEED) -> Population:
    lat, lon, people, country = zip(*PLACES.values(), strict=True)

    def snap(lat: Any, lon: Any) -> Any:
        return np.round(lat * 1000).astype(int), np.stack([lat, lon, lon]), np.round(lon).astype(int)

    return Population(
        seed,
        towns=Towns(np.array(lat), np.array(lon), np.array(people, float), list(country)),
        snap=snap,
        portraits=portraits.read(pool),
        password_hash="hash",
        now=NOW,
    )


# --- who they are ---


def test_the_same_seed_has_the_same_people_and_some_are_the_first_of_many(pool: Path):
    rows = world(pool).rows(0, BLOCK)
    assert world(pool).rows(0, BLOCK) == rows
    some = world(pool).rows(0, 300)
    assert some.account == rows.account[:300]
    for table, of_all in zip(some, rows, strict=True):
        assert table == of_all[: len(table)]
        assert {row[0] for row in table} <= {row[0] for row in some.account}
    assert world(pool).rows(BLOCK, 2 * BLOCK).account != rows.account
    assert world(pool, seed=8).rows(0, BLOCK).account != rows.account


def test_ids_rise_are_nobody_elses_and_fit_into_javascript():
    ids = [person_id(SEED, number) for number in (*range(3000), *range(9_999_000, 10_000_000))]
    assert ids == sorted(set(ids))
    assert ids[0] > 0 and ids[-1] < 2**53


def test_all_that_they_say_of_themselves_is_what_anybody_could_say(pool: Path):
    rows = world(pool).rows(BLOCK, 2 * BLOCK)
    taken = {
        name: TypeAdapter(getattr(fields, name)) for name in ("NewLogin", "NewMail", "Name", "Description", "Tags")
    }
    for _, login, mail, mail_key, *_, language, created_at in rows.account:
        assert taken["NewLogin"].validate_python(login) == login
        assert taken["NewMail"].validate_python(mail) == mail == mail_key
        assert language in ("en", "fr", "ru")
        assert created_at < NOW.isoformat()
    for (
        _,
        first,
        last,
        gender,
        sex,
        born,
        said,
        age_min,
        age_max,
        kilometres,
        cell,
        x,
        y,
        z,
        _,
        fame,
        seen,
    ) in rows.profile:
        assert taken["Name"].validate_python(first) == first and taken["Name"].validate_python(last) == last
        assert taken["Description"].validate_python(said) == said and said.endswith(tuple(INVENTED.values()))
        assert gender in (0, 1, 2, 4) and 0 <= sex <= 7
        assert 18 <= age_on(datetime.fromisoformat(born).date(), NOW.date()) <= 120
        fields.Wish(age_min=age_min, age_max=age_max, distance_max=kilometres)
        assert age_min is None or 18 <= age_min <= age_max <= 120
        assert len({cell is None, x is None, y is None, z is None}) == 1
        assert 0 <= fame <= 100 and seen < NOW.isoformat()
    for _, tags in itertools.groupby(rows.profile_tag, key=lambda row: row[0]):
        listed = [(tag, position) for _, tag, position in tags]
        assert [position for _, position in listed] == list(range(len(listed)))
        assert taken["Tags"].validate_python([tag for tag, _ in listed]) == [tag for tag, _ in listed]
        assert 1 <= len(listed) <= 9
    for _, photos in itertools.groupby(rows.photo, key=lambda row: row[0]):
        shown = list(photos)
        assert [position for _, _, position, *_ in shown] == list(range(len(shown)))
        assert len({file for _, _, _, file, *_ in shown}) == len(shown) <= 3
    assert len({login for _, login, *_ in rows.account}) == BLOCK
    assert len({id for _, id, *_ in rows.photo}) == len(rows.photo)
    assert {len(id) for _, id, *_ in rows.photo} == {22}


def test_they_are_as_many_kinds_of_people_as_there_are(pool: Path):
    blocks = [world(pool).rows(start, start + BLOCK) for start in range(BLOCK, 6 * BLOCK, BLOCK)]
    profiles = [row for block in blocks for row in block.profile]
    genders = Counter(row[3] for row in profiles)
    assert all(0.4 < genders[gender] / len(profiles) < 0.55 for gender in (1, 2))
    assert genders[4] and genders[0]
    assert {row[4] for row in profiles} >= {0, 1, 2, 3, 5, 6, 7}
    ages = [age_on(datetime.fromisoformat(row[5]).date(), NOW.date()) for row in profiles]
    assert 24 < statistics.median(ages) < 36 and max(ages) > 60
    fame = [row[15] for row in profiles]
    assert statistics.median(fame) < statistics.mean(fame) < 35 and max(fame) > 70
    tags = Counter(tag for block in blocks for _, tag, _ in block.profile_tag)
    popular = [tag for tag, _ in tags.most_common(3)]
    assert popular[0] == INTERESTS[0] and set(popular) <= set(INTERESTS[:5])
    assert len(tags) > 0.9 * len(INTERESTS) and len(INTERESTS) > 300
    assert tags.most_common(1)[0][1] < len(profiles) / 2


def test_they_live_where_people_live_and_are_called_as_people_there_are(pool: Path):
    rows = world(pool).rows(5000 * BLOCK, 5001 * BLOCK)
    towns: Counter[int] = Counter()
    for account, person in zip(rows.account, rows.profile, strict=True):
        if place := person[14]:  # the snap of this test says the degree of longitude, 0 is nowhere
            cyrillic = bool(re.search("[а-яА-Я]", person[1]))
            assert cyrillic == (place > 30) == (account[5] == "ru")
            towns[place] += 1
    assert 3.5 < towns[38] / towns[2] < 7, "Moscow has five times the people of Paris"
    assert not [degree for degree in towns if degree > 100], "we know no names of Fiji"


def test_the_first_of_them_live_near_each_other_and_are_open_to_all(pool: Path):
    first = world(pool).rows(0, BLOCK)
    near = [row for row in first.profile[:SOCIABLE] if row[14] in (2, 3)]
    assert len(near) > 0.7 * SOCIABLE
    assert {row[4] for row in first.profile[:SOCIABLE]} == {0}
    assert all(row[10] is not None and row[3] for row in first.profile[:SOCIABLE])
    assert first.account[0][1] == "demo" and first.profile[0][3] in (1, 2)


@pytest.mark.parametrize(
    ("name", "login"),
    [("Елизавета", "elizaveta"), ("Ольга", "olga"), ("Łukasz", "lukasz"), ("Günşen", "gunsen"), ("Ξένια", "xenia")],
)
def test_logins_are_written_in_plain_letters(name: str, login: str):
    assert letters(name) == login


# --- portraits ---


def test_a_pool_holds_pictures_in_all_sizes_and_is_hung_among_the_photos_at_no_cost(pool: Path, tmp_path: Path):
    hung = tmp_path / "photos"
    for _ in range(2):
        portraits.hang(pool, hung)
    for portrait in portraits.read(pool):
        (picture,) = hung.glob(f"*/{portrait.file}.medium.webp")
        assert picture.stat().st_nlink == 2
    assert len(list(hung.glob("*/*"))) == 36
    assert not (hung / "index.json").exists()


def test_without_a_pool_the_command_that_makes_one_is_told(tmp_path: Path):
    with pytest.raises(DemoError, match=r"scripts/install\.sh run.*MATCHA_DEMO_USERS=0"):
        portraits.read(tmp_path)


def test_portraits_are_drawn_in_styles_that_belong_to_everybody():
    node = shutil.which("node")
    assert node, "scripts/install.sh test brings it"
    said = subprocess.run([node, DRAWING / "draw.mjs", "30"], capture_output=True, text=True, check=True).stdout
    drawings = [json.loads(line) for line in said.splitlines()]
    assert len({drawing["svg"] for drawing in drawings}) == 30
    assert {drawing["look"] for drawing in drawings} == {"female", "male", "any"}
    styles = set((DRAWING / "node_modules" / "@dicebear").iterdir()) - {DRAWING / "node_modules" / "@dicebear" / "core"}
    assert len(styles) == 3
    for style in styles:
        design, _, code = (style / "LICENSE").read_text().partition("# Code")
        assert "License: CC0 1.0 " in design and "MIT License" in code


# --- making them ---


@pytest.fixture
async def server(start_server: Any, pool: Path) -> Any:
    return await start_server(demo={"users": 0, "seed": SEED, "portraits": pool})


async def made(server: Any, users: int) -> int:
    return await start.make(server.app[SERVICES], users=users, seed=SEED)


async def count(server: Any, table: str) -> int:
    return int((await server.database.fetch(f"SELECT COUNT(*) FROM {table}"))[0][0])


async def test_they_can_be_found_looked_at_and_signed_in_as(server: Any):
    assert await made(server, 300) == 300
    assert await count(server, "account") == await count(server, "profile") == 300
    async with Client(server.url) as client:
        await client.session.login("demo", str(key.read(server.config.server.data)))
        page = await client.research.search(limit=50)
        assert len(page) == 50 and page.cursor
        assert all(card.photo for card in page)
        assert {card.place for card in page} - {None}
        shown = await client.profile.get(page[0].user_id)
        assert shown.description and shown.tags and shown.photos
        picture = server.url + urlsplit(shown.photos[0].url["small"]).path
        async with aiohttp.ClientSession() as http, http.get(picture) as answer:
            assert (answer.status, answer.content_type) == (200, "image/jpeg")


async def test_nothing_is_found_that_the_rules_would_not_find(server: Any):
    await made(server, 50)
    before = await server.database.fetch("SELECT user_id, found FROM profile ORDER BY user_id")
    for user_id, _ in before:
        await server.app[SERVICES].transact(lambda tx, id=user_id: profile.refresh_found(tx, user_id=id))
    assert await server.database.fetch("SELECT user_id, found FROM profile ORDER BY user_id") == before


async def test_positions_are_snapped_as_those_of_everybody(server: Any, alice: Any):
    with Bulk(server.config.database.url) as bulk:
        snap = snapper(bulk.list_towns())
    places = [(48.8566, 2.3522), (48.1, 1.2), (55.75, 37.62), (-33.87, 151.21), (64.1, -21.9), (10.0, -150.0)]
    for _ in range(2):  # the second time from memory
        cells, vectors, towns = snap(np.array([lat for lat, _ in places]), np.array([lon for _, lon in places]))
    for n, (lat, lon) in enumerate(places):
        await alice.profile.save(gps={"lat": lat, "lon": lon})
        [row] = await server.database.fetch("SELECT cell, x, y, z, place_id FROM profile WHERE user_id = %s", alice.id)
        assert row == (int(cells[n]), *vectors[:, n].tolist(), int(towns[n]) or None)


async def test_made_again_they_are_not_made_twice_and_more_are_added(server: Any):
    assert await made(server, 300) == 300
    assert await made(server, 300) == 0
    everybody = await server.database.fetch("SELECT id, login FROM account ORDER BY id")
    messages = await count(server, "message")
    assert await made(server, BLOCK + 100) == BLOCK - 200
    assert (await server.database.fetch("SELECT id, login FROM account ORDER BY id"))[:300] == everybody
    assert await count(server, "message") == messages, "the story is told once"
    live = "SELECT tag, LEFT(tag, 1), COUNT(*) FROM profile_tag GROUP BY tag ORDER BY tag"
    kept = "SELECT tag, initial, people FROM tag_use ORDER BY tag"
    assert await server.database.fetch(kept) == await server.database.fetch(live)
    hashes = await server.database.fetch("SELECT DISTINCT password_hash FROM account")
    assert len(hashes) == 1


async def test_what_was_cut_off_is_finished_by_the_next_start(server: Any, start_server: Start, pool: Path):
    with Bulk(server.config.database.url) as bulk:
        is_done: list[bool] = []
        note = lambda people: is_done.append(bool(bulk.list_there([person_id(SEED, 0)])))  # noqa: E731
        await start.make(server.app[SERVICES], users=2 * BLOCK, seed=SEED, tick=note)
    assert is_done == [False, True], "person 0 comes last"
    for table in Rows._fields:
        column = "id" if table == "account" else "user_id"
        await server.database.fetch(f"DELETE FROM {table} WHERE {column} < %s", person_id(SEED, BLOCK))
    again = await start_server(demo={"users": 2 * BLOCK, "seed": SEED, "portraits": pool})
    said: list[str] = []
    for _ in range(2):
        await start.first_start(again.app[SERVICES], said.append)
    assert said == ["Making 2000 invented people (once)."]
    assert await count(server, "account") == await count(server, "profile") == 2 * BLOCK


async def test_where_others_are_nobody_is_invented(server: Any, pool: Path, alice: Any):
    with pytest.raises(DemoError, match=r"There are people in this database.*MATCHA_SERVER_DATA"):
        await made(server, 10)
    assert await count(server, "account") == 1


async def test_without_portraits_nobody_is_invented(start_server: Start, tmp_path: Path):
    server = await start_server(demo={"users": 0, "portraits": tmp_path})
    with pytest.raises(DemoError, match="There are no portraits"):
        await made(server, 10)
    assert await count(server, "account") == 0


# --- what waits for the demo login ---


async def test_the_demo_login_finds_likes_visits_a_match_and_a_conversation(server: Any):
    await made(server, 120)
    async with Client(server.url) as client:
        await client.session.login("demo", str(key.read(server.config.server.data)))
        me = await client.profile.me()
        assert me.unread.messages == 2 and me.unread.notifications >= 8
        likes = await client.relation.likes()
        assert {like.kind for like in likes} == {"like", "request"}
        assert len(await client.visit.history()) >= 5
        connections = await client.relation.connections()
        assert len(connections) == 2
        talked = next(connection for connection in connections if connection.last_message)
        history = await client.message.history(talked.user.user_id)
        assert [message.seq for message in history] == [4, 3, 2, 1] and talked.unread == 2
        missed = await client.sync.since(0)
        assert [event.data["seq"] for event in missed] == list(range(1, me.cursor + 1))
        assert "void" not in {event.event for event in missed}
        for like in likes:
            assert like.user.last_seen and like.liked_at < like.user.last_seen + timedelta(minutes=10)


def test_the_password_is_drawn_once_and_its_owners_alone(tmp_path: Path):
    password = key.read_or_draw(tmp_path)
    assert key.read_or_draw(tmp_path) == key.read(tmp_path) == password
    assert key.path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"([a-z]+-){3}[a-z]+", password)
    assert key.read_or_draw(tmp_path / "other") != password


# --- bots ---


@pytest.mark.parametrize(
    ("said", "language", "honest"),
    [
        ("Hello there", "en", False),
        ("Are you real?", "en", True),
        ("Salut, ça va ?", "fr", False),
        ("Tu es un robot ?", "fr", True),
        ("Привет! Как дела?", "ru", False),
        ("Ты бот?", "ru", True),
        ("42", "en", False),
    ],
)
def test_a_bot_answers_in_the_language_it_is_spoken_to_and_is_honest_about_itself(
    said: str, language: str, honest: bool
):
    answers = {talk.answer(said, Random(seed)) for seed in range(50)}
    assert {talk.language_of(answer) for answer in answers} <= ({language} if language != "fr" else {"fr", "en"})
    assert any(word in answer for answer in answers for word in ("program", "программа")) == honest
    assert (len(answers) == 1) == honest


@pytest.fixture
async def crew(server: Any) -> Any:
    await made(server, 120)
    logins = await server.database.fetch(
        "SELECT login FROM account WHERE id > %s ORDER BY id LIMIT 3", person_id(SEED, 0)
    )
    password = str(key.read(server.config.server.data))
    crew = Crew(server.url, password, frozenset(login for (login,) in logins), seed=SEED, pause=0.001)
    living = asyncio.create_task(crew.run())
    yield crew
    living.cancel()
    await asyncio.wait([living])
    assert living.cancelled()


async def test_bots_like_back_and_answer_after_typing_and_never_twice(server: Any, crew: Crew, alice: Any):
    crew.likes_back, crew.writes_first = 1.0, 0.0
    [(bot,)] = await server.database.fetch("SELECT id FROM account WHERE login = %s", min(crew.logins))
    async with alice.expecting(ConnectionChanged) as connection:
        await alice.relation.like(bot)
        assert (await connection).user_id == bot
    for number in range(4):
        async with alice.expecting(MessageTyping) as typing, alice.expecting(MessageNew, _is_honest) as answer:
            await alice.message.send(bot, f"Are you real? {number}")
            assert (await typing).user_id == bot
            assert (await answer).message.from_user_id == bot
    with pytest.raises(TimeoutError):
        await alice.wait_for(MessageNew, timeout=0.2)  # in which the bot could have written twenty times
    senders = [message.from_user_id for message in await alice.message.history(bot)]
    assert senders == [bot, alice.id] * 4


async def test_a_bot_says_the_first_word_once(server: Any, crew: Crew, alice: Any):
    crew.likes_back, crew.writes_first = 1.0, 1.0
    [(bot,)] = await server.database.fetch("SELECT id FROM account WHERE login = %s", min(crew.logins))
    async with alice.expecting(MessageNew) as first:
        await alice.relation.like(bot)
        assert (await first).user_id == bot
    async with alice.expecting(MessageNew, _is_honest) as answer:
        await alice.message.send(bot, "Are you a bot?")
        await answer
    assert len(await alice.message.history(bot)) == 3


def _is_honest(new: MessageNew) -> bool:
    return "program" in new.message.message


async def test_bots_do_not_like_everybody_back_but_always_the_same_people():
    crew = Crew("http://localhost", "password", frozenset(["anna", "bert"]))
    would = [
        [Bot(login, crew)._would("like", user_id, 0.75) for user_id in range(1000)]
        for login in "anna bert anna".split()
    ]
    assert would[0] == would[2] != would[1]
    assert 0.7 < sum(would[0]) / 1000 < 0.8


async def test_bots_visit_whoever_is_here(crew: Crew, alice: Any):
    async with alice.expecting(Notification, lambda news: news.kind == "visit") as visit:
        assert (await visit).user.login in crew.logins
