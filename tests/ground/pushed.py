"""What events push, in whatever test: it has to be what they declare."""

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from server.socket.dispatch import Dispatcher
from server.wire.events import registry
from server.wire.pushes import NAMES
from sql.transaction import Outcome, Tx

SEEN: set[tuple[str, str]] = set()
"""Event and push, of all that was pushed so far."""
_running: ContextVar[str] = ContextVar("_running", default="")


def watch() -> None:
    """Look over the shoulder of every dispatcher: which event runs, and what its commit pushes."""
    run, commit = Dispatcher._run, Tx.commit

    async def watched_run(self: Dispatcher, spec: Any, *rest: Any) -> Any:
        before = _running.set(spec.name)
        try:
            return await run(self, spec, *rest)
        finally:
            _running.reset(before)

    async def watched_commit(self: Tx) -> Outcome:
        outcome = await commit(self)
        if event := _running.get():
            SEEN.update((event, push) for push in _pushes(outcome))
        return outcome

    Dispatcher._run, Tx.commit = watched_run, watched_commit  # type: ignore[method-assign]


def _pushes(outcome: Outcome) -> Iterator[str]:
    yield from (NAMES[told.entry.push.kind] for told in outcome.told)
    yield from (whisper.name for whisper in outcome.whispers)
    yield from ("goodbye" for _ in outcome.ended)
    yield from ("presence" for _ in outcome.moved)


def take_undeclared() -> set[tuple[str, str]]:
    """Return what was pushed by an event that does not say so, and forget it: one test is to fail of it."""
    found = {(event, push) for event, push in SEEN if event in registry and push not in registry[event].pushes}
    SEEN.difference_update(found)
    return found
