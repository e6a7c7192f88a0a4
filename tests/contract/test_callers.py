"""Who is calling: the handshake, the login, the token in a payload."""

import json
from typing import Any

import pytest

from tests.contract.client import Refused, refused
from tests.contract.events import PASSWORD
from tests.contract.world import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def handshake(world: World, frame: str) -> dict[str, Any] | str:
    """Send a CONNECT as it stands, and return what comes back: the body of a CONNECT_ERROR, or the whole CONNECT."""
    async with world.session.ws_connect(world.url + "/socket.io/?EIO=4&transport=websocket") as ws:
        assert (await ws.receive_str()).startswith("0")
        await ws.send_str(frame)
        answer = await ws.receive_str()
        return json.loads(answer[2:]) if answer.startswith("44") else answer


async def assert_refused(world: World, auth: Any, code: int, name: str) -> None:
    with pytest.raises(Refused) as info:
        await world.open(auth)
    body = info.value.body
    assert set(body) == {"message", "data"}, body
    assert body["message"] == name, body
    refused(body["data"], code, name)


async def test_a_handshake_without_auth_is_anonymous(world: World) -> None:
    for frame in ("40", "40null"):
        answer = await handshake(world, frame)
        assert isinstance(answer, str) and answer.startswith("40"), answer
    socket = await world.open(None)
    await socket.refused(401, "unauthorized", "user/me")


@pytest.mark.parametrize("frame", ['40"text"', "40[]", "40true"])
async def test_a_handshake_with_something_else_is_refused(world: World, frame: str) -> None:
    body = await handshake(world, frame)
    assert isinstance(body, dict) and set(body) == {"message", "data"}, body
    assert body["data"]["error"]["name"] == body["message"]


async def test_a_handshake_with_a_bad_token_is_refused_in_the_shape_of_an_answer(
    world: World, somebody: Person
) -> None:
    await assert_refused(world, {"token": "no token"}, 401, "unauthorized")
    await assert_refused(world, {"token": somebody.token[:-2] + "xx"}, 401, "unauthorized")
    with pytest.raises(Refused):
        await world.open({"token": 7})
    with pytest.raises(Refused):
        await world.open({"token": None})
    with pytest.raises(Refused):
        await world.open({"token": somebody.token, "nope": 1})
    with pytest.raises(Refused):
        await world.open({"token": somebody.token, "cursor": "1"})


async def test_a_token_of_an_ended_session_says_so_everywhere(world: World) -> None:
    person = await world.join(photo=False)
    ended = await person.login_again()
    assert await ended.http.ok("user/logout") == {}
    await assert_refused(world, {"token": ended.token}, 401, "session_ended")
    await ended.http.refused(401, "session_ended", "user/me")
    anonymous = await world.open()
    await anonymous.refused(401, "session_ended", "user/me", token=ended.token)
    assert (await person.ok("user/me"))["user_id"] == person.id


async def test_a_handshake_with_a_token_is_signed_in(world: World, somebody: Person) -> None:
    socket = await world.open({"token": somebody.token})
    assert (await socket.ok("user/me"))["user_id"] == somebody.id
    socket = await world.open({"token": somebody.token, "cursor": None})
    assert (await socket.ok("user/me"))["user_id"] == somebody.id


async def test_login_signs_an_anonymous_socket_in(world: World, somebody: Person) -> None:
    socket = await world.open()
    await socket.refused(401, "unauthorized", "user/me")
    session = await socket.ok("user/login", login=somebody.login, password=PASSWORD)
    assert (await socket.ok("user/me"))["user_id"] == somebody.id
    await somebody.http.ok("user/save_profile", description=f"Here I am {world.number()}.")
    await socket.push("profile/changed")
    assert session["user_id"] == somebody.id


async def test_login_on_a_signed_in_socket_only_gives_a_token(world: World, somebody: Person, other: Person) -> None:
    socket = await somebody.open()
    session = await socket.ok("user/login", login=other.login, password=PASSWORD)
    assert session["user_id"] == other.id
    assert (await socket.ok("user/me"))["user_id"] == somebody.id
    assert (await world.http.ok("user/me", token=session["token"]))["user_id"] == other.id


async def test_a_token_in_a_payload_counts_for_that_event_alone(world: World, somebody: Person, other: Person) -> None:
    anonymous, signed_in = await world.open(), await somebody.open()
    for socket in (anonymous, signed_in):
        assert (await socket.ok("user/me", token=other.token))["user_id"] == other.id
        assert (await socket.ok("user/me", token=other.token, user_id=other.id))["user_id"] == other.id
    await anonymous.refused(401, "unauthorized", "user/me")
    assert (await signed_in.ok("user/me"))["user_id"] == somebody.id
    await signed_in.refused(401, "unauthorized", "user/me", token="no token")


async def test_a_user_id_beside_it_must_be_the_callers(world: World, somebody: Person, other: Person, way: str) -> None:
    caller = await somebody.over(way)
    assert (await caller.ok("user/me", user_id=somebody.id))["user_id"] == somebody.id
    await caller.refused(401, "unauthorized", "user/me", user_id=other.id)
    anonymous = world.http if way == "http" else await world.open()
    await anonymous.refused(401, "unauthorized", "user/me", token=somebody.token, user_id=other.id)
    await anonymous.refused(401, "unauthorized", "user/me", user_id=somebody.id)
    assert (await anonymous.ok("profile", token=somebody.token, user_id=somebody.id, **other.target))["login"]


async def test_a_push_goes_to_no_socket_that_only_carried_the_token(world: World) -> None:
    one, other = await world.couple()
    anonymous, own = await world.open(), await other.open()
    await anonymous.ok("user/me", token=other.token)
    await one.ok("message/send", **other.target, random_id=1, message="psst")
    await own.push("message/new")
    await anonymous.ok("user/me", token=other.token)
    assert anonymous.pushes == []
