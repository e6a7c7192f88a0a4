"""The reference: generated, up to date, valid, and true of what the server does."""

import asyncio
import copy
import json
import os
import re
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import pytest_asyncio

from client_sdk import Client
from client_sdk.pushes import PUSHES as SDK_PUSHES
from server.embedded import PrivateServers, Urls
from server.reference import calls, examples
from server.reference.description import describe
from server.reference.outputs import OUTPUTS, ROOT
from server.wire.errors import ERRORS
from server.wire.events import registry
from server.wire.pushes import NAMES, PUSHES, Notice
from tests.contract.world import builder
from tests.ground import pushed
from tests.ground.walk import OPTIONS, Walk

REFERENCE = describe()
DOCUMENT: dict[str, Any] = json.loads((ROOT / "asyncapi.json").read_text())
EVENTS = pytest.mark.parametrize("event", REFERENCE.events, ids=lambda event: event.name)
HERE = Path(__file__).parent


# -- generated ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OUTPUTS)
def test_a_generated_file_is_up_to_date(path: str) -> None:
    is_same = (ROOT / path).read_text() == OUTPUTS[path]()
    assert is_same, f"{path} is old: run `make generate`"


@pytest.mark.parametrize("path", OUTPUTS)
def test_every_event_push_and_error_is_everywhere(path: str) -> None:
    """The SDK's types are those of answers; its pushes and errors are written by hand, see below."""
    text = (ROOT / path).read_text()
    if path == "client_sdk/types.py":
        shapes = {event.answer["$ref"].rpartition("/")[2] for event in REFERENCE.events if "$ref" in event.answer}
        wanted = {f"class {shape}(" for shape in shapes - {"Nothing"}}
    else:
        wanted = {*registry, *PUSHES, *ERRORS}
    assert not [name for name in wanted if name not in text]


def test_every_push_has_its_data() -> None:
    assert set(NAMES.values()) <= set(PUSHES)
    assert {name for spec in registry.values() for name in spec.pushes} <= set(PUSHES)
    assert examples.push(REFERENCE, "notification")["kind"] in [notice.word for notice in Notice]
    kinds = REFERENCE.shapes["Notice"].schema["properties"]["kind"]["enum"]
    assert kinds == [notice.word for notice in Notice]


def test_the_sdk_reads_every_field_of_a_push() -> None:
    assert set(SDK_PUSHES) == set(PUSHES)
    for name, (kind, within) in SDK_PUSHES.items():
        if within is None:
            assert {*kind.__struct_fields__} - {"seq", "at"} == {*PUSHES[name].__struct_fields__}, name


def test_a_check_of_several_fields_says_what_it_wants() -> None:
    assert [event.name for event in REFERENCE.events if event.rule == ""] == []


# -- examples ----------------------------------------------------------------------------------------------------------


@EVENTS
def test_an_example_is_what_the_event_takes_and_answers(event: Any) -> None:
    payload = examples.payload(event)
    registry[event.name].parse(payload)
    assert faults(f"{_id(event.name)}", payload) == []
    assert faults(f"{_id(event.name)}.ack", {"code": 200, "data": examples.answer(REFERENCE, event)}) == []


@pytest.mark.parametrize("push", PUSHES)
def test_an_example_is_what_is_pushed(push: str) -> None:
    assert faults(f"push.{_id(push)}", examples.push(REFERENCE, push)) == []


@EVENTS
async def test_an_example_in_python_sends_what_it_says(event: Any) -> None:
    class Called(Exception):
        pass

    async def call(name: str, /, **fields: Any) -> Any:
        raise Called(name, {key: value for key, value in fields.items() if not isinstance(value, type(Client))})

    client = Client("http://localhost")
    client.call = client.insist = call  # type: ignore[method-assign]
    payload = examples.payload(event)
    line = calls.python(event, payload)
    assert event.name in calls.methods(), "the SDK has a method for it"
    program = f"async def example(client):\n    {line.replace(chr(10), chr(10) + '    ')}\n"
    names: dict[str, Any] = {}
    exec(program, names)
    with pytest.raises(Called) as called:
        await names["example"](client)
    name, sent = called.value.args
    sent = {key: value for key, value in sent.items() if key in payload and key != "random_id"}
    assert (name, sent) == (event.name, {key: value for key, value in payload.items() if key != "random_id"})


# -- valid -------------------------------------------------------------------------------------------------------------


def _id(name: str) -> str:
    return name.replace("/", ".")


def _strict() -> dict[str, Any]:
    """Return the document, but nothing may stand in an object that it does not name."""
    document = copy.deepcopy(DOCUMENT)
    pushed_shapes = {push.shape for push in REFERENCE.pushes if push.logged} | {"Logged"}
    for name, schema in document["components"]["schemas"].items():
        if schema.get("type") == "object" and name not in pushed_shapes:
            schema["additionalProperties"] = False
            if "error" in schema.get("properties", {}):
                schema["properties"]["error"]["additionalProperties"] = False
    for name, message in document["components"]["messages"].items():
        if name.startswith("push."):
            message["payload"]["unevaluatedProperties"] = False
    return document


STRICT = _strict()


def faults(message: str, payload: Any) -> list[str]:
    """Return what the schema of a message does not allow in a payload."""
    schema = STRICT | {"$ref": f"#/components/messages/{message}/payload"}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    return [f"{fault.json_path}: {fault.message[:300]}" for fault in validator.iter_errors(payload)]


def test_the_schemas_are_schemas() -> None:
    for schema in [*DOCUMENT["components"]["schemas"].values(), *(e.schema for e in REFERENCE.events)]:
        jsonschema.Draft7Validator.check_schema(schema)


async def test_a_real_validator_takes_the_document() -> None:
    validator = HERE / "asyncapi"
    assert (validator / "node_modules/@asyncapi/parser").is_dir(), f"run `npm ci` in {validator}, as `make test` does"
    code, said = await run(validator, str(validator / "validate.mjs"), str(ROOT / "asyncapi.json"))
    worse = [line for line in said.splitlines() if line.startswith(("error", "warning"))]
    assert code == 0 and not worse, said
    assert f"{len(registry) + len(PUSHES)} operations" in said, said


async def run(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Run a program of Node and return what it said."""
    node = shutil.which("node")
    assert node, "Node is missing: install Debian's nodejs, or put a node of version 20 or newer on the PATH"
    process = await asyncio.create_subprocess_exec(
        node,
        *arguments,
        cwd=folder,
        env=os.environ | {"SCARF_ANALYTICS": "false"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


# -- TypeScript --------------------------------------------------------------------------------------------------------

WRONG = {
    'socket.emitWithAck("message/sent", { target_user_id: 1, random_id: 7, message: "x" });': "message/sent",
    'socket.emitWithAck("message/send", { target_user_id: 1, random_id: 7, mesage: "x" });': "mesage",
    'socket.emitWithAck("message/send", { target_user_id: 1, random_id: 7 });': "message",
    'socket.emitWithAck("message/send", { target_user_id: "1", random_id: 7, message: "x" });': "string",
    'socket.emitWithAck("message/send");': "arguments",
    'socket.emitWithAck("research", { age_mim: 20 });': "age_mim",
    'socket.emitWithAck("user/settings", { language: "de" });': "de",
    'socket.emitWithAck("user/me", { nope: 1 });': "nope",
    'socket.on("message/knew", () => {});': "message/knew",
    'socket.on("message/new", (data) => data.mesage);': "mesage",
    'socket.emit("user/like", { target_user_id: 1 }, (answer) => answer.data);': "data",
    "card.agee;": "agee",
}


async def test_a_typescript_program_compiles_and_a_misspelt_one_does_not(tmp_path: Path) -> None:
    web = ROOT / "web"
    assert (web / "node_modules/typescript").is_dir(), f"run `npm ci` in {web}, as `make test` does"
    shown = [calls.javascript(event, examples.payload(event)) for event in REFERENCE.events]
    head = [
        'import type { Socket } from "socket.io-client";',
        f'import type {{ Card, ClientToServerEvents, ServerToClientEvents }} from "{web}/src/lib/events";',
        "declare const socket: Socket<ServerToClientEvents, ClientToServerEvents>;",
        "declare const card: Card;",
    ]
    (tmp_path / "shown.ts").write_text(
        "\n".join([*head, *(f"export async function f{n}() {{ return {line} }}" for n, line in enumerate(shown))])
    )
    (tmp_path / "wrong.ts").write_text("\n".join([*head, *WRONG, "export {};"]))
    options = {"paths": {"socket.io-client": [str(web / "node_modules/socket.io-client")]}, "skipLibCheck": True}
    project = {
        "extends": str(web / "tsconfig.json"),
        "compilerOptions": options,
        "include": [],
        "files": [str(HERE / "typescript/good.ts"), "shown.ts", "wrong.ts"],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    tsc = web / "node_modules/typescript/bin/tsc"
    _, said = await run(web, str(tsc), "--strict", "--pretty", "false", "--project", str(tmp_path))
    found = {int(line): text for line, text in re.findall(r"^\S*wrong\.ts\((\d+),\d+\): (.*)$", said, re.MULTILINE)}
    missed = [line for n, line in enumerate(WRONG, start=len(head) + 1) if WRONG[line] not in found.get(n, "")]
    assert not missed, said
    assert not re.findall(r"^\S*(?:good|shown|events)\.ts\(.*$", said, re.MULTILINE), said


# -- true --------------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def walk(private_servers: tuple[PrivateServers, Urls], tmp_path_factory: pytest.TempPathFactory) -> Walk:
    """Everything, done once."""
    async with AsyncExitStack() as stack:
        world = await builder(private_servers, tmp_path_factory.mktemp("data"), stack)(**OPTIONS)
        return await Walk(world).go()


def test_every_event_was_answered_well(walk: Walk) -> None:
    done = {event for event, answer in walk.answers if answer["code"] == 200}
    assert set(registry) - done == set()


def test_every_answer_fits_its_schema(walk: Walk) -> None:
    wrong = [(event, answer, found) for event, answer in walk.answers if (found := faults(f"{_id(event)}.ack", answer))]
    assert not wrong
    refusals = {answer["error"]["name"] for _, answer in walk.answers if answer["code"] != 200}
    assert len(refusals) >= 10, refusals


def test_every_push_was_seen_and_fits_its_schema(walk: Walk) -> None:
    wrong = [(push, data, found) for push, data in walk.pushes if (found := faults(f"push.{_id(push)}", data))]
    assert not wrong
    assert set(PUSHES) - {push for push, _ in walk.pushes} == set()


def test_an_event_pushes_all_that_it_says(walk: Walk) -> None:
    """That it pushes nothing else is held against every test, see conftest.py; the walk waits for presence."""
    said = {(spec.name, push) for spec in registry.values() for push in spec.pushes}
    by_redis = {(event, "presence") for event in ("user/set_online", "user/settings")}
    assert said - pushed.SEEN - by_redis == set()


# -- served ------------------------------------------------------------------------------------------------------------


async def test_the_document_is_served(server: Any) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/asyncapi.json") as response:
        assert response.status == 200 and response.content_type == "application/json"
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert await response.read() == (ROOT / "asyncapi.json").read_bytes()


async def test_the_page_shows_everything_and_asks_nobody_else(server: Any) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(server.url) as response:
            page = await response.text()
            assert response.status == 200 and response.content_type == "text/html"
        for path in re.findall(r'(?:src|href)="(/[^"#]*)"', page):
            async with session.get(server.url + path) as response:
                assert response.status == 200, path
    ids = set(re.findall(r'id="([^"]+)"', page))
    assert not {*registry} - ids
    assert not {f"push:{name}" for name in PUSHES} - ids
    assert not {f"error:{name}" for name in ERRORS} - ids
    assert not set(re.findall(r'href="#([^"]+)"', page)) - ids, "leads nowhere"
    assert not re.findall(r'(?:src|href|action)="(?!/|#)[^"]*"', page), "another host"
    assert "<style" not in page and "style=" not in page and not re.findall(r"<script(?! src)", page), "against our CSP"
