"""The bench: each figure can be measured, and says what it has to; how fast anything is, is not for tests."""

import json
import os
import subprocess
import sys

import pytest

import bench.figures  # noqa: F401  (so that all of them are known)
from bench.figure import Beside, Line, Target, Value, figures, seldom
from bench.generator import frames
from bench.machine import ROOT
from bench.report import entry, page
from tests.ground.portraits import draw_pool
from tests.ground.program import copied

KEPT = {"lines", "seconds", "date", "commit", "load", "machine"}


@pytest.fixture
def people(prepared, tmp_path):
    """Where people are kept for figures, with a database in which nobody is yet: to make that takes long."""
    folder = tmp_path / "people"
    for name in ("people-200", "metropolis-200"):
        copied(prepared, folder / name)
    return folder


def measured(folder, people, *names):
    command = (sys.executable, "-m", "bench", "--tiny", "--results", str(folder / "results.json"), *names)
    more = {"BENCH_CACHE": str(people), "MATCHA_DEMO_PORTRAITS": str(draw_pool(folder / "pool"))}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | more, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "results.json").read_text())["figures"], done.stdout


@pytest.mark.parametrize("name", sorted(figures.keys() - seldom))
def test_every_figure_can_be_measured(name, tmp_path, people):
    found, said = measured(tmp_path, people, name)
    assert found.keys() == {name}
    assert found[name].keys() == KEPT
    assert name in said
    lines = found[name]["lines"]
    for line in lines:
        assert line["value"]["low"] <= line["value"]["median"] <= line["value"]["high"]
        assert line["unit"] and line["beside"]["what"] and line["notes"]
        assert bool(line["target"]) == (line["verdict"] in ("met", "missed"))
    assert (tmp_path / "results.md").read_text().count("\n| ") >= len(lines)


@pytest.mark.parametrize(
    ("measured", "target", "verdict"),
    [
        (60, Target(0.6, at_least=True, of_ratio=True), "met"),
        (59, Target(0.6, at_least=True, of_ratio=True), "missed"),
        (120, Target(1.2, of_ratio=True), "met"),
        (121, Target(1.2, of_ratio=True), "missed"),
        (121, Target(121), "met"),
        (121, None, ""),
    ],
)
def test_a_target_is_met_or_missed(measured, target, verdict):
    line = Line("something", "ms", Value.of([measured]), Beside("another", Value.of([90, 100, 900])), target)
    assert line.verdict == verdict
    assert f"| {verdict} |" in page({"some": entry([line], seconds=1)})


def test_frames_are_cut_wherever_the_stream_was():
    texts = [b"2", b'43[{"code":200}]', b"x" * 126, b"y" * 70_000]
    stream = b"".join(_as_servers_do(text) for text in texts)
    for cut in (1, 3, 20, 200, len(stream)):
        whole, rest = frames.cut(stream[:cut])
        more, rest = frames.cut(rest + stream[cut:])
        assert [*whole, *more] == texts
        assert not rest


def _as_servers_do(text):
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    return (b"\x81\x7e" + size.to_bytes(2) if size < 65_536 else b"\x81\x7f" + size.to_bytes(8)) + text
