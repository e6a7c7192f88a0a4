"""Messages: stored once, numbered without a gap, read by two people and nobody else."""

import asyncio
import re
from typing import Any

import pytest

from client_sdk import (
    AlreadyExists,
    Client,
    InvalidPayload,
    MessageNew,
    MessageRead,
    NotConnected,
    NotFound,
    RateLimited,
)
from tests.ground.raw import RawSocket


async def test_a_repeated_send_is_stored_once(connected):
    alice, bob = connected
    first = await alice.message.send(bob.id, "hi", random_id=7)
    again = await alice.message.send(bob.id, "hi", random_id=7)
    assert again == first
    assert [m.message for m in await bob.message.history(alice.id)] == ["hi"]


async def test_another_text_under_the_same_random_id_is_refused_and_not_stored(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "hi", random_id=7)
    with pytest.raises(AlreadyExists):
        await alice.message.send(bob.id, "ho", random_id=7)
    await bob.message.send(alice.id, "mine", random_id=7)
    assert [m.message for m in await bob.message.history(alice.id)] == ["mine", "hi"]


async def test_both_are_pushed_a_message_and_only_the_sender_sees_its_random_id(connected):
    alice, bob = connected
    async with alice.expecting(MessageNew) as hers, bob.expecting(MessageNew) as his:
        sent = await alice.message.send(bob.id, "hi", random_id=-5)
        own, received = await hers, await his
    assert (own.user_id, own.message.random_id) == (bob.id, -5)
    assert (received.user_id, received.message.random_id) == (alice.id, None)
    assert received.message.seq == sent.seq == 1
    assert received.message.from_user_id == alice.id
    assert received.message.sent_at == sent.sent_at


async def test_numbers_are_dense_whoever_writes(connected):
    alice, bob = connected
    sends = [one.message.send(other.id, f"{n}") for n in range(20) for one, other in (connected, connected[::-1])]
    numbers = sorted(sent.seq for sent in await asyncio.gather(*sends))
    assert numbers == list(range(1, 41))
    assert [m.seq for m in await bob.message.history(alice.id, limit=100)] == list(range(40, 0, -1))


async def test_one_random_id_sent_at_once_on_many_sockets_is_one_message(connected, start_server):
    alice, bob = connected
    other = await start_server()
    async with Client(other.url, token=alice.token) as elsewhere:
        sends = [client.message.send(bob.id, "once", random_id=9) for client in (alice, elsewhere) for _ in range(15)]
        answers = set(await asyncio.gather(*sends))
    assert len(answers) == 1
    assert [m.message for m in await bob.message.history(alice.id)] == ["once"]


async def test_history_goes_both_ways_page_by_page(connected):
    alice, bob = connected
    for number in range(1, 8):
        await alice.message.send(bob.id, f"{number}")
        await bob.message.send(alice.id, f"re {number}")
    newest = await bob.message.history(alice.id, limit=3)
    assert [m.seq for m in newest] == [14, 13, 12]
    older = await bob.message.history(alice.id, before=12, limit=100)
    assert [m.seq for m in older] == list(range(11, 0, -1))
    assert [m.seq for m in await bob.message.history(alice.id, after=11)] == [12, 13, 14]
    assert len(await bob.message.history(alice.id, after=14)) == 0
    with pytest.raises(InvalidPayload):
        await bob.message.history(alice.id, before=5, after=3)


async def test_reading_goes_forward_only_and_tells_both(connected):
    alice, bob = connected
    for number in range(3):
        await alice.message.send(bob.id, f"{number}")
    async with alice.expecting(MessageRead) as hers, bob.expecting(MessageRead) as his:
        await bob.message.read(alice.id, 2)
        told, echoed = await hers, await his
    assert (told.user_id, told.by, told.read_seq) == (bob.id, bob.id, 2)
    assert (echoed.user_id, echoed.by, echoed.read_seq) == (alice.id, bob.id, 2)
    seq = echoed.seq
    await bob.message.read(alice.id, 1)
    await bob.message.read(alice.id, 2)
    async with bob.expecting(MessageRead) as his:
        await bob.message.read(alice.id, 99)
        last = await his
    assert (last.read_seq, last.seq) == (3, seq + 1), "clamped to what there is, and nothing was pushed between"
    history = await bob.message.history(alice.id)
    assert (history.my_read_seq, history.their_read_seq) == (3, 0)


async def test_unread_counts_only_what_the_other_wrote(connected):
    alice, bob = connected
    for number in range(3):
        await alice.message.send(bob.id, f"{number}")
        await bob.message.send(alice.id, f"re {number}")
    [connection] = await bob.relation.connections()
    assert connection.unread == 3
    await bob.message.read(alice.id, 3)
    [connection] = await bob.relation.connections()
    assert (connection.unread, connection.last_message.message) == (1, "re 2")
    assert (await bob.profile.me()).unread.messages == 1
    assert (await alice.profile.me()).unread.messages == 3


async def test_strangers_neither_write_nor_read_nor_look(connected, mallory):
    alice, _ = connected
    for refused in (
        mallory.message.send(alice.id, "psst"),
        mallory.message.history(alice.id),
        mallory.message.read(alice.id, 1),
    ):
        with pytest.raises(NotConnected):
            await refused
    for refused in (
        mallory.message.send(2**52, "psst"),
        mallory.message.history(2**52),
        mallory.message.read(2**52, 1),
    ):
        with pytest.raises(NotFound):
            await refused


async def test_text_comes_back_as_it_was_written(connected):
    alice, bob = connected
    texts = [
        "\\",
        "'",
        '"',
        "%s",
        "%(x)s",
        "{0}",
        "line\nline",
        "Привет, 🍵!",
        " ",
        "x" * 4000,
        "\u202eabc",
        "🍵" * 4000,
    ]
    for text in texts:
        await alice.message.send(bob.id, text)
        await bob.message.send(alice.id, text)
    newest_first = [m.message for m in await bob.message.history(alice.id, limit=100)]
    assert newest_first[::-2] == texts


async def test_text_is_stored_in_normal_form(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "e\u0301")
    [message] = await bob.message.history(alice.id)
    assert message.message == "\u00e9"


@pytest.mark.parametrize("text", ["", "x" * 4001, "a\x00b", "a\rb", "\x1b[2J"])
async def test_text_that_is_none_is_refused(connected, text):
    alice, bob = connected
    with pytest.raises(InvalidPayload) as refused:
        await alice.message.send(bob.id, text)
    assert set(refused.value.fields) == {"message"}


@pytest.mark.config(limits={"scale": 1, "registrations": 100, "mails_address": 100})
async def test_after_ten_messages_without_an_answer_one_waits_for_it(connected):
    alice, bob = connected
    for number in range(10):
        await alice.message.send(bob.id, f"{number}", random_id=number)
    with pytest.raises(RateLimited):
        await alice.message.send(bob.id, "hello?")
    assert (await alice.message.send(bob.id, "3", random_id=3)).seq == 4, "a repeat costs nothing"
    await bob.message.send(alice.id, "here I am")
    await alice.message.send(bob.id, "at last")


# -- read states -------------------------------------------------------------------------------------------------------


async def test_what_one_device_has_read_the_others_learn(connected, server):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    async with Client(server.url, token=bob.token) as device:
        assert (await device.profile.me()).unread.messages == 1
        async with device.expecting(MessageRead) as here, alice.expecting(MessageRead) as hers:
            await bob.message.read(alice.id, 1)
            own, told = await here, await hers
        assert (own.user_id, own.by, own.read_seq) == (alice.id, bob.id, 1)
        assert (told.user_id, told.by, told.read_seq) == (bob.id, bob.id, 1)
        assert (await device.message.history(alice.id)).my_read_seq == 1
        assert (await device.profile.me()).unread.messages == 0


async def test_who_keeps_to_oneself_what_one_has_read_is_told_of_others(connected, server):
    """Only the reader's setting counts."""
    alice, bob = connected
    await bob.settings.change(read_receipts=False)
    for one, other in (connected, connected[::-1]):
        await one.message.send(other.id, "hello")
    heard = alice.events(MessageRead)
    async with Client(server.url, token=bob.token) as device, device.expecting(MessageRead) as his:
        await bob.message.read(alice.id, 2)
        assert (await his).by == bob.id, "one's own devices learn of it all the same"
    async with bob.expecting(MessageRead) as his:
        await alice.message.read(bob.id, 2)
        assert (await his).by == alice.id
    assert (await anext(heard)).by == alice.id, "the first that she is told is of her own reading"
    for reader, other, seq in ((alice, bob, None), (bob, alice, 2)):
        assert (await reader.message.history(other.id)).their_read_seq == seq
        [connection] = await reader.relation.connections()
        assert connection.their_read_seq == seq
    await bob.settings.change(read_receipts=True)
    assert (await alice.message.history(bob.id)).their_read_seq == 2


async def test_what_was_told_of_reading_is_not_shown_any_more_once_the_reader_keeps_it_to_oneself(connected):
    alice, bob = connected
    await alice.message.send(bob.id, "hello")
    await bob.message.read(alice.id, 1)
    shown = [event.event for event in await alice.sync.since(0)]
    await bob.settings.change(read_receipts=False)
    hidden = [event.event for event in await alice.sync.since(0)]
    assert (shown.count("message/read"), hidden.count("message/read")) == (1, 0)
    assert [event.event for event in await bob.sync.since(0)].count("message/read") == 1


async def _acks(server: Any, alice: Any, bob: Any, number: int) -> list[str]:
    """Return the bytes of the acks that alice gets for all that she may do in a chat, without numbers and times."""
    async with await RawSocket.open(server.url, auth={"token": alice.token}) as socket:
        acks = []
        for event, fields in (
            ("message/send", {"random_id": number, "message": "are you there?"}),
            ("message/read", {"seq": 2**31}),
            ("message/read", {"seq": 2**31}),
            ("message/typing", {}),
            ("message/send", {"random_id": number, "message": "are you there?"}),
            ("message/send", {"random_id": number, "message": "another text"}),
        ):
            seen = len(socket.frames)
            await socket.call(event, {"target_user_id": bob.id} | fields)
            [ack] = [frame for frame in socket.frames[seen:] if frame.startswith("43")]
            acks.append(re.sub(r'^43\d+|"seq":\d+|"sent_at":"[^"]+"', "…", ack))
        return acks


async def test_no_ack_tells_whether_the_other_is_there(connected, server):
    """R78: online, hidden, with receipts or without, gone: the same bytes."""
    alice, bob = connected
    worlds = [await _acks(server, alice, bob, 1)]
    await bob.settings.change(show_online=False, read_receipts=False)
    await bob.message.send(alice.id, "yes")
    worlds.append(await _acks(server, alice, bob, 2))
    await bob.message.send(alice.id, "yes")
    await bob.close()
    worlds.append(await _acks(server, alice, bob, 3))
    assert worlds[0] == worlds[1] == worlds[2]
