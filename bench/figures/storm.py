"""storm: all connections are cut at the same moment, and everybody comes back."""

import re
import urllib.request
from typing import Any

import pymysql

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.process import Served
from sql.database import connect_options

_LAG = re.compile(r'^matcha_loop_lag_seconds_bucket\{le="([\d.]+|\+Inf)"\} ([\d.]+)$', re.MULTILINE)


@figure("storm")
def storm(bench: Bench) -> list[Line]:
    """Cut 5,000 who are signed in, who come back as the SDK does."""
    count = bench.size(5000, 20)
    auths = [{"token": person.token, "cursor": 0} for person in bench.ground.people.take(count)]

    def run() -> Any:
        with bench.ground.ours() as served, bench.ground.generator() as generator:
            before = _statements(bench)
            result = generator.run("storm", port=served.port, auths=auths, within=60.0)
            asked = (_statements(bench) - before) / (2 * count)
            return result | {"statements": asked, "stall": _stall(served)}

    [results] = bench.alternate(run)
    notes = {
        "connections": f"{count}",
        "tries for each": f"{Value.of(result['tries'] / count for result in results).median:.2f}",
    }
    half = Beside("half of them", _of(results, lambda result: result["times"]["p50"] / 1000))
    none = Beside("nothing", Value.of([0]))
    return [
        Line(
            "until the last one is back", "s", _of(results, lambda r: r["times"]["max"] / 1000), half, Target(15), notes
        ),
        Line(
            "asked of the database for each who comes",
            "statements",
            _of(results, lambda r: r["statements"]),
            none,
            Target(3),
            notes,
        ),
        Line(
            "longest stall of the server, at most", "ms", _of(results, lambda r: r["stall"]), none, Target(250), notes
        ),
    ]


def _of(results: list[Any], what: Any) -> Value:
    return Value.of(what(result) for result in results)


def _statements(bench: Bench) -> float:
    """Return how many statements the database has had so far."""
    assert bench.ground.urls.database_url
    options = connect_options(bench.ground.urls.database_url)
    with pymysql.connect(**options) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        return float(cursor.fetchone()[1])


def _stall(served: Served) -> float:
    """Return the upper bound, in milliseconds, of the longest time the server was late by."""
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics") as page:
        buckets = [(float(le), float(count)) for le, count in _LAG.findall(page.read().decode())]
    total = buckets[-1][1]
    return min(1000 * min(bound for bound, count in buckets if count >= total), 60_000.0)
