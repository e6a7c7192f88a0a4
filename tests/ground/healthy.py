"""Two connected people who chat while something else goes on: the measure of what an attack does to others."""

import asyncio
import itertools
import time
from typing import Any, Self

from tests.ground.answers import ok
from tests.ground.raw import RawSocket

_PAUSE = 0.1  # seconds between two messages


class HealthyPair:
    """While entered, the two write to each other in turn; leaving fails if a message was lost, late or out of order."""

    def __init__(self, url: str, one: Any, other: Any, *, bound: float = 1.5) -> None:
        self.delays: list[float] = []  # seconds from sending to the push at the other
        self._url, self._people, self._bound = url, (one, other), bound
        self._random_ids = itertools.count(1_000_000)
        self._seqs: list[int] = []
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._sockets = [await RawSocket.open(self._url, auth={"token": person.token}) for person in self._people]
        await self.talk()
        self._chatting = asyncio.create_task(self._chat())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        self._chatting.cancel()
        await asyncio.wait([self._chatting])
        try:
            if kind is None:
                if not self._chatting.cancelled():
                    self._chatting.result()
                await self.talk()
                self._judge()
        finally:
            for socket in self._sockets:
                await socket.close()

    async def talk(self) -> None:
        """Each writes to the other once, and each reads it."""
        async with self._turn:
            await self._write(0, 1)
            await self._write(1, 0)

    async def _write(self, sender: int, receiver: int) -> None:
        random_id = next(self._random_ids)
        text = f"still here {random_id}"
        started = time.perf_counter()
        payload = {"target_user_id": self._people[receiver].id, "random_id": random_id, "message": text}
        sent = ok(await self._sockets[sender].call("message/send", payload))
        await self._sockets[receiver].until(
            lambda push: push.event == "message/new" and push.data["message"]["message"] == text
        )
        self.delays.append(time.perf_counter() - started)
        self._seqs.append(sent["seq"])

    async def _chat(self) -> None:
        while True:
            await asyncio.sleep(_PAUSE)
            await asyncio.shield(self.talk())

    def _judge(self) -> None:
        first = self._seqs[0]
        assert self._seqs == list(range(first, first + len(self._seqs))), "messages were lost or out of order"
        for socket in self._sockets:
            logged = [push.data["seq"] for push in socket.pushes if "seq" in push.data]
            assert logged == list(range(logged[0], logged[0] + len(logged))), "pushes have a hole"
        slowest = sorted(self.delays)[int(len(self.delays) * 0.99)]
        assert slowest < self._bound, f"the pair had to wait {slowest:.2f} s"
