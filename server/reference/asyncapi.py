"""asyncapi.json: the reference for programs, in AsyncAPI 3."""

import json
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from server.reference import examples
from server.reference.description import Error, Event, Push, Reference
from server.reference.schema import REF, Schema

_SETUP = Path(__file__).parents[2] / "setup.cfg"
_CHANNEL = "#/channels/socket"
_ABOUT = """\
One Socket.IO connection (protocol v5, Engine.IO 4) carries everything: namespace `/`, path `/socket.io/`, transport \
WebSocket only. A client event is one JSON object, or nothing, and gets exactly one acknowledgement: the reply of its \
operation, `{"code": 200, "data": …}` or `{"code": …, "error": {"name", "message", …}}`. Photos go along as binary \
attachments, at most 5 of at most 1,000,000 bytes. The name of a message is the name of the event.

CONNECT may carry `auth`: `{"token": "…", "cursor": 17}`, where `cursor` is the last `seq` that was seen: what came \
after it is sent first. A bad token is refused with CONNECT_ERROR, whose `data` is an error as above. Without `auth` \
the socket is anonymous: it may send public events, and events with a `token`.

Every event is a route too: see `x-http` of its operation. The status is the `code` of the answer (900 is 403)."""


def write(reference: Reference) -> str:
    """Return the document."""
    return json.dumps(_document(reference), indent=1, ensure_ascii=False) + "\n"


def _document(reference: Reference) -> dict[str, Any]:
    messages = {_id(event.name): {"$ref": f"#/components/messages/{_id(event.name)}"} for event in reference.events}
    messages |= {name + ".ack": {"$ref": f"#/components/messages/{name}.ack"} for name in list(messages)}
    pushed = {f"push.{_id(push.name)}": push for push in reference.pushes}
    messages |= {name: {"$ref": f"#/components/messages/{name}"} for name in pushed}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "matcha42",
            "version": _version(),
            "description": _ABOUT,
            "license": {"name": "MIT"},
            "tags": [{"name": noun.name, "description": noun.text} for noun in reference.nouns],
        },
        "defaultContentType": "application/json",
        "servers": {"here": _server()},
        "channels": {"socket": {"address": "/", "title": "The namespace `/`", "messages": messages}},
        "operations": {
            **{_id(event.name): _operation(noun.name, event) for noun in reference.nouns for event in noun.events},
            **{name: _sending(name, push) for name, push in pushed.items()},
        },
        "components": {
            "messages": {
                **{_id(event.name): _message(reference, event) for event in reference.events},
                **{_id(event.name) + ".ack": _ack(reference, event) for event in reference.events},
                **{name: _pushed(reference, push) for name, push in pushed.items()},
            },
            "schemas": {
                **{name: shape.schema for name, shape in reference.shapes.items()},
                "Logged": _LOGGED,
                **{_schema_of(error.name): _error(error) for error in reference.errors},
            },
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a session, from `user/login`: on a socket `auth.token` of CONNECT, "
                    "or `token` in a payload; over HTTP also `Authorization: Bearer`.",
                }
            },
        },
    }


def _version() -> str:
    setup = ConfigParser()
    setup.read(_SETUP)
    return setup["metadata"]["version"]


def _id(name: str) -> str:
    return name.replace("/", ".")


def _server() -> dict[str, Any]:
    return {
        "host": "localhost:8080",
        "pathname": "/socket.io/",
        "protocol": "wss",
        "protocolVersion": "Socket.IO 5",
        "description": "Wherever it runs; without TLS on the machine itself (`ws`).",
    }


def _operation(noun: str, event: Event) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": _CHANNEL},
        "title": event.name,
        "summary": event.text.split("\n")[0],
        "description": "\n\n".join(filter(None, [event.text.replace("\n", "\n\n"), event.rule])),
        "tags": [{"name": noun}],
        **({} if event.public or event.credentials else {"security": [{"$ref": "#/components/securitySchemes/token"}]}),
        "messages": [{"$ref": f"{_CHANNEL}/messages/{_id(event.name)}"}],
        "reply": {
            "channel": {"$ref": _CHANNEL},
            "messages": [{"$ref": f"{_CHANNEL}/messages/{_id(event.name)}.ack"}],
        },
        "x-http": {"path": f"/api/{event.name}", "methods": list(event.methods)},
        "x-pushes": [f"push.{_id(name)}" for name in event.pushes],
        "x-order": event.order,
        "x-cost": event.cost,
        "x-file": event.file,
    }


def _sending(name: str, push: Push) -> dict[str, Any]:
    return {
        "action": "send",
        "channel": {"$ref": _CHANNEL},
        "title": push.name,
        "summary": push.text,
        "messages": [{"$ref": f"{_CHANNEL}/messages/{name}"}],
        "x-logged": push.logged,
    }


_CALLER: Schema = {
    "token": {"type": "string", "description": "says who calls, where the socket does not"},
    "user_id": {"type": "integer", "description": "the caller; nobody else's is taken"},
}


def _message(reference: Reference, event: Event) -> dict[str, Any]:
    payload = event.schema | {"properties": _CALLER | event.schema.get("properties", {})}
    return {
        "name": event.name,
        "payload": payload,
        "examples": [{"payload": examples.payload(event)}],
    }


def _ack(reference: Reference, event: Event) -> dict[str, Any]:
    names = dict.fromkeys([*event.errors, *reference.always])
    done = {
        "type": "object",
        "properties": {"code": {"const": 200}, "data": event.answer},
        "required": ["code", "data"],
    }
    return {
        "name": event.name,
        "title": f"The acknowledgement of {event.name}",
        "payload": {"oneOf": [done, *({"$ref": REF + _schema_of(name)} for name in names)]},
        "examples": [{"payload": {"code": 200, "data": examples.answer(reference, event)}}],
    }


def _pushed(reference: Reference, push: Push) -> dict[str, Any]:
    data: Schema = {"$ref": REF + push.shape}
    return {
        "name": push.name,
        "summary": push.text,
        "payload": {"allOf": [{"$ref": REF + "Logged"}, data]} if push.logged else data,
        "examples": [{"payload": examples.push(reference, push.name)}],
    }


_LOGGED: Schema = {
    "description": "The place of a push in the log: `seq` is dense from 1 for each person.",
    "type": "object",
    "properties": {"seq": {"type": "integer", "minimum": 1}, "at": {"type": "string", "format": "date-time"}},
    "required": ["seq", "at"],
}


def _schema_of(error: str) -> str:
    return "error." + error


def _error(error: Error) -> Schema:
    details = error.schema.get("properties", {})
    properties = {"name": {"const": error.name}, "message": {"type": "string"}} | details
    needed = ["name", "message", *error.schema.get("required", [])]
    return {
        "description": error.text,
        "type": "object",
        "properties": {
            "code": {"const": error.code},
            "error": {"type": "object", "properties": properties, "required": needed},
        },
        "required": ["code", "error"],
    }
