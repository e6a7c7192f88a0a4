"""HTTP: the routes of the specification, and what is there besides."""

import io
import json
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from PIL import Image

from tests.contract.client import Http, faults, matching, picture, refused
from tests.contract.events import EVENTS, OURS, PASSWORD, SOMEBODY, SPECIFIED
from tests.contract.shapes import CARD, Maybe, edge, opaque
from tests.contract.world import DAY, PARIS, Person, World
from tests.ground.accounts import State, set_state

pytestmark = pytest.mark.asyncio(loop_scope="module")
ROUTES = [(name, method, slash) for name, row in SPECIFIED.items() for method in row.methods for slash in (False, True)]
OTHER = {"GET": "POST", "POST": "GET"}


@pytest.mark.parametrize(("event", "method", "slash"), ROUTES)
async def test_every_route_of_the_specification_is_there(
    world: World, somebody: Person, event: str, method: str, slash: bool
) -> None:
    whole = event in ("user/logout", "user/reset_pass")
    token = None if whole else somebody.token
    fields = EVENTS[event].required | (EVENTS[event].optional if whole else {})
    reply = await Http(world.url, world.session, token).reply(event, fields, method=method, slash=slash)
    assert reply.answer["code"] in (200, 400), reply
    if reply.answer["code"] == 400:
        assert reply.answer["error"]["name"] in ("not_found", "invalid_link", "invalid_credentials", "already_exists")


@pytest.mark.parametrize("event", [name for name, row in SPECIFIED.items() if len(row.methods) == 1])
async def test_by_another_method_nothing_is_done(world: World, somebody: Person, event: str) -> None:
    method = OTHER[SPECIFIED[event].methods[0]]
    url, headers = f"{world.url}/api/{event}", {"Authorization": f"Bearer {somebody.token}"}
    async with world.session.request(method, url, headers=headers) as response:
        assert response.status in (404, 405)


@pytest.mark.parametrize("event", OURS)
async def test_our_own_events_have_routes_too(world: World, somebody: Person, event: str) -> None:
    answer = await somebody.http.answer(event, **EVENTS[event].required)
    assert answer["code"] == 200 or answer["error"]["name"] in ("not_found", "not_connected"), answer


async def test_a_token_stands_in_the_header_or_in_the_fields(world: World, somebody: Person, other: Person) -> None:
    for fields in ({"token": somebody.token}, {"token": somebody.token, "user_id": somebody.id}):
        assert (await world.http.ok("profile", **fields, **other.target))["user_id"] == other.id
        await world.http.ok("user/save_profile", **fields, first_name="Sasha")
    assert (await somebody.http.ok("profile", **other.target, user_id=somebody.id))["user_id"] == other.id
    await somebody.http.refused(401, "unauthorized", "profile", **other.target, user_id=other.id)
    await world.http.refused(401, "unauthorized", "profile", **other.target)
    for header in ("Bearer nothing", "Bearer ", "Basic " + somebody.token, somebody.token):
        reply = await world.http.reply("profile", other.target, headers={"Authorization": header})
        refused(reply.answer, 401, "unauthorized")
        assert reply.status == 401


async def test_fields_of_a_query_are_read_as_what_they_are(world: World) -> None:
    me, other = await world.crowd({"tags": ["rain"]}, {"age": 77, "tags": ["rain", "tea"]})
    await other.http.ok("user/set_online")
    answer = await me.http.ok("research", age_min=77, age_max=77, tags=["rain", "tea"], online=True, limit=5)
    assert [card["user_id"] for card in answer["users"]] == [other.id]
    matching(answer["users"][0], CARD)
    matching(answer["distance_max"], Maybe(edge))
    for name, wrong in {"limit": "x", "online": "perhaps", "age_min": "77.5", "sort_by": "", "cursor": "?"}.items():
        assert await me.http.faults("research", **{name: wrong}) == {name}
    async with world.session.get(
        f"{world.url}/api/research?limit=1&limit=2", headers={"Authorization": f"Bearer {me.token}"}
    ) as response:
        assert faults(await response.json()) == {"limit"}


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'"x"', b"7", b'{"age": NaN}', b"\xff", b'{"a":' * 5000])
async def test_a_body_that_is_no_object_is_told(world: World, somebody: Person, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {somebody.token}", "Content-Type": "application/json"}
    url = f"{world.url}/api/user/save_profile"
    async with world.session.post(url, data=body, headers=headers) as response:
        answer = json.loads(await response.text())
        assert response.status == answer["code"]
        if body:
            faults(answer)


async def test_the_status_is_the_code_but_403_for_900(world: World) -> None:
    me, other = await world.pair()
    await me.http.ok("user/block", **other.target)
    for method in ("GET", "POST"):
        fields = other.target | {"random_id": 1, "message": "x"}
        reply = await me.http.reply("message/send", fields, method=method)
        assert (reply.status, reply.answer["code"]) == (403, 900)
    reply = await me.http.reply("profile", {"target_user_id": SOMEBODY})
    assert (reply.status, reply.answer["code"]) == (400, 400)


async def test_a_route_that_is_not_there_is_an_unknown_event(world: World) -> None:
    for path in ("/api/nope", "/api/user/", "/api/user/me/more"):
        async with world.session.get(world.url + path) as response:
            answer = json.loads(await response.text())
            refused(answer, 400, "unknown_event")
            assert response.status == 400


async def test_pages_of_other_origins_are_refused(world: World, somebody: Person) -> None:
    headers = {"Authorization": f"Bearer {somebody.token}", "Origin": "https://evil.example"}
    async with world.session.get(f"{world.url}/api/user/me", headers=headers) as response:
        assert response.status in (400, 403)
        assert "Access-Control-Allow-Origin" not in response.headers
        assert somebody.login not in await response.text()


async def test_queries_are_not_logged(world: World, somebody: Person) -> None:
    answer = await world.http.reply("message/send", {"token": somebody.token, "message": "psst-42"}, method="GET")
    refused(answer.answer, 400, "invalid_payload")
    log = "\n".join(record.getMessage() for record in world.server.log)
    assert somebody.token not in log and "psst-42" not in log


async def test_a_link_opened_changes_nothing(world: World) -> None:
    person = await world.register(world.stranger(), photo=False)
    link = await world.verify_link(person.mail)
    for path in ("/verify", "/reset"):
        async with world.session.get(world.url + path) as response:
            assert response.status == 200
            assert response.content_type == "text/html"
            assert response.headers["Referrer-Policy"] == "no-referrer"
    await world.http.refused(400, "not_verified", "user/login", login=person.login, password=PASSWORD)
    assert await world.http.ok("user/verification", **link) == {"user_id": person.id}


async def test_health(world: World) -> None:
    for path in ("/healthz", "/readyz"):
        async with world.session.get(world.url + path) as response:
            assert response.status == 200, await response.text()


async def test_over_http_and_a_socket_the_same_is_said(world: World, somebody: Person, other: Person) -> None:
    """All that only reads, and all that is refused, in the same bytes."""
    socket = await somebody.open()
    calls: list[tuple[str, dict[str, Any]]] = [("profile", other.target), ("message/history", other.target)]
    for name, row in EVENTS.items():
        calls.append((name, row.required if row.methods == ("GET",) else {"nope": 1}))
    for event, fields in calls:
        one, two = await socket.answer(event, **fields), await somebody.http.answer(event, **fields)
        assert _without_urls(one) == _without_urls(two), event


def _without_urls(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _without_urls(value) for name, value in answer.items() if name not in ("url", "current")}
    return [_without_urls(part) for part in answer] if isinstance(answer, list) else answer


# photos


async def fetch(world: World, url: str, accept: str | None = None) -> tuple[int, Any, bytes]:
    """Fetch a photo from the server under test, whatever its public address."""
    parts = urlsplit(url)
    assert parts.path.startswith("/photo/"), url
    headers = {} if accept is None else {"Accept": accept}
    async with aiohttp.ClientSession() as browser:
        target = world.url + parts.path + (f"?{parts.query}" if parts.query else "")
        async with browser.get(target, headers=headers) as response:
            return response.status, response.headers.copy(), await response.read()


async def test_a_photo_comes_in_three_sizes_and_two_formats(world: World, somebody: Person) -> None:
    owner = await world.join(photo=False)
    await owner.ok("user/save_profile", image=[picture(world.number(), size=(1600, 1200))])
    photo = (await somebody.http.ok("profile", **owner.target))["photo"]
    for size, edge_length in {"small": 160, "medium": 480, "large": 1080}.items():
        for accept, form, mime in (
            ("image/avif,image/webp,*/*", "WEBP", "image/webp"),
            ("image/jpeg", "JPEG", "image/jpeg"),
            (None, "JPEG", "image/jpeg"),
        ):
            status, headers, body = await fetch(world, photo["url"][size], accept)
            assert status == 200
            assert "private" in headers["Cache-Control"]
            if accept is not None:
                assert headers["Content-Type"] == mime
                assert "Accept" in headers.get("Vary", "")
            image = Image.open(io.BytesIO(body))
            assert image.format == form or accept is None
            assert edge_length in image.size and max(image.size) <= edge_length * 4 // 3, (size, image.size)
            assert not image.getexif()


async def test_a_photo_says_nothing_of_where_and_when_it_was_taken(world: World, somebody: Person) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010F] = "SecretCamera"
    exif[0x0112] = 6  # turned by 90 degrees
    Image.open(io.BytesIO(picture(world.number(), size=(400, 200)))).save(file, "JPEG", exif=exif)
    owner = await world.join(photo=False)
    await owner.ok("user/save_profile", image=[file.getvalue()])
    url = (await somebody.http.ok("profile", **owner.target))["photo"]["url"]["large"]
    for accept in ("image/webp", "image/jpeg"):
        _, _, body = await fetch(world, url, accept)
        assert b"SecretCamera" not in body
        width, height = Image.open(io.BytesIO(body)).size
        assert height > width  # upright


async def test_a_photo_is_for_whom_the_card_was_made_while_they_may_see_it(world: World) -> None:
    me, blocker, erased, ends = await world.crowd({}, {}, {}, {})
    photos = [(await me.http.ok("profile", **person.target))["photo"] for person in (blocker, erased, ends)]
    urls = [photo["url"]["small"] for photo in photos]
    assert [(await fetch(world, url))[0] for url in urls] == [200] * 3
    await blocker.ok("user/block", **me.target)
    await set_state(world.server, erased, State.DELETED)
    await ends.ok("user/save_profile", image=[])
    gone = [await fetch(world, url) for url in urls]
    assert [status for status, _, _ in gone] == [404] * 3
    assert len({body for _, _, body in gone}) == 1
    await blocker.ok("user/unblock", **me.target)
    assert (await fetch(world, urls[0]))[0] == 200


async def test_the_address_of_a_photo_is_opaque_differs_by_viewer_and_cannot_be_made_up(world: World) -> None:
    me, other, owner = await world.crowd({}, {}, {})
    mine, theirs = [(await person.http.ok("profile", **owner.target))["photo"] for person in (me, other)]
    assert mine["photo_id"] == theirs["photo_id"] and mine["hash"] == theirs["hash"]
    assert mine["url"]["small"] != theirs["url"]["small"]
    assert str(owner.id) not in mine["url"]["small"] and owner.login not in mine["url"]["small"]
    path = mine["url"]["small"]
    head, _, tail = path.partition("/photo/")
    one_other = tail[:5] + ("a" if tail[5] != "a" else "b") + tail[6:]
    for changed in (one_other, tail[::-1], "x", tail.replace("small", "huge")):
        assert (await fetch(world, f"{head}/photo/{changed}"))[0] == 404


async def test_the_address_of_a_photo_is_good_for_a_day_or_two(world: World) -> None:
    me, owner = await world.pair()
    url = (await me.http.ok("profile", **owner.target))["photo"]["url"]["small"]
    world.clock.advance(DAY - 60)
    assert (await fetch(world, url))[0] == 200
    world.clock.advance(DAY + 120)
    assert (await fetch(world, url))[0] == 404


async def test_a_picture_over_http_is_base64(world: World) -> None:
    me = await world.join(photo=False)
    profile = await me.http.ok("user/save_profile", image=[picture(world.number())], gps=PARIS)
    matching(profile["photo"]["photo_id"], opaque)
    for wrong in ("%%%", "AAAA", ""):
        answer = await me.http.answer("user/save_profile", image=[wrong])
        assert answer["error"]["name"] in ("invalid_payload", "invalid_image"), answer
