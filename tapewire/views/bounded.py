"""Logs of many owners: each keeps its last few, and all together keep a fixed number."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Bounded(Generic[T]):
    """Things in the order they came, by owner. Of one owner at most `per_owner`, of all at most `total` are kept."""

    def __init__(self, per_owner: int, total: int) -> None:
        self.per_owner, self.total = per_owner, total
        self._all: OrderedDict[int, tuple[int, T]] = OrderedDict()
        self._numbers: dict[int, deque[int]] = {}
        self._next = 0

    def add(self, owner: int, item: T) -> list[T]:
        """Keeps one more; returns what had to go for it, at most two."""
        number = self._next
        self._next = number + 1
        own = self._numbers.get(owner)
        if own is None:
            own = self._numbers[owner] = deque()
        own.append(number)
        self._all[number] = (owner, item)
        gone: list[T] = []
        if len(own) > self.per_owner:
            gone.append(self._all.pop(own.popleft())[1])
        if len(self._all) > self.total:
            # The oldest of all is the oldest of its owner.
            _, (first_owner, first) = self._all.popitem(last=False)
            gone.append(first)
            numbers = self._numbers[first_owner]
            numbers.popleft()
            if not numbers:
                del self._numbers[first_owner]
        return gone

    def of(self, owner: int) -> list[T]:
        """What is kept of one owner, oldest first."""
        return [self._all[number][1] for number in self._numbers.get(owner, ())]

    def all(self) -> list[tuple[int, T]]:
        """Owner and thing, oldest first."""
        return list(self._all.values())

    def __len__(self) -> int:
        return len(self._all)
