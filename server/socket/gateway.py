"""The gateway: clients come and go here, and their events enter the funnel."""

import asyncio
import logging
import weakref
from collections import Counter
from functools import partial
from typing import Any, NoReturn

import socketio
import structlog
from aiohttp import web

from server.context import Services, SignedIn
from server.flood import Bucket, Buckets
from server.socket.address import Addresses
from server.socket.connection import Connection, Half
from server.socket.delivery import Delivery
from server.socket.dispatch import Caller, Dispatcher, Done
from server.socket.engine import LARGEST_BINARY, Engine
from server.socket.feed import Feed
from server.socket.journal import HANDSHAKE, UNKNOWN, Entry
from server.socket.packet import (
    ACK,
    BINARY_EVENT,
    CONNECT,
    DISCONNECT,
    EVENT,
    InvalidPacket,
    Packet,
    connect_error_frame,
    connect_frame,
)
from server.socket.room import Room
from server.socket.who import Who
from server.wire.errors import (
    AlreadyExists,
    Internal,
    InvalidPayload,
    MatchaError,
    NotFound,
    RateLimited,
    SessionEnded,
    Unauthorized,
    Unavailable,
    UnknownEvent,
)
from server.wire.events import Order, Spec, registry
from sql.database import DatabaseDown

log = structlog.get_logger("socket")

_ATTACHMENTS_WITHIN = 15.0
_PER_ADDRESS = 10
"""One person or address may spend as much as so many sockets."""
_HANDSHAKE_COST = 3
_MALFORMED = object()
_UNJOINED = 4
"""So many times more sockets of one address may be open before they have said who they are."""


class NoRooms(socketio.AsyncManager):  # type: ignore[misc]
    """There are no rooms and no broadcast: a push has one receiver, see `Tx.push`."""

    async def emit(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse."""
        raise NotImplementedError("push to a user with Tx.push: it is logged, ordered and delivered once")


class Gateway(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio speaks the protocol; who is there, what may run and what is sent is decided here."""

    def __init__(self, services: Services, who: Who, dispatcher: Dispatcher, delivery: Delivery) -> None:
        config = services.config
        super().__init__(
            async_mode="aiohttp",
            client_manager=NoRooms(),
            serializer=Packet,
            transports=["websocket"],
            cors_allowed_origins=sorted(config.server.allowed_origins),
            http_compression=False,
            monitor_clients=False,
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
        )
        self.eio.options = config.socket
        self.connections: dict[str, Connection] = {}
        self._services = services
        self._options = config.socket
        self._who = who
        self._dispatch = dispatcher
        self._delivery = delivery
        self._feeds: dict[str, Feed] = {}
        self.addresses = Addresses(config.server.proxies)
        self.anonymous: Counter[str] = Counter()
        limits = config.limits
        self._most_anonymous = limits.of("sockets_anonymous")
        self._rate, self._burst = limits.of("socket_rate"), limits.of("socket_burst")
        self.room = Room(config.photos.arriving)
        self.callers = Buckets(_PER_ADDRESS * self._rate, _PER_ADDRESS * self._burst, limit="caller_rate")

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # -- coming and going ------------------------------------------------------------------------------------------

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        request = environ["aiohttp.request"]
        connection = self.connections[eio_sid] = Connection(
            self.eio.sockets[eio_sid],
            self.addresses.of(request),
            agent_of(request),
            options=self._options,
            flood=Bucket(self._rate, self._burst, asyncio.get_running_loop().time()),
        )
        self.anonymous[connection.address] += 1
        if self.anonymous[connection.address] > _UNJOINED * self._most_anonymous:
            connection.transport.close()

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        connection = self.connections.pop(eio_sid)
        self._leave(connection)
        self._forget_anonymous(connection)
        connection.lane.drop()
        connection.gone.set()

    async def _join(self, connection: Connection, auth: Any) -> None:
        """Answer a CONNECT: welcome the client, or say why not."""
        try:
            if connection.joined:
                raise AlreadyExists("This socket is connected already.")
            who, cursor = await self._authenticate(auth)
            if who is None and self.anonymous[connection.address] > self._most_anonymous:
                raise RateLimited(self._options.anonymous_timeout, limit="sockets_anonymous")
        except MatchaError as refusal:
            self._refuse_handshake(connection, None, refusal)
            return
        if connection.gone.is_set():
            return
        self._dispatch.journal.note(Entry(HANDSHAKE, who.session.user_id if who else None, connection.address))
        connection.joined = True
        connection.heard_at = asyncio.get_running_loop().time()
        connection.transport.write(connect_frame(connection.sid))
        if who:
            self._sign_in(connection, who, cursor)

    async def _authenticate(self, auth: Any) -> tuple[SignedIn | None, int | None]:
        """Return who shakes hands, and the cursor; whatever goes wrong refuses it.

        python-socketio's client sends an empty object where no auth was given: that is nobody, too.
        """
        if auth is None or auth == {}:
            return None, None
        if not isinstance(auth, dict) or "token" not in auth or auth.keys() - {"token", "cursor"}:
            raise Unauthorized("A handshake has no auth, or {token, cursor}.")
        cursor = auth.get("cursor")
        if cursor is not None and (type(cursor) is not int or not 0 <= cursor < 2**53):
            raise InvalidPayload.of("cursor", "type", "This should be a whole number.", expected="a whole number")
        try:
            if self._dispatch.draining:
                raise Unavailable(retry_after=5)
            return await self._who.by_token(auth["token"]), cursor
        except DatabaseDown as fault:
            raise Unavailable from fault
        except MatchaError:
            raise
        except Exception as fault:
            raise Internal(error_id=self._services.ids.token()) from fault

    def _refuse_handshake(self, connection: Connection, namespace: str | None, refusal: MatchaError) -> None:
        self._dispatch.journal.note(self._entry(connection, HANDSHAKE), refusal)
        connection.transport.write(connect_error_frame(namespace, refusal.answer()))

    def _entry(self, connection: Connection, event: str) -> Entry:
        """Return the entry of what is refused at the door."""
        user_id = connection.session.user_id if connection.session else None
        return Entry(event, user_id, connection.address)

    def _sign_in(self, connection: Connection, who: SignedIn, cursor: int | None) -> None:
        connection.session = who.session
        self._forget_anonymous(connection)
        self._feeds[connection.sid] = self._delivery.join(connection, who, cursor)

    def _forget_anonymous(self, connection: Connection) -> None:
        self.anonymous[connection.address] -= 1
        if not self.anonymous[connection.address]:
            del self.anonymous[connection.address]

    def _leave(self, connection: Connection) -> None:
        """The namespace is left: nothing of who was here stays."""
        if feed := self._feeds.pop(connection.sid, None):
            self._delivery.leave(feed)
            self.anonymous[connection.address] += 1
        connection.joined = False
        connection.session = None
        connection.half = None
        connection.heard_at = asyncio.get_running_loop().time()

    # -- messages --------------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        connection = self.connections[eio_sid]
        half, connection.half = connection.half, None
        if half is None:
            half = self._begin(connection, Packet(encoded_packet=data))
        else:
            half.packet.add_attachment(data)
        if half.packet.is_whole:
            self._receive(connection, half)
        else:
            connection.half = half

    def _begin(self, connection: Connection, packet: Packet) -> Half:
        """Name and floods come before bytes: attachments are kept only of an event that may run and takes them."""
        half = Half(packet, asyncio.get_running_loop().time())
        if packet.is_whole or packet.namespace not in (None, "/"):
            return half
        try:
            spec = self._admit(connection, packet)
            if spec.takes_images:
                self._make_room(connection, packet)
        except MatchaError as refusal:
            return half._replace(refusal=refusal)
        return half._replace(spec=spec)

    def _make_room(self, connection: Connection, packet: Packet) -> None:
        """There is room again when the packet is no more, however it ends. Raises RateLimited, Unavailable."""
        caller, size = self._caller(connection), packet.attachment_count * LARGEST_BINARY
        self.room.take(caller, size)
        weakref.finalize(packet, self.room.give_back, caller, size).atexit = False
        packet.keeps = True

    def _receive(self, connection: Connection, half: Half) -> None:
        """Take a packet in: what it does, it does in its turn, so that reading never waits."""
        packet = half.packet
        if packet.packet_type in (EVENT, BINARY_EVENT):
            if packet.namespace in (None, "/"):  # in any other there is nobody to answer
                self._enter(connection, half)
        elif packet.packet_type == CONNECT:
            self._enter_handshake(connection, packet)
        elif packet.packet_type == DISCONNECT:
            if packet.namespace in (None, "/"):
                self._enter_farewell(connection)
        elif packet.packet_type != ACK:
            raise InvalidPacket("not a packet for a client to send")

    def _enter_farewell(self, connection: Connection) -> None:
        async def leave() -> None:
            if connection.joined:
                self._leave(connection)

        try:
            connection.lane.submit(Order.BARRIER, leave)
        except RateLimited:
            connection.transport.close()  # it leaves all the same

    def _enter_handshake(self, connection: Connection, packet: Packet) -> None:
        auth = _MALFORMED if packet.malformed else packet.data
        try:
            if packet.namespace not in (None, "/"):
                raise NotFound("There is no such namespace.")
            self._charge_handshake(connection)
            connection.lane.submit(Order.BARRIER, lambda: self._join(connection, auth))
        except MatchaError as refusal:
            self._refuse_handshake(connection, packet.namespace, refusal)

    def _enter(self, connection: Connection, half: Half) -> None:
        """Name, then floods; the rest when its turn comes."""
        packet = half.packet
        try:
            if half.refusal:
                raise half.refusal
            spec = half.spec or self._admit(connection, packet)
            if packet.malformed:
                raise _not_json()
            arguments = packet.data[1:]
            run = partial(self._run, connection, packet, spec, arguments)
            connection.lane.submit(spec.order, run, spec.series(arguments))
        except MatchaError as refusal:
            known = _spec_of(packet)
            entry = self._entry(connection, known.name if known else UNKNOWN)  # all names that clients make up are one
            connection.ack(packet.id, self._dispatch.refuse(entry, refusal).answer)

    def _charge_handshake(self, connection: Connection) -> None:
        """The first handshake leaves a socket its whole burst; only who connects pays."""
        self.callers.take(self._caller(connection), _HANDSHAKE_COST)
        if connection.greeted:
            connection.flood.take(_HANDSHAKE_COST, asyncio.get_running_loop().time())
        connection.greeted = True

    def _charge(self, connection: Connection, cost: int) -> None:
        connection.flood.take(cost, asyncio.get_running_loop().time())
        self.callers.take(self._caller(connection), cost)

    def _caller(self, connection: Connection) -> int | str:
        return connection.session.user_id if connection.session else connection.address

    def _admit(self, connection: Connection, packet: Packet) -> Spec:
        if packet.malformed:
            self._charge(connection, 1)
            raise _not_json()
        spec = _spec_of(packet)
        if spec is None:
            raise UnknownEvent
        self._charge(connection, spec.cost)
        return spec

    async def _run(self, connection: Connection, packet: Packet, spec: Spec, arguments: list[Any]) -> None:
        if not connection.joined:
            connection.ack(packet.id, self._dispatch.refuse(self._entry(connection, spec.name), Unauthorized()).answer)
            return
        has_token = bool(arguments) and isinstance(arguments[0], dict) and "token" in arguments[0]
        done = await self._dispatch(spec, arguments, Caller(connection.session, connection.address, connection.agent))
        if has_token and done.code != Unauthorized.code:
            connection.heard_at = asyncio.get_running_loop().time()
        try:
            self._take_over(connection, done)
            if not has_token:
                self._watch(connection, done)
        finally:
            connection.ack(packet.id, done.answer)

    def _take_over(self, connection: Connection, done: Done) -> None:
        """A session that began on an anonymous socket becomes the socket's."""
        if done.signed_in and connection.session is None and connection.joined:
            self._sign_in(connection, done.signed_in, done.signed_in.log.last_seq)

    def _watch(self, connection: Connection, done: Done) -> None:
        """Whom the one on this socket has asked for is watched for it."""
        if done.watched is not None and (feed := self._feeds.get(connection.sid)):
            self._delivery.watch(feed, done.watched)

    # -- the sweeper -----------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Close what should not stay: the anonymous, the stalled, the half-sent, the expired."""
        pause = min(1.0, self._options.anonymous_timeout / 4)
        while True:
            await asyncio.sleep(pause)
            for connection in list(self.connections.values()):
                await self._sweep_one(connection, asyncio.get_running_loop().time())

    async def _sweep_one(self, connection: Connection, now: float) -> None:
        if connection.transport.is_stalled():
            connection.transport.cut_off()
        elif connection.half and now - connection.half.since > _ATTACHMENTS_WITHIN:
            connection.transport.close()
        elif connection.session is None:
            if now - connection.heard_at > self._options.anonymous_timeout and connection.lane.is_idle:
                connection.end("idle")
        else:
            try:
                await self._who.check(connection.session)
            except SessionEnded:
                connection.end("session_ended")
            except DatabaseDown:
                pass  # it is asked again


def _spec_of(packet: Packet) -> Spec | None:
    name = packet.data[0] if isinstance(packet.data, list) and packet.data else None
    return registry.get(name) if isinstance(name, str) else None


def _not_json() -> InvalidPayload:
    return InvalidPayload.of("payload", "format", "This is not JSON.")


def agent_of(request: web.Request) -> str:
    """Return what a client calls itself, for the list of sessions."""
    return request.headers.get("User-Agent", "").encode("utf-8", "replace").decode()[:200]
