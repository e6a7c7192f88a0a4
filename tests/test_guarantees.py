"""The guarantees: each test that they name is there."""

import ast
import re

from tests.ground.pages import DOCS, ROOT

NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_test_that_a_guarantee_names_is_there():
    page = (DOCS / "guarantees.md").read_text()
    named = NAMED.findall(page)
    assert len(named) > 20
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text())
        there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in there, f"{file}::{name}"


def test_every_promise_names_a_test():
    page = (DOCS / "guarantees.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.startswith(("| Promise", "| ---"))]
    assert len(rows) > 15
    assert all(NAMED.search(row) for row in rows)
