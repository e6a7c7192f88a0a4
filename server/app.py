"""create_app: what the process is made of, from the database up to the routes. Read this first."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import structlog
from aiohttp import web
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError

import handlers.account
import handlers.connection
import handlers.message
import handlers.notification
import handlers.password
import handlers.place
import handlers.presence
import handlers.profile
import handlers.relation
import handlers.report
import handlers.research
import handlers.session
import handlers.settings
import handlers.sync
import handlers.tag
import handlers.visit  # noqa: F401  (each import adds its events to the registry)
from server import keys
from server.clock import Clock, Ids
from server.config import Config
from server.context import Context, Services, do, jobs
from server.ephemeral.hints import Hints
from server.ephemeral.presence import Presence
from server.ephemeral.sample import Sample
from server.ephemeral.unread import Counters
from server.ephemeral.windows import Windows
from server.expiry import Expiry
from server.flood import Buckets
from server.health import Health
from server.http import LARGEST_BODY, Adapter, health_routes, page, safe_headers
from server.metrics import Metrics, metrics_route
from server.outside.mail import Mailer, sender
from server.outside.passwords import Passwords
from server.outside.photos import Photos
from server.outside.places import Places
from server.outside.tokens import Tokens
from server.photo_route import photo_route
from server.probe import probe_route
from server.purge import Purge
from server.reference.routes import reference_routes
from server.reminders import Reminders
from server.socket.attendance import Attendance
from server.socket.delivery import Delivery
from server.socket.dispatch import Dispatcher
from server.socket.drain import drain
from server.socket.gateway import Gateway
from server.socket.journal import Journal
from server.socket.watching import Watching
from server.socket.who import Who
from server.unsubscribe import unsubscribe_routes
from server.upkeep import Upkeep
from sql.database import Database
from sql.transaction import Outcome
from sql.writer import Writer

log = structlog.get_logger("app")

GATEWAY = web.AppKey("gateway", Gateway)
METRICS = web.AppKey("metrics", Metrics)
SERVICES = web.AppKey("services", Services)
_CANCEL_AGAIN = 0.1
"""Seconds."""
_REDIS_CONNECTIONS = 2000
"""At most; the library's hundred are few when many come at once, and one more would look like a Redis that is down."""


def create_app(
    config: Config, *, clock: Clock | None = None, ids: Ids | None = None, places: Places | None = None
) -> web.Application:
    """Return the application; `config` names a database and a Redis that are there, with the schema applied."""
    clock, ids = clock or Clock(), ids or Ids()
    redis = _redis(config, socket_timeout=config.redis.timeout, retries=1)
    services = _services(config, clock, ids, redis, places or Places())
    who = Who(services)
    listener = _redis(config, socket_timeout=None, retries=0)  # what it misses must be noticed
    hints = Hints(redis, listener, process=services.presence.process)
    attendance, watching = Attendance(services, hints), Watching(services, hints)
    delivery = Delivery(services, hints, attendance, watching, who.still_live)
    upkeep = Upkeep(services)
    work = {name: partial(do, services) for name in jobs}
    mailer = Mailer(config, services.database, services.tokens, sender(config), clock=clock, ids=ids, jobs=work)

    def deliver(outcome: Outcome) -> None:
        delivery.deliver(outcome)
        if outcome.mailed:
            mailer.wake()

    journal = Journal(config.log)
    dispatcher = Dispatcher(services, who, deliver, journal)
    services.writer.tell = dispatcher.deliver
    gateway = Gateway(services, who, dispatcher, delivery)
    adapter = Adapter(dispatcher, gateway, config.server)
    health = Health(services.database, redis, dispatcher)
    metrics = Metrics(services, gateway, journal, delivery, watching, hints, mailer, health)

    app = web.Application(middlewares=[safe_headers], client_max_size=LARGEST_BODY)
    app[GATEWAY], app[SERVICES], app[METRICS] = gateway, services, metrics
    gateway.attach(app, "socket.io")
    app.add_routes(adapter.routes())
    app.add_routes(health_routes(health))
    app.add_routes([metrics_route(metrics, gateway.addresses, config.metrics)])
    app.add_routes([photo_route(services), probe_route(services, gateway.addresses)])
    app.add_routes(reference_routes())
    app.add_routes([web.get("/verify", page("verify.html"))])
    app.add_routes([web.get("/verify.js", page("verify.js")), web.get("/page.css", page("page.css"))])
    app.add_routes([web.get("/reset", page("reset.html")), web.get("/reset.js", page("reset.js"))])
    app.add_routes(unsubscribe_routes(services, gateway, deliver))
    loops = (*hints.loops, *attendance.loops, delivery.run, watching.run, mailer.run, gateway.sweep)
    reminders = Reminders(services, deliver)
    sweeps = (services.photos.run, Expiry(services).run, Purge(services).run, reminders.run, upkeep.run)
    app.cleanup_ctx.append(_background(*loops, *sweeps, metrics.lag.run, failures=metrics.failures))

    async def know_places(app: web.Application) -> None:
        await services.places.load(services.read)
        await upkeep.begin()

    async def say_goodbye(app: web.Application) -> None:
        await drain(gateway, dispatcher)
        await attendance.finish()

    async def let_go(app: web.Application) -> None:
        services.database.close()
        services.passwords.close()
        await services.photos.close()
        await redis.aclose()
        await listener.aclose()

    app.on_startup.append(know_places)
    app.on_shutdown.append(say_goodbye)
    app.on_cleanup.append(let_go)
    return app


def _services(config: Config, clock: Clock, ids: Ids, redis: Any, places: Places) -> Services:
    limits = config.limits
    assert config.database.url, "whoever starts the private database names it"
    database = Database(
        config.database.url,
        size=config.database.pool,
        timeout=config.database.timeout,
        lock_wait=config.database.lock_wait,
    )
    tokens = Tokens(
        keys.in_use(config, clock.now()),
        clock,
        session_days=config.session.max_days,
        link_hours=config.links.verify_hours,
        reset_minutes=config.links.reset_minutes,
    )
    services = Services(
        config=config,
        database=database,
        clock=clock,
        ids=ids,
        passwords=Passwords(config.password),
        tokens=tokens,
        windows=Windows(redis, clock, ids, timeout=config.redis.timeout),
        presence=Presence(redis, clock, config, process=ids.token()),
        unread=Counters(redis),
        photos=Photos(config, database, tokens, clock=clock, ids=ids),
        places=places,
        sample=Sample(),
        messages=Buckets(limits.of("message_rate"), limits.of("message_burst"), limit="message_rate"),
        searches=Buckets(limits.of("research_minute") / 60, limits.of("research_minute"), limit="research_minute"),
        writer=Writer(database, clock.now, ids.random, enter=lambda tx: Context(tx, services)),
    )
    return services


def _redis(config: Config, *, socket_timeout: float | None, retries: int) -> Any:
    """Return a client that tries a broken connection so many times more, and waits so long for an answer."""
    assert config.redis.url, "whoever starts the private Redis names it"
    return Redis.from_url(
        config.redis.url,
        decode_responses=True,
        max_connections=_REDIS_CONNECTIONS,
        socket_timeout=socket_timeout,
        socket_connect_timeout=config.redis.timeout,
        retry=Retry(NoBackoff(), retries, supported_errors=(RedisConnectionError,)),
    )


def _background(*loops: Callable[[], Any], failures: Counter[str]) -> Callable[[web.Application], AsyncIterator[None]]:
    """Return what keeps these loops running as long as the application does."""

    async def run(app: web.Application) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_forever(loop, failures)) for loop in loops]
        yield
        pending = set(tasks)
        while pending:  # redis-py waits with `asyncio.wait_for`, which may lose a cancellation before Python 3.12
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN)

    return run


async def _forever(loop: Callable[[], Any], failures: Counter[str]) -> None:
    """A background loop that fails is logged and begun anew: its work is needed as long as the process lives."""
    name = getattr(loop, "__qualname__", "?")
    failures[name] = 0  # it is known from the start, so that the first failure is seen as one
    while True:
        try:
            await loop()
        except Exception:
            failures[name] += 1
            log.exception("background.failed", loop=name)
            await asyncio.sleep(1)
