"""Profiles: what people say of themselves, and what others see of it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from client_sdk import (
    AlreadyExists,
    Client,
    InvalidCredentials,
    InvalidLink,
    InvalidPayload,
    NotVerified,
    ProfileChanged,
    RateLimited,
)
from tests.ground.accounts import State, set_state, verification
from tests.ground.answers import ok, refused
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD, Person, RunningServer
from tests.ground.waiting import until_mailed

HOUR, DAY = 3600, 86_400
PARIS, LYON = {"lat": 48.8566, "lon": 2.3522}, {"lat": 45.7640, "lon": 4.8357}
CARD = {
    *("user_id", "login", "first_name", "age", "gender", "photo", "place", "distance", "fame", "common_tags"),
    *("online", "last_seen", "score", "why"),
}
RELATION = {"liked_me", "liked", "requested_me", "requested", "connected"}
PROFILE = CARD | RELATION | {"last_name", "description", "sex", "tags", "photos"}
OWN = {
    *("user_id", "login", "first_name", "last_name", "age", "gender", "description", "sex", "tags", "photo", "photos"),
    *("place", "fame"),
}
ME = OWN | {"mail", "birth_date", "gps", "wish", "settings", "unread", "cursor"}


@pytest_asyncio.fixture
async def socket(server: RunningServer) -> AsyncIterator[RawSocket]:
    """An anonymous socket."""
    async with await RawSocket.open(server.url) as opened:
        yield opened


@pytest_asyncio.fixture
async def nobody(server: RunningServer) -> AsyncIterator[Client]:
    """An anonymous client."""
    async with Client(server.url) as client:
        yield client


async def me(person: Person) -> dict[str, Any]:
    answer: dict[str, Any] = await person.call("user/me")
    return answer


async def differences(person: Person, **changes: Any) -> dict[str, Any]:
    """Save some fields, and return what is different afterwards."""
    before = await me(person)
    await person.profile.save(**changes)
    after = await me(person)
    return {name: value for name, value in after.items() if value != before[name] and name != "cursor"}


# -- saving ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        ({}, {}),
        ({"first_name": " Alicia "}, {"first_name": "Alicia"}),
        ({"last_name": "O'Neill-Дюма"}, {"last_name": "O'Neill-Дюма"}),
        ({"gender": "nonbinary"}, {"gender": "nonbinary"}),
        ({"description": "first\nsecond"}, {"description": "first\nsecond"}),
        ({"sex": ["nonbinary", "female", "female"]}, {"sex": ["female", "nonbinary"]}),
        ({"tags": ["Chess", "STRASSE", "chess", "Straße", "42"]}, {"tags": ["chess", "strasse", "42"]}),
        ({"birth_date": "1980-02-29"}, {"birth_date": "1980-02-29", "age": 45}),
        ({"wish": {"age_min": 30}}, {"wish": {"age_min": 30, "age_max": None, "distance_max": None}}),
        ({"wish": {"age_min": 30, "age_max": 30}}, {"wish": {"age_min": 30, "age_max": 30, "distance_max": None}}),
    ],
)
async def test_only_what_is_given_changes(alice, changes, different):
    await alice.profile.save(description="tall", sex=["male"], wish={"distance_max": 10})
    assert await differences(alice, **changes) == different


@pytest.mark.parametrize(
    ("field", "cleared"),
    [
        ("gender", {"gender": None}),
        ("description", {"description": None}),
        ("sex", {"sex": []}),
        ("tags", {"tags": []}),
        ("age", {"age": None, "birth_date": None}),
        ("birth_date", {"age": None, "birth_date": None}),
        ("gps", {"gps": None, "place": None}),
        ("wish", {"wish": None}),
    ],
)
async def test_null_clears(alice, field, cleared):
    await alice.profile.save(description="tall", sex=["male"], wish={"age_min": 20, "age_max": 40, "distance_max": 10})
    assert await differences(alice, **{field: None}) == cleared


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"first_name": None}, "first_name", "type"),
        ({"last_name": ""}, "last_name", "blank"),
        ({"age": 17}, "age", "min"),
        ({"birth_date": "2008-01-16"}, "birth_date", "min_age"),
        ({"age": 30, "birth_date": "1995-06-01"}, "age", "conflict"),
        ({"wish": {"age_min": 31, "age_max": 30}}, "wish.age_min", "order"),
        ({"wish": {"age_min": 17}}, "wish.age_min", "min"),
        ({"gps": {"lat": 91, "lon": 0}}, "gps.lat", "max"),
        ({"gps": {"lat": 1.0}}, "gps.lon", "required"),
        ({"tags": ["#tea"]}, "tags.0", "format"),
        ({"sex": ["male", "all"]}, "sex.1", "choice"),
        ({"fame": 100}, "fame", "unknown"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_saved(alice, changes, field, code):
    before = await me(alice)
    with pytest.raises(InvalidPayload) as refusal:
        await alice.call("user/save_profile", **{"description": "new"} | changes)
    assert {name: fault["code"] for name, fault in refusal.value.fields.items()} == {field: code}
    assert await me(alice) == before


async def test_saving_answers_with_the_own_profile(alice):
    saved = await alice.call("user/save_profile", first_name="Alicia")
    assert saved.keys() == OWN
    assert saved.items() <= (await me(alice)).items()


async def test_seeking_no_gender_is_seeking_all(alice, carol):
    async def found() -> list[str]:
        return [card.login for card in await carol.research.search()]

    await alice.profile.save(sex=["male"])
    assert await found() == []
    await alice.profile.save(sex=[])
    assert await found() == ["alice"]


@pytest.mark.parametrize("days", [0, 44, 774])  # 15 January 2026, 28 February 2026, 28 February 2028
@pytest.mark.parametrize("age", [18, 19, 65, 120])
async def test_an_age_becomes_a_birth_date_that_is_known_to_be_a_guess(server, people, age, days):
    server.clock.advance(days * DAY + HOUR)
    alice = await people("alice", age=age)
    own = await alice.profile.me()
    today = server.clock.now().date()
    assert own.age == age
    assert 150 < (today - own.birth_date).days - age * 365.25 < 215, "it may be any day of a year: the middle is taken"
    assert await server.database.fetch("SELECT birth_date_approximate FROM profile") == [(1,)]
    await alice.profile.save(birth_date=own.birth_date)
    assert await server.database.fetch("SELECT birth_date_approximate FROM profile") == [(0,)]


async def test_one_grows_older_on_ones_birthday(server, people):
    alice = await people("alice", age=None, birth_date="1996-01-17")
    assert (await alice.profile.me()).age == 29
    server.clock.advance(2 * DAY)
    assert (await alice.profile.me()).age == 30


# -- one's own devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"first_name": "Alicia"},
        {"tags": []},
        {"gps": LYON},
        {"wish": {"age_min": 20}},
        {"birth_date": "1980-02-29"},
        {"new_login": "alicia", "old_pass": PASSWORD},
    ],
)
async def test_ones_own_devices_are_told_of_every_change_and_nobody_else_is(server, alice, bob, changes):
    async with (
        await RawSocket.open(server.url, auth={"token": alice.token}) as hers,
        await RawSocket.open(server.url, auth={"token": bob.token}) as his,
    ):
        async with alice.expecting(ProfileChanged) as told:
            saved = await alice.profile.save(**changes)
            assert (await told).profile == saved
        data = await hers.push("profile/changed")
        assert data.keys() == OWN | {"seq", "at"}
        ok(await his.call("user/me"))
        assert his.pushes == []


async def test_what_was_so_already_is_not_told(alice):
    own = await alice.profile.me()
    await alice.profile.save(first_name=own.first_name, tags=own.tags, gps=own.gps, gender=own.gender)
    await alice.profile.save()
    await alice.profile.save(new_mail="alicia@example.org", old_pass=PASSWORD)
    assert (await alice.profile.me()).cursor == own.cursor


# -- the position ------------------------------------------------------------------------------------------------------


async def test_only_the_cell_of_a_position_is_kept(server, alice):
    for exact in (PARIS, {"lat": 48.8571, "lon": 2.3531}):
        await alice.profile.save(gps=exact)
        own = (await alice.profile.me()).gps
        assert 0.0005 < abs(own.lat - exact["lat"]) + abs(own.lon - exact["lon"]) < 0.02
        [row] = await server.database.fetch("SELECT * FROM profile")
        assert not [value for value in row if isinstance(value, float) and abs(value) > 1], "the unit vector alone"
        assert not [digits for digits in ("48.85", "2.35", "0.8527", "0.0410") if digits in str(row)]


async def test_two_positions_in_one_cell_leave_the_same_rows(server, alice, mallory):
    columns = "cell, x, y, z"
    await mallory.profile.save(gps={"lat": 48.8571, "lon": 2.3531})
    one, other = await server.database.fetch(f"SELECT {columns} FROM profile")
    assert one == other
    assert (await alice.profile.me()).gps == (await mallory.profile.me()).gps


@pytest.mark.parametrize(
    ("lat", "lon"), [(0, 0), (90, 0), (-90, 180), (89.999, -180), (0, 180), (12.5, 179.9999), (-33.9, 18.4)]
)
async def test_every_place_on_earth_has_a_cell_whose_middle_lies_in_it(alice, lat, lon):
    await alice.profile.save(gps={"lat": lat, "lon": lon})
    own = (await alice.profile.me()).gps
    assert abs(own.lat - lat) < 0.075  # half of 16 km
    await alice.profile.save(gps=own)
    assert (await alice.profile.me()).gps == own


@pytest.mark.config(limits={"scale": 1, "moves_day": 3})
async def test_one_moves_a_few_times_a_day(server, alice):
    async def move(lat: float) -> None:
        await alice.profile.save(gps={"lat": lat, "lon": 2.3522})

    for lat in (48.85661, 48.87, 48.87001, 48.89, 48.89, 48.91):  # half of them stay in the cell
        await move(lat)
    with pytest.raises(RateLimited) as refusal:
        await move(48.93)
    assert 11 * HOUR < refusal.value.retry_after <= 12 * HOUR  # it is noon
    with pytest.raises(RateLimited):
        await alice.profile.save(gps=None, first_name="Alicia")
    assert (await alice.profile.me()).first_name == "Alice"
    await move(48.91)
    await alice.profile.save(first_name="Alicia")
    server.clock.advance(12 * HOUR)
    await move(48.93)


# -- who saves ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", ["alice", "Alice@example.org"])
async def test_login_and_password_may_stand_for_a_session(alice, socket, login):
    ok(await socket.call("user/save_profile", {"login": login, "password": PASSWORD, "first_name": "Alicia"}))
    assert (await me(alice))["first_name"] == "Alicia"
    refused(await socket.call("user/me"), "unauthorized")


async def test_login_and_password_beside_a_session_must_be_the_current_ones(alice, bob):
    await alice.call("user/save_profile", login="alice", password=PASSWORD, first_name="Alicia")
    for login, password in (("bob", PASSWORD), ("alice", "wrong horse battery"), ("nobody-here", PASSWORD)):
        with pytest.raises(InvalidCredentials):
            await alice.call("user/save_profile", login=login, password=password, first_name="Mallory")
    assert [(await me(person))["first_name"] for person in (alice, bob)] == ["Alicia", "Bob"]


@pytest.mark.parametrize("half", [{"login": "bob"}, {"password": "wrong horse battery"}])
async def test_half_of_login_and_password_is_refused(alice, half):
    with pytest.raises(InvalidPayload):
        await alice.call("user/save_profile", first_name="Mallory", **half)


async def test_nobody_saves_without_the_one_or_the_other(alice, nobody, socket):
    refused(await socket.call("user/save_profile", {"first_name": "Mallory"}), "unauthorized")
    refused(await socket.call("user/save_profile", {"first_name": "Mallory", "login": "alice"}), "unauthorized")
    await nobody.account.register("dave", "dave@example.org", PASSWORD, "Dave", "Example")
    with pytest.raises(NotVerified):
        await nobody.call("user/save_profile", login="dave", password=PASSWORD, first_name="Mallory")
    with pytest.raises(InvalidCredentials):
        await nobody.call("user/save_profile", login="alice", password="wrong horse battery", first_name="Mallory")
    assert (await me(alice))["first_name"] == "Alice"


# -- a new login -------------------------------------------------------------------------------------------------------


async def test_a_new_login_replaces_the_old_one(alice, nobody):
    saved = await alice.profile.save(new_login="Alicia", old_pass=PASSWORD)
    assert saved.login == (await me(alice))["login"] == "alicia"
    assert (await nobody.session.login("alicia", PASSWORD)).user_id == alice.id
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alice", PASSWORD)


@pytest.mark.parametrize("change", [{"new_login": "alicia"}, {"new_mail": "alicia@example.org"}])
async def test_a_new_login_or_mail_takes_the_current_password(server, alice, change):
    with pytest.raises(InvalidPayload) as refusal:
        await alice.profile.save(first_name="Alicia", **change)
    assert refusal.value.fields["old_pass"]["code"] == "required"
    with pytest.raises(InvalidCredentials):
        await alice.profile.save(first_name="Alicia", old_pass="wrong horse battery", **change)
    own = await alice.profile.me()
    assert (own.first_name, own.login, own.mail) == ("Alice", "alice", "alice@example.org")
    assert server.mails.unread() == []


@pytest.mark.parametrize("login", ["bob", "BOB"])
async def test_a_new_login_that_is_taken_is_refused_whole(server, alice, bob, login):
    with pytest.raises(AlreadyExists):
        await alice.profile.save(first_name="Alicia", new_login=login, new_mail="alicia@example.org", old_pass=PASSWORD)
    assert (await me(alice))["first_name"] == "Alice"
    assert await server.database.fetch("SELECT id FROM outbox") == []


async def test_a_new_login_follows_the_rules_of_logins(alice):
    for login in ("al", "admin", "al ice", "alice@home"):
        with pytest.raises(InvalidPayload):
            await alice.profile.save(new_login=login, old_pass=PASSWORD)


# -- a new address -----------------------------------------------------------------------------------------------------


async def test_a_new_address_counts_once_it_is_confirmed(server, alice, nobody):
    await alice.profile.save(new_mail="alicia@example.org", old_pass=PASSWORD)
    assert (await me(alice))["mail"] == "alice@example.org"
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alicia@example.org", PASSWORD)
    link = verification(await server.mails.wait_for("alicia@example.org"))
    assert await nobody.account.verify(**link) == alice.id
    assert (await me(alice))["mail"] == "alicia@example.org"
    assert (await nobody.session.login("alicia@example.org", PASSWORD)).user_id == alice.id
    with pytest.raises(InvalidCredentials):
        await nobody.session.login("alice@example.org", PASSWORD)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**link)


@pytest.mark.parametrize("typed", [{}, {"login": "alicia"}, {"login": "ALICE"}])
async def test_the_link_to_a_new_address_outlives_a_new_login(server, alice, people, nobody, typed):
    """The login of then stands in the mail; the one of now, which somebody may type, is as good; any other is not."""
    await alice.profile.save(new_mail="alicia@example.org", old_pass=PASSWORD)
    link = verification(await server.mails.wait_for("alicia@example.org"))
    assert link["login"] == "alice"
    await alice.profile.save(new_login="alicia", old_pass=PASSWORD)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**link | {"login": "bob"})
    assert await nobody.account.verify(**link | typed) == alice.id
    assert (await me(alice))["mail"] == "alicia@example.org"


async def test_the_old_address_is_told_of_the_new_one(server, alice):
    await alice.profile.save(new_mail="alicia@example.org", old_pass=PASSWORD)
    notice = await server.mails.wait_for("alice@example.org")
    assert notice["Subject"] == "Your mail address is being changed"
    assert "ver_id" not in notice.as_string()


async def test_an_address_that_is_taken_is_answered_alike_and_never_confirmed(server, alice, bob):
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        payload = {"new_mail": "alicia@example.org", "old_pass": PASSWORD}
        free = await socket.call("user/save_profile", payload)
        verification(await server.mails.wait_for("alicia@example.org"))
        await server.mails.wait_for("alice@example.org")
        assert await socket.call("user/save_profile", payload | {"new_mail": "BOB@example.org"}) == free
    notice = await server.mails.wait_for("alice@example.org")
    assert notice["Subject"] == "Your mail address is being changed"
    await until_mailed(server)
    assert server.mails.unread("bob@example.org") == server.mails.unread("BOB@example.org") == []
    assert ((await me(alice))["mail"], (await me(bob))["mail"]) == ("alice@example.org", "bob@example.org")


async def test_an_address_that_somebody_else_confirms_first_is_theirs(server, alice, people, nobody):
    await alice.profile.save(new_mail="bob@example.org", old_pass=PASSWORD)
    link = verification(await server.mails.wait_for("bob@example.org"))
    bob = await people("bob")
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**link)
    assert ((await me(alice))["mail"], (await me(bob))["mail"]) == ("alice@example.org", "bob@example.org")


async def test_only_the_newest_link_to_a_new_address_is_good_and_for_a_day(server, alice, nobody):
    links = []
    for mail in ("first@example.org", "second@example.org"):
        await alice.profile.save(new_mail=mail, old_pass=PASSWORD)
        links.append(verification(await server.mails.wait_for(mail)))
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**links[0])
    server.clock.advance(24 * HOUR)
    with pytest.raises(InvalidLink):
        await nobody.account.verify(**links[1])
    assert (await me(alice))["mail"] == "alice@example.org"


@pytest.mark.config(limits={"scale": 1, "mails_mailbox": 3})
async def test_no_mailbox_is_flooded_by_asking_to_move(server, alice, bob, carol):
    async def ask(person: Person, mail: str) -> None:
        await person.profile.save(new_mail=mail, old_pass=PASSWORD)

    for person in (alice, alice, bob, bob):  # each has been mailed the first link before
        await ask(person, "victim@example.org")
    with pytest.raises(RateLimited):
        await ask(alice, "other@example.org")
    await ask(carol, "other@example.org")
    await until_mailed(server)
    mailed = [mail["To"] for mail in server.mails.unread()]
    assert {address: mailed.count(address) for address in set(mailed)} == {
        "victim@example.org": 3,
        "alice@example.org": 2,
        "bob@example.org": 2,
        "carol@example.org": 1,
        "other@example.org": 1,
    }


# -- others ------------------------------------------------------------------------------------------------------------


async def test_a_profile_shows_these_fields_and_no_others(alice, bob):
    await alice.profile.save(description="tall", wish={"age_min": 20}, birth_date="1997-05-17")
    seen = await bob.call("profile", target_user_id=alice.id)
    assert seen.keys() == PROFILE
    assert (await me(alice)).keys() == ME
    own = await me(alice)
    shared = ("user_id", "login", "first_name", "last_name", "age", "gender", "description", "sex", "tags")
    assert {name: seen[name] for name in shared} == {name: own[name] for name in shared}
    assert seen["common_tags"] == ["tea"]
    assert not [secret for secret in ("@", "1997", "48.8", str(own["gps"]["lat"])) if secret in str(seen)]


async def test_a_profile_tells_what_is_between_the_two(alice, bob):
    async def between(one: Person, other: Person) -> set[str]:
        seen = await one.call("profile", target_user_id=other.id)
        return {name for name in RELATION if seen[name]}

    assert await between(alice, bob) == set()
    await alice.relation.connect("bob")
    assert await between(alice, bob) == {"liked", "requested"}
    assert await between(bob, alice) == {"liked_me", "requested_me"}
    await bob.relation.like(alice.id)
    assert await between(alice, bob) == {"liked", "requested", "liked_me", "connected"}
    assert await between(bob, alice) == {"liked", "liked_me", "requested_me", "connected"}
    await alice.relation.disconnect(bob.id)
    assert await between(alice, bob) == await between(bob, alice) == set()


@pytest.mark.parametrize(
    ("gps", "distance"),
    [
        (PARIS, 1),
        ({"lat": 48.8566 + 1 / 111.2, "lon": 2.3522}, 1),  # the next cell
        ({"lat": 48.8566 + 4 / 111.2, "lon": 2.3522}, 5),
        ({"lat": 48.8566, "lon": 2.3522 + 15 / 73.2}, 20),
        (LYON, 500),
        ({"lat": -33.8688, "lon": 151.2093}, 20000),
        (None, None),
    ],
)
async def test_the_distance_is_the_bucket_of_the_two_cells_for_both_alike(people, gps, distance):
    alice, bob = await people("alice", gps=PARIS), await people("bob", gps=gps)
    assert (await alice.profile.get(bob.id)).distance == distance
    assert (await bob.profile.get(alice.id)).distance == distance


async def test_nobody_visits_themselves(alice):
    with pytest.raises(InvalidPayload) as refusal:
        await alice.profile.get(alice.id)
    assert refusal.value.fields["target_user_id"]["code"] == "self"


async def test_whom_one_may_not_see_is_not_there_in_the_same_bytes(server, people, nobody):
    alice, bob, carol, banned, deleted = [
        await people(name) for name in ("alice", "bob", "carol", "mallory", "deleted")
    ]
    await alice.relation.block(bob.id)
    await carol.relation.block(alice.id)
    await set_state(server, banned, State.BANNED)
    await set_state(server, deleted, State.DELETED)
    unconfirmed = await nobody.account.register("dave", "dave@example.org", PASSWORD, "Dave", "Example")
    phantom = await nobody.account.register("erin", alice.mail, PASSWORD, "Erin", "Example")
    frames = set()
    for user_id in (bob.id, carol.id, banned.id, deleted.id, unconfirmed, phantom, 1, 2**53 - 1):
        async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
            refused(await socket.call("profile", {"target_user_id": user_id}), "not_found")
            frames.add(socket.frames[-1])
    assert len(frames) == 1
