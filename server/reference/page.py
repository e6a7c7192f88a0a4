"""The page at /: the reference to browse, without anybody else's help."""

import html
import re
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from server.reference import calls, examples, words
from server.reference.description import Event, Field, Push, describe
from server.reference.schema import Schema

_LINK = "[{name}](#shape:{name})"
_TOKEN = re.compile(
    r"(?P<comment>(?://|#) .*)|(?P<string>&quot;.*?&quot;|'[^'\n]*')|"
    r"(?P<number>\b\d[\d.]*\b)|(?P<word>\b(?:true|false|null|True|False|None|const|await|async|import|from|with|as|for|in)\b)"
)


@cache
def render(folder: Path) -> bytes:
    """Return the page, made of the template in a folder."""
    reference = describe()
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"inline": inline, "code": highlighted, "kind": _kind, "note": words.note, "who": words.who}
    pushed = {push.shape for push in reference.pushes}
    return (
        environment.get_template("index.html")
        .render(
            reference=reference,
            shapes=[shape for shape in reference.shapes.values() if shape.name not in pushed and shape.fields],
            calls=_calls,
            answered=_answered,
            answer=lambda event: words.pretty({"code": 200, "data": examples.answer(reference, event)}, wide=54),
            told=lambda push: words.pretty(examples.push(reference, push.name), wide=54),
            causes=_causes,
        )
        .encode()
    )


def inline(text: str) -> Markup:
    """Return text with `code`, *what may be left out* and links as HTML."""
    text = re.sub(r"`([^`]+)`", lambda code: f"<code>{_linked(code[1])}</code>", html.escape(text, quote=False))
    text = re.sub(r"\*(<code>.*?</code>)\*", r"<i>\1</i>", text)
    text = re.sub(r"2\^(\d+)", r"2<sup>\1</sup>", text)
    return Markup(re.sub(r"\[([^\]]+)\]\((#[^)]+)\)", r'<a href="\2">\1</a>', text))


def _linked(name: str) -> str:
    """Errors lead to what is said of them."""
    return f'<a href="#error:{name}">{name}</a>' if name in {error.name for error in describe().errors} else name


def highlighted(source: str) -> Markup:
    """Return source, of whichever of the three languages, with its parts marked."""

    def mark(found: "re.Match[str]") -> str:
        return f'<span class="{found.lastgroup}">{found[0]}</span>'

    return Markup(_TOKEN.sub(mark, html.escape(source)))


def _kind(field: Field) -> Markup:
    return inline(words.of_field(field, _LINK))


def _answered(schema: Schema) -> Markup:
    return inline(words.kind(schema, _LINK))


def _calls(event: Event) -> dict[str, str]:
    payload = examples.payload(event)
    return {"javascript": calls.javascript(event, payload), "python": calls.python(event, payload)}


def _causes(push: Push) -> list[Any]:
    return [event for event in describe().events if push.name in event.pushes]
