"""Calls: an event in the words of JavaScript and of the Python SDK, whose sources are read for that, never imported."""

import ast
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from server.reference.description import Event

SDK = Path(__file__).parents[2] / "client_sdk"
_WIDE = 56


def javascript(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the call with socket.io-client."""
    fields = [f"{name}: {_json(value)}" for name, value in payload.items()]
    line = f'await socket.emitWithAck("{event.name}"' + (f", {{ {', '.join(fields)} }});" if fields else ");")
    if len(line) <= _WIDE:
        return line
    return f'await socket.emitWithAck("{event.name}", {{' + "".join(f"\n  {field}," for field in fields) + "\n});"


def python(event: Event, payload: Mapping[str, Any]) -> str:
    """Return the call with the SDK; what it draws by itself is left to it."""
    method = methods().get(event.name)
    if method is None:
        given = [_json(event.name), *(f"{name}={_literal(value)}" for name, value in payload.items())]
    else:
        given = list(_arguments(event, payload, method))
    called = f"await client.{method.path if method else 'call'}"
    line = f"{called}({', '.join(given)})"
    return line if len(line) <= _WIDE else f"{called}(" + "".join(f"\n    {one}," for one in given) + "\n)"


def _arguments(event: Event, payload: Mapping[str, Any], method: "Method") -> Iterator[str]:
    left = {method.parameters.get(field, field): _literal(value) for field, value in payload.items()}
    yield from (left.pop(parameter) for parameter in method.needed if parameter in left)
    drawn = {method.parameters.get(field.name, field.name) for field in event.fields if field.required}
    yield from (f"{parameter}={value}" for parameter, value in left.items() if parameter not in drawn)


def _literal(value: Any) -> str:
    """Return a JSON value as Python source."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_json(name)}: {_literal(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return repr(value) if value is None or isinstance(value, bool) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Method(NamedTuple):
    """The method of the SDK that calls an event."""

    path: str
    parameters: Mapping[str, str]
    """What a field of the event is called here, where that differs."""
    needed: tuple[str, ...]
    """Parameters that must be given, in order."""


@cache
def methods() -> dict[str, Method]:
    """Return the method of every event that the SDK knows."""
    nouns = dict(_nouns(ast.parse((SDK / "client.py").read_text())))
    found: dict[str, Method] = {}
    for path in sorted(SDK.glob("*.py")):
        for part in ast.parse(path.read_text()).body:
            if isinstance(part, ast.ClassDef) and part.name in nouns:
                found.update(_methods(part, nouns[part.name]))
    return found


def _nouns(client: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield class and attribute of `self.message = Messages(self)`."""
    for node in ast.walk(client):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=ast.Call(func=ast.Name(id=kind), args=[_])):
                yield kind, name


def _methods(noun: ast.ClassDef, attribute: str) -> Iterator[tuple[str, Method]]:
    functions = {node.name: node for node in noun.body if isinstance(node, ast.AsyncFunctionDef)}
    for name, function in functions.items():
        if name.startswith("_"):
            continue
        calls = list(_calls(function))
        for called in [functions[name] for name in map(_own, calls) if name in functions]:
            calls += _calls(called)
        for call in calls:
            match call:
                case ast.Call(args=[ast.Constant(value=str(event)), *_] | [_, ast.Constant(value=str(event)), *_]):
                    yield event, Method(f"{attribute}.{name}", _parameters(call), _needed(function))


def _calls(function: ast.AsyncFunctionDef) -> list[ast.Call]:
    return [node for node in ast.walk(function) if isinstance(node, ast.Call)]


def _own(call: ast.Call) -> str:
    """Return `_send` for `self._send(…)`."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="self"), attr=name) if name.startswith("_"):
            return name
    return ""


def _parameters(call: ast.Call) -> dict[str, str]:
    names = {part.arg: next(ast.walk(part.value)) for part in call.keywords if part.arg}
    return {field: value.id for field, value in names.items() if isinstance(value, ast.Name)}


def _needed(function: ast.AsyncFunctionDef) -> tuple[str, ...]:
    arguments = function.args.args[1:]
    return tuple(one.arg for one in arguments[: len(arguments) - len(function.args.defaults)])
