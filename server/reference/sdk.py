"""client_sdk/types.py: what the Python SDK makes of answers, tolerant of servers that are older or newer."""

import textwrap
from collections.abc import Iterator

from server.reference.description import Field, Reference, Shape
from server.reference.schema import name_of, without_null

_HEAD = '''\
"""What the server answers, as frozen structs; fields that a newer server adds are ignored.

Written by `make generate`, from the shapes in server/wire/answers.py.
"""

from datetime import date, datetime
from typing import Any

import msgspec

from client_sdk.record import Keyed, Listing, Record
'''
_ABSENT = {
    "Photo": {"hash": "None"},
    "Card": {"fame": "None", "score": "None", "why": "msgspec.field(default_factory=dict)"},
    "Profile": dict.fromkeys(("liked_me", "liked", "requested_me", "requested", "connected"), "False"),
    "OwnProfile": {"fame": "None"},
    "Settings": dict.fromkeys(("show_online", "show_distance", "read_receipts", "mail_on"), "True")
    | {"language": '"en"'},
    "Unread": {"messages": "0", "notifications": "0"},
    "Me": {"settings": "Settings()", "unread": "Unread()"},
    "SessionLine": {"agent": '""', "current": "False"},
    "Connection": {"unread": "0"},
    "Notice": {"count": "1", "read": "False"},
}
"""What it means that an older server does not send a field yet, beside empty lists and None."""

_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def write(reference: Reference) -> str:
    """Return the module."""
    pushed = {push.shape for push in reference.pushes}
    shapes = [shape for shape in reference.shapes.values() if shape.name not in pushed and shape.fields]
    return _HEAD + "".join("\n\n" + "\n".join(_class(shape)) + "\n" for shape in shapes)


def _class(shape: Shape) -> Iterator[str]:
    yield f"class {shape.name}({_base(shape)}, frozen=True, kw_only=True):"
    yield textwrap.indent(f'"""{shape.text.replace("null", "None")}"""', "    ")
    yield ""
    yield from (f"    {field.name}: {_annotation(shape, field)}" for field in shape.fields)


def _base(shape: Shape) -> str:
    """What begins with a list can be read like it; what begins with an object, by its keys."""
    first = shape.fields[0].schema
    if first.get("type") == "array":
        return f"Listing[{_type(first['items'])}]"
    if first.get("type") == "object":
        return f"Keyed[{_type(first['additionalProperties'])}]"
    return shape.base or "Record"


def _annotation(shape: Shape, field: Field) -> str:
    kind, default = _type(field.schema), _default(shape, field)
    if (field.nullable or default == "None") and kind != "None":
        kind += " | None"
    return kind if default is None else f"{kind} = {default}"


def _default(shape: Shape, field: Field) -> str | None:
    if field.name in _ABSENT.get(shape.name, {}):
        return _ABSENT[shape.name][field.name]
    if field.schema.get("type") == "array" and field == shape.fields[0]:
        return None if field.required else "()"
    if field.schema.get("type") == "array":
        return "()" if field.required and not field.nullable else "None"
    if field.nullable:
        return "None"
    return None if field.required else {"boolean": "False"}.get(field.schema.get("type", ""), "None")


def _type(schema: dict[str, object]) -> str:
    """Return a type of Python."""
    schema = without_null(schema)
    if name := name_of(schema):
        return name
    if schema.get("format") in ("date-time", "date"):
        return {"date-time": "datetime", "date": "date"}[str(schema["format"])]
    match schema:
        case {"type": "array", "items": dict(items)}:
            return f"tuple[{_type(items)}, ...]"
        case {"type": "object", "additionalProperties": dict(inner)}:
            return f"dict[str, {_type(inner)}]"
        case {"type": "object"}:
            return "dict[str, Any]"
    return _PLAIN[str(schema["type"])]
