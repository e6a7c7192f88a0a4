"""One's own profile and settings: what is saved, what is told to one's own sockets."""

from typing import Any

import pytest

from tests.contract.client import matching, picture
from tests.contract.events import PASSWORD
from tests.contract.shapes import LOGGED, ME, PHOTO, PROFILE, SETTINGS, matches
from tests.contract.world import PARIS, Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIELDS: dict[str, Any] = {
    "first_name": "Olga",
    "last_name": "Ivanova",
    "gender": "nonbinary",
    "description": "Tea,\nand trains.",
    "sex": ["female", "nonbinary"],
    "tags": ["tea", "night-trains"],
}
OWN = {"user_id", "login", "first_name", "last_name", "age", "gender", "description", "sex", "tags", "photo", "photos"}


def own_profile(profile: Any) -> Any:
    """The contract names no fields of the own profile; these are what one saves, and nothing private is among them."""
    assert OWN <= set(profile) <= set(PROFILE), profile
    for name in set(profile) - {"place"}:
        assert not matches(profile[name], PROFILE[name], name), (name, profile[name])
    return profile


async def test_only_given_fields_change(world: World, way: str) -> None:
    person = await world.join()
    me = await person.over(way)
    profile = own_profile(await me.ok("user/save_profile", **FIELDS))
    assert {name: profile[name] for name in FIELDS} == FIELDS
    for name, value in {"description": "Other.", "tags": ["chess"], "first_name": "Olya"}.items():
        profile |= {name: value}
        assert own_profile(await me.ok("user/save_profile", **{name: value})) == profile
    assert own_profile(await me.ok("user/save_profile")) == profile


async def test_null_clears_what_may_be_absent(world: World, way: str) -> None:
    person = await world.join(age=30, gps=PARIS, wish={"age_min": 20, "age_max": 30}, photo=False, **FIELDS)
    me = await person.over("socket")
    for name, empty in {"gender": [None], "description": [None, ""], "sex": [None, []], "tags": [[]]}.items():
        assert (await me.ok("user/save_profile", **{name: None}))[name] in empty
    for name in ("gps", "wish", "age"):
        await me.ok("user/save_profile", **{name: None})
    mine = await me.ok("user/me")
    assert (mine["gps"], mine["age"], mine["birth_date"], mine.get("place")) == (None, None, None, None)
    assert mine["wish"] is None or set(mine["wish"].values()) == {None}
    for name in ("first_name", "last_name"):
        assert await me.faults("user/save_profile", **{name: None}) == {name}


async def test_me_is_the_own_profile_and_what_is_private(world: World, way: str) -> None:
    person = await world.join(age=30, gps=PARIS, wish={"age_min": 20, "age_max": 30, "distance_max": 50}, **FIELDS)
    me = await person.over(way)
    mine = await me.ok("user/me")
    own = own_profile(await me.ok("user/save_profile"))
    assert set(mine) == set(own) | set(ME)
    assert {name: mine[name] for name in own} == own
    for name, shape in ME.items():
        assert not matches(mine[name], shape, name), mine[name]
    assert (mine["mail"], mine["login"]) == (person.mail, person.login)
    assert mine["wish"] == {"age_min": 20, "age_max": 30, "distance_max": 50}
    assert mine["unread"] == {"messages": 0, "notifications": 0}
    assert mine["cursor"] == await person.cursor()


async def test_a_position_is_kept_as_the_centre_of_a_cell(world: World) -> None:
    near = [PARIS, {"lat": PARIS["lat"] + 0.0001, "lon": PARIS["lon"]}]
    one, other = await world.crowd(*({"gps": gps, "photo": False} for gps in near))
    mine, theirs = (await one.ok("user/me"))["gps"], (await other.ok("user/me"))["gps"]
    assert mine == theirs or abs(mine["lat"] - theirs["lat"]) < 0.2
    assert mine != PARIS and theirs != PARIS
    await one.ok("user/save_profile", gps=mine)
    assert (await one.ok("user/me"))["gps"] == mine


@pytest.mark.parametrize(
    ("tags", "kept"), [(["Tea", "TEA", "tea"], ["tea"]), (["Straße"], ["strasse"]), (["日本-1"], ["日本-1"])]
)
async def test_tags_are_folded(world: World, somebody: Person, tags: list[str], kept: list[str]) -> None:
    assert (await somebody.ok("user/save_profile", tags=tags))["tags"] == kept


async def test_texts_are_normalised_and_have_no_control_characters(world: World, somebody: Person, way: str) -> None:
    me = await somebody.over(way)
    saved = await me.ok("user/save_profile", first_name="Rene\u0301e", description="a\u030a\nb")
    assert (saved["first_name"], saved["description"]) == ("Renée", "å\nb")
    for sign in "\0\x07\t\r\x1b\x7f\x85":
        assert await me.faults("user/save_profile", description=f"a{sign}b") == {"description"}, repr(sign)
        assert await me.faults("user/save_profile", first_name=f"a{sign}b") == {"first_name"}, repr(sign)


async def test_limits_are_in_characters(world: World, somebody: Person, way: str) -> None:
    me = await somebody.over(way)
    fox = "\N{FOX FACE}"
    saved = await me.ok("user/save_profile", first_name=fox * 64, description=fox * 4000, tags=["т" * 32] * 2)
    assert (len(saved["first_name"]), len(saved["description"])) == (64, 4000)
    assert await me.faults("user/save_profile", first_name=fox * 65, description=fox * 4001) == {
        "first_name",
        "description",
    }
    tags = [f"tag-{n}" for n in range(20)]
    assert sorted((await me.ok("user/save_profile", tags=tags))["tags"]) == sorted(tags)
    assert await me.faults("user/save_profile", tags=[*tags, "one-more"]) == {"tags"}


async def test_an_age_is_of_a_birth_date_or_stands_for_one(world: World, somebody: Person) -> None:
    assert (await somebody.ok("user/save_profile", birth_date="1990-01-15"))["age"] == 36  # today, by the clock here
    assert (await somebody.ok("user/save_profile", birth_date="1990-01-16"))["age"] == 35
    assert (await somebody.ok("user/me"))["birth_date"] == "1990-01-16"
    for age in (18, 44, 120):
        assert (await somebody.ok("user/save_profile", age=age))["age"] == age
    for wrong in ("2008-01-16", "1900-01-01", "1990-02-30", "15.01.1990", "1990-01-15T00:00:00Z"):
        assert await somebody.faults("user/save_profile", birth_date=wrong) == {"birth_date"}
    assert (await somebody.ok("user/save_profile", birth_date="2008-01-15"))["age"] == 18
    assert await somebody.faults("user/save_profile", age=30, birth_date="1990-01-15")


async def test_a_wish_has_an_order(world: World, somebody: Person, way: str) -> None:
    assert await (await somebody.over(way)).faults("user/save_profile", wish={"age_min": 40, "age_max": 20})
    assert await (await somebody.over(way)).faults("research", age_min=40, age_max=20)
    assert await (await somebody.over(way)).faults("research", fame_min=40, fame_max=20)


async def test_login_and_password_may_say_who_calls(world: World, way: str) -> None:
    person = await world.join(photo=False)
    nobody = world.http if way == "http" else await world.open()
    who = {"login": person.login, "password": PASSWORD}
    assert (await nobody.ok("user/save_profile", **who, first_name="Vera"))["first_name"] == "Vera"
    answer = await nobody.answer("user/save_profile", login=person.login, password="not it", first_name="Eve")
    assert answer["error"]["name"] in ("invalid_credentials", "unauthorized"), answer
    await nobody.refused(401, "unauthorized", "user/save_profile", first_name="Eve")
    assert (await person.ok("user/me"))["first_name"] == "Vera"


async def test_beside_a_session_login_and_password_must_be_the_current_ones(
    world: World, somebody: Person, other: Person, way: str
) -> None:
    me = await somebody.over(way)
    assert (await me.ok("user/save_profile", login=somebody.login, password=PASSWORD))["login"] == somebody.login
    for login, password in ((somebody.login, "not the password"), (other.login, PASSWORD), ("nobody-here", PASSWORD)):
        answer = await me.answer("user/save_profile", login=login, password=password, first_name="Eve")
        assert answer["code"] in (400, 401), answer
        assert answer["error"]["name"] in ("invalid_credentials", "invalid_payload", "unauthorized"), answer
    assert (await somebody.ok("user/me"))["first_name"] != "Eve"


async def test_a_login_is_changed_with_the_old_password(world: World, other: Person, way: str) -> None:
    person = await world.join(photo=False)
    me, new = await person.over(way), f"renamed{world.number()}"
    assert await me.faults("user/save_profile", new_login=new) == {"old_pass"}
    await me.refused(400, "invalid_credentials", "user/save_profile", new_login=new, old_pass="not the password")
    await me.refused(400, "already_exists", "user/save_profile", new_login=other.login, old_pass=PASSWORD)
    assert await me.faults("user/save_profile", new_login="admin", old_pass=PASSWORD) == {"new_login"}
    assert (await me.ok("user/save_profile", new_login=new, old_pass=PASSWORD))["login"] == new
    await world.http.ok("user/login", login=new, password=PASSWORD)
    await world.http.refused(400, "invalid_credentials", "user/login", login=person.login, password=PASSWORD)


async def test_a_new_mail_counts_once_verified_and_the_old_one_is_told(world: World, way: str) -> None:
    person = await world.join(photo=False)
    me, new = await person.over(way), f"moved{world.number()}@example.org"
    assert await me.faults("user/save_profile", new_mail=new) == {"old_pass"}
    await me.refused(400, "invalid_credentials", "user/save_profile", new_mail=new, old_pass="not the password")
    await me.ok("user/save_profile", new_mail=new, old_pass=PASSWORD)
    assert (await me.ok("user/me"))["mail"] == person.mail
    await world.http.refused(400, "invalid_credentials", "user/login", login=new, password=PASSWORD)
    assert await world.mail(person.mail)  # the old address is told
    assert await world.http.ok("user/verification", **await world.verify_link(new)) == {"user_id": person.id}
    assert (await me.ok("user/me"))["mail"] == new
    assert (await world.http.ok("user/login", login=new, password=PASSWORD))["user_id"] == person.id
    await world.http.refused(400, "invalid_credentials", "user/login", login=person.mail, password=PASSWORD)


async def test_a_new_mail_that_is_taken_answers_the_same(world: World, other: Person) -> None:
    person = await world.join(photo=False)
    saved = await person.ok("user/save_profile", new_mail=other.mail, old_pass=PASSWORD)
    assert saved == await person.ok("user/save_profile")
    await world.http.ok("user/forgot_pass", mail=other.mail)
    while "reset_id" not in (text := await world.mail(other.mail)):
        assert "ver_id" not in text
    assert (await person.ok("user/me"))["mail"] == person.mail


async def test_own_sockets_hear_of_a_changed_profile(world: World, way: str) -> None:
    person, stranger = await world.pair()
    one, two, theirs = await person.open(), await person.open(), await stranger.open()
    before = await person.cursor()
    saved = await (one if way == "socket" else person.http).ok("user/save_profile", description="New.")
    for socket in (one, two):
        assert await socket.push("profile/changed") == saved | {"seq": before + 1, "at": (await last(person))["at"]}
    assert [name for name, _ in await person.since(before)] == ["profile/changed"]
    assert await stranger.ok("user/settings") and theirs.pushes == []


async def last(person: Person) -> Any:
    return (await person.since(await person.cursor() - 1))[0][1]


async def test_settings_are_read_and_changed(world: World, way: str) -> None:
    person = await world.join(photo=False)
    me, socket = await person.over(way), await person.open()
    settings = matching(await me.ok("user/settings"), SETTINGS)
    assert settings == dict.fromkeys(("show_online", "show_distance", "read_receipts", "mail_on"), True) | {
        "language": "en"
    }
    for name, value in {"show_online": False, "read_receipts": False, "mail_on": False, "language": "ru"}.items():
        settings |= {name: value}
        assert await me.ok("user/settings", **{name: value}) == settings
        pushed = matching(await socket.push("settings/changed"), SETTINGS | LOGGED)
        assert pushed | settings == pushed
    assert await me.ok("user/settings", show_distance=False) == settings | {"show_distance": False}
    assert (await me.ok("user/me"))["settings"] == settings | {"show_distance": False}
    assert await me.faults("user/settings", language="de") == {"language"}
    assert await me.faults("user/settings", mail_on="maybe") == {"mail_on"}


async def test_the_image_field_is_the_whole_ordered_list(world: World, way: str) -> None:
    person = await world.join(photo=False)
    me = await person.over(way)
    first = await me.ok("user/save_profile", image=[picture(world.number()), picture(world.number())])
    a, b = (matching(photo, PHOTO)["photo_id"] for photo in first["photos"])
    assert first["photo"]["photo_id"] == a

    async def save(image: list[Any]) -> list[str]:
        profile = await me.ok("user/save_profile", image=image)
        ids = [photo["photo_id"] for photo in profile["photos"]]
        assert (profile["photo"] or {"photo_id": None})["photo_id"] == (ids[0] if ids else None)
        return ids

    assert await save([b, a]) == [b, a]
    c, *rest = await save([picture(world.number()), b, a])
    assert rest == [b, a] and c not in rest
    assert await save([a]) == [a]
    assert await me.faults("user/save_profile", image=[a, c]) == {"image.1"}  # gone with the last save
    assert await save([]) == []


async def test_a_photo_of_somebody_else_is_not_ones_own(world: World, way: str) -> None:
    person, other = await world.pair()
    theirs = (await other.ok("user/me"))["photos"][0]["photo_id"]
    me = await person.over(way)
    assert await me.faults("user/save_profile", image=[theirs]) == {"image.0"}
    assert await me.faults("user/save_profile", image=["no-such-photo"]) == {"image.0"}
    mine = (await me.ok("user/me"))["photos"]
    assert [photo["photo_id"] for photo in mine] != [theirs] and len(mine) == 1


async def test_bytes_that_are_no_picture_are_refused(world: World, somebody: Person, way: str) -> None:
    me = await somebody.over(way)
    before = await me.ok("user/me")
    for data in (b"GIF89a no picture at all", b"\xff\xd8\xff\xe0 nor this", picture(1)[:200]):
        await me.refused(400, "invalid_image", "user/save_profile", image=[data])
    after = await me.ok("user/me")
    assert [photo["photo_id"] for photo in after["photos"]] == [photo["photo_id"] for photo in before["photos"]]


async def test_more_photos_than_five_are_refused(world: World, somebody: Person) -> None:
    me = somebody.http
    six = [picture(world.number()) for _ in range(6)]
    assert await me.faults("user/save_profile", image=six) == {"image"}


@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG"])
async def test_pictures_come_in_three_formats(world: World, somebody: Person, form: str) -> None:
    data = picture(world.number(), form=form)
    assert len((await somebody.ok("user/save_profile", image=[data]))["photos"]) == 1


async def test_a_photo_like_another_members_is_not_refused(world: World) -> None:
    data = picture(world.number())
    one, other = await world.crowd({"photo": False}, {"photo": False})
    for person in (one, other):
        assert len((await person.ok("user/save_profile", image=[data]))["photos"]) == 1
