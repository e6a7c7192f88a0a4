"""The options of the server: one strict model per section of `config.yaml`, which says what each option does."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from server.config_sources import ConfigError as ConfigError
from server.config_sources import apply_variables, fault, read_file, read_variables, unknown_variable

DEFAULT_PATH: Final = Path("config.yaml")
SHORTEST_KEY: Final = 32
_FEWEST_LETTERS: Final = 8
_EXAMPLE: Final = re.compile(
    r"example|change.?(me|this)|secret.?key|replace.?(me|this)|your.?(key|secret)|12345678", re.IGNORECASE
)


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{what}", {"what": what})


def _split(url: str) -> SplitResult | None:
    """Split a URL; None where it isn't one (a port that is no number shows only when it is asked for)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path.expanduser()))


def _public_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _split(url)
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise _expected("the address users type, such as https://dating.example.org, or null")
    return url.rstrip("/")


def _origin(origin: str) -> str:
    parts = _split(origin)
    if parts is None or not parts.scheme or not parts.hostname or origin != f"{parts.scheme}://{parts.netloc}":
        raise _expected("an origin, such as https://app.example.org: scheme, host and port, nothing after them")
    return origin.lower()


def _network(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network))
    except ValueError:
        raise _expected("an address or a network, such as 10.0.0.0/8, with no bits set beyond its prefix") from None


def _database_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _split(url)
    if parts is None or parts.scheme != "mysql" or not parts.hostname or not parts.path.strip("/"):
        raise _expected("mysql://user:password@host:port/database, or null for the private MariaDB")
    return url


def _redis_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _split(url)
    needed = {"redis": "hostname", "rediss": "hostname", "unix": "path"}.get(parts.scheme) if parts else None
    if needed is None or not getattr(parts, needed):
        raise _expected("redis://host:port/0, rediss://… or unix:///path, or null for the private Redis")
    return url


def _smtp_url(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _split(url)
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise _expected("smtp://user:password@host:587, smtps://… for TLS from the start, or null for a Maildir")
    return url


def _mail_address(text: str) -> str:
    address = parseaddr(text)[1]
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address) or re.search(r"[\x00-\x1f]", text):
        raise _expected("a mail address, such as matcha42 <no-reply@example.org>")
    return text


def _drawn(key: str) -> str:
    """Refuse what was copied from a page or typed in a hurry: whoever guesses the key is everybody."""
    if len(set(key)) < _FEWEST_LETTERS or _EXAMPLE.search(key):
        raise _expected("a key drawn at random, such as `openssl rand -base64 48` prints, and no example")
    return key


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]
Secret = Annotated[str, Field(min_length=SHORTEST_KEY), AfterValidator(_drawn)]
Secrets = Annotated[list[Secret], Field(repr=False)]


class _Section(BaseModel):
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True, hide_input_in_errors=True
    )


class Server(_Section):
    """Where the server listens and what it believes about those who call."""

    host: Annotated[str, Field(min_length=1)] = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 8080
    public_url: Annotated[str | None, AfterValidator(_public_url)] = None
    data: Annotated[Path, Field(strict=False), AfterValidator(_absolute)] = Path("./var")
    origins: list[Annotated[str, AfterValidator(_origin)]] = []
    proxies: list[Annotated[str, AfterValidator(_network)]] = []
    event_timeout: Seconds = 10.0

    @property
    def url(self) -> str:
        """The address users reach the server at, without a slash at its end."""
        return self.public_url or f"http://localhost:{self.port}"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins browsers may connect from: our own (by each local name, if it is local) and `origins`."""
        own = urlsplit(self.url)
        local = ("localhost", "127.0.0.1", "[::1]")
        port = f":{own.port}" if own.port else ""
        names = local if own.hostname in ("localhost", "127.0.0.1", "::1") else (own.netloc.removesuffix(port),)
        return frozenset({f"{own.scheme}://{name}{port}".lower() for name in names} | set(self.origins))


class Database(_Section):
    """MySQL or MariaDB, the truth."""

    url: Annotated[str | None, AfterValidator(_database_url), Field(repr=False)] = None
    migrate_url: Annotated[str | None, AfterValidator(_database_url), Field(repr=False)] = None
    pool: Positive = 10
    timeout: Seconds = 1.8
    lock_wait: Positive = 1
    buffer_pool: Annotated[int, Field(ge=32)] = 256


class Redis(_Section):
    """Redis or Valkey, for what may vanish."""

    url: Annotated[str | None, AfterValidator(_redis_url), Field(repr=False)] = None
    timeout: Seconds = 1.0


class Mail(_Section):
    """How mails leave the outbox."""

    smtp: Annotated[str | None, AfterValidator(_smtp_url), Field(repr=False)] = None
    sender: Annotated[str, AfterValidator(_mail_address)] = "matcha42 <no-reply@localhost>"
    retry: Seconds = 30.0
    lease: Seconds = 60.0
    give_up_days: Positive = 3


class Session(_Section):
    """How long a session token is good, and what signs it."""

    max_days: Positive = 30
    idle_days: Positive = 7
    keys: Secrets = []


class Password(_Section):
    """What one password check costs, and how many may run."""

    time_cost: Positive = 3
    parallelism: Positive = 4
    memory_kib: Annotated[int, Field(ge=8)] = 65536
    workers: Positive = 1
    queue: Positive = 16

    @field_validator("memory_kib")
    @classmethod
    def _enough_memory(cls, memory_kib: int, info: ValidationInfo) -> int:
        lanes = info.data.get("parallelism", 1)
        if memory_kib < 8 * lanes:
            raise _expected(f"at least {8 * lanes}: 8 for each of password.parallelism")
        return memory_kib


class Links(_Section):
    """How long the links in mails are good, and how long an account waits for its own."""

    verify_hours: Positive = 24
    reset_minutes: Positive = 30
    unverified_hours: Positive = 48
    sweep: Seconds = 600.0

    @field_validator("unverified_hours")
    @classmethod
    def _as_long_as_a_link(cls, unverified_hours: int, info: ValidationInfo) -> int:
        least = info.data.get("verify_hours", 0)
        if unverified_hours < least:
            raise _expected(f"at least links.verify_hours, {least}")
        return unverified_hours


class Socket(_Section):
    """Bounds on one socket."""

    ping_interval: Seconds = 25.0
    ping_timeout: Seconds = 20.0
    anonymous_timeout: Seconds = 15.0
    backlog_soft: Positive = 262144
    backlog_hard: Positive = 1000000
    stall_timeout: Seconds = 30.0
    running: Positive = 16
    queue: Positive = 64

    @field_validator("backlog_hard")
    @classmethod
    def _above_soft(cls, backlog_hard: int, info: ValidationInfo) -> int:
        soft = info.data.get("backlog_soft", 0)
        if backlog_hard < soft:
            raise _expected(f"at least socket.backlog_soft, {soft}")
        return backlog_hard


class Delivery(_Section):
    """How missed pushes are found, and for how long."""

    tail_interval: Seconds = 1.0
    keep: Positive = 10_000
    keep_days: Positive = 90
    purge: Seconds = 3600.0


class Presence(_Section):
    """How long people count as here, and how soon others hear that they left."""

    ttl: Seconds = 120.0
    renew: Seconds = 60.0
    patience: Seconds = 5.0
    online: Seconds = 300.0
    flush: Seconds = 60.0
    sweep: Seconds = 60.0

    @field_validator("renew")
    @classmethod
    def _before_the_end(cls, renew: float, info: ValidationInfo) -> float:
        ttl = info.data.get("ttl", renew)
        if renew > ttl / 2:
            raise _expected(f"at most {ttl / 2:g}: half of presence.ttl")
        return renew


class Limits(_Section):
    """What one person, pair, socket or address may do in a time."""

    scale: Annotated[float, Field(gt=0)] = 1.0
    socket_rate: Seconds = 20.0
    socket_burst: Positive = 60
    login_failures_address: Count = 10
    login_failures_address_window: Seconds = 300.0
    login_failures_account: Count = 10
    login_failures_account_window: Seconds = 3600.0
    registrations: Count = 10
    registrations_window: Seconds = 1800.0
    mails_mailbox: Count = 5
    mails_mailbox_window: Seconds = 1800.0
    mails_address: Count = 25
    mails_address_window: Seconds = 300.0
    likes_day: Count = 200
    like_cycles_day: Count = 3
    message_rate: Seconds = 1.0
    message_burst: Positive = 60
    unanswered: Count = 10
    profiles_day: Count = 500
    research_minute: Count = 20
    moves_day: Count = 20
    nudges_day: Count = 20
    nudges_pair_day: Count = 1
    reports_day: Count = 10
    sockets_user: Positive = 10
    sockets_anonymous: Positive = 50

    def of(self, name: str) -> float:
        """Return a limit times `scale`: counts whole and never scaled down to nothing, windows as they are."""
        value: float = getattr(self, name)
        if name.endswith("_window"):
            return value
        if isinstance(value, int):
            return max(round(value * self.scale), min(value, 1))
        return value * self.scale


class Notifications(_Section):
    """How those who are away are told."""

    mail_after: Seconds = 600.0
    mail_every: Seconds = 86400.0
    sweep: Seconds = 30.0


class Photos(_Section):
    """How photos are taken in and kept."""

    workers: Annotated[int, Field(ge=1, le=16)] = 1
    queue: Positive = 16
    timeout: Seconds = 5.0
    pixels: Positive = 32000000
    memory_mib: Annotated[int, Field(ge=256)] = 512
    arriving: Annotated[int, Field(ge=20000000)] = 67108864
    sweep: Seconds = 60.0


class Moderation(_Section):
    """When a profile is held back from search until the staff has looked."""

    hold_reports: Positive = 5
    hold_age_days: Count = 7


class Research(_Section):
    """How long is looked for people."""

    budget: Seconds = 0.8
    sweep: Seconds = 600.0


class Demo(_Section):
    """The invented population of a first start, and the programs that act for some of it."""

    users: Annotated[int, Field(ge=0, le=10_000_000)] = 1000
    seed: Count = 42
    portraits: Annotated[Path | None, Field(strict=False), AfterValidator(lambda path: path and _absolute(path))] = None
    bots: Annotated[int, Field(ge=0, le=100)] = 20
    pause: Seconds = 1.0


class Log(_Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["console", "json"] = "console"
    events: Literal["debug", "info"] = "debug"
    slow: Seconds = 1.0
    addresses: bool = False


class Metrics(_Section):
    """Who may read what the server measures of itself."""

    allow: list[Annotated[str, AfterValidator(_network)]] = ["127.0.0.0/8", "::1/128"]


class Config(_Section):
    """Every option of the server, checked; read once at the start and never changed."""

    server: Server = Server()
    database: Database = Database()
    redis: Redis = Redis()
    mail: Mail = Mail()
    session: Session = Session()
    password: Password = Password()
    links: Links = Links()
    socket: Socket = Socket()
    delivery: Delivery = Delivery()
    presence: Presence = Presence()
    limits: Limits = Limits()
    notifications: Notifications = Notifications()
    photos: Photos = Photos()
    moderation: Moderation = Moderation()
    research: Research = Research()
    demo: Demo = Demo()
    log: Log = Log()
    metrics: Metrics = Metrics()

    @classmethod
    def load(cls, path: Path | None = None, environ: Mapping[str, str] = os.environ) -> Self:
        """Read `config.yaml` (or the named file, which must be there), then `.env` beside it, then the environment.

        Raises ConfigError with all faults at once.
        """
        file = path or DEFAULT_PATH
        options = read_file(file, required=path is not None)
        variables = read_variables(cls, file.with_name(".env"), environ)
        apply_variables(cls, options, variables)
        faults = [unknown_variable(cls, variable) for variable in variables if variable.option is None]
        try:
            config = cls.model_validate(options)
        except ValidationError as error:
            faults += [fault(cls, file, variables, details) for details in error.errors(include_url=False)]
        if faults:
            raise ConfigError(faults)
        return config

    def using(
        self, *, database_url: str | None = None, redis_url: str | None = None, migrate_url: str | None = None
    ) -> Self:
        """Return a copy that uses these servers; None keeps what is configured."""
        update = {"url": database_url or self.database.url, "migrate_url": migrate_url or self.database.migrate_url}
        database = self.database.model_copy(update=update)
        redis = self.redis.model_copy(update={"url": redis_url or self.redis.url})
        return self.model_copy(update={"database": database, "redis": redis})
