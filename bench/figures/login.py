"""login: many want to sign in at once, more than passwords can be checked for; two who chat are not to notice."""

from collections import Counter
from typing import Any

from bench.figure import Bench, Beside, Line, Target, Value, figure
from bench.people import PASSWORD, Person
from bench.process import Generator, Served

_ROOMY = {"message_rate": 1e6, "message_burst": 10**6, "unanswered": 10**6, "socket_rate": 1e6, "socket_burst": 10**6}
"""Limits that would be measured instead; those of logins are as they ship."""
_PROXIES = {"proxies": ["127.0.0.1/32"]}
_WITHIN = 10.0
"""Seconds one event may take, as shipped."""
_GUESSED = 10
"""Every tenth login is a wrong guess, and those come from one address."""
_EXPECTED = {"ok", "rate_limited", "unavailable", "invalid_credentials"}


@figure("login")
def login(bench: Bench) -> list[Line]:
    """Offer 200 logins a second, each on a new socket and mostly from a new address, while two people chat."""
    rate, seconds = bench.size((200, 8.0), (20, 0.5))
    alice, bob, *others = bench.ground.people.take(round(rate * seconds) + 2)
    bench.ground.people.connect([(alice, bob)])
    pair = [{"id": person.id, "auth": {"token": person.token}} for person in (alice, bob)]
    accounts = [_attempt(number, person) for number, person in enumerate(others)]

    def chat(generator: Generator, served: Served, logins: int, seconds: float) -> Any:
        asked: dict[str, Any] = {"port": served.port, "pair": pair, "accounts": accounts, "within": _WITHIN}
        return generator.run("logins", rate=logins, seconds=seconds, chat_rate=bench.size(25, 20), **asked)

    def both() -> tuple[Any, Any]:
        ours = bench.ground.ours(limits={"scale": 1.0} | _ROOMY, server=_PROXIES)
        with ours as served, bench.ground.generator() as generator:
            chat(generator, served, 0, bench.size(1.0, 0.1))
            return chat(generator, served, 0, seconds), chat(generator, served, rate, seconds)

    [results] = bench.alternate(both)
    quiet, stormy = zip(*results, strict=True)
    outcomes = sum((Counter(result["outcomes"]) for result in stormy), Counter[str]())
    assert outcomes.keys() <= _EXPECTED, f"logins ended otherwise: {dict(outcomes)}"
    refused = sum((Counter(result["spoiled"]) for result in stormy), Counter[str]())
    notes = {
        "offered": f"{rate} logins/s for {seconds:g} s, {len(stormy)} times",
        "they ended": ", ".join(f"{count} {name}" for name, count in outcomes.most_common()),
        "the last answer after": f"{max(result['waits']['max'] for result in stormy) / 1000:.1f} s",
        "messages refused": ", ".join(f"{count} {name}" for name, count in refused.items()) or "none",
        "p50": f"{_talks(stormy, 'p50').median:.1f} ms, alone {_talks(quiet, 'p50').median:.1f} ms",
    }
    beside = Beside("the same two, nobody signing in", _talks(quiet, "p99"))
    return [Line("p99 of message/send during a login storm", "ms", _talks(stormy, "p99"), beside, Target(100), notes)]


def _attempt(number: int, person: Person) -> tuple[str, str, str]:
    """Return login, password and address of one login."""
    if number % _GUESSED == 0:
        return person.login, "not their password", "10.2.0.1"
    return person.login, PASSWORD, f"10.1.{number >> 8}.{number & 255}"


def _talks(results: Any, name: str) -> Value:
    return Value.of(result["talks"][name] for result in results)
