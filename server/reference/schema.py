"""JSON Schemas of fields and answers, tidied: what the description says of every type."""

from collections.abc import Callable
from typing import Any

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

REF = "#/components/schemas/"
NULL: Schema = {"type": "null"}
_NOISE = {"title", "default"}


class _Plain(GenerateJsonSchema):
    """Leaves defaults to the handlers' signatures: those of the models only say that a field may be absent."""

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def of_payload(model: type[BaseModel]) -> Schema:
    """Return the schema of a payload; what stands within it is written out."""
    whole = model.model_json_schema(ref_template=REF + "{model}", schema_generator=_Plain)
    return _written_out(whole, whole.pop("$defs", {}))


def of_details(kind: type[Any]) -> Schema:
    """Return the schema of what an error carries; what stands within it is written out."""
    [whole], parts = msgspec.json.schema_components([kind], ref_template=REF + "{name}")
    return _written_out(whole, parts)


def _written_out(whole: Schema, parts: dict[str, Schema]) -> Schema:
    tidy: Schema = _tidy(whole, lambda part: parts[name_of(part)] if "$ref" in part else part)
    return tidy


def of_shapes(shapes: list[type[Any]], called: Callable[[str], str]) -> dict[str, Schema]:
    """Return the schemas of these shapes and of all within them, by the names that they are called by."""
    _, found = msgspec.json.schema_components(shapes, ref_template=REF + "{name}")

    def rename(part: Schema) -> Schema:
        return {"$ref": REF + called(name_of(part))} if "$ref" in part else part

    return {called(name): _tidy(one, rename) for name, one in found.items()}


def name_of(schema: Schema) -> str:
    """Return the name that a reference leads to, or no text."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def without_null(schema: Schema) -> Schema:
    """Return the schema of what may stand there but null."""
    rest = [part for part in schema.get("anyOf", []) if part != NULL]
    return rest[0] if len(rest) == 1 else schema


def is_nullable(schema: Schema) -> bool:
    """Tell whether null may stand there."""
    return NULL in schema.get("anyOf", [])


def _tidy(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """Return a schema without titles and defaults, each of its parts changed."""
    if isinstance(schema, list | tuple):
        return [_tidy(part, change) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = change(schema)
    tidy = {key: _tidy(value, change) for key, value in schema.items() if key not in _NOISE and key != "properties"}
    if "properties" in schema:  # names of fields are no keywords
        tidy["properties"] = {name: _tidy(part, change) for name, part in schema["properties"].items()}
    return tidy
