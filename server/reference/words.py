"""Words: a type, its limits and an example, put so that a person reads them at a glance."""

import json
from typing import Any

from server.reference.description import Event, Field
from server.reference.schema import Schema, name_of, without_null


def who(event: Event) -> str:
    """Say who may send an event."""
    if event.public:
        return "anybody"
    return "whoever is signed in, or gives `login` and `password`" if event.credentials else "whoever is signed in"


def of_field(field: Field, link: str) -> str:
    """Say what may stand in a field."""
    return kind(field.schema, link) + ("; or `null`" if field.nullable else "")


def note(field: Field) -> str:
    """Say what there is to say of a field besides."""
    inner = field.schema.get("items", {}).get("description", "")
    said = field.schema.get("description", inner) if field.schema.get("type") != "object" else ""
    default = "" if field.default is None else f"default `{json.dumps(field.default)}`"
    return "; ".join(filter(None, [said, default]))


def kind(schema: Schema, link: str) -> str:
    """Return a type and its limits in a few words; `link` says how a shape is named."""
    schema = without_null(schema)
    if name := name_of(schema):
        return "`{}`" if name == "Nothing" else link.format(name=name, anchor=name.lower())
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{_word(value)}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return _list(schema, link)
    if schema.get("type") == "object":
        return _object(schema, link)
    return _scalar(schema)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _list(schema: Schema, link: str) -> str:
    most = f" of at most {schema['maxItems']}" if "maxItems" in schema else ""
    item = kind(schema["items"], link)
    return f"list{most}: {item}" if most else f"list of {item}"


def _object(schema: Schema, link: str) -> str:
    inner = schema.get("additionalProperties")
    if isinstance(inner, dict) and inner:
        return f"object, each {kind(inner, link)}"
    if not schema.get("properties"):
        return "object"
    needed = schema.get("required", ())
    names = [f"`{name}`" if name in needed else f"*`{name}`*" for name in schema["properties"]]
    return "{" + ", ".join(names) + "}"


def _scalar(schema: Schema) -> str:
    if schema.get("format"):
        return {"date-time": "time", "date": "date", "email": "mail address"}[schema["format"]]
    if schema.get("contentEncoding"):
        return "`photo_id` or bytes"
    plain = {"string": "text", "integer": "integer", "number": "number", "boolean": "boolean"}
    name = plain.get(schema.get("type", ""), "anything")
    return ", ".join(filter(None, [name, _limits(schema)]))


def _limits(schema: Schema) -> str:
    if "pattern" in schema:
        return "3–32 of `a-z` `0-9` `_` `.` `-`"
    if "maxLength" in schema:
        least, most = schema.get("minLength", 0), schema["maxLength"]
        return (_range(least, most) if least else f"at most {_number(most)}") + " characters"
    least = schema.get("minimum")
    most = schema.get("maximum", schema.get("exclusiveMaximum", 0) - 1 if "exclusiveMaximum" in schema else None)
    return "" if least is None or most is None else _range(least, most)


def _range(least: int, most: int) -> str:
    return f"{_number(least)} to {_number(most)}"


def _number(number: int) -> str:
    """Write bounds of computers as powers."""
    for bits in (31, 32, 53):
        if abs(number) in (2**bits, 2**bits - 1):
            sign = "−" if number < 0 else ""
            return f"{sign}2^{bits}" + (" − 1" if abs(number) == 2**bits - 1 else "")
    return f"{number:,}" if number >= 10_000 else str(number)


def pretty(value: Any, *, wide: int = 96, indent: int = 0, after: str = "") -> str:
    """Return JSON, in one line what fits there `after` what stands before it."""
    line = after + json.dumps(value, ensure_ascii=False)
    if len(line) + indent < wide or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + 2
    if isinstance(value, list):
        parts = [pretty(part, wide=wide, indent=inner) for part in value]
    else:
        parts = [pretty(part, wide=wide, indent=inner, after=f"{json.dumps(key)}: ") for key, part in value.items()]
    ends = "[]" if isinstance(value, list) else "{}"
    return after + ends[0] + ",".join(f"\n{' ' * inner}{part}" for part in parts) + f"\n{' ' * indent}" + ends[1]
