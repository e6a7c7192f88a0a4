"""/metrics: what the parts of this process count, gathered when Prometheus asks; none of them knows of it."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import accumulate
from pathlib import Path

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from server.config import Metrics as Options
from server.context import Services
from server.ephemeral.hints import Hints
from server.health import Health
from server.outside.mail import Mailer
from server.socket.address import Addresses
from server.socket.delivery import Delivery
from server.socket.gateway import Gateway
from server.socket.journal import OK, Journal
from server.socket.watching import Watching
from server.tally import SECONDS, Histogram
from sql import migration, outbox

log = structlog.get_logger("metrics")

_LOOK_AT_LOOP = 0.5
"""Seconds."""
_SHOWN = frozenset({OK, "internal", "unavailable"})
"""Outcomes that are there from the start, so that the first of them is seen as an increase."""
_NOT_YOU = (
    "Metrics are shown to those alone whose networks metrics.allow lists: this machine, unless that was changed."
    " Who comes through a proxy that server.proxies does not list is nobody that is known.\n"
)


class LoopLag:
    """How late this process is at what it wanted to do: everything waits for so long."""

    def __init__(self) -> None:
        self.seconds = Histogram(SECONDS)

    async def run(self) -> None:
        """Measure until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _LOOK_AT_LOOP
            await asyncio.sleep(_LOOK_AT_LOOP)
            self.seconds.note(max(0.0, clock() - due))


@dataclass(frozen=True, slots=True)
class _Asked:
    """What has to be asked for."""

    ready: Mapping[str, bool] = field(default_factory=dict)
    mails: outbox.Waiting | None = None


@dataclass(eq=False, slots=True)
class Metrics:
    """Looks at all parts; names of events, errors, limits and loops are the only labels, so their number is bounded."""

    services: Services
    gateway: Gateway
    journal: Journal
    delivery: Delivery
    watching: Watching
    hints: Hints
    mailer: Mailer
    health: Health
    lag: LoopLag = field(default_factory=LoopLag)
    failures: Counter[str] = field(default_factory=Counter)
    """How often background loops failed, by name."""
    _asked: _Asked = field(default_factory=_Asked)
    _registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=False))

    def __post_init__(self) -> None:
        self._registry.register(self)
        for ours in (ProcessCollector, PlatformCollector, GCCollector):
            ours(registry=self._registry)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """Return everything in a format that the caller takes, and which that is."""
        ready, mails = await asyncio.gather(self.health.check(), self._mails())
        self._asked = _Asked(ready, mails)
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    async def _mails(self) -> outbox.Waiting | None:
        try:
            return await self.services.read(outbox.get_waiting)
        except Exception as fault:  # whatever it is, the rest is shown
            log.warning("metrics.no_outbox", reason=type(fault).__name__, seldom=True)
            return None

    def collect(self) -> Iterator[Metric]:
        """Give everything, as prometheus-client wants it."""
        yield from self._build()
        yield from self._events()
        yield from self._sockets()
        yield from self._pushes()
        yield from self._queues()
        yield from self._database()
        yield from self._redis()
        yield from self._process()

    def _build(self) -> Iterator[Metric]:
        build = GaugeMetricFamily("matcha_build_info", "What runs.", labels=["version", "schema"])
        build.add_metric([_version(), str(migration.newest())], 1)
        yield build
        yield _gauges("matcha_ready", "Whether a part works, as /readyz says.", "part", self._asked.ready)

    def _events(self) -> Iterator[Metric]:
        outcomes = CounterMetricFamily("matcha_events", "Events answered.", labels=["event", "outcome"])
        for event, counts in self.journal.outcomes.items():
            for outcome in sorted(_SHOWN | counts.keys()):
                outcomes.add_metric([event, outcome], counts[outcome])
        yield outcomes
        yield _histogram("matcha_event_seconds", "How long events took.", self.journal.seconds, "event")
        yield _counters("matcha_limits_reached", "Events refused, by limit.", "limit", self.journal.limited)

    def _sockets(self) -> Iterator[Metric]:
        connections = list(self.gateway.connections.values())
        signed_in = sum(connection.session is not None for connection in connections)
        kinds = {"signed_in": signed_in, "anonymous": len(connections) - signed_in}
        yield _gauges("matcha_sockets", "Open sockets.", "kind", kinds)
        backlogs = [connection.transport.backlog for connection in connections]
        yield _gauge("matcha_backlog_bytes", "Bytes that wait for slow readers.", sum(backlogs))
        yield _gauge("matcha_backlog_largest_bytes", "Those of the slowest.", max(backlogs, default=0))
        engine = self.gateway.eio
        yield _counter("matcha_frames_received", "Messages received.", engine.frames_received)
        yield _counter("matcha_frames_sent", "Frames sent: answers, pushes, pings.", engine.frames_sent)
        yield _counter("matcha_sent_bytes", "Bytes of these.", engine.bytes_sent)

    def _pushes(self) -> Iterator[Metric]:
        pushed = dict.fromkeys(("live", "log", "whisper"), 0) | self.delivery.pushed
        pushed["presence"] = self.watching.told_of
        yield _counters("matcha_pushes", "Pushes sent, by the way they took.", "way", pushed)
        lags = self.delivery.lags()
        yield _gauge("matcha_log_lag", "Pushes that sockets have still to be sent, of all.", sum(lags))
        yield _gauge("matcha_log_lag_largest", "Those of the socket that is farthest behind.", max(lags, default=0))
        yield _counter("matcha_tailer_repairs", "Pushes that nothing told of.", self.delivery.repaired)
        sizes = {"tailer": self.delivery.looks, "log": self.delivery.pages, "hints": self.hints.batches}
        sizes["writer"] = self.services.writer.sizes
        yield _histogram("matcha_batch_size", "How much was done at a time.", sizes, "batch")

    def _queues(self) -> Iterator[Metric]:
        services, mails = self.services, self._asked.mails
        waiting = {
            "events": sum(connection.lane.waiting for connection in self.gateway.connections.values()),
            "hints": self.hints.waiting,
            "passwords": services.passwords.waiting,
            "photos": services.photos.waiting,
            "writer": services.writer.waiting,
        }
        if mails:
            waiting["mails"] = mails.number
            age = (services.clock.now() - mails.since).total_seconds() if mails.since else 0
            yield _gauge("matcha_mail_oldest_seconds", "How long the oldest mail waits.", max(0, age))
        yield _gauges("matcha_waiting", "What waits, or is being worked at.", "queue", waiting)
        done = dict.fromkeys(("sent", "postponed", "given_up"), 0) | self.mailer.outcomes
        yield _counters("matcha_mails", "Tries to send a mail.", "outcome", done)

    def _database(self) -> Iterator[Metric]:
        pool = self.services.database
        yield _gauge("matcha_pool_size", "Connections to the database at most.", pool.size)
        yield _gauge("matcha_pool_in_use", "Those in use.", pool.in_use)
        yield _gauge("matcha_pool_idle", "Those open and not in use.", pool.idle)
        yield _gauge("matcha_pool_waiting", "Who waits for one.", pool.waiting)
        yield _counter("matcha_pool_opened", "Connections opened.", pool.opened)
        yield _histogram("matcha_pool_wait_seconds", "How long those waited who had to.", {"": pool.waits})
        reasons = dict.fromkeys(("deadlock", "lock_wait", "changed", "cluster", "lost"), 0) | pool.retries
        yield _counters("matcha_transaction_retries", "Transactions begun anew.", "reason", reasons)

    def _redis(self) -> Iterator[Metric]:
        hints = dict.fromkeys(("given", "heard", "dropped"), 0) | self.hints.counts
        yield _counters("matcha_hints", "Messages between processes.", "fate", hints)
        yield _counter("matcha_redis_reconnects", "Times that Redis was lost and found.", self.hints.reconnects)

    def _process(self) -> Iterator[Metric]:
        yield _gauge("matcha_tasks", "What is under way, at work or waiting.", len(asyncio.all_tasks()))
        yield _histogram("matcha_loop_lag_seconds", "How late the event loop is.", {"": self.lag.seconds})
        yield _counters("matcha_background_failures", "Background loops that failed.", "loop", self.failures)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value)


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(name: str, text: str, by: Mapping[str, Histogram], label: str | None = None) -> Metric:
    """Return the histograms in which there is something; without a label there is one, which is shown in any case."""
    family = HistogramMetricFamily(name, text, labels=[label] if label else [])
    for key, histogram in by.items():
        if label is None or any(histogram.counts):
            bounds = [*map(str, histogram.bounds), "+Inf"]
            buckets = list(zip(bounds, accumulate(histogram.counts), strict=True))
            family.add_metric([key] if label else [], buckets, histogram.total)
    return family


def _version() -> str:
    setup = ConfigParser()
    setup.read(Path(__file__).parent.parent / "setup.cfg")
    return setup.get("metadata", "version", fallback="unknown")


def metrics_route(metrics: Metrics, addresses: Addresses, options: Options) -> web.RouteDef:
    """Return the route, which shows nothing to others than those who are allowed to see it."""
    allowed = [ip_network(network) for network in options.allow]

    async def show(request: web.Request) -> web.Response:
        address = addresses.exact(request)
        if address is None or not any(address in network for network in allowed):
            return web.Response(text=_NOT_YOU, status=403)
        body, kind = await metrics.page(request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": kind})

    return web.get("/metrics", show)
