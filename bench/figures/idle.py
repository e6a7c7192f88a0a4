"""idle: what a connection holds that is signed in and says nothing."""

import time
from contextlib import AbstractContextManager
from typing import NamedTuple

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.generator.meter import cpu_seconds, resident_bytes
from bench.process import Served


class Rest(NamedTuple):
    """A server with many connections: memory of each of them, and what share of a core all take at rest."""

    kib: float
    share: float


@figure("idle")
def idle(bench: Bench) -> list[Line]:
    """Open 5,000 connections and look at the server's memory before and after.

    The first few hundred do not count: they fill what the server makes once.
    """
    first, counted = bench.size((500, 5000), (5, 20))
    auths = [{"token": person.token} for person in bench.ground.people.take(first + counted)]

    def hold(server: AbstractContextManager[Served]) -> Rest:
        with server as served, bench.ground.generator() as generator:
            generator.run("hold", port=served.port, auths=auths[:first])
            time.sleep(bench.size(2.0, 0.1))
            before = resident_bytes(served.pid)
            held = generator.run("hold", port=served.port, auths=auths[first:])
            time.sleep(bench.size(2.0, 0.1))
            grown, used = resident_bytes(served.pid) - before, cpu_seconds(served.pid)
            time.sleep(rest := bench.size(2.0, 0.1))
            assert held["open"] == len(auths), f"only {held['open']} of {len(auths)} connections stayed"
            return Rest(grown / counted / 1024, (cpu_seconds(served.pid) - used) / rest)

    ours, theirs = bench.alternate(lambda: hold(bench.ground.ours()), lambda: hold(bench.ground.peer("echo", "{}")))
    beside = Beside("bare python-socketio, no compression", Value.of(rest.kib for rest in theirs))
    busy = [Value.of(rest.share for rest in side).median for side in (ours, theirs)]
    notes = {"connections": f"{counted}", "share of a core at rest": "{:.1%}, beside {:.1%}".format(*busy)}
    value = Value.of(rest.kib for rest in ours)
    return [Line("memory of a signed-in idle connection", "KiB", value, beside, Target(1.2, of_ratio=True), notes)]
