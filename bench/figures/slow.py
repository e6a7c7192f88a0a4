"""slow: many who have stopped to read are written to all the same; the others are not to notice, nor the memory."""

from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure

_TEXT = "Shall we have tea at five, down by the river?"
_LONG = "x" * 3900
_LARGEST = "matcha_backlog_largest_bytes"


@figure("slow")
def slow(bench: Bench) -> list[Line]:
    """Send 5 MB a second to 100 people who do not read, then who do, and time what others write to each other."""
    count, sent = bench.size(100, 2), bench.size(1250, 20)
    pairs = bench.ground.people.pairs(count + bench.size(20, 2))

    def run(*, read: bool) -> Any:
        with bench.ground.ours() as served, bench.ground.generator() as generator:
            return generator.run(
                "talk",
                port=served.port,
                pid=served.pid,
                pairs=pairs[count:],
                text=_TEXT,
                rate=bench.size(200, 20),
                beside={"pairs": pairs[:count], "text": _LONG, "rate": sent, "read": read},
                look_at=_LARGEST,
                warm=bench.size(3.0, 0.3),
                seconds=bench.size(14.0, 0.5),
            )

    loud, quiet = bench.alternate(lambda: run(read=False), lambda: run(read=True))
    for result in (*loud, *quiet):
        assert not result["refused"], f"messages were refused: {result['refused']}"
    usual, largest = _p99(quiet), Value.of(result["largest"] for result in loud)
    notes = {"they do not read": f"{count}, sent {sent} messages/s of 4 KB in all"}
    reading = Beside("all of them reading", Value.of(result["largest"] for result in quiet))
    return [
        Line(
            "p99 from writer to reader beside them",
            "ms",
            _p99(loud),
            Beside("the same, all of them reading", usual),
            Target(round(max(1.2 * usual.median, usual.median + 5), 1)),
            notes,
        ),
        Line("largest queue of one of them", "bytes", largest, reading, Target(1_000_000), notes),
    ]


def _p99(results: list[Any]) -> Value:
    return Value.of(result["ways"]["p99"] for result in results)
