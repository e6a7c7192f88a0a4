"""The public address: what others reach there, through a proxy most often, is this server."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from server import keys
from server.clock import Clock
from server.doctor.findings import Finding, Look, Unseen
from server.outside.tokens import Tokens
from server.probe import probe_path

_PATIENCE: Final = aiohttp.ClientTimeout(total=10)
_PRETENDED: Final = "192.0.2.1"
"""An address of nobody's (RFC 5737)."""
_ELSEWHERE: Final = "127.0.0.2"
"""A proxy on this machine is 127.0.0.1; whoever asks from here is seen as another."""


async def public_url(look: Look) -> AsyncIterator[Finding]:
    """It is set, and encrypted."""
    if not look.is_public:
        return
    server, url = look.config.server, urlsplit(look.config.server.url)
    if server.public_url is None:
        yield Finding(
            "url.missing",
            f"server.public_url is not set, and the server listens on {server.host}.",
            f"Links in mails and photos lead to {server.url}, which is somebody else's machine for everybody else.",
            "Set it to what people type: MATCHA_SERVER_PUBLIC_URL=https://dating.example.org",
        )
    elif url.scheme != "https":
        yield Finding(
            "url.scheme",
            f"{server.public_url} is not encrypted.",
            "Everybody on the way reads passwords and messages, and browsers allow neither camera nor position.",
            "Let a proxy in front end TLS (deploy/nginx, deploy/caddy), and set the address with https://.",
        )
    for origin in server.origins:
        if origin.startswith("http://") and urlsplit(origin).hostname not in ("localhost", "127.0.0.1", "::1"):
            yield Finding(
                "url.origins",
                f"Pages of {origin} may connect, which are not encrypted.",
                "Whoever is between people and that page can act for them.",
                "Use https:// in server.origins.",
            )


async def answers(look: Look) -> AsyncIterator[Finding]:
    """What answers at the public address is this server, with WebSockets and the real addresses."""
    url = look.config.server.public_url
    if url is None or look.pid is None:
        raise Unseen("the server does not run here, or has no server.public_url")
    try:
        own = await asyncio.to_thread(_own_address, url)
    except OSError as fault:
        yield _unreachable(url, fault.strerror or str(fault))
        return
    connector = aiohttp.TCPConnector(local_addr=(own, 0) if own == _ELSEWHERE else None)
    async with aiohttp.ClientSession(connector=connector, timeout=_PATIENCE) as session:
        try:
            async with session.get(f"{url}/healthz") as answer:
                is_ours = answer.status == 200 and "alive" in (await answer.text())
        except (aiohttp.ClientError, TimeoutError) as fault:
            yield _unreachable(url, str(fault) or "no answer in time")
            return
        if not is_ours:
            yield _unreachable(url, f"something else answers there, with status {answer.status}")
            return
        for finding in (*await _sockets(session, url), *await _addresses(session, look, url, own)):
            yield finding


def _unreachable(url: str, why: str) -> Finding:
    return Finding(
        "url.answers",
        f"{url}/healthz does not answer as this server does: {why}",
        "People don't reach the server, or not over an encrypted connection that they can trust.",
        "Look at DNS, firewall, certificate and the proxy's log; deploy/ has configurations of proxies that work.",
    )


async def _sockets(session: aiohttp.ClientSession, url: str) -> list[Finding]:
    parts = urlsplit(url)
    try:
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        async with session.ws_connect(address, headers={"Origin": f"{parts.scheme}://{parts.netloc}"}) as ws:
            first = await ws.receive(10)
            if first.type is aiohttp.WSMsgType.TEXT and first.data.startswith("0"):
                return []
            why = "nothing came"
    except (aiohttp.ClientError, TimeoutError) as fault:
        why = str(fault) or "no answer in time"
    return [
        Finding(
            "url.websocket",
            f"No WebSocket can be opened at {url}/socket.io/: {why}",
            "Nobody can chat or be told anything: all of it goes over WebSockets.",
            "Let the proxy pass on Upgrade and Connection (proxy_http_version 1.1 in nginx) and the Origin header.",
        )
    ]


async def _addresses(session: aiohttp.ClientSession, look: Look, url: str, own: str) -> list[Finding]:
    config, now = look.config, Clock()
    tokens = Tokens(keys.in_use(config, now.now()), now, session_days=1, link_hours=1, reset_minutes=1)
    try:
        async with session.get(url + probe_path(tokens, now.time()), headers={"X-Forwarded-For": _PRETENDED}) as answer:
            seen: dict[str, Any] = await answer.json() if answer.status == 200 else {}
    except (aiohttp.ClientError, TimeoutError, ValueError):
        seen = {}
    if not seen:
        raise Unseen(f"which address the server sees: /probe/ of {url} is not passed on, or is another server's")
    if seen["address"] == _PRETENDED:
        return [
            Finding(
                "url.forwarded",
                "The server takes anybody for whoever they say they are (X-Forwarded-For).",
                "Limits on wrong passwords, registrations and mails don't hold: each try comes from another address.",
                "List in server.proxies the proxy alone, no whole networks of people, and let it set the header anew.",
            )
        ]
    if seen["peer"] != own and seen["address"] == seen["peer"]:
        return [
            Finding(
                "url.forwarded",
                f"The server takes everybody for the proxy, {seen['peer']}.",
                "All share the limits of one address: some wrong passwords, and nobody can sign in.",
                f'List it: MATCHA_SERVER_PROXIES=["{seen["peer"]}"]; and let it set X-Forwarded-For.',
            )
        ]
    return []


def _own_address(url: str) -> str:
    """Return from where this machine asks there; nothing is sent for that."""
    parts = urlsplit(url)
    own = ""
    for family, kind, _, _, there in socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM):
        with suppress(OSError), socket.socket(family, kind) as probe:
            probe.connect(there)
            own = own or str(probe.getsockname()[0])
            if str(there[0]).startswith("127."):
                return _ELSEWHERE
    return own
