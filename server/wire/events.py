"""@event: a handler's signature is the schema of its event; the registry of all events."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from server.wire.errors import InvalidPayload
from server.wire.fields import UNSET, describe

Handler = Callable[..., Awaitable[Any]]
Check = Callable[[dict[str, Any]], None]


class Order(Enum):
    """How an event stands to the others of its socket; all start in the order sent."""

    ORDERED = "ordered"
    """Starts when the ordered one before it has finished: whatever writes."""
    CONCURRENT = "concurrent"
    """Does not wait for the end of others: whatever only reads."""
    BARRIER = "barrier"
    """Waits for all before it, and all after it wait: whatever changes who is calling."""


class Payload(BaseModel):
    """The base of every event's model: strict, and nothing beside its fields."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything there is to know of one event but its rule."""

    name: str
    handler: Handler
    model: type[BaseModel]
    answer: Any
    public: bool
    credentials: bool
    """Login and password in the payload may stand for a session."""
    order: Order
    beside: str | None
    """Events of one socket with the same value in this field do not wait for each other: batches keep their order."""
    cost: int
    methods: tuple[str, ...]
    check: Check | None
    pushes: tuple[str, ...]
    """What it may push, to whomever; tests hold it to that."""
    kinds: Mapping[str, type]
    """What each field is beneath its limits; a query string has only text, and repeats lists."""

    @property
    def takes_images(self) -> bool:
        """Tell whether binary attachments may come with it."""
        return "image" in self.kinds

    def series(self, arguments: list[Any]) -> object:
        """Return what an event has in common with those that it need not wait for, before its payload is checked."""
        payload = arguments[0] if self.beside and len(arguments) == 1 else None
        value = payload.get(self.beside) if isinstance(payload, dict) and "token" not in payload else None
        return (self.name, value) if type(value) is int else None

    def parse(self, payload: object) -> dict[str, Any]:
        """Return the fields that were given, checked; absent ones are left to the handler's defaults.

        Raises InvalidPayload.
        """
        try:
            parsed = self.model.model_validate(payload)
        except ValidationError as fault:
            raise InvalidPayload(describe(fault)) from None
        fields = {name: getattr(parsed, name) for name in parsed.model_fields_set}
        if self.check:
            self.check(fields)
        return fields


registry: dict[str, Spec] = {}


def event(
    name: str,
    *,
    public: bool = False,
    credentials: bool = False,
    order: Order = Order.ORDERED,
    beside: str | None = None,
    cost: int = 1,
    methods: tuple[str, ...] = ("POST",),
    check: Check | None = None,
    pushes: tuple[str, ...] = (),
) -> Callable[[Handler], Handler]:
    """Register a handler: `async def (ctx, *, field: Type, optional: Type = UNSET) -> Answer`."""

    def register(handler: Handler) -> Handler:
        signature = inspect.signature(handler, eval_str=True)
        parameters = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
        definitions: dict[str, Any] = {
            p.name: (p.annotation, ... if p.default is p.empty else UNSET) for p in parameters
        }
        registry[name] = Spec(
            name=name,
            handler=handler,
            model=create_model(name, __base__=Payload, **definitions),
            answer=signature.return_annotation,
            public=public,
            credentials=credentials,
            order=order,
            beside=beside,
            cost=cost,
            methods=methods,
            check=check,
            pushes=pushes,
            kinds={p.name: _kind(p.annotation) for p in parameters},
        )
        return handler

    return register


def _kind(annotation: Any) -> type:
    """See through `Annotated[list[…], …]` and `… | None`."""
    inner = getattr(annotation, "__origin__", annotation)
    if inner in (Union, UnionType) or isinstance(annotation, UnionType):
        return next(_kind(part) for part in get_args(annotation) if part is not type(None))
    while get_origin(inner) is Annotated:
        inner = get_args(inner)[0]
    kind = get_origin(inner) or inner
    return kind if isinstance(kind, type) else str
