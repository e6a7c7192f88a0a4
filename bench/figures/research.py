"""research: how long it takes to be shown people, whoever one is and whatever one asks for."""

from typing import Any, NamedTuple

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.population import Population, metropolis, population
from bench.process import Served

_FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"distance_max": 20},
    {"age_min": 30, "age_max": 31},
    {"fame_min": 70},
    {"tags": ["music"]},
    {"tags": ["chess", "jazz"]},
    {"common_tags_min": 2},
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
    """Search as people of ten million, who take hours to make and 45 GB, a tenth of them before."""
    few, many = bench.size((1_000_000, 10_000_000), (200, 300))
    return _worldwide(bench, few, many)


class _Came(NamedTuple):
    """What came of asking the same several times, and of the time before these."""

    before: dict[str, Any]
    runs: list[dict[str, Any]]

    @property
    def usual(self) -> dict[str, Any]:
        """The run in the middle."""
        return sorted(self.runs, key=lambda run: float(run["times"]["p99"]))[len(self.runs) // 2]

    def value(self, which: str) -> Value:
        """Return one of the quantiles, in milliseconds."""
        return Value.of(run["times"][which] for run in self.runs)

    def line(self, what: str, which: str, bound: float, beside: Beside, notes: dict[str, str]) -> Line:
        """Return a line of the figure."""
        shown = {"shown": ", ".join(f"{value} {name}" for name, value in self.usual["shown"].items())}
        return Line(what, "ms", self.value(which), beside, Target(bound), notes | self._first_time() | shown)

    def costs(self) -> dict[str, str]:
        """Return what a search costs."""
        count = self.usual["times"]["count"]
        return {f"{name} CPU a search": f"{1000 * cpu / count:.1f} ms" for name, cpu in self.usual["cpu"].items()}

    def slowest(self) -> dict[str, str]:
        """Return what took longest."""
        times = self.usual["times"]
        worst = "; ".join(f"{milliseconds:.0f} ms {asked}" for milliseconds, asked in self.usual["slowest"][:3])
        return {"p50": f"{times['p50']:.1f} ms", "max": f"{times['max']:.0f} ms", "slowest": worst}

    def _first_time(self) -> dict[str, str]:
        return {"p99 the first time, not all in memory": f"{self.before['times']['p99']:.1f} ms"}


class _Asker:
    """Asks on behalf of some people, each on a socket of their own."""

    def __init__(self, bench: Bench, people: Population, served: Served) -> None:
        self._bench = bench
        self._served = served
        self._pids = {"server": served.pid} | people.pids
        self._auths = people.auths(bench.size(2000, 6))
        self._runs = bench.size(3, 1)

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
    ) -> _Came:
        """Return the results of the generator: so many of the people ask one after another, what comes in turn.

        They do it once more than counts: by then what they ask for is in the database's memory.
        """
        auths = self._auths[:people]
        asked = {"port": self._served.port, "pids": self._pids, "name": name, "pages": pages, "at_a_time": at_a_time}
        asked |= {"auths": auths, "fields": [fields[place % len(fields)] for place in range(len(auths))]}
        asked["sockets"] = _SOCKETS if at_a_time == 1 else len(auths)
        with self._bench.ground.generator() as generator:
            before, *runs = (generator.run("searches", at_most=1800.0, **asked) for _ in range(1 + self._runs))
        return _Came(before, runs)


def _worldwide(bench: Bench, few: int, many: int) -> list[Line]:
    with population(bench.ground, few) as people, people.ground.ours() as served:
        before = _Asker(bench, people, served).ask([{}])
    with population(bench.ground, many) as people, people.ground.ours() as served:
        asker, scan = _Asker(bench, people, served), _scan(people)
        first = asker.ask([{}])
        among = {"people": f"{many:,}", "buffer pool": f"{people.buffer_pool} MiB"}
        return [
            *_firsts(first, scan, Beside(f"{few:,} people", before.value("p99")), among),
            *_others(asker, scan),
            *_lists(asker, scan),
            _at_once(asker, scan),
        ]


def _scan(people: Population) -> Beside:
    return Beside("full scan, haversine", Value.of([people.full_scan(5)]))


def _firsts(first: _Came, scan: Beside, fewer: Beside, among: dict[str, str]) -> list[Line]:
    usual = among | {"viewers, drawn by chance": f"{first.usual['times']['count']}"}
    p50, p99, scanned = Beside("sort 0, p50", first.value("p50")), first.value("p99"), "full scan, haversine"
    target, as_others = Target(20, at_least=True, of_ratio=True), {"as": "matcha projects do, over all rows"}
    return [
        first.line("sort 0, first page, p50", "p50", 5, scan, usual | first.costs()),
        first.line("sort 0, first page, p99", "p99", 15, scan, usual),
        first.line("sort 0, first page, slowest", "max", 50, scan, usual),
        Line("sort 0, first page, p99, growth", "ms", p99, fewer, Target(1.5, of_ratio=True), usual),
        Line(scanned, "ms", scan.value, p50, target, as_others),
    ]


def _others(asker: _Asker, scan: Beside) -> list[Line]:
    others = asker.ask(_COMBINATIONS)
    tenth = asker.ask([{"sort_by": sort_by} for sort_by in range(5)], pages=10, people=300)
    return [
        others.line("every other sort and filter, p99", "p99", 20, scan, others.slowest()),
        tenth.line("the tenth page, p99", "p99", 20, scan, tenth.slowest()),
    ]


def _lists(asker: _Asker, scan: Beside) -> list[Line]:
    asked = {name: asker.ask(fields, name=name, people=200) for name, fields in _LISTS.items()}
    return [came.line(f"{name}, p99", "p99", 20, scan, came.slowest()) for name, came in asked.items()]


def _at_once(asker: _Asker, scan: Beside) -> Line:
    """Many clients at a time, on whatever core is free."""
    asker.share_cores()
    crowd = asker.ask([{}], at_a_time=64)
    rates = Value.of(run["times"]["count"] / run["seconds"] for run in crowd.runs)
    busy = {f"{name} busy": f"{cpu / crowd.usual['seconds']:.0%}" for name, cpu in crowd.usual["cpu"].items()}
    one_by_one = Beside("full scans one by one", Value.of([1000 / scan.value.median]))
    target = Target(300, at_least=True)
    return Line("64 clients at a time", "searches/s", rates, one_by_one, target, busy | crowd.costs())


def _crowded(bench: Bench, users: int) -> list[Line]:
    with metropolis(bench.ground, users) as people, people.ground.ours() as served:
        asker, scan = _Asker(bench, people, served), _scan(people)
        first, others = asker.ask([{}]), asker.ask(_COMBINATIONS)
    within = {"people, within 3 km": f"{users:,}"}
    return [
        first.line("in a metropolis, sort 0, p99", "p99", 15, scan, within | first.costs()),
        others.line("in a metropolis, every other, p99", "p99", 20, scan, others.slowest()),
    ]
