"""The slow, obvious twin of the ring: a deque of records, and the arithmetic of the bytes they take."""

from __future__ import annotations

from collections import deque

HEAD = 8


def stride_of(length: int) -> int:
    return HEAD + (length + 7) // 8 * 8


class NaiveRing:
    """Producer, consumer and what lies between them. Positions are bytes since the ring began."""

    def __init__(self, capacity: int, first: int = 0) -> None:
        self.capacity = capacity
        self.tail = self.head = self.read = first
        self.records: deque[tuple[bytes, int]] = deque()  # unreleased ones, each with the position just past it

    def write(self, data: bytes) -> bool:
        stride = stride_of(len(data))
        left = self.capacity - self.tail % self.capacity  # before the wrap
        end = self.tail + (left if stride > left else 0) + stride
        if end - self.head > self.capacity:
            return False
        self.tail = end
        self.records.append((data, end))
        return True

    def poll(self, limit: int) -> list[bytes]:
        unread = [record for record in self.records if record[1] > self.read][:limit]
        if unread:
            self.read = unread[-1][1]
        return [data for data, _ in unread]

    def release(self) -> None:
        self.head = self.read
        while self.records and self.records[0][1] <= self.head:
            self.records.popleft()

    def restart_consumer(self) -> None:
        self.read = self.head
