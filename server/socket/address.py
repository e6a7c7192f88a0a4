"""The real address of a client: proxies are believed only if they are listed."""

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from aiohttp import web

_PORT = re.compile(r"^(?:\[(.+)\]|([0-9.]+))(?::[0-9]{1,5})?$")
"""Some proxies write the port too: 1.2.3.4:5678, [2001:db8::1]:5678."""


_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
"""What proxies add to a request."""


class Addresses:
    """Finds the address that a request comes from."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._proxies = [ip_network(proxy) for proxy in proxies]

    def of(self, request: web.Request) -> str:
        """Return the nearest address that is not a listed proxy; IPv6 as its /64, which one household shares."""
        address = self._nearest(request)
        return _bucket(address) if address else "unknown"

    def exact(self, request: web.Request) -> IPv4Address | IPv6Address | None:
        """Return the address alone, or None where a proxy stands before it that is not listed."""
        peer = _parse(request.remote)
        if any(name in request.headers for name in _FORWARDED) and not (peer and self._is_proxy(peer)):
            return None
        return self._nearest(request)

    def _nearest(self, request: web.Request) -> IPv4Address | IPv6Address | None:
        hops = [hop.strip() for line in request.headers.getall("X-Forwarded-For", []) for hop in line.split(",")]
        address = _parse(request.remote)
        while hops and address and self._is_proxy(address) and (hop := _parse(hops.pop())):
            address = hop  # beyond a hop that is no address, nobody is believed
        return address

    def _is_proxy(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._proxies)


def _parse(text: str | None) -> IPv4Address | IPv6Address | None:
    bare = _PORT.sub(r"\1\2", text or "")
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address


def _bucket(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, 64), strict=False).network_address) + "/64"
