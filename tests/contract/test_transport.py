"""The transport: WebSocket alone, allowed origins, frames and attachments, one acknowledgement an event."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
import socketio

from tests.contract.client import Gone, Refused, faults, picture
from tests.contract.conftest import Build
from tests.contract.world import Person, World

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_polling_is_not_there(world: World) -> None:
    async with world.session.get(world.url + "/socket.io/?EIO=4&transport=polling") as response:
        assert response.status >= 400
        assert "sid" not in await response.text()


@pytest.mark.parametrize("namespace", ["/admin", "/chat"])
async def test_there_is_one_namespace(world: World, namespace: str) -> None:
    client = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(world.url, transports=["websocket"], namespaces=[namespace], wait_timeout=3)
    await client.shutdown()


async def test_a_page_of_another_origin_may_not_connect(world: World, somebody: Person) -> None:
    for origin in ("https://evil.example", "null", "http://localhost.evil.example:8080"):
        with pytest.raises(Refused):
            await world.open({"token": somebody.token}, headers={"Origin": origin})
    socket = await world.open({"token": somebody.token})  # no Origin at all: a bot
    assert (await socket.ok("user/me"))["user_id"] == somebody.id


async def raw(world: World, token: str) -> aiohttp.ClientWebSocketResponse:
    """Return a WebSocket that has joined, for frames that no client sends."""
    ws = await world.session.ws_connect(world.url + "/socket.io/?EIO=4&transport=websocket", max_msg_size=0)
    assert (await ws.receive_str()).startswith("0")
    await ws.send_str("40" + json.dumps({"token": token}))
    assert (await ws.receive_str()).startswith("40{")
    return ws


async def answered(ws: aiohttp.ClientWebSocketResponse, ack: int) -> Any:
    """Wait for an acknowledgement; None if the socket closed before."""
    async with asyncio.timeout(5):
        while True:
            message = await ws.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                return None
            if message.data.startswith(f"43{ack}["):
                [answer] = json.loads(message.data[len(f"43{ack}") :])
                return answer


async def test_a_frame_over_64_kib_closes_the_socket_and_a_smaller_one_is_answered(
    world: World, somebody: Person
) -> None:
    async with await raw(world, somebody.token) as ws:
        frame = '421["user/save_profile",{"description":"%s"}]'
        await ws.send_str(frame % ("x" * (65_536 - len(frame) + 2)))
        assert faults(await answered(ws, 1)) == {"description"}
        await ws.send_str(frame % ("x" * 65_536))
        assert await answered(ws, 1) is None


async def test_attachments_are_bounded(world: World, somebody: Person) -> None:
    socket = await somebody.open()
    six = [picture(n) for n in range(6)]
    with pytest.raises(Gone):
        await socket.ok("user/save_profile", image=six)
    socket = await somebody.open()
    with pytest.raises(Gone):
        await socket.ok("user/save_profile", image=[b"x" * 1_000_001])
    socket = await somebody.open()
    await socket.refused(400, "invalid_image", "user/save_profile", image=[b"x" * 1_000_000])
    assert (await socket.ok("user/me"))["user_id"] == somebody.id


async def test_only_image_takes_attachments(world: World, somebody: Person) -> None:
    socket = await somebody.open()
    assert await socket.faults("user/save_profile", description=b"bytes") == {"description"}
    assert await socket.faults("user/save_profile", image=b"bytes") == {"image"}
    assert await socket.faults("message/send", target_user_id=1, random_id=1, message=b"x") == {"message"}
    assert await socket.faults("user/me", image=[b"x"]) == {"image"}
    assert (await socket.ok("user/me"))["user_id"] == somebody.id


async def test_five_photos_come_at_once(world: World) -> None:
    person = await world.join(photo=False)
    socket = await person.open()
    saved = await socket.ok("user/save_profile", image=[picture(world.number()) for _ in range(5)])
    assert len(saved["photos"]) == 5


async def test_every_event_is_acknowledged_exactly_once(world: World, somebody: Person) -> None:
    async with await raw(world, somebody.token) as ws:
        for ack in range(20):
            await ws.send_str(f'42{ack}["user/{"me" if ack % 2 else "nope"}"]')
        await ws.send_str('42["user/me"]')  # nobody asked for this answer
        await ws.send_str('4299["user/me"]')
        acks: list[int] = []
        while len(acks) < 21:
            text = await ws.receive_str()
            assert text.startswith("43"), text
            acks.append(int(text[2 : text.index("[")]))
        assert sorted(acks) == [*range(20), 99]


async def test_allowed_origins_are_the_own_and_the_listed(build: Build) -> None:
    world = await build(server={"public_url": "https://dating.example.org", "origins": ["https://app.example.org"]})
    person = await world.join(photo=False)
    for origin in ("https://dating.example.org", "https://app.example.org"):
        socket = await world.open({"token": person.token}, headers={"Origin": origin})
        assert (await socket.ok("user/me"))["user_id"] == person.id
    with pytest.raises(Refused):
        await world.open({"token": person.token}, headers={"Origin": "https://example.org"})
    await world.http.ok("user/forgot_pass", mail=person.mail)
    while "/reset#" not in (text := await world.mail(person.mail)):
        pass
    assert "https://dating.example.org/reset#reset_id=" in text


async def test_without_the_database_events_are_unavailable_and_change_nothing(build: Build) -> None:
    world = await build(database={"timeout": 0.5})
    person = await world.join(photo=False)
    socket = await person.open()
    await socket.ok("user/me")
    async with world.server.database_down():
        for caller in (socket, person.http):
            error = await caller.refused(503, "unavailable", "user/save_profile", first_name="Eve")
            assert isinstance(error["retry_after"], int | float)
        async with world.session.get(world.url + "/readyz") as response:
            assert response.status == 503
        async with world.session.get(world.url + "/healthz") as response:
            assert response.status == 200
    async with asyncio.timeout(10):
        while (answer := await socket.answer("user/me"))["code"] != 200:
            assert answer["error"]["name"] == "unavailable"
    assert answer["data"]["first_name"] == "Sasha"
