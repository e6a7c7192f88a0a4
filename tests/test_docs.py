"""The documentation says what is so: its examples run, and what it names is there."""

import ast
import json
import re
import sys
from codeop import CommandCompiler
from fnmatch import fnmatch
from inspect import isawaitable
from pathlib import Path
from typing import Any

import click
import pytest

from client_sdk.__main__ import main
from server.__main__ import cli
from server.config import Config
from server.wire.errors import ERRORS
from tests.ground.pages import DOCS, ROOT, blocks, commands, pages, prose, spans
from tests.ground.server import PASSWORD

PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
OPTIONS = {(name, key) for name, section in Config() for key in type(section).model_fields}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# -- what is named -----------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@PAGES
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        path, _, anchor = link.partition("#")
        if path.startswith(("http://", "https://")):
            continue
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@PAGES
def test_what_is_to_be_typed_is_there(page):
    targets = re.findall(r"^([a-z%-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands(page):
        words = re.findall(r"[^\s\"'|;)]+", command.partition("  #")[0])
        for at, word in enumerate(words):
            following = words[at + 1 :]
            if word == "make" and following and all("=" in before for before in words[:at]):
                known = any(fnmatch(following[0], target.replace("%", "*")) for target in targets)
                assert known or "=" in following[0], command
            if word == "-m" and words[at - 1].endswith("python") and following[:1] == ["server"] and following[1:]:
                _must_parse(cli, following[1:], command)
            if word == "-m" and following[:1] == ["client_sdk"] and following[1:]:
                with pytest.raises(SystemExit) as ended:
                    main([following[1], "--help"])
                assert ended.value.code == 0, command


def _must_parse(group: click.Command, words: list[str], command: str) -> None:
    assert isinstance(group, click.Group)
    if words[0] == "$@":
        return
    assert words[0] in group.commands, command
    options = {option for parameter in group.commands[words[0]].params for option in parameter.opts}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options | {"--help"}, command


@PAGES
def test_variables_that_are_named_are_there(page):
    for section, key in re.findall(r"MATCHA_([A-Z]+)_([A-Z_]+)", page.read_text()):
        assert (section.lower(), key.lower()) in OPTIONS, f"MATCHA_{section}_{key}"


@pytest.mark.parametrize("page", ["../README.md", "protocol.md"])
def test_options_that_are_named_are_there(page):
    for span in spans(DOCS / page):
        section, _, key = span.partition(".")
        if section in Config.model_fields and re.fullmatch(r"[a-z_]+", key):
            assert (section, key) in OPTIONS, span


@PAGES
def test_files_that_are_named_are_there(page):
    here = {path.name for path in ROOT.iterdir()} - {"var", "build"}
    for span in spans(page):
        if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", span) and span.split("/")[0] in here:
            assert (ROOT / span).exists(), span


def test_the_bot_of_the_front_page_is_that_of_the_quick_start():
    [first] = blocks(ROOT / "README.md", "python")
    [second] = blocks(DOCS / "quickstart.md", "python")
    assert first == second


# -- a client without the SDK ------------------------------------------------------------------------------------------


async def type_in(text: str, names: dict[str, Any]) -> None:
    """Run code line by line, as `python -m asyncio` does; what it would show goes to `sys.displayhook`."""
    compiler = CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    typed: list[str] = []
    for line in [*text.splitlines(), ""]:
        typed.append(line)
        if command := compiler("\n".join(typed), "<example>", "single"):
            typed.clear()
            if isawaitable(running := eval(command, names)):
                await running
    assert not typed, typed


def same(shown: Any, got: Any, key: str = "") -> bool:
    """Tell whether a value is what a page shows; ids, numbers in the log, times and `…` stand for others."""
    if isinstance(shown, dict) and isinstance(got, dict):
        return shown.keys() == got.keys() and all(same(part, got[name], name) for name, part in shown.items())
    if isinstance(shown, list) and isinstance(got, list):
        return len(shown) == len(got) and all(map(same, shown, got))
    if isinstance(shown, str) and isinstance(got, str):
        return shown in ("…", got) or bool(TIME.fullmatch(shown) and TIME.fullmatch(got))
    stands_for_others = type(shown) is int and (key.endswith(("seq", "_id")) or key == "cursor")
    return type(shown) is type(got) and (stands_for_others or shown == got)


async def test_a_client_written_from_the_page_works(server, connected, monkeypatch):
    names: dict[str, Any] = {}
    values: list[Any] = []
    monkeypatch.setattr(sys, "displayhook", values.append)
    try:
        for language, text in blocks(DOCS / "protocol.md", "python", "json"):
            if language == "python":
                text = text.replace("http://localhost:8080", server.url).replace("seven green teapots", PASSWORD)
                await type_in(text, names)
            else:
                assert same(json.loads(text), values[-1]), f"{text}\nis shown, and this came:\n{values[-1]}"
    finally:
        for client in ("alice", "bob", "passer_by", "stranger"):
            if client in names:
                await names[client].shutdown()


def test_the_page_for_clients_has_every_error_under_its_code():
    text = prose(DOCS / "protocol.md")
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*?) \|", text, re.MULTILINE))
    listed = {(name, int(code)) for code, names in rows.items() for name in re.findall(r"`(\w+)`", names)}
    assert listed == {(name, error.code) for name, error in ERRORS.items()}


def test_the_page_for_clients_has_the_limits_that_are():
    text, config = prose(DOCS / "protocol.md"), Config()
    limits, socket = config.limits, config.socket
    for said in (
        f"{limits.socket_rate:g} a second, {limits.socket_burst} at once; an event",
        f"{limits.login_failures_address} in {limits.login_failures_address_window / 60:g} minutes from one address",
        f"{limits.login_failures_account} an hour for one account",
        f"{limits.registrations} in {limits.registrations_window / 60:g} minutes",
        f"{limits.message_rate:g} a second, {limits.message_burst} at once; {limits.unanswered} in a row",
        f"{limits.likes_day} likes, {limits.profiles_day} profiles, {limits.nudges_day} nudges"
        f" ({limits.nudges_pair_day} to the same person), {limits.moves_day} own moves, {limits.reports_day} reports",
        f"{limits.research_minute} a minute",
        f"{limits.sockets_user} a person; {limits.sockets_anonymous} from one address",
        f"closed after {socket.anonymous_timeout:g} seconds",
        f"within {socket.ping_timeout:g} seconds",
        f"{socket.running} events of a socket run at a time and {socket.queue} may wait",
        f"ends {config.session.max_days} days after it began, {config.session.idle_days} days after",
    ):
        assert said in text, said
