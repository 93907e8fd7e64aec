"""The engine behind a venue: commands by a ring of its own, everything that happens off the tape."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.errors import RingBusy
from tapewire.folders import Folders
from tapewire.tape import TapeReader

POLL_S = 0.02
OPERATOR_WAIT_S = 5.0


class EngineHouse:
    """A running engine at `data`, as the venue uses it. Takes the ring of `producer` for itself."""

    def __init__(self, data: Path, shard: int = 0, *, producer: str = "venue", operator: str = "operator") -> None:
        """Raises RingError where the engine has no such producer, or another process holds it."""
        self._data, self._shard, self._operator = data, shard, operator
        self._client = OrderClient.open(data, shard, producer=producer)
        self._reader = TapeReader(Folders(data).orders_tape(shard), limit="released")
        self._waiting: deque[m.Message] = deque()

    @property
    def source(self) -> int:
        """The number of the producer."""
        return self._client.source

    def submit(self, command: m.Message) -> None:
        """In order; what the ring does not take now, it takes later."""
        self._waiting.append(command)
        self._flush()

    def operate(self, command: m.Message) -> None:
        """By the operator's ring, which is held only for this. Raises RingError where another holds it for long."""
        deadline = time.monotonic() + OPERATOR_WAIT_S
        while True:
            try:
                operator = OrderClient.open(self._data, self._shard, producer=self._operator)
                break
            except RingBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(POLL_S)
        with operator:
            operator.submit(command)

    def poll(self, limit: int) -> list[m.Message]:
        self._flush()
        return [m.decode(raw) for raw in self._reader.poll(limit)]

    def close(self) -> None:
        self._client.close()
        self._reader.close()

    def _flush(self) -> None:
        while self._waiting:
            try:
                self._client.submit(self._waiting[0])
            except RingFull:
                return  # the engine is behind: tried again at the next look at the tape
            self._waiting.popleft()
