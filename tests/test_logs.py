"""What is logged is one line for each record, and never what belongs to others."""

import io
import json
import logging
from collections.abc import Callable, Iterator

import pytest
import structlog

from server.config import Log
from server.logs import configure

FORGED = "mallory\r\n2026-01-01T00:00:00Z info forged\x1b[2J\u2028\u202e\x85"

Lines = Callable[[], list[str]]


@pytest.fixture(params=["console", "json"])
def lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setattr("sys.stderr", written := io.StringIO())
    configure(Log(format=request.param))
    yield lambda: written.getvalue().split("\n")[:-1]
    root.handlers[:], root.level = before
    logging.captureWarnings(False)


def test_text_can_not_pretend_to_be_another_record(lines: Lines):
    structlog.get_logger("test").warning(FORGED, login=FORGED, nested={"login": FORGED})
    logging.getLogger("library").error("%s", FORGED, extra={"more": FORGED})
    logged = lines()
    assert len(logged) == 2
    assert all(line.isprintable() for line in logged)


def test_a_traceback_is_one_line(lines: Lines):
    try:
        raise ValueError(FORGED)
    except ValueError:
        structlog.get_logger("test").exception("failed")
    (line,) = lines()
    assert "ValueError" in line
    assert "test_logs.py" in line
    assert line.isprintable()


def test_levels_are_kept_and_libraries_that_log_payloads_are_silent(lines: Lines):
    structlog.get_logger("test").debug("quiet")
    for name in ("socketio.server", "engineio.server", "aiohttp.access", "aiomysql"):
        logging.getLogger(name).info("a payload")
        logging.getLogger(name).warning("a fault of %s", name)
    logged = lines()
    assert len(logged) == 4
    assert all("a fault of" in line for line in logged)


def test_json_is_json_and_a_console_line_is_read_by_people(lines: Lines):
    structlog.get_logger("test.it").info("served", count=3, name="Мария И", empty="")
    (line,) = lines()
    if line.startswith("{"):
        record = json.loads(line)
        assert record.pop("timestamp").endswith("Z")
        assert record == {
            "event": "served", "level": "info", "logger": "test.it", "count": 3, "name": "Мария И", "empty": "",
        }  # fmt: skip
    else:
        assert line.split(" ", 1)[1] == 'info     served [test.it] count=3 name="Мария И" empty=""'
