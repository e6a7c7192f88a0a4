"""The registry: what the server takes is what the SDK sends and what its words say."""

import ast
import inspect
import re
import textwrap
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FunctionType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
import pytest

import server.app  # noqa: F401  (which registers every event)
from client_sdk import Client
from client_sdk.noun import Noun
from server.wire import answers, errors
from server.wire.events import registry
from tests.ground.answers import refused
from tests.ground.raw import RawSocket
from tests.ground.strategies import SAMPLES

PUBLIC = {"user/login", "user/logout", "user/registr", "user/verification"}
PUBLIC |= {"user/resend_verification", "user/forgot_pass", "user/reset_pass"}
# Fields in which the SDK differs from the server, and why.
DIFFERENT = {
    "message/send": {"random_id": "the SDK draws one if it is not given"},
    "notifications": {"random_id": "the SDK draws one if it is not given"},
    "user/save_profile": {"login": "who uses the SDK is signed in", "password": "who uses the SDK is signed in"},
}
# Any event may answer these; its docstring need not say so.
ALWAYS = {"InvalidPayload", "Unauthorized", "SessionEnded", "Internal", "Unavailable"}


class Called(Exception):
    """Raised in place of a call, with what would have been sent."""


@dataclass(frozen=True)
class Field:
    """A field of an event, as the server or the SDK describe it."""

    kinds: frozenset[str]
    required: bool


@dataclass(frozen=True)
class Method:
    """A method of the SDK: the event that it calls, and its fields."""

    event: str
    fields: dict[str, Field]
    answer: Any
    says: str


# -- the SDK -----------------------------------------------------------------------------------------------------------


def methods() -> Iterator[Method]:
    """Call every method of every noun with a mark for each parameter, and see where the marks end up."""

    async def call(event: str, /, **fields: Any) -> Any:
        raise Called(event, fields)

    client = Client("http://localhost")
    client.call = client.insist = call  # type: ignore[method-assign]
    for noun in vars(client).values():
        if isinstance(noun, Noun):
            for name, method in inspect.getmembers(noun, inspect.iscoroutinefunction):
                if not name.startswith("_"):
                    yield _observed(method)


def _observed(method: Any) -> Method:
    parameters = _parameters(method)
    marks = {parameter: object() for parameter in parameters}
    try:
        method(**marks).send(None)
    except Called as called:
        event, sent = called.args
    of_mark = {mark: parameters[name] for name, mark in marks.items()}
    returns = typing.get_type_hints(method)["return"]
    return Method(
        event=event,
        fields={field: of_mark[mark] for field, mark in sent.items()},
        answer=None if returns is type(None) else returns,
        says=f"{type(method.__self__).__doc__} {method.__doc__}",
    )


def _parameters(method: Any) -> dict[str, Field]:
    hints = typing.get_type_hints(method, include_extras=True)
    found = {}
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            [options] = get_args(hints[parameter.name])
            for name, hint in typing.get_type_hints(options).items():
                found[name] = Field(frozenset(kinds(hint)), required=False)
        else:
            found[parameter.name] = Field(
                frozenset(kinds(hints[parameter.name])), required=parameter.default is parameter.empty
            )
    return found


def kinds(hint: Any) -> Iterator[str]:
    """Yield the kinds of JSON value that a type stands for."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        yield from kinds(parts[0])
    elif origin in (Union, UnionType):
        for part in parts:
            yield from kinds(part)
    elif origin is Literal:
        yield from {_SCALARS[type(part)] for part in parts}
    elif hint in _SCALARS:
        yield _SCALARS[hint]
    elif hasattr(hint, "__struct_fields__") or hasattr(hint, "model_fields"):
        names = getattr(hint, "__struct_fields__", None) or hint.model_fields
        yield f"object of {', '.join(sorted(names))}"
    elif origin and issubclass(origin, Sequence):
        yield f"list of {', '.join(sorted(set(kinds(parts[0]))))}"
    else:  # a mapping is another spelling of an object; UNSET stands for nothing
        assert hint is msgspec.UnsetType or issubclass(origin, Mapping), hint


_SCALARS = {int: "number", float: "number", str: "text", date: "text", bool: "boolean", type(None): "null"}
_SCALARS |= {bytes: "bytes", Path: "bytes"}
METHODS = list(methods())


def test_the_sdk_has_one_method_for_every_event():
    assert sorted(method.event for method in METHODS) == sorted(registry)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.event)
def test_a_method_of_the_sdk_takes_what_the_event_takes(method):
    ours = {
        name: Field(frozenset(kinds(field.rebuild_annotation())), field.is_required())
        for name, field in registry[method.event].model.model_fields.items()
    }
    differing = {
        name for name in ours.keys() | method.fields.keys() if not agree(ours.get(name), method.fields.get(name))
    }
    assert differing == DIFFERENT.get(method.event, {}).keys()


def agree(ours: Field | None, theirs: Field | None) -> bool:
    """Tell whether whatever the server takes can be sent with the SDK, whose None may also mean nothing at all."""
    if ours is None or theirs is None or ours.required != theirs.required:
        return False
    return ours.kinds - {"null"} == theirs.kinds - {"null"} and ("null" in theirs.kinds or "null" not in ours.kinds)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.event)
def test_the_sdk_reads_every_field_of_an_answer(method):
    answer = registry[method.event].answer
    if method.answer is None:
        assert answer in (answers.Nothing, bool)
    elif method.answer is int:
        assert len(answer.__struct_fields__) == 1
    else:
        assert {*method.answer.__struct_fields__} == {*answer.__struct_fields__}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.event)
def test_a_method_of_the_sdk_names_the_errors_that_its_event_names(method):
    named = {word for word in re.findall(r"\w+", registry[method.event].handler.__doc__) if word in CLASSES}
    assert named - ALWAYS <= {*re.findall(r"\w+", method.says)}


# -- who may call ------------------------------------------------------------------------------------------------------


async def test_nobody_can_do_anything_but_the_public_events(server):
    assert {name for name, spec in registry.items() if spec.public} == PUBLIC
    async with await RawSocket.open(server.url) as socket:
        for name in sorted(registry.keys() - PUBLIC):
            for payload in (SAMPLES[name].required, {}, {"nonsense": 1}, [], None):
                refused(await socket.call(name, payload), "unauthorized")
        refused(await socket.call("user/logout"), "unauthorized")


# -- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", registry.values(), ids=registry)
def test_a_handler_names_the_errors_that_it_raises(spec):
    said = spec.handler.__doc__
    assert said, "a sentence on what it does"
    named = {word for word in re.findall(r"\w+", said) if word in CLASSES}
    raised = _raised(spec.handler) - ALWAYS
    assert raised <= named, "not named"
    assert named - ALWAYS <= raised, "named, but never raised"


def test_an_answer_is_a_shape_so_that_nothing_else_can_leave():
    for spec in registry.values():
        assert issubclass(spec.answer, answers.Shape) or spec.answer is bool, spec.name


CLASSES = {kind.__name__ for kind in errors.ERRORS.values()}


def _raised(function: FunctionType, *callers: FunctionType) -> set[str]:
    """Return the errors that leave a function: those that it raises, or that rules raise which it calls by name."""
    raised, caught = set(), set()
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.ExceptHandler) and node.type:
            caught.add(ast.unparse(node.type))
        elif isinstance(node, ast.Raise) and node.exc:
            raised.add(ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc))
        elif isinstance(node, ast.Attribute) and node.attr in ("hit", "take"):
            raised.add("RateLimited")
        elif isinstance(node, (ast.Name, ast.Attribute)) and (rule := _rule(node, function)):
            raised |= _raised(rule, function, *callers) if rule not in (function, *callers) else set()
    return (raised & CLASSES) - caught


def _rule(node: ast.expr, function: FunctionType) -> FunctionType | None:
    """Return the function of a handler's module that is meant by `name` or `module.name` in another function."""
    owner, _, name = ast.unparse(node).rpartition(".")
    module = function.__globals__.get(owner) if owner else function.__globals__
    found = module.get(name) if isinstance(module, dict) else getattr(module, name, None)
    return found if isinstance(found, FunctionType) and found.__module__.startswith("handlers.") else None
