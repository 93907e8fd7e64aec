"""Orders through a ring of the engine, at their intended times; answers off the tape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.load.measure import Recorder
from tapewire.load.schedule import Step, intended

SLEEP_LEAST: Final = 0.0002
"""A shorter time to the next order is not slept away: waking up takes as long."""
SLEEP_MOST: Final = 0.001
BATCH: Final = 256
Progress = Callable[[int, int], None]


class Answer(NamedTuple):
    name: int | str
    refused: bool


class Door(Protocol):
    """Where orders go. `send` gives the name that the answer will have; None: there is no room now."""

    def send(self) -> int | str | None: ...
    def poll(self) -> Iterable[Answer]: ...
    def wait(self, seconds: float) -> None:
        """Sleeps until there may be an answer, or so long."""


class RingDoor:
    """IOC orders far from the market: accepted and cancelled at once, so that nothing is left behind."""

    def __init__(self, client: OrderClient, instrument: m.InstrumentDefinition, account: int) -> None:
        self._client, self._instrument, self._account = client, instrument.instrument, account
        tick = instrument.tick_size
        self._price = max(tick, instrument.reference_price * 98 // 100 // tick * tick)
        self._qty = max(instrument.lot_size, 1)

    def send(self) -> int | None:
        try:
            return self._client.new_order(
                instrument=self._instrument,
                side=m.Side.buy,
                price=self._price,
                qty=self._qty,
                account=self._account,
                time_in_force=m.TimeInForce.ioc,
            )
        except RingFull:
            return None

    def poll(self) -> Iterable[Answer]:
        for event in self._client.poll(BATCH):
            if isinstance(event, m.OrderAccepted | m.OrderRejected):
                yield Answer(event.cl_ord_id, isinstance(event, m.OrderRejected))

    def wait(self, seconds: float) -> None:
        self._client.wait(seconds)


def run(
    door: Door,
    steps: list[Step],
    *,
    patience_s: float = 5.0,
    clock: Callable[[], int] = time.monotonic_ns,
    progress: Progress = lambda done, total: None,
) -> Recorder:
    """Sends every order at its time or, where that has passed, at once; never waits for an answer before sending.

    Ends when all are answered, or `patience_s` after the last was sent. `clock`: ns, never goes back.
    """
    recorder, begin, total = Recorder(steps), clock(), sum(step.orders for step in steps)
    for count, (step, offset) in enumerate(intended(steps), start=1):
        due = begin + offset
        while (left := due - clock()) > 0:
            if not _take(door, recorder, clock) and left > SLEEP_LEAST * 1e9:
                door.wait(min(left / 1e9 - SLEEP_LEAST / 2, SLEEP_MOST))
        while True:
            now = clock()
            if (name := door.send()) is not None:
                break
            if not _take(door, recorder, clock):
                door.wait(SLEEP_MOST)
        recorder.sent(name, step, due, now)
        if count % BATCH == 0:
            progress(count, total)
            _take(door, recorder, clock)
    ends = clock() + int(patience_s * 1e9)
    while recorder.waiting and clock() < ends:
        if not _take(door, recorder, clock):
            door.wait(SLEEP_MOST)
    return recorder


def _take(door: Door, recorder: Recorder, clock: Callable[[], int]) -> int:
    count = 0
    for answer in door.poll():
        recorder.answered(answer.name, clock(), refused=answer.refused)
        count += 1
    return count
