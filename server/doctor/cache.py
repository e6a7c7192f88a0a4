"""Redis: it may lose everything, but not silently and in part."""

from collections.abc import AsyncIterator
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.clock import Clock
from server.doctor.findings import Finding, Level, Look, Unseen

_FULL: Final = 0.8


async def cache(look: Look) -> AsyncIterator[Finding]:
    """It is reached, keeps what it was given, and writes nothing to a disk."""
    if look.redis_url is None:
        raise Unseen("Redis does not run")
    async with Redis.from_url(
        look.redis_url, decode_responses=True, socket_connect_timeout=5, socket_timeout=5
    ) as redis:
        try:
            seconds, _ = await redis.time()
            about, save = await redis.info(), await _saves(redis)
        except (RedisError, OSError) as fault:
            yield Finding(
                "redis.reached",
                f"Redis cannot be reached: {fault}",
                "Nobody can sign in or register, and nobody is seen online; chats go on.",
                "Start it, or correct redis.url (MATCHA_REDIS_URL)."
                if look.config.redis.url
                else f"See {look.data / 'log' / 'redis.log'}.",
            )
            return
    for finding in (*_clock(look, int(seconds)), *_memory(about), *_disk(about, save)):
        yield finding


async def _saves(redis: Redis) -> str:
    try:
        return str((await redis.config_get("save")).get("save", ""))
    except RedisError:
        return ""  # where it is rented, it may not be asked


def _clock(look: Look, seconds: int) -> list[Finding]:
    if abs(seconds - Clock().time()) <= look.bounds.skew_seconds:
        return []
    return [
        Finding(
            "redis.clock",
            f"Redis' clock differs from this machine's by {abs(seconds - Clock().time()):.0f} s.",
            "One of the two is wrong; limits that several servers count together end at the wrong time.",
            "Let NTP set both clocks: timedatectl set-ntp true",
        )
    ]


def _memory(about: dict[str, Any]) -> list[Finding]:
    findings, policy, most = [], about.get("maxmemory_policy"), int(about.get("maxmemory", 0))
    if most and policy != "noeviction":
        findings.append(
            Finding(
                "redis.eviction",
                f"When its {most / 2**20:.0f} MiB are full, Redis drops keys without a word ({policy}).",
                "Counters of wrong passwords vanish, and guessing goes on; people who are here look away.",
                "CONFIG SET maxmemory-policy noeviction, the same in redis.conf, and a Redis for this server alone.",
            )
        )
    if evicted := int(about.get("evicted_keys", 0)):
        findings.append(
            Finding(
                "redis.evicted",
                f"Redis has dropped {evicted} keys for want of memory since it was started.",
                "Counters of wrong passwords and who is online were among them.",
                "Give it more memory (maxmemory), and set maxmemory-policy noeviction.",
            )
        )
    if most and policy == "noeviction" and int(about.get("used_memory", 0)) > most * _FULL:
        findings.append(
            Finding(
                "redis.full",
                f"Redis uses {int(about['used_memory']) / 2**20:.0f} of its {most / 2**20:.0f} MiB.",
                "When they are full it refuses to write: nobody can sign in.",
                "Raise maxmemory.",
            )
        )
    return findings


def _disk(about: dict[str, Any], save: str) -> list[Finding]:
    if not save and not int(about.get("aof_enabled", 0)):
        return []
    return [
        Finding(
            "redis.persistence",
            "Redis writes to the disk (save, appendonly).",
            "Nothing in it has to be kept; and when the disk is full, it refuses everything.",
            "CONFIG SET save '', CONFIG SET appendonly no, and the same in redis.conf.",
            Level.ADVICE,
        )
    ]
