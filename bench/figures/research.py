"""research: how long it takes to be shown people, whoever one is and whatever one asks for."""

from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.population import BUFFER_POOL, Population, metropolis, population
from bench.process import Served

_FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"distance_max": 20},
    {"age_min": 30, "age_max": 31},
    {"fame_min": 70},
    {"tags": ["music"]},
    {"tags": ["chess", "jazz"]},
    {"distance_max": 100, "age_min": 25, "age_max": 35, "fame_min": 30},
)
_COMBINATIONS = [
    {"sort_by": sort_by, "order": order} | filters
    for filters in _FILTERS
    for sort_by in range(5)
    for order in ("asc", "desc")
    if filters or sort_by
]
"""Every sort both ways, alone and with filters; sort 0 alone is a figure by itself."""

_SOCKETS = 100
"""So many are connected at a time, where one asks at a time."""

_BEGINNINGS: list[dict[str, Any]] = [{"prefix": prefix} for prefix in ("m", "music", "ch", "s", "par")]
_LISTS: dict[str, list[dict[str, Any]]] = {
    "user/likes": [{}],
    "user/history": [{}],
    "user/connections": [{}],
    "tags": _BEGINNINGS,
    "places": _BEGINNINGS,
}


@figure("research")
def research(bench: Bench) -> list[Line]:
    """Search as people of a million, a tenth of them before; and in a metropolis, all of whom live within 3 km."""
    few, many = bench.size((100_000, 1_000_000), (200, 200))
    return [*_worldwide(bench, few, many), *_crowded(bench, bench.size(300_000, 200))]


@figure("research-10m", on_request=True)
def research_10m(bench: Bench) -> list[Line]:
    """Search as people of ten million, who take an hour to make and 25 GB, a tenth of them before."""
    few, many = bench.size((1_000_000, 10_000_000), (200, 300))
    return _worldwide(bench, few, many)


class _Asker:
    """Asks on behalf of some people, each on a socket of their own."""

    def __init__(self, bench: Bench, people: Population, served: Served) -> None:
        self._bench = bench
        self._served = served
        self._pids = {"server": served.pid} | people.pids
        self._auths = people.auths(bench.size(2000, 6))

    def share_cores(self) -> None:
        """Let the server and the databases run on whatever core is free."""
        self._bench.ground.cores.share(self._pids.values())

    def ask(
        self,
        fields: list[dict[str, Any]],
        *,
        name: str = "research",
        pages: int = 1,
        at_a_time: int = 1,
        people: int | None = None,
    ) -> dict[str, Any]:
        """Return the result of the generator: so many of the people ask one after another, what comes in turn.

        They do it twice, and the second time counts: by then what they ask for is in the database's memory.
        """
        auths = self._auths[:people]
        asked = {"port": self._served.port, "pids": self._pids, "name": name, "pages": pages, "at_a_time": at_a_time}
        asked |= {"auths": auths, "fields": [fields[place % len(fields)] for place in range(len(auths))]}
        asked["sockets"] = _SOCKETS if at_a_time == 1 else len(auths)
        with self._bench.ground.generator() as generator:
            before = generator.run("searches", at_most=1800.0, **asked)
            return {**generator.run("searches", at_most=1800.0, **asked), "before": before["times"]}


def _worldwide(bench: Bench, few: int, many: int) -> list[Line]:
    with population(bench.ground, few) as people, people.ground.ours() as served:
        before = _Asker(bench, people, served).ask([{}])["times"]["p99"]
    with population(bench.ground, many) as people, people.ground.ours() as served:
        asker, scan = _Asker(bench, people, served), people.full_scan(5)
        compared = Beside("full scan, haversine", _one(scan))
        first = asker.ask([{}])
        return [
            *_firsts(first, compared, before=(f"{few:,} people", before), people=many),
            _scanned(scan, first),
            *_others(asker, compared),
            *_lists(asker, compared),
            _at_once(asker, Beside("full scans one by one", _one(1000 / scan))),
        ]


def _scanned(scan: float, first: dict[str, Any]) -> Line:
    beside = Beside("sort 0, p50", _one(first["times"]["p50"]))
    target, notes = Target(20, at_least=True, of_ratio=True), {"as": "matcha projects do, over all rows"}
    return Line("full scan, haversine", "ms", _one(scan), beside, target, notes)


def _firsts(first: dict[str, Any], compared: Beside, *, before: tuple[str, float], people: int) -> list[Line]:
    smaller, theirs = before
    usual = {
        "people": f"{people:,}",
        "viewers, drawn by chance": f"{first['times']['count']}",
        "buffer pool": f"{BUFFER_POOL} MiB",
    }
    beside = Beside(smaller, _one(theirs))
    p99 = _one(first["times"]["p99"])
    growth = Line("sort 0, first page, p99, growth", "ms", p99, beside, Target(1.5, of_ratio=True), usual)
    return [
        _line("sort 0, first page, p50", first, "p50", 5, compared, usual | _costs(first)),
        _line("sort 0, first page, p99", first, "p99", 15, compared, usual),
        _line("sort 0, first page, slowest", first, "max", 50, compared, usual),
        growth,
    ]


def _others(asker: _Asker, compared: Beside) -> list[Line]:
    others = asker.ask(_COMBINATIONS)
    tenth = asker.ask([{"sort_by": sort_by} for sort_by in range(5)], pages=10, people=300)
    return [
        _line("every other sort and filter, p99", others, "p99", 20, compared, _slowest(others)),
        _line("the tenth page, p99", tenth, "p99", 20, compared, _slowest(tenth)),
    ]


def _lists(asker: _Asker, compared: Beside) -> list[Line]:
    asked = {name: asker.ask(fields, name=name, people=200) for name, fields in _LISTS.items()}
    return [_line(f"{name}, p99", came, "p99", 20, compared, _slowest(came)) for name, came in asked.items()]


def _at_once(asker: _Asker, compared: Beside) -> Line:
    """Many clients at a time, on whatever core is free."""
    asker.share_cores()
    crowd = asker.ask([{}], at_a_time=64)
    seconds = crowd["seconds"]
    busy = {f"{name} busy": f"{cpu / seconds:.0%}" for name, cpu in crowd["cpu"].items()}
    rate = _one(crowd["times"]["count"] / seconds)
    return Line("64 clients at a time", "searches/s", rate, compared, Target(300, at_least=True), busy | _costs(crowd))


def _crowded(bench: Bench, users: int) -> list[Line]:
    with metropolis(bench.ground, users) as people, people.ground.ours() as served:
        asker, compared = _Asker(bench, people, served), Beside("full scan, haversine", _one(people.full_scan(5)))
        first, others = asker.ask([{}]), asker.ask(_COMBINATIONS)
    within = {"people, within 3 km": f"{users:,}"}
    return [
        _line("in a metropolis, sort 0, p99", first, "p99", 15, compared, within | _costs(first)),
        _line("in a metropolis, every other, p99", others, "p99", 20, compared, _slowest(others)),
    ]


def _line(what: str, result: dict[str, Any], which: str, bound: float, beside: Beside, notes: dict[str, str]) -> Line:
    shown = ", ".join(f"{value} {name}" for name, value in result["shown"].items())
    return Line(what, "ms", _one(result["times"][which]), beside, Target(bound), notes | {"shown": shown})


def _one(value: float) -> Value:
    return Value.of([value])


def _costs(result: dict[str, Any]) -> dict[str, str]:
    count = result["times"]["count"]
    costs = {f"{name} CPU a search": f"{1000 * cpu / count:.1f} ms" for name, cpu in result["cpu"].items()}
    return costs | _before(result)


def _slowest(result: dict[str, Any]) -> dict[str, str]:
    times = result["times"]
    worst = "; ".join(f"{milliseconds:.0f} ms {asked}" for milliseconds, asked in result["slowest"][:3])
    return {"p50": f"{times['p50']:.1f} ms", "max": f"{times['max']:.0f} ms", "slowest": worst} | _before(result)


def _before(result: dict[str, Any]) -> dict[str, str]:
    return {"p99 the first time, not all in memory": f"{result['before']['p99']:.1f} ms"}
