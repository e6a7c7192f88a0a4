"""The history of a run: what was acknowledged, what each device was told, and whether that is what there is."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from client_sdk import MessageNew, Push


class Name(NamedTuple):
    """What a message is known by before it has a number."""

    sender: int
    receiver: int
    random_id: int


@dataclass
class Device:
    """What one device of somebody was told, in the order it came."""

    user_id: int
    pushes: list[tuple[int, Push]] = field(default_factory=list)


@dataclass
class History:
    """What happened."""

    faults: Counter[str] = field(default_factory=Counter)
    sent: set[Name] = field(default_factory=set)
    """What was sent, whether or not there was an answer."""
    acked: dict[Name, tuple[int, str]] = field(default_factory=dict)
    """Number and text."""
    other_answers: list[Name] = field(default_factory=list)
    """Messages whose repeat was answered otherwise than the first time."""
    unanswered: int = 0
    devices: list[Device] = field(default_factory=list)

    def note(self, name: Name, seq: int, text: str) -> None:
        """A message was acknowledged, for the first time or again."""
        if self.acked.setdefault(name, (seq, text)) != (seq, text):
            self.other_answers.append(name)


class Verdict(NamedTuple):
    """What went wrong, counted; all zeros if nothing did."""

    lost: int
    doubled: int
    invented: int
    """Messages that are there and that nobody has sent."""
    reordered: int
    unheard: int
    other_answers: int
    unrested: int
    """Processes that still hold connections, tasks, memory or work when nothing is left to do."""


Row = tuple[int, int, int, int, int, str]


def judge(history: History, rows: list[Row], ends: dict[int, int], unrested: int = 0) -> Verdict:
    """Compare with the rows (low, high, seq, sender, random_id, text), and where each user's log ends."""
    stored = Counter[Name]()
    conversations: dict[tuple[int, int], list[int]] = defaultdict(list)
    texts = {}
    for low, high, seq, sender, random_id, text in sorted(rows):
        name = Name(sender, high if sender == low else low, random_id)
        stored[name] += 1
        texts[name] = seq, text
        conversations[low, high].append(seq)
    lost = [name for name, first in history.acked.items() if texts.get(name) != first]
    doubled = sum(count - 1 for count in stored.values())
    sparse = sum(seqs != list(range(1, len(seqs) + 1)) for seqs in conversations.values())
    reordered = sparse + sum(_out_of_order(device) for device in history.devices)
    doubled += sum(len(device.pushes) - len({seq for seq, _ in device.pushes}) for device in history.devices)
    unheard = sum(ends[device.user_id] - len({seq for seq, _ in device.pushes}) for device in history.devices)
    invented = len(stored.keys() - history.sent)
    return Verdict(len(lost), doubled, invented, reordered, unheard, len(history.other_answers), unrested)


def _out_of_order(device: Device) -> int:
    """Count pushes, and messages of one conversation, that came before one with a lower number."""
    wrong = sum(after <= before for (before, _), (after, _) in pairwise(device.pushes))
    told = defaultdict(list)
    for _, push in device.pushes:
        if isinstance(push, MessageNew):
            told[push.user_id].append(push.message.seq)
    return wrong + sum(seqs != sorted(seqs) for seqs in told.values())
