"""GET /probe/…: it says how a request arrives, to whom has the keys of the server, for a minute."""

import aiohttp
import pytest

from server.app import SERVICES
from server.probe import probe_path


async def asked(server, path: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(server.url + path, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_it_says_how_a_request_arrives(start_server):
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    alone, behind = await start_server(), await start_server(server={"proxies": ["127.0.0.1/32"]})
    for server, address in ((alone, "127.0.0.1"), (behind, "203.0.113.7")):
        path = probe_path(server.app[SERVICES].tokens, server.clock.time())
        status, text = await asked(server, path, **forwarded)
        assert (status, text) == (200, f'{{"peer": "127.0.0.1", "address": "{address}"}}')


@pytest.mark.parametrize("age", [-70, 70])
async def test_it_says_so_for_a_minute(server, age):
    path = probe_path(server.app[SERVICES].tokens, server.clock.time() - age)
    assert (await asked(server, path))[0] == 404


async def test_nobody_without_the_keys_is_told(server, alice):
    path = probe_path(server.app[SERVICES].tokens, server.clock.time())
    photo = (await alice.profile.me()).photos[0].url["small"].split("/")[-2]
    for token in ("x", path.removeprefix("/probe/")[:-1] + "A", photo, alice.token):
        status, text = await asked(server, f"/probe/{token}")
        assert (status, "peer" in text) == (404, False)
