"""web/src/lib/events.ts: the typed maps of socket.io-client, and every shape that goes over the wire."""

import json
from collections.abc import Iterable, Iterator

from server.reference.description import Field, Reference, Shape
from server.reference.schema import Schema, is_nullable, name_of, without_null

_HEAD = """\
// What goes over the wire, typed for socket.io-client:
// const socket: Socket<ServerToClientEvents, ClientToServerEvents> = io(url, { transports: ["websocket"] });
// Written by `make generate`, from what the server itself goes by.
"""
_TAIL = """\
/** Says who calls, in any payload, where the socket does not. */
export interface Caller {
  token?: string;
  user_id?: number;
}

export type EventName = keyof Events;
export type ErrorName = keyof Errors;
export type PushName = keyof Pushes;

/** What an event takes. */
export type Fields<E extends EventName> = Events[E]["fields"];

/** What stands in `data` of a success. */
export type Data<E extends EventName> = Events[E]["data"];

/** An error as it is answered. */
export type Refusal<N extends ErrorName = ErrorName> = {
  [K in N]: { code: Errors[K]["code"]; error: { name: K; message: string } & Errors[K]["details"] };
}[N];

export interface Success<T> {
  code: 200;
  data: T;
}

/** What an event is answered: `if (answer.code === 200) answer.data else answer.error.name`. */
export type Answer<E extends EventName> = Success<Data<E>> | Refusal<Events[E]["errors"] | Always>;

type Acknowledge<E extends EventName> = (answer: Answer<E>) => void;
type WithFields<E extends EventName> = [fields: Fields<E> & Caller, acknowledge: Acknowledge<E>];
type Alone<E extends EventName> = [acknowledge: Acknowledge<E>];

/** What a client may emit; events of which no field is needed also without any. */
export type ClientToServerEvents = {
  [E in EventName]: (...given: {} extends Fields<E> ? WithFields<E> | Alone<E> : WithFields<E>) => void;
};

/** What the server pushes. */
export type ServerToClientEvents = {
  [P in PushName]: (data: Pushes[P]) => void;
};
"""
_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def write(reference: Reference) -> str:
    """Return the module."""
    parts = [_HEAD, *_shapes(reference), *_errors(reference), *_events(reference), *_pushes(reference), _TAIL]
    return "\n".join(parts)


def _shapes(reference: Reference) -> Iterator[str]:
    yield "/** The place of a push in the log: `seq` is dense from 1 for each person. */"
    yield "export interface Logged {\n  seq: number;\n  at: string;\n}\n"
    for shape in reference.shapes.values():
        yield f"/** {shape.text} */"
        yield "\n".join(_interface(shape)) + "\n"


def _interface(shape: Shape) -> Iterator[str]:
    if not shape.fields:
        yield f"export type {shape.name} = {shape.base or 'Record<never, never>'};"
        return
    yield f"export interface {shape.name}" + (f" extends {shape.base} {{" if shape.base else " {")
    yield from _members(shape.fields, "  ")
    yield "}"


def _errors(reference: Reference) -> Iterator[str]:
    yield "/** The closed list of errors, and what each carries beside its name and its message. */"
    yield "export interface Errors {"
    for error in reference.errors:
        yield f"  /** {error.text} */"
        yield f"  {error.name}: {{ code: {error.code}; details: {_object(error.fields)} }};"
    yield "}\n"
    yield "/** The errors that any event may answer. */"
    yield f"export type Always = {_names(reference.always)};\n"


def _events(reference: Reference) -> Iterator[str]:
    yield "/** Every event: its fields, the data of its answer, and the errors of its own. */"
    yield "export interface Events {"
    for event in reference.events:
        yield f"  /** {event.text.replace(chr(10), ' ')} */"
        yield f"  {json.dumps(event.name)}: {{"
        yield f"    fields: {_block(event.fields)};"
        yield f"    data: {_type(event.answer)};"
        yield f"    errors: {_names(event.errors) or 'never'};"
        yield "  };"
    yield "}\n"


def _pushes(reference: Reference) -> Iterator[str]:
    yield "/** Every push and its data; one of the log has its place there. */"
    yield "export interface Pushes {"
    for push in reference.pushes:
        yield f"  {json.dumps(push.name)}: {'Logged & ' if push.logged else ''}{push.shape};"
    yield "}\n"


def _names(names: Iterable[str]) -> str:
    return " | ".join(json.dumps(name) for name in names)


def _block(fields: tuple[Field, ...]) -> str:
    if not fields:
        return "Record<never, never>"
    return "{\n" + "\n".join(_members(fields, "      ")) + "\n    }"


def _members(fields: Iterable[Field], indent: str) -> Iterator[str]:
    for field in fields:
        if said := field.schema.get("description"):
            yield f"{indent}/** {said} */"
        yield f"{indent}{_member(field)};"


def _member(field: Field) -> str:
    return f"{field.name}{'' if field.required else '?'}: {_type(field.schema)}{' | null' if field.nullable else ''}"


def _object(fields: Iterable[Field]) -> str:
    members = "; ".join(map(_member, fields))
    return f"{{ {members} }}" if members else "Record<never, never>"


def _type(schema: Schema) -> str:
    """Return a type of TypeScript."""
    if is_nullable(schema):
        return _type(without_null(schema)) + " | null"
    if name := name_of(schema):
        return name
    if "const" in schema or "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    if "contentEncoding" in schema:
        return "string | Blob | ArrayBuffer | ArrayBufferView"
    match schema:
        case {"type": "array", "items": dict(items)}:
            item = _type(items)
            return f"({item})[]" if " " in item else f"{item}[]"
        case {"type": "object", "properties": dict(properties)}:
            needed = schema.get("required", ())
            members = (f"{key}{'' if key in needed else '?'}: {_type(part)}" for key, part in properties.items())
            return f"{{ {'; '.join(members)} }}"
        case {"type": "object", "additionalProperties": dict(inner)} if inner:
            return f"Record<string, {_type(inner)}>"
        case {"type": "object"}:
            return "Record<string, unknown>"
    return _PLAIN.get(schema.get("type", ""), "unknown")
