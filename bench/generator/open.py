"""Open: events that come when they come, whether or not the ones before are answered; late answers are late by that."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from time import perf_counter
from typing import Any

import msgspec

from bench.generator import frames
from bench.generator.client import Client, Refused
from bench.generator.jobs import job
from bench.generator.quantiles import spread

UNANSWERED = "unanswered"


async def at_rate(rate: float, seconds: float, start: Callable[[int, float], Coroutine[Any, Any, None]]) -> None:
    """Start so many a second, each told its number and when it is due; return when all have ended."""
    begun, running = perf_counter(), set()
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - perf_counter()))
        task = asyncio.ensure_future(start(number, due))
        running.add(task)
        task.add_done_callback(running.discard)
    if running:
        await asyncio.gather(*running)


class Asker:
    """One socket whose answers are awaited."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._awaited: dict[int, asyncio.Future[bytes]] = {}
        self._last = 0
        client.on_ack = lambda id, answer: self._awaited.pop(id).set_result(answer)

    async def ask(self, name: str, payload: Any, *, within: float) -> str:
        """Return `ok`, the name of the error, or `unanswered`."""
        self._last += 1
        self._awaited[self._last] = asked = asyncio.get_running_loop().create_future()
        self._client.send(frames.event(name, payload, id=self._last))
        try:
            async with asyncio.timeout(within):
                [answer] = msgspec.json.decode(await asked)
        except TimeoutError:
            return UNANSWERED
        return "ok" if answer["code"] == 200 else answer["error"]["name"]


@job
async def logins(
    *, port: int, rate: float, seconds: float, chat_rate: float, pair: list[Any], accounts: list[Any], within: float
) -> dict[str, Any]:
    """Let people sign in, each on a socket and from an address of its own, while two chat; say how both fared."""
    outcomes, waits, talks, spoiled = Counter[str](), list[float](), list[float](), Counter[str]()
    chatting = [Asker(await Client.open(port, one["auth"])) for one in pair]

    async def sign_in(number: int, due: float) -> None:
        login, password, address = accounts[number]
        outcomes[await _sign_in(port, login, password, address, within)] += 1
        waits.append(perf_counter() - due)

    async def talk(number: int, due: float) -> None:
        side = number % 2
        words = {"target_user_id": pair[1 - side]["id"], "random_id": _random_id(due), "message": "Tea at five?"}
        outcome = await chatting[side].ask("message/send", words, within=within)
        talks.append(perf_counter() - due if outcome == "ok" else within)
        spoiled[outcome] += outcome != "ok"

    logging_in = at_rate(rate, seconds, sign_in) if rate else asyncio.sleep(0)
    await asyncio.gather(at_rate(chat_rate, seconds, talk), logging_in)
    return {"outcomes": outcomes, "waits": spread(waits), "talks": spread(talks), "spoiled": +spoiled}


async def _sign_in(port: int, login: str, password: str, address: str, within: float) -> str:
    try:
        async with asyncio.timeout(within):
            client = await Client.open(port, headers={"X-Forwarded-For": address})
    except (Refused, TimeoutError):
        return UNANSWERED
    outcome = await Asker(client).ask("user/login", {"login": login, "password": password}, within=within)
    client.close()
    return outcome


def _random_id(due: float) -> int:
    return int(due * 1_000_000) % 2**31
