"""HTTP: the same events by routes, with the same answers."""

import asyncio
import json
import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

import handlers.profile
from server.wire.events import registry
from tests.ground.accounts import verification
from tests.ground.answers import ok, refused
from tests.ground.photos import image
from tests.ground.raw import RawSocket
from tests.ground.server import PASSWORD, RunningServer

WRONG = "wrong horse battery"
# By what methods events are called, as specified; message/send is specified without one, so by both.
METHODS = {
    "user/login": ("POST",),
    "user/logout": ("POST",),
    "user/registr": ("POST",),
    "user/verification": ("POST",),
    "user/reset_pass": ("POST",),
    "user/save_profile": ("POST",),
    "research": ("GET",),
    "profile": ("GET",),
    "user/like": ("GET",),
    "user/connect": ("GET",),
    "user/disconnect": ("GET",),
    "user/block": ("GET",),
    "user/unblock": ("GET",),
    "message/send": ("GET", "POST"),
    "notifications": ("GET", "POST"),
    # ours
    "user/resend_verification": ("POST",),
    "user/forgot_pass": ("POST",),
    "user/sessions": ("GET",),
    "user/end_session": ("POST",),
    "user/settings": ("POST",),
    "user/me": ("GET",),
    "user/unlike": ("POST",),
    "user/connections": ("GET",),
    "user/history": ("GET",),
    "report": ("GET",),
    "user/pass": ("POST",),
    "user/unpass": ("POST",),
    "user/likes": ("GET",),
    "user/blocks": ("GET",),
    "message/history": ("GET",),
    "message/read": ("POST",),
    "message/typing": ("POST",),
    "user/set_online": ("GET",),
    "user/set_offline": ("GET",),
    "presence/watch": ("POST",),
    "notifications/list": ("GET",),
    "notifications/read": ("POST",),
    "sync": ("POST",),
    "tags": ("GET",),
    "places": ("GET",),
}
# What alice, connected with bob, may call twice and be answered alike; "bob" stands for his id.
CALLS: dict[str, dict[str, Any]] = {
    "user/login": {"login": "alice", "password": WRONG},
    "user/logout": {"login": "alice", "password": WRONG},
    "user/registr": {"login": "bob", "mail": "b@example.org", "password": PASSWORD}
    | {"first_name": "Bob", "last_name": "Example"},
    "user/verification": {"ver_id": "no-such-link", "login": "bob"},
    "user/save_profile": {"first_name": "Alicia", "tags": ["tea", "chess"], "gps": {"lat": 1, "lon": 2.5}},
    "research": {"limit": 1, "sort_by": 2, "order": "desc", "tags": ["locks"], "age_min": 20, "distance_max": 50},
    "profile": {"target_user_id": "bob"},
    "user/like": {"target_user_id": "bob"},
    "user/connect": {"target_id": "bob"},
    "user/disconnect": {"target_user_id": "bob"},
    "user/block": {"target_user_id": "bob"},
    "user/unblock": {"target_user_id": "bob"},
    "message/send": {"target_user_id": "bob", "random_id": -7, "message": "42 ✓ &=%?"},
    "notifications": {"user_id": "bob", "random_id": -7},
    "user/resend_verification": {"mail": "alice@example.org"},
    "user/forgot_pass": {"mail": "alice@example.org"},
    "user/reset_pass": {"reset_id": "no-such-link", "new_pass": PASSWORD},
    "user/sessions": {},
    "user/end_session": {"session_id": "no-such-session"},
    "user/settings": {"show_online": False, "language": "fr"},
    "user/me": {},
    "user/unlike": {"target_user_id": "bob"},
    "user/connections": {"limit": 5},
    "user/history": {"limit": 5},
    "report": {"target_user_id": "bob", "report_id": 6, "comment": "a query"},
    "user/pass": {"target_user_id": "bob"},
    "user/unpass": {"target_user_id": "bob"},
    "user/likes": {"limit": 5},
    "user/blocks": {"limit": 5},
    "message/history": {"target_user_id": "bob", "before": 10, "limit": 2},
    "message/read": {"target_user_id": "bob", "seq": 0},
    "message/typing": {"target_user_id": "bob"},
    "user/set_online": {},
    "user/set_offline": {},
    "presence/watch": {"user_ids": [424_242]},
    "notifications/list": {"limit": 5},
    "notifications/read": {"seq": 0},
    "sync": {"cursor": None},
    "tags": {"prefix": "t%"},
    "places": {"prefix": "ПАР"},
}

REFUSED = ("user/login", "user/logout", "user/registr", "user/verification", "user/reset_pass", "user/end_session")


class Http:
    """A client of the routes."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.session = session
        self.response: aiohttp.ClientResponse

    async def call(self, method: str, event: str, *, token: str | None = None, **request: Any) -> dict[str, Any]:
        """Return the answer; its code is the status."""
        if token:
            request["headers"] = {"Authorization": f"Bearer {token}"} | request.get("headers", {})
        async with self.session.request(method, f"{self.url}/api/{event}", **request) as self.response:
            assert self.response.content_type == "application/json"
            answer: dict[str, Any] = json.loads(await self.response.read())
        assert self.response.status == {900: 403}.get(answer["code"], answer["code"])
        return answer

    async def get(self, event: str, **request: Any) -> dict[str, Any]:
        return await self.call("GET", event, **request)

    async def post(self, event: str, **request: Any) -> dict[str, Any]:
        return await self.call("POST", event, **request)


@pytest_asyncio.fixture
async def http(server: RunningServer) -> AsyncIterator[Http]:
    async with aiohttp.ClientSession() as session:
        yield Http(server.url, session)


def given(method: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Return how fields are sent: in the query, lists by repeating the key, or as a JSON body."""
    if method == "POST":
        return {"json": payload}
    return {
        "params": [
            (name, str(part))
            for name, value in payload.items()
            for part in (value if isinstance(value, list) else [value])
        ]
    }


# -- the table ---------------------------------------------------------------------------------------------------------


def test_every_event_has_the_routes_that_are_specified():
    assert {name: spec.methods for name, spec in registry.items()} == METHODS
    assert CALLS.keys() == METHODS.keys(), "each is called below"


@pytest.mark.parametrize(("event", "method"), [(name, method) for name in METHODS for method in METHODS[name]])
async def test_a_route_answers_like_the_socket_with_and_without_the_last_slash(
    server, connected, mallory, http, event, method
):
    alice, bob = connected
    payload = {
        name: bob.id if value == "bob" and name.endswith("user_id") else value for name, value in CALLS[event].items()
    }
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        answer = await socket.call(event, payload)
    assert ("data" in answer) == (event not in REFUSED)
    for path in (event, event + "/"):
        assert await http.call(method, path, token=alice.token, **given(method, payload)) == answer


@pytest.mark.parametrize("event", METHODS)
async def test_other_methods_are_refused(http, event):
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - {*METHODS[event]}:
        async with http.session.request(method, f"{http.url}/api/{event}") as response:
            assert response.status == 405
            if method != "HEAD":
                refused(await response.json(), "unknown_event")
            assert set(response.headers["Allow"].split(",")) == set(METHODS[event])


@pytest.mark.parametrize("path", ["", "nope", "user", "user/nope", "user/login/now", "User/login", "admin/ban"])
async def test_what_is_no_event_is_an_unknown_event(http, path):
    async with http.session.get(f"{http.url}/api/{path}") as response:
        assert response.status == 400
        refused(await response.json(), "unknown_event")


async def test_everything_can_be_done_without_a_socket(server, http):
    ids, tokens = {}, {}
    for login in ("alice", "bob"):
        told = {"login": login, "mail": f"{login}@example.org", "password": PASSWORD}
        told |= {"image": [b64encode(image()).decode()]}
        ids[login] = ok(await http.post("user/registr", json=told | {"first_name": "A", "last_name": "B"}))["user_id"]
        link = verification(await server.mails.wait_for(f"{login}@example.org"))
        ok(await http.post("user/verification", json=link))
        tokens[login] = ok(await http.post("user/login", json={"login": login, "password": PASSWORD}))["token"]
    ok(await http.get("user/like", token=tokens["alice"], params={"target_user_id": ids["bob"]}))
    assert ok(await http.get("user/connect", token=tokens["bob"], params={"target_id": "alice"})) == {
        "state": "connected"
    }
    message = {"target_user_id": ids["bob"], "random_id": 1, "message": "hi"}
    assert ok(await http.post("message/send", token=tokens["alice"], json=message))["seq"] == 1
    history = ok(await http.get("message/history", token=tokens["bob"], params={"target_user_id": ids["alice"]}))
    assert [message["message"] for message in history["messages"]] == ["hi"]
    ok(await http.post("user/logout", token=tokens["alice"]))
    refused(await http.get("user/me", token=tokens["alice"]), "session_ended")


# -- fields ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=x", "limit", "type"),
        ("limit=", "limit", "type"),
        ("limit=1.0", "limit", "type"),
        ("limit=1e1", "limit", "type"),
        ("limit=+1", "limit", "type"),
        ("limit=%201", "limit", "type"),
        ("limit=1_0", "limit", "type"),
        ("limit=%D9%A1", "limit", "type"),
        ("limit=true", "limit", "type"),
        ("limit=0", "limit", "min"),
        ("limit=" + "9" * 5000, "limit", "type"),
        ("limit=1&limit=2", "limit", "type"),
        ("age_min=17", "age_min", "min"),
        ("order=up", "order", "choice"),
        ("tags=tea&tags=%23x", "tags.1", "format"),
        ("tags[]=tea", "tags[]", "unknown"),
        ("nope=1", "nope", "unknown"),
        ("cursor=", "cursor", "min_length"),
        ("cursor=nonsense", "cursor", "expired"),
    ],
)
async def test_a_query_is_held_to_the_types_of_its_fields(alice, http, query, field, code):
    error = refused(await http.get(f"research?{query}", token=alice.token), "invalid_payload")
    assert {name: fault["code"] for name, fault in error["fields"].items()} == {field: code}


async def test_in_a_query_text_stays_text_and_numbers_are_numbers(connected, http):
    alice, bob = connected
    for random_id, text in enumerate(["42", "true", "null", "[1]", "a+b&c=d", "день", " "], start=-2):
        query = {"target_user_id": bob.id, "random_id": random_id, "message": text}
        ok(await http.get("message/send", token=alice.token, params=query))
        assert (await bob.message.history(alice.id))[0].message == text


@pytest.mark.parametrize(
    "body", ["{", "nul", '{"limit": NaN}', "[1,]", "{'a': 1}", b"\xff\xfe", "[" * 9000, '"\\ud800"']
)
async def test_a_body_that_is_no_json_is_refused(alice, http, body):
    headers = {"Content-Type": "application/json"}
    error = refused(await http.post("message/read", token=alice.token, data=body, headers=headers), "invalid_payload")
    assert error["fields"]["payload"]["code"] == "format"


@pytest.mark.parametrize("body", ["[]", "null", "1", '"x"', "true", "[{}]"])
async def test_a_body_is_one_object(alice, http, body):
    headers = {"Content-Type": "application/json; charset=utf-8"}
    refused(await http.post("message/read", token=alice.token, data=body, headers=headers), "invalid_payload")


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", "text/json", ""]
)
async def test_a_body_is_json_by_its_type_too(alice, http, kind):
    """R35: no form of another page's gets in."""
    body = json.dumps({"login": "alice", "password": PASSWORD})
    error = refused(await http.post("user/login", data=body, headers={"Content-Type": kind}), "invalid_payload")
    assert error["fields"]["payload"]["code"] == "type"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_64_kib_is_refused(alice, http, chunked):
    body = json.dumps({"first_name": "a" * 65_536}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 16_384):
            yield body[start : start + 16_384]

    data, headers = pieces() if chunked else body, {"Content-Type": "application/json"}
    answer = await http.post("message/send", token=alice.token, data=data, headers=headers)
    assert refused(answer, "invalid_payload")["fields"]["payload"]["code"] == "max_length"


@pytest.mark.config(server={"event_timeout": 0.2})
async def test_a_body_that_does_not_arrive_is_not_waited_for(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    headers = b"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    writer.write(b"POST /api/user/login HTTP/1.1\r\n" + headers + b'{"login": ')
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 2)
    writer.close()


# -- who ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_a_bearer_token_is_a_token(alice, http, scheme):
    answer = await http.get("user/me", headers={"Authorization": f"{scheme} {alice.token}"})
    assert ok(answer)["user_id"] == alice.id


async def test_a_token_may_be_a_field_as_specified_or_both(alice, http):
    fields = {"token": alice.token, "user_id": str(alice.id)}
    for token in (None, alice.token):
        assert ok(await http.get("user/me", token=token, params=fields))["user_id"] == alice.id
        body = {"token": alice.token, "user_id": alice.id, "cursor": None}
        assert ok(await http.post("sync", token=token, json=body))["cursor"] == 0


@pytest.mark.parametrize("user_id", ["1", "x", "", "0x1", "9" * 5000, "-1", "٣"])
async def test_a_user_id_that_is_not_the_callers_is_unauthorized(alice, http, user_id):
    refused(await http.get("user/me", token=alice.token, params={"user_id": user_id}), "unauthorized")


async def test_without_a_good_token_one_is_nobody(alice, http):
    refused(await http.get("user/me"), "unauthorized")
    for header in ("Bearer", "Bearer ", "Bearer nonsense", f"Basic {alice.token}", alice.token):
        refused(await http.get("user/me", headers={"Authorization": header}), "unauthorized")
    refused(await http.get("user/me", headers={"Cookie": f"token={alice.token}"}), "unauthorized")
    refused(await http.get("user/me", params={"token": "nonsense"}), "unauthorized")


async def test_nobody_signs_in_by_a_query(server, alice, http):
    """R35: what is in an address is in logs and histories."""
    before = await server.database.fetch("SELECT id FROM session")
    credentials = {"login": "alice", "password": PASSWORD}
    for event in ("user/login", "user/logout", "user/save_profile"):
        async with http.session.get(f"{http.url}/api/{event}", params=credentials) as response:
            assert response.status == 405
        refused(await http.post(event, params=credentials), "invalid_payload", "unauthorized")
    refused(await http.get("user/me", params=credentials), "unauthorized")
    assert await server.database.fetch("SELECT id FROM session") == before


async def test_whom_one_has_blocked_one_cannot_write_to_403(connected, http):
    alice, bob = connected
    await alice.relation.block(bob.id)
    message = {"target_user_id": bob.id, "random_id": 1, "message": "hi"}
    refused(await http.post("message/send", token=alice.token, json=message), "blacklisted")
    assert http.response.status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:8080.evil.example",
        "https://localhost:8080",
        "http://localhost:8081",
        "http://localhost",
    ],
)
async def test_pages_of_other_origins_are_refused(alice, http, origin):
    for method, event in (("GET", "user/me"), ("POST", "user/login")):
        answer = await http.call(method, event, token=alice.token, headers={"Origin": origin})
        refused(answer, "forbidden")
        assert not [name for name in http.response.headers if name.startswith("Access-Control")]


@pytest.mark.config(server={"origins": ["https://app.example.org"]})
@pytest.mark.parametrize("origin", ["http://localhost:8080", "http://127.0.0.1:8080", "https://app.example.org"])
async def test_our_own_pages_and_those_listed_may_call(alice, http, origin):
    ok(await http.get("user/me", token=alice.token, headers={"Origin": origin}))


# -- what browsers and logs are told -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/verify", "/verify.js", "/page.css", "/healthz", "/readyz", "/nope", "/api/nope"]
)
async def test_every_response_says_what_browsers_may_do(http, path):
    async with http.session.get(http.url + path) as response:
        assert_safe(response)


async def test_every_answer_says_what_browsers_may_do(alice, http):
    for token in (alice.token, None, "nonsense"):
        await http.get("user/me", token=token)
        assert_safe(http.response)
    async with http.session.put(f"{http.url}/api/user/me") as response:
        assert_safe(response)


def assert_safe(response: aiohttp.ClientResponse) -> None:
    headers = response.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert not headers.get("Set-Cookie")
    assert "aiohttp" not in headers.get("Server", "")


async def test_what_stands_in_a_query_is_never_logged(server, alice, http, monkeypatch):
    secret = "whatnobodymayread"
    for path in ("user/me", "user/me/", "profile", "nope", "user/login", "message/send"):
        async with http.session.get(f"{http.url}/api/{path}?token={alice.token}&message={secret}"):
            pass
    monkeypatch.setattr(handlers.profile, "get_own", None)
    refused(await http.get("user/me", params={"token": alice.token}), "internal")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(f"GET /api/profile?token={alice.token}&{secret} HTTP/9\r\n\r\n".encode())
    assert b" 400 " in await asyncio.wait_for(reader.readline(), 3)
    writer.close()
    logged = "\n".join(logging.Formatter().format(record) + str(record.args) for record in server.log)
    assert alice.token not in logged
    assert secret not in logged


# -- pages and health --------------------------------------------------------------------------------------------------


async def test_the_pages_are_there(http):
    for path in ("/", "/verify"):
        async with http.session.get(http.url + path) as response:
            assert (response.status, response.content_type) == (200, "text/html")
            assert "matcha42" in await response.text()


async def test_opening_the_page_of_a_link_confirms_nothing(server, http):
    told = {"login": "alice", "mail": "alice@example.org", "password": PASSWORD}
    ok(await http.post("user/registr", json=told | {"first_name": "A", "last_name": "B"}))
    link = verification(await server.mails.wait_for("alice@example.org"))
    for method in ("GET", "HEAD"):
        async with http.session.request(method, f"{http.url}/verify", params=link) as response:
            assert response.status == 200
    async with http.session.get(f"{http.url}/api/user/verification", params=link) as response:
        assert response.status == 405
    refused(await http.post("user/login", json={"login": "alice", "password": PASSWORD}), "not_verified")
    ok(await http.post("user/verification", json=link))


async def test_a_server_is_alive_and_ready(http):
    assert await health(http) == (200, 200, {"database": True, "redis": True, "serving": True})


async def test_without_redis_a_server_is_alive_and_not_ready(server, http):
    async with server.redis_down():
        assert await health(http) == (200, 503, {"database": True, "redis": False, "serving": True})
    assert (await health(http))[:2] == (200, 200)


async def test_without_its_database_a_server_is_alive_and_not_ready(server, alice, http):
    async with server.database_down():
        states, answer = await asyncio.gather(health(http), http.get("user/me", token=alice.token))
        assert states == (200, 503, {"database": False, "redis": True, "serving": True})
        refused(answer, "unavailable")
    assert (await health(http))[:2] == (200, 200)
    ok(await http.get("user/me", token=alice.token))


async def health(http: Http) -> tuple[int, int, dict[str, bool]]:
    soon = aiohttp.ClientTimeout(total=5)
    async with (
        http.session.get(f"{http.url}/healthz", timeout=soon) as alive,
        http.session.get(f"{http.url}/readyz", timeout=soon) as ready,
    ):
        return alive.status, ready.status, await ready.json()
