"""What every answer is: a frozen struct, which can be read like the list or the table that it is about."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The base of everything that comes in."""


class Listing(Record, Generic[T], frozen=True, kw_only=True):
    """An answer that can be read like the list which is its first field."""

    def _items(self) -> Sequence[T]:
        items: Sequence[T] = getattr(self, self.__struct_fields__[0])
        return items

    def __len__(self) -> int:
        return len(self._items())

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __getitem__(self, index: int) -> T:
        return self._items()[index]


class Keyed(Record, Generic[T], frozen=True, kw_only=True):
    """An answer that can be asked by id: `watched[user_id].online`."""

    def __getitem__(self, user_id: int) -> T:
        table: dict[str, Any] = getattr(self, self.__struct_fields__[0])
        found: T = table[str(user_id)]
        return found
