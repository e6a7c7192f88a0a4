"""Hold: many connections that say nothing; they answer pings until they are let go."""

import asyncio
from typing import Any

from bench.generator.client import Client
from bench.generator.jobs import job

_AT_A_TIME = 100
_held: list[Client] = []


@job
async def hold(*, port: int, auths: list[Any]) -> dict[str, int]:
    """Open one connection more for each of these, and return how many are open in all."""
    for start in range(0, len(auths), _AT_A_TIME):
        _held.extend(await asyncio.gather(*(Client.open(port, auth) for auth in auths[start : start + _AT_A_TIME])))
    return {"open": sum(not client.gone.is_set() for client in _held)}


@job
async def let_go() -> None:
    """Close them all."""
    while _held:
        _held.pop().close()
