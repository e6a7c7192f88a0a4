"""The page that shows how an event is added: what it shows is applied to a copy of the tree, and works there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ground.pages import DOCS, ROOT, blocks

PAGE = DOCS / "adding-an-event.md"
COPIED = ["asyncapi.json", "client_sdk", "config.yaml", "docs", "handlers", "pyproject.toml", "server", "setup.cfg"]
COPIED += ["sql", "tests", "web/src"]
NOT_COPIED = shutil.ignore_patterns("node_modules", "__pycache__", ".*")
ASKED = [
    "tests/test_sql.py::test_every_statement_stands_in_the_snapshot",
    "tests/test_sql.py::test_no_statement_has_a_literal",
    "tests/test_registry.py::test_the_sdk_has_one_method_for_every_event",
    "tests/test_registry.py::test_a_method_of_the_sdk_takes_what_the_event_takes[message/find]",
    "tests/test_registry.py::test_a_handler_names_the_errors_that_it_raises[message/find]",
    "tests/test_http.py::test_every_event_has_the_routes_that_are_specified",
    "tests/attack/test_block.py::test_every_event_has_a_case",
    "tests/attack/test_input.py::test_every_event_has_a_sample",
]
"""What the tests ask of every event."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=NOT_COPIED)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(folder: Path, *command: str, text: str | None = None, **environ: str) -> str:
    """Return what a command says that ends well."""
    done = subprocess.run(
        command,
        cwd=folder,
        input=text,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | environ,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_event_that_the_page_adds_works(copy):
    change = "".join(block.text for block in blocks(PAGE, "diff"))
    run(copy, "git", "apply", "-", text=change)
    assert "docs/events.md" in run(copy, sys.executable, "-m", "server.reference")
    new = [f"tests/test_message.py::{name}" for name in re.findall(r"^\+async def (test_\w+)", change, re.MULTILINE)]
    assert len(new) == 2, "one in which it works, one in which it is refused"
    pytest_ = (sys.executable, "-m", "pytest", "-q", "--show-capture=no", "-p", "no:cacheprovider")
    run(copy, *pytest_, *new, *ASKED, UPDATE_SNAPSHOTS="1")
    changed = re.findall(r"^\+\+\+ b/(.*)$", change, re.MULTILINE)
    run(copy, sys.executable, "-m", "ruff", "check", "--no-fix", "--no-cache", *changed)
    run(copy, sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *changed)
