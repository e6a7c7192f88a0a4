"""crowd: what many do at once, each one thing after another, beside one of them who does the same alone."""

from typing import Any

from bench.figure import Bench, Beside, Line, Value, figure
from bench.people import Person

_EVENTS = {
    "user/like": ("likes", {}),
    "message/read": ("reads", {"seq": 1}),
    "profile": ("visits", {}),
}


@figure("crowd")
def crowd(bench: Bench) -> list[Line]:
    """Let all do the same to as many people each; each of them waits for an answer before they go on."""
    everybody = bench.ground.people.take(bench.size(64 + 150, 2 + 3))
    actors, targets = everybody[: bench.size(64, 2)], everybody[bench.size(64, 2) :]
    return [_line(bench, name, what, fields, actors, targets) for name, (what, fields) in _EVENTS.items()]


def _line(
    bench: Bench, name: str, what: str, fields: dict[str, Any], actors: list[Person], targets: list[Person]
) -> Line:
    payloads = [{"target_user_id": target.id} | fields for target in targets]

    def act(actors: list[Person]) -> Any:
        bench.ground.people.forget()
        if name == "message/read":
            bench.ground.people.write_each_other([(one, other) for one in actors for other in targets])
        with bench.ground.ours() as served, bench.ground.generator() as generator:
            return generator.run(
                "errands",
                port=served.port,
                pid=served.pid,
                beside=bench.ground.children,
                auths=[{"token": person.token} for person in actors],
                name=name,
                payloads=[payloads[start:] + payloads[:start] for start in range(len(actors))],
            )

    many, one = bench.alternate(lambda: act(actors), lambda: act(actors[:1]))
    for result in (*many, *one):
        assert not result["wrong"], f"unexpected answers: {result['wrong']}"
    notes = {
        "sockets": f"{len(actors)}, beside 1; {len(targets)} {what} each",
        "CPU each": f"{_parts(many)}; beside {_parts(one)}",
        "server busy": f"{_share(many):.0%}; beside {_share(one):.0%}",
        "answered within p50, p99": f"{_times(many)}; beside {_times(one)}",
    }
    return Line(what, "/s", _rate(many), Beside("one alone", _rate(one)), None, notes)


def _rate(results: list[Any]) -> Value:
    return Value.of(result["answers"] / result["seconds"] for result in results)


def _share(results: list[Any]) -> float:
    return Value.of(result["server_cpu"] / result["seconds"] for result in results).median


def _times(results: list[Any]) -> str:
    both = [Value.of(result["times"][name] for result in results).median for name in ("p50", "p99")]
    return "{:.1f}, {:.1f} ms".format(*both)


def _parts(results: list[Any]) -> str:
    """Say what server and databases used for each."""
    used = [{"server": result["server_cpu"]} | result["beside_cpu"] for result in results]
    costs = {
        part: Value.of(1e6 * cpu[part] / result["answers"] for cpu, result in zip(used, results, strict=True)).median
        for part in used[0]
    }
    return ", ".join(f"{part} {cost:.0f} µs" for part, cost in costs.items())
