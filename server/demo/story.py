"""What waits for the demo login: likes, visits, a match, a conversation; made by the rules, at times that are past."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from server.context import Context, Services, Session
from server.demo.identity import DEMO_LOGIN, person_id
from server.wire.events import registry
from sql.transaction import Tx, transact
from sql.writer import Writer

_DEMO: Final = 0
_ACTS: Final[tuple[tuple[float, int, str, dict[str, Any]], ...]] = (
    (70.0, 5, "profile", {"of": _DEMO}),
    (69.9, 5, "user/like", {"of": _DEMO}),
    (50.0, 8, "profile", {"of": _DEMO}),
    (47.0, 1, "profile", {"of": _DEMO}),
    (46.9, 1, "user/like", {"of": _DEMO}),
    (46.0, _DEMO, "profile", {"of": 1}),
    (45.9, _DEMO, "user/like", {"of": 1}),
    (45.8, 1, "message/send", {"of": _DEMO, "message": "Hi! You are the first here who likes what I like."}),
    (45.5, _DEMO, "message/read", {"of": 1, "seq": 1}),
    (45.4, _DEMO, "message/send", {"of": 1, "message": "Then you have good taste. What are you up to this weekend?"}),
    (45.1, 1, "message/read", {"of": _DEMO, "seq": 2}),
    (45.0, 1, "message/send", {"of": _DEMO, "message": "The market in the morning, and nothing at all afterwards."}),
    (30.0, 9, "user/connect", {"target_id": DEMO_LOGIN}),
    (26.0, 2, "user/like", {"of": _DEMO}),
    (20.0, _DEMO, "user/like", {"of": 2}),
    (12.0, 1, "message/send", {"of": _DEMO, "message": "And you? I could do with company at the market."}),
    (10.0, 6, "profile", {"of": _DEMO}),
    (9.9, 6, "user/like", {"of": _DEMO}),
    (3.0, 7, "profile", {"of": _DEMO}),
    (1.0, 10, "user/like", {"of": _DEMO}),
    (0.3, 3, "profile", {"of": _DEMO}),
)
"""Hours ago, who, what they did, and to whom: people by number."""


async def tell(services: Services, seed: int) -> None:
    """Let it all have happened."""
    now = services.clock.now()
    for step, (hours, who, event, fields) in enumerate(_ACTS):
        await _act(services, seed, now - timedelta(hours=hours), who, event, _wire(seed, step, event, fields))


def _wire(seed: int, step: int, event: str, fields: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in fields.items() if name != "of"}
    target = {"target_user_id": person_id(seed, fields["of"])} if "of" in fields else {}
    random_id = {"random_id": step} if event == "message/send" else {}
    return given | target | random_id


async def _act(services: Services, seed: int, when: Any, who: int, event: str, fields: dict[str, Any]) -> None:
    session = Session(person_id(seed, who), "", when, when, 0)
    writer = Writer(services.database, lambda: when, services.ids.random, enter=lambda tx: Context(tx, services))
    then = replace(services, writer=writer)

    async def work(tx: Tx) -> None:
        ctx = Context(tx=tx, services=then, session=session)
        await registry[event].handler(ctx, **registry[event].parse(fields))

    await transact(services.database, when, work, random=services.ids.random)
