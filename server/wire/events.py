"""@event: a handler's signature is the schema of its event; the registry of all events."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_origin

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
    cost: int
    methods: tuple[str, ...]
    check: Check | None
    lists: frozenset[str]
    """Fields that a query string repeats."""

    def parse(self, payload: object, *, strings: bool = False) -> dict[str, Any]:
        """Return the fields that were given, checked; absent ones are left to the handler's defaults.

        With `strings` the values are those of a query string, so "7" is a number. Raises InvalidPayload.
        """
        try:
            parsed = self.model.model_validate(payload, strict=not strings)
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
    cost: int = 1,
    methods: tuple[str, ...] = ("POST",),
    check: Check | None = None,
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
            cost=cost,
            methods=methods,
            check=check,
            lists=frozenset(p.name for p in parameters if _is_list(p.annotation)),
        )
        return handler

    return register


def _is_list(annotation: Any) -> bool:
    """See through `Annotated[list[…], …]` and `list[…] | None`."""
    inner = getattr(annotation, "__origin__", annotation)
    parts = getattr(annotation, "__args__", ())
    return get_origin(inner) is list or inner is list or any(_is_list(part) for part in parts if part is not annotation)
