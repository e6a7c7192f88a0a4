"""slow: many who have stopped to read are written to all the same; the others are not to notice, nor the memory."""

import urllib.request
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.process import Served

_TEXT = "Shall we have tea at five, down by the river?"
_LONG = "x" * 3900
_LARGEST = "matcha_backlog_largest_bytes "


@figure("slow")
def slow(bench: Bench) -> list[Line]:
    """Send 5 MB a second to 100 people who do not read, and time what others write to each other meanwhile."""
    count = bench.size(100, 2)
    people = bench.ground.people.take(2 * (count + bench.size(20, 2)))
    two = list(zip(people[::2], people[1::2], strict=True))
    bench.ground.people.connect(two)
    pairs = [[{"id": one.id, "auth": {"token": one.token}} for one in pair] for pair in two]
    deaf, healthy = pairs[:count], pairs[count:]

    def run(deaf: list[Any]) -> Any:
        with bench.ground.ours() as served, bench.ground.generator() as generator:
            result = generator.run(
                "talk",
                port=served.port,
                pid=served.pid,
                pairs=healthy,
                text=_TEXT,
                rate=bench.size(200, 20),
                deaf=deaf,
                deaf_text=_LONG,
                deaf_rate=bench.size(1250, 20),
                warm=bench.size(3.0, 0.3),
                seconds=bench.size(6.0, 0.5),
            )
            return result | {"backlog": _backlog(served)}

    quiet, loud = bench.alternate(lambda: run([]), lambda: run(deaf))
    for result in (*quiet, *loud):
        assert not result["refused"], f"messages were refused: {result['refused']}"
    alone = Value.of(result["ways"]["p99"] for result in quiet)
    bound = max(1.2 * alone.median, alone.median + 5)
    notes = {"they do not read": f"{count}, sent {bench.size(1250, 20)} messages/s of 4 KB in all"}
    waiting = Value.of(result["backlog"] for result in loud)
    return [
        Line(
            "p99 from writer to reader beside them",
            "ms",
            Value.of(result["ways"]["p99"] for result in loud),
            Beside("the same, all of them reading", alone),
            Target(round(bound, 1)),
            notes,
        ),
        Line(
            "largest queue of one of them",
            "bytes",
            waiting,
            Beside("all of them reading", Value.of(result["backlog"] for result in quiet)),
            Target(1_000_000),
            notes,
        ),
    ]


def _backlog(served: Served) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{served.port}/metrics") as page:
        [line] = [line for line in page.read().decode().splitlines() if line.startswith(_LARGEST)]
    return float(line.split()[1])
