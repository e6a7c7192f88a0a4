"""ack: how many times a second people who are signed in say that they are here, and are answered; nothing else."""

from contextlib import AbstractContextManager
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.process import Served

_ANSWER = '{"code":200,"data":true}'


@figure("ack")
def ack(bench: Bench) -> list[Line]:
    """Renew `user/set_online` on sockets that are signed in, beside a bare python-socketio that answers the same."""
    auths = [{"token": person.token} for person in bench.ground.people.take(bench.size(100, 4))]

    def ask(server: AbstractContextManager[Served]) -> Any:
        with server as served, bench.ground.generator() as generator:
            return generator.run(
                "closed",
                port=served.port,
                pid=served.pid,
                auths=auths,
                name="user/set_online",
                payload=[],
                answer=f"[{_ANSWER}]",
                window=4,
                warm=bench.size(1.5, 0.1),
                seconds=bench.size(4.0, 0.3),
            )

    ours, theirs = bench.alternate(lambda: ask(bench.ground.ours()), lambda: ask(bench.ground.peer("echo", _ANSWER)))
    for result in (*ours, *theirs):
        assert not result["wrong"], f"unexpected answers: {result['wrong']}"
    beside = Beside("bare python-socketio echo", _rate(theirs))
    notes = {
        "sockets × in flight": f"{len(auths)} × 4",
        "server CPU an event": f"{_cost(ours):.0f} µs, beside {_cost(theirs):.0f} µs",
        "server, generator busy": f"{_share(ours, 'server_cpu'):.0%}, {_share(ours, 'generator_cpu'):.0%}"
        f"; beside {_share(theirs, 'server_cpu'):.0%}, {_share(theirs, 'generator_cpu'):.0%}",
        "answered within p50, p99": _times(ours) + "; beside " + _times(theirs),
    }
    return [Line("renewed user/set_online", "acks/s", _rate(ours), beside, Target(0.6, True, True), notes)]


def _rate(results: list[dict[str, Any]]) -> Value:
    return Value.of(result["answers"] / result["seconds"] for result in results)


def _cost(results: list[dict[str, Any]]) -> float:
    return Value.of(1e6 * result["server_cpu"] / result["answers"] for result in results).median


def _share(results: list[dict[str, Any]], whose: str) -> float:
    return Value.of(result[whose] / result["seconds"] for result in results).median


def _times(results: list[dict[str, Any]]) -> str:
    both = [Value.of(result["times"][name] for result in results).median for name in ("p50", "p99")]
    return "{:.1f}, {:.1f} ms".format(*both)
