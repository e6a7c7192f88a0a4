"""deliver: how long a message takes from one who writes it to one who reads it, in one process and across two."""

from contextlib import ExitStack
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure

_TEXT = "Shall we have tea at five, down by the river?"


@figure("deliver")
def deliver(bench: Bench) -> list[Line]:
    """Send a thousand messages a second; the time is from when each was due to when the other has it."""
    pairs = bench.ground.people.pairs(bench.size(50, 2))
    rate = bench.size(1000, 50)

    def run(*, across: bool) -> Any:
        with ExitStack() as stack:
            here = stack.enter_context(bench.ground.ours())
            data = {"data": str(bench.ground.folder / "another")}
            there = stack.enter_context(bench.ground.ours(server=data)) if across else here
            generator = stack.enter_context(bench.ground.generator())
            return generator.run(
                "talk",
                port=here.port,
                other_port=there.port,
                pid=here.pid,
                pairs=pairs,
                text=_TEXT,
                rate=rate,
                warm=bench.size(3.0, 0.3),
                seconds=bench.size(5.0, 0.5),
            )

    inside, across = bench.alternate(lambda: run(across=False), lambda: run(across=True))
    for result in (*inside, *across):
        assert not result["refused"], f"messages were refused: {result['refused']}"
    notes = {
        "sent": f"{rate} messages/s by {len(pairs)} people to as many",
        "server, generator busy": f"{_of(inside, 'server_cpu').median:.0%}, {_of(inside, 'generator_cpu').median:.0%}",
    }
    answered = Beside("until the writer has the answer", _times(inside, "acks", "p50"))
    last = Beside("until the writer has the answer", _times(inside, "acks", "p99"))
    far = Beside("in one process", _times(inside, "ways", "p99"))
    return [
        Line("p50 from writer to reader", "ms", _times(inside, "ways", "p50"), answered, Target(5), notes),
        Line("p99 from writer to reader", "ms", _times(inside, "ways", "p99"), last, Target(25), notes),
        Line("p99 across two processes", "ms", _times(across, "ways", "p99"), far, Target(50), notes),
    ]


def _times(results: list[Any], what: str, name: str) -> Value:
    return Value.of(result[what][name] for result in results)


def _of(results: list[Any], name: str) -> Value:
    return Value.of(result[name] for result in results)
