"""send: how many messages a second connected people write to each other, each kept for good before it is answered."""

from contextlib import AbstractContextManager
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.process import Served

_TEXT = "Shall we have tea at five, down by the river?"


@figure("send")
def send(bench: Bench) -> list[Line]:
    """Let pairs write to each other as fast as they are answered, the receiver being there."""
    people = bench.ground.people.take(2 * bench.size(100, 2))
    two = list(zip(people[::2], people[1::2], strict=True))
    bench.ground.people.connect(two)
    pairs = [[{"id": one.id, "auth": {"id": one.id}} for one in pair] for pair in two]
    signed_in = [[{"id": one.id, "auth": {"token": one.token}} for one in pair] for pair in two]

    def chat(server: AbstractContextManager[Served], pairs: Any) -> Any:
        with server as served, bench.ground.generator() as generator:
            return generator.run(
                "chat",
                port=served.port,
                pid=served.pid,
                beside=bench.ground.children,
                pairs=pairs,
                text=_TEXT,
                window=4,
                warm=bench.size(2.0, 0.1),
                seconds=bench.size(4.0, 0.3),
            )

    ours, theirs, nodes = bench.alternate(
        lambda: chat(bench.ground.ours(), signed_in),
        lambda: chat(bench.ground.peer("relay"), pairs),
        lambda: chat(bench.ground.node_peer(), pairs),
    )
    for result in (*ours, *theirs, *nodes):
        assert not result["wrong"], f"unexpected answers: {result['wrong']}"
    half = round(_rate(ours).median / 2)

    def chat_at_half() -> Any:
        with bench.ground.ours() as served, bench.ground.generator() as generator:
            return generator.run(
                "talk",
                port=served.port,
                pid=served.pid,
                pairs=signed_in,
                text=_TEXT,
                rate=half,
                warm=bench.size(3.0, 0.3),
                seconds=bench.size(4.0, 0.3),
            )

    [calm] = bench.alternate(chat_at_half)
    beside = Beside("bare python-socketio relay", _rate(theirs))
    notes = {
        "sockets × in flight": f"{len(people)} × 4",
        "CPU a message": f"{_parts(ours)}; beside {_cost(theirs):.0f} µs",
        "server, generator busy": f"{_share(ours, 'server_cpu'):.0%}, {_share(ours, 'generator_cpu'):.0%}"
        f"; beside {_share(theirs, 'server_cpu'):.0%}, {_share(theirs, 'generator_cpu'):.0%}",
        "answered within p50, p99": _times(ours) + "; beside " + _times(theirs),
    }
    node = Beside("socket.io and mysql2, one by one", _rate(nodes))
    node_notes = {
        "CPU a message": f"{_parts(ours)}; beside {_parts(nodes)}",
        "answered within p50, p99": _times(ours) + "; beside " + _times(nodes),
    }
    at = {"sent": f"{half} messages/s"}
    return [
        Line("acked, durable message/send", "messages/s", _rate(ours), beside, Target(0.5, True, True), notes),
        Line("the same, beside Node", "messages/s", _rate(ours), node, Target(2, True, True), node_notes),
        Line(
            "p99 of an answer at half of that",
            "ms",
            _acks(calm, "p99"),
            Beside("p50", _acks(calm, "p50")),
            Target(50),
            at,
        ),
    ]


def _rate(results: list[dict[str, Any]]) -> Value:
    return Value.of(result["answers"] / result["seconds"] for result in results)


def _cost(results: list[dict[str, Any]]) -> float:
    return Value.of(1e6 * result["server_cpu"] / max(1, result["answers"]) for result in results).median


def _share(results: list[dict[str, Any]], whose: str) -> float:
    return Value.of(result[whose] / result["seconds"] for result in results).median


def _times(results: list[dict[str, Any]]) -> str:
    both = [Value.of(result["times"][name] for result in results).median for name in ("p50", "p99")]
    return "{:.1f}, {:.1f} ms".format(*both)


def _acks(results: list[dict[str, Any]], name: str) -> Value:
    return Value.of(result["acks"][name] for result in results)


def _parts(results: list[dict[str, Any]]) -> str:
    """Say what server and databases used for a message."""
    costs = {
        name: Value.of(1e6 * result["beside_cpu"][name] / max(1, result["answers"]) for result in results).median
        for name in results[0]["beside_cpu"]
    }
    return ", ".join(f"{name} {cost:.0f} µs" for name, cost in ({"server": _cost(results)} | costs).items())
