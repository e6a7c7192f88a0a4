"""docs/events.md: the reference for people who read."""

import re
from collections.abc import Iterable, Iterator

from server.reference import calls, examples
from server.reference.description import Event, Field, Push, Reference, Shape
from server.reference.words import kind, note, of_field, pretty, who

_HEAD = """\
# Event reference

Every event that a client may send, with its fields, its answer, its errors and what it pushes; after them the pushes, \
the errors and the shapes that answers are made of.
A field in *italics* may be left out; `null` is taken or given only where that is said; any event also takes `token` \
(and `user_id`, the caller), which says who calls where the socket does not.
All of it is made by `make generate` from the handlers' signatures and docstrings and from `server/wire/`, as are \
`asyncapi.json`, `client_sdk/types.py` and `web/src/lib/events.ts`, and a test holds it to what the server does.
"""
_LINK = "[{name}](#shape-{anchor})"
_ORDER = {
    "ordered": "starts when the ones before it that write have finished",
    "concurrent": "only reads, waits for no other",
    "barrier": "waits for all before it, and all after it wait",
}


def write(reference: Reference) -> str:
    """Return the page."""
    parts = [_HEAD, *_contents(reference)]
    for noun in reference.nouns:
        parts += [f"## About {noun.title.lower()}\n", noun.text + "\n"]
        parts += [part for event in noun.events for part in _event(reference, event)]
    parts += [*_pushes(reference), *_errors(reference), *_shapes(reference)]
    return "\n".join(parts).rstrip() + "\n"


def anchor(name: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def _contents(reference: Reference) -> Iterator[str]:
    yield "| | |\n|---|---|"
    for noun in reference.nouns:
        links = " · ".join(_of_event(event.name) for event in noun.events)
        yield f"| [{noun.title}](#about-{anchor(noun.title)}) | {links} |"
    yield f"| [Pushes](#pushes) | {' · '.join(_of_push(push.name) for push in reference.pushes)} |"
    yield f"| [Errors](#errors) | {' · '.join(f'`{error.name}`' for error in reference.errors)} |\n"


def _of_event(name: str) -> str:
    return f"[`{name}`](#{anchor(name)})"


def _of_push(name: str) -> str:
    return f"[`{name}`](#push-{anchor(name)})"


def _of_shape(name: str) -> str:
    return _LINK.format(name=name, anchor=name.lower())


def _event(reference: Reference, event: Event) -> Iterator[str]:
    payload, answer = examples.payload(event), examples.answer(reference, event)
    yield f"### `{event.name}`\n"
    yield event.text.replace("\n", "\n\n") + "\n"
    yield from _table(event.fields)
    yield "| | |\n|---|---|"
    yield f"| answer | {kind(event.answer, _LINK)} |"
    yield f"| errors | {event.raises or 'only [those of any event](#errors)'} |"
    if event.rule:
        yield f"| fields together | {event.rule} |"
    if event.pushes:
        yield f"| pushes | {' · '.join(map(_of_push, event.pushes))} |"
    yield f"| who | {who(event)} |"
    yield f"| order, cost | {event.order}: {_ORDER[event.order]}; {event.cost} |"
    yield f"| HTTP | {' or '.join(f'`{method} /api/{event.name}`' for method in event.methods)} |"
    yield f"| file | `{event.file}` |\n"
    yield f"```python\n{calls.python(event, payload)}\n```\n"
    yield f"```javascript\n{calls.javascript(event, payload)}\n```\n"
    yield f"```json\n{pretty({'code': 200, 'data': answer})}\n```\n"


def _table(fields: Iterable[Field]) -> Iterator[str]:
    if not fields:
        return
    yield "| field | | |\n|---|---|---|"
    for field in fields:
        name = f"`{field.name}`" if field.required else f"*`{field.name}`*"
        yield f"| {name} | {of_field(field, _LINK)} | {note(field)} |"
    yield ""


def _pushes(reference: Reference) -> Iterator[str]:
    yield "## Pushes\n"
    yield (
        "What the server sends unasked. One of the log carries `seq`, dense from 1 for each person, and `at`, beside "
        "its data: who was away gets it later, by `sync` or the `cursor` of the handshake. The others may be lost.\n"
    )
    for push in reference.pushes:
        yield from _push(reference, push)


def _push(reference: Reference, push: Push) -> Iterator[str]:
    shape = reference.shapes[push.shape]
    yield f"### Push `{push.name}`\n"
    yield shape.text + "\n"
    yield "In the log.\n" if push.logged else "Not in the log: it may be lost.\n"
    yield from _table(shape.fields)
    if shape.base:
        yield f"{'Also all' if shape.fields else 'All'} fields of {_of_shape(shape.base)}.\n"
    by = [_of_event(event.name) for event in reference.events if push.name in event.pushes]
    if by:
        yield f"By {' · '.join(by)}.\n"
    yield f"```json\n{pretty(examples.push(reference, push.name))}\n```\n"


def _errors(reference: Reference) -> Iterator[str]:
    yield "## Errors\n"
    yield 'An error is answered as `{"code": …, "error": {"name", "message", …}}`; what stands there besides:\n'
    yield "| name | code | | besides |\n|---|---|---|---|"
    for error in reference.errors:
        more = ", ".join(f"`{field.name}`" if field.required else f"*`{field.name}`*" for field in error.fields)
        yield f"| `{error.name}` | {error.code} | {error.text} | {more} |"
    always = ", ".join(f"`{name}`" for name in reference.always)
    yield f"\nAny event may answer {always}.\n"
    yield "500 and 503 changed nothing, unless they carry `unknown: true`: then nobody knows; repeat.\n"


def _shapes(reference: Reference) -> Iterator[str]:
    yield "## Shapes\n"
    yield "What answers and pushes are made of. Times are ISO 8601 in UTC, with milliseconds and `Z`.\n"
    pushed = {push.shape for push in reference.pushes}
    for shape in reference.shapes.values():
        if shape.name not in pushed and shape.fields:
            yield from _shape(shape)


def _shape(shape: Shape) -> Iterator[str]:
    yield f"### Shape `{shape.name}`\n"
    yield shape.text + "\n"
    if shape.base:
        yield f"All fields of {_of_shape(shape.base)}, and:\n"
    yield from _table(shape.fields)
