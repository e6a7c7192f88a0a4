"""The description: every event, push, error and shape of the wire, made from what the server itself goes by."""

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

import msgspec

from server.reference import schema
from server.reference.schema import REF, Schema
from server.wire import answers, errors, pushes
from server.wire.events import Spec, registry
from server.wire.fields import UNSET

CALLED = {
    "Found": "Page",
    "LoggedEvent": "LoggedPush",
    "Notification": "Notice",
    "Notifications": "Notices",
    "Notified": "Notification",
    "Position": "Gps",
    "Presence": "Standing",
    "PresenceChanged": "Presence",
    "Sessions": "SessionList",
    "Synced": "SyncPage",
    "Wishes": "Wish",
}
"""What clients call a shape, where the server has another word for it."""


@dataclass(frozen=True)
class Field:
    """A field of an event, an answer or an error."""

    name: str
    schema: Schema
    """Of what may stand there, but null."""
    required: bool
    nullable: bool
    default: Any = None
    """What the server takes if it is absent, where that is a value."""


@dataclass(frozen=True)
class Shape:
    """An object that the server sends; it has the fields of `base` too."""

    name: str
    text: str
    base: str | None
    fields: tuple[Field, ...]
    schema: Schema


@dataclass(frozen=True)
class Error:
    """One of the closed list of errors, and what it carries beside its name and its message."""

    name: str
    code: int
    text: str
    fields: tuple[Field, ...]
    schema: Schema


@dataclass(frozen=True)
class Push:
    """A push; one of the log has `seq` and `at` beside its data."""

    name: str
    text: str
    shape: str
    logged: bool


@dataclass(frozen=True)
class Event:
    """An event: who may send it, with what, and what comes of it."""

    name: str
    file: str
    text: str
    rule: str | None
    """What concerns several of its fields."""
    fields: tuple[Field, ...]
    schema: Schema
    answer: Schema
    raises: str
    """Its errors in a sentence, beside those that any event may answer."""
    errors: tuple[str, ...]
    pushes: tuple[str, ...]
    public: bool
    credentials: bool
    order: str
    cost: int
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Noun:
    """What several events are about."""

    name: str
    title: str
    text: str
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Reference:
    """All of it."""

    nouns: tuple[Noun, ...]
    pushes: tuple[Push, ...]
    errors: tuple[Error, ...]
    always: tuple[str, ...]
    """The errors that any event may answer."""
    shapes: Mapping[str, Shape]
    """By name; each after those that it is made of."""

    @property
    def events(self) -> tuple[Event, ...]:
        """Every event, noun by noun."""
        return tuple(event for noun in self.nouns for event in noun.events)


@cache
def describe() -> Reference:
    """Return the description of all that is registered."""
    specs = sorted(registry.values(), key=_noun)
    sent = [spec.answer for spec in specs if spec.answer is not bool] + list(pushes.PUSHES.values())
    schemas = schema.of_shapes(sent, _called)
    return Reference(
        nouns=tuple(_described(name, list(group), schemas) for name, group in groupby(specs, _noun)),
        pushes=tuple(_push(name, shape) for name, shape in pushes.PUSHES.items()),
        errors=tuple(_error(kind) for kind in errors.ERRORS.values()),
        always=tuple(kind.name for kind in errors.ALWAYS),
        shapes={_called(kind.__name__): _shape(kind, schemas) for kind in _in_order(sent)},
    )


def _called(name: str) -> str:
    return CALLED.get(name, name)


def _noun(spec: Spec) -> str:
    return spec.handler.__module__.rpartition(".")[2]


def _described(name: str, specs: list[Spec], schemas: dict[str, Schema]) -> Noun:
    title, _, text = _text(sys.modules[specs[0].handler.__module__]).partition(": ")
    return Noun(name, title[0].upper() + title[1:], text[0].upper() + text[1:], tuple(map(_event, specs)))


def _event(spec: Spec) -> Event:
    text, _, raises = _text(spec.handler).partition("Raises ")
    payload = schema.of_payload(spec.model)
    kinds = {kind.__name__: kind.name for kind in errors.ERRORS.values()}
    return Event(
        name=spec.name,
        file=spec.handler.__module__.replace(".", "/") + ".py",
        text=text.strip(),
        rule=_text(spec.check) if spec.check else None,
        fields=tuple(_fields(payload, _defaults(spec))),
        schema=payload,
        answer={"const": True} if spec.answer is bool else {"$ref": REF + _called(spec.answer.__name__)},
        raises=re.sub(r"\w+", lambda word: f"`{kinds[word[0]]}`" if word[0] in kinds else word[0], raises).rstrip("."),
        errors=tuple(kinds[word] for word in re.findall(r"\w+", raises) if word in kinds),
        pushes=spec.pushes,
        public=spec.public,
        credentials=spec.credentials,
        order=spec.order.value,
        cost=spec.cost,
        methods=spec.methods,
    )


def _text(thing: Any) -> str:
    """Return a docstring, a line for each paragraph."""
    paragraphs = (inspect.getdoc(thing) or "").split("\n\n")
    return "\n".join(paragraph.replace("\n", " ") for paragraph in paragraphs)


def _defaults(spec: Spec) -> dict[str, Any]:
    parameters = inspect.signature(spec.handler).parameters.values()
    return {one.name: one.default for one in parameters if one.default not in (one.empty, UNSET, None, "")}


def _fields(whole: Schema, defaults: Mapping[str, Any]) -> Iterable[Field]:
    for name, part in whole.get("properties", {}).items():
        yield Field(
            name=name,
            schema=schema.without_null(part),
            required=name in whole.get("required", ()),
            nullable=schema.is_nullable(part),
            default=defaults.get(name),
        )


def _push(name: str, shape: type[answers.Shape]) -> Push:
    return Push(name, _text(shape), _called(shape.__name__), name in pushes.LOGGED)


def _error(kind: type[errors.MatchaError]) -> Error:
    whole = schema.of_details(kind.carries)
    return Error(kind.name, kind.code, _text(kind), tuple(_fields(whole, {})), whole)


def _in_order(kinds: Iterable[type[Any]]) -> list[type[answers.Shape]]:
    """Return these shapes and all that they are made of, each after its parts."""
    found: dict[type[answers.Shape], None] = {}
    for kind in kinds:
        parts = [kind.__mro__[1], *_within(msgspec.inspect.type_info(kind))]
        found.update(dict.fromkeys(_in_order(part for part in parts if _is_shape(part))))
        found.setdefault(kind)
    return list(found)


def _within(info: Any) -> Iterable[type[Any]]:
    """Yield the structs of which a type is made, at first hand."""
    if isinstance(info, msgspec.inspect.StructType):
        for field in info.fields:
            yield from _named(field.type)


def _named(info: Any) -> Iterable[type[Any]]:
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
    elif isinstance(info, msgspec.inspect.Metadata):
        yield from _named(info.type)
    elif isinstance(info, msgspec.inspect.UnionType):
        for part in info.types:
            yield from _named(part)
    elif isinstance(info, msgspec.inspect.ListType):
        yield from _named(info.item_type)
    elif isinstance(info, msgspec.inspect.DictType):
        yield from _named(info.value_type)


def _is_shape(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, answers.Shape) and kind is not answers.Shape


def _shape(kind: type[answers.Shape], schemas: dict[str, Schema]) -> Shape:
    base: type[answers.Shape] | None = kind.__mro__[1] if _is_shape(kind.__mro__[1]) else None
    inherited = base.__struct_fields__ if base else ()
    whole = _as_sent(kind, schemas[_called(kind.__name__)])
    return Shape(
        name=_called(kind.__name__),
        text=_text(kind),
        base=_called(base.__name__) if base else None,
        fields=tuple(field for field in _fields(whole, {}) if field.name not in inherited),
        schema=whole,
    )


def _as_sent(kind: type[answers.Shape], whole: Schema) -> Schema:
    """A field that is left out when it is None is never null."""
    if not kind.__struct_config__.omit_defaults:
        return whole
    absent = {field.name for field in msgspec.structs.fields(kind) if field.default is None}
    properties = whole["properties"].items()
    return whole | {"properties": {k: schema.without_null(part) if k in absent else part for k, part in properties}}
