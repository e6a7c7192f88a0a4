"""Messages: sent once, numbered, read by two."""

import pytest

from client_sdk import AlreadyExists, MessageNew, NotConnected


async def test_a_repeated_send_is_stored_once(connected):
    alice, bob = connected
    first = await alice.message.send(bob.id, "hi", random_id=7)
    again = await alice.message.send(bob.id, "hi", random_id=7)
    assert again == first
    assert [m.message for m in await bob.message.history(alice.id)] == ["hi"]
