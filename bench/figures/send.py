"""send: how many messages a second connected people write to each other, each kept for good before it is answered."""

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.process import Served

_TEXT = "Shall we have tea at five, down by the river?"
_IN_FLIGHT = 4

Results = list[dict[str, Any]]


@figure("send")
def send(bench: Bench) -> list[Line]:
    """Let pairs write to each other as fast as they are answered, the receiver being there."""
    pairs = bench.ground.people.pairs(bench.size(100, 2))
    by_id = [[{"id": one["id"], "auth": {"id": one["id"]}} for one in pair] for pair in pairs]
    ours, theirs, nodes = bench.alternate(
        lambda: _chat(bench, bench.ground.ours(), pairs),
        lambda: _chat(bench, bench.ground.peer("relay"), by_id),
        lambda: _chat(bench, bench.ground.node_peer(), by_id),
    )
    half = round(_rate(ours).median / 2)
    [calm] = bench.alternate(partial(_chat_calmly, bench, pairs, half))
    return [_beside_relay(ours, theirs, 2 * len(pairs)), _beside_node(ours, nodes), _at_half(calm, half)]


def _chat(bench: Bench, server: AbstractContextManager[Served], pairs: list[Any]) -> Any:
    """Let all send as fast as they can, so many messages of each being on their way."""
    with server as served, bench.ground.generator() as generator:
        result = generator.run(
            "chat",
            port=served.port,
            pid=served.pid,
            beside=bench.ground.children,
            pairs=pairs,
            text=_TEXT,
            window=_IN_FLIGHT,
            warm=bench.size(2.0, 0.1),
            seconds=bench.size(4.0, 0.3),
        )
    assert not result["wrong"], f"unexpected answers: {result['wrong']}"
    assert result["heard"] > result["answers"] / 2, "what is answered is not heard by the other"
    return result


def _chat_calmly(bench: Bench, pairs: list[Any], rate: int) -> Any:
    """Let them send so many a second in all."""
    with bench.ground.ours() as served, bench.ground.generator() as generator:
        return generator.run(
            "talk",
            port=served.port,
            pid=served.pid,
            pairs=pairs,
            text=_TEXT,
            rate=rate,
            warm=bench.size(3.0, 0.3),
            seconds=bench.size(4.0, 0.3),
        )


def _beside_relay(ours: Results, theirs: Results, sockets: int) -> Line:
    beside = Beside("bare python-socketio relay", _rate(theirs))
    notes = {
        "sockets × in flight": f"{sockets} × {_IN_FLIGHT}",
        "CPU a message": f"{_parts(ours)}; beside {_cost(theirs):.0f} µs",
        "server, generator busy": f"{_busy(ours)}; beside {_busy(theirs)}",
        "answered within p50, p99": f"{_times(ours)}; beside {_times(theirs)}",
    }
    return Line("acked, durable message/send", "messages/s", _rate(ours), beside, Target(0.5, True, True), notes)


def _beside_node(ours: Results, nodes: Results) -> Line:
    beside = Beside("socket.io and mysql2, one by one", _rate(nodes))
    notes = {
        "CPU a message": f"{_parts(ours)}; beside {_parts(nodes)}",
        "answered within p50, p99": f"{_times(ours)}; beside {_times(nodes)}",
    }
    return Line("the same, beside Node", "messages/s", _rate(ours), beside, Target(2, True, True), notes)


def _at_half(calm: Results, rate: int) -> Line:
    beside, at = Beside("p50", _acks(calm, "p50")), {"sent": f"{rate} messages/s"}
    return Line("p99 of an answer at half of that", "ms", _acks(calm, "p99"), beside, Target(50), at)


def _rate(results: Results) -> Value:
    return Value.of(result["answers"] / result["seconds"] for result in results)


def _cost(results: Results) -> float:
    return Value.of(1e6 * result["server_cpu"] / max(1, result["answers"]) for result in results).median


def _busy(results: Results) -> str:
    both = [_share(results, "server_cpu"), _share(results, "generator_cpu")]
    return "{:.0%}, {:.0%}".format(*both)


def _share(results: Results, whose: str) -> float:
    return Value.of(result[whose] / result["seconds"] for result in results).median


def _times(results: Results) -> str:
    both = [Value.of(result["times"][name] for result in results).median for name in ("p50", "p99")]
    return "{:.1f}, {:.1f} ms".format(*both)


def _acks(results: Results, name: str) -> Value:
    return Value.of(result["acks"][name] for result in results)


def _parts(results: Results) -> str:
    """Say what server and databases used for a message."""
    costs = {
        name: Value.of(1e6 * result["beside_cpu"][name] / max(1, result["answers"]) for result in results).median
        for name in results[0]["beside_cpu"]
    }
    return ", ".join(f"{name} {cost:.0f} µs" for name, cost in ({"server": _cost(results)} | costs).items())
