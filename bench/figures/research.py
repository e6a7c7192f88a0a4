"""research: how long it takes to be shown people, whoever one is and whatever one asks for."""

from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.population import BUFFER_POOL, Population, population
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
    """Search as people of a million, a tenth of them before."""
    few, many = bench.size((100_000, 1_000_000), (200, 200))
    before = _first_pages(bench, few)["times"]["p99"]
    return _lines(bench, many, beside=(f"{few:,} people", before))


@figure("research-10m", on_request=True)
def research_10m(bench: Bench) -> list[Line]:
    """Search as people of ten million, who take an hour to make and 25 GB, a tenth of them before."""
    few, many = bench.size((1_000_000, 10_000_000), (200, 300))
    before = _first_pages(bench, few)["times"]["p99"]
    return _lines(bench, many, beside=(f"{few:,} people", before))


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
        """Return the result of the generator: so many of the people ask one after another, what comes in turn."""
        asked = {"port": self._served.port, "pids": self._pids, "name": name, "pages": pages, "at_a_time": at_a_time}
        with self._bench.ground.generator() as generator:
            auths = self._auths[:people]
            fields = [fields[place % len(fields)] for place in range(len(auths))]
            result = generator.run("searches", at_most=1800.0, auths=auths, fields=fields, **asked)
        return dict(result)


def _first_pages(bench: Bench, users: int) -> dict[str, Any]:
    with population(bench.ground, users) as people, people.ground.ours() as served:
        asker = _Asker(bench, people, served)
        asker.ask([{}])
        return asker.ask([{}])


def _lines(bench: Bench, users: int, *, beside: tuple[str, float]) -> list[Line]:
    with population(bench.ground, users) as people, people.ground.ours() as served:
        asker = _Asker(bench, people, served)
        asker.ask([{}])
        first = asker.ask([{}])
        others = asker.ask(_COMBINATIONS)
        tenth = asker.ask([{"sort_by": sort_by} for sort_by in range(5)], pages=10, people=300)
        lists = {name: asker.ask(fields, name=name, people=100) for name, fields in _LISTS.items()}
        scan = people.full_scan(5)
        asker.share_cores()
        crowd = asker.ask([{}], at_a_time=64)
    count = first["times"]["count"]
    usual = {
        "people": f"{users:,}",
        "viewers, drawn by chance": f"{count}",
        "buffer pool": f"{BUFFER_POOL} MiB",
    }
    scanned = "full scan, haversine"
    compared = Beside(scanned, _one(scan))
    rate, seconds = crowd["times"]["count"] / crowd["seconds"], crowd["seconds"]
    split = {f"{name} busy": f"{cpu / seconds:.0%}" for name, cpu in crowd["cpu"].items()}
    return [
        _line("sort 0, first page, p50", first, "p50", 5, compared, usual | _costs(first)),
        _line("sort 0, first page, p99", first, "p99", 15, Beside(beside[0], _one(beside[1])), {}),
        _line("sort 0, first page, slowest", first, "max", 50, compared, {}),
        Line("p99, times that", "×", _one(first["times"]["p99"] / beside[1]), _itself(beside[0]), Target(1.5), usual),
        Line("as many in the time", "×", _one(scan / first["times"]["p50"]), _itself(scanned), Target(20, True), usual),
        _line("every other sort and filter, p99", others, "p99", 20, compared, _slowest(others)),
        _line("the tenth page, p99", tenth, "p99", 20, compared, _slowest(tenth)),
        Line("64 clients at a time", "searches/s", _one(rate), compared, Target(300, at_least=True), split),
        *(_line(f"{name}, p99", result, "p99", 20, compared, _slowest(result)) for name, result in lists.items()),
    ]


def _line(what: str, result: dict[str, Any], which: str, bound: float, beside: Beside, notes: dict[str, str]) -> Line:
    shown = ", ".join(f"{value} {name}" for name, value in result["shown"].items())
    return Line(what, "ms", _one(result["times"][which]), beside, Target(bound), notes | {"shown": shown})


def _itself(what: str) -> Beside:
    """A line that is a ratio by itself stands beside 1."""
    return Beside(what, _one(1.0))


def _one(value: float) -> Value:
    return Value.of([value])


def _costs(result: dict[str, Any]) -> dict[str, str]:
    count = result["times"]["count"]
    return {f"{name} CPU a search": f"{1000 * cpu / count:.1f} ms" for name, cpu in result["cpu"].items()}


def _slowest(result: dict[str, Any]) -> dict[str, str]:
    times = result["times"]
    worst = "; ".join(f"{milliseconds:.0f} ms {asked}" for milliseconds, asked in result["slowest"][:3])
    return {"p50": f"{times['p50']:.1f} ms", "max": f"{times['max']:.0f} ms", "slowest": worst}
