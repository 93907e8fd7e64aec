"""The thin loop that lets a TraderModel trade: commands out at a rate, what happened in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from services.simulator.traders import TraderModel
from tapewire import logs
from tapewire import messages as m
from tapewire.errors import TapewireError

TICK_S = 0.01
POLL_LIMIT = 256
MAX_BURST = 1000  # commands in one tick, after a stall
REPORT_S = 10.0

log = logs.get("traders")


class Orders(Protocol):
    """What the loop needs of a Floor."""

    @property
    def instruments(self) -> list[m.InstrumentDefinition]: ...
    def submit(self, command: m.Message) -> None: ...
    def poll(self, limit: int) -> list[m.Message]: ...
    def close(self) -> None: ...


def open_orders(data: Path, shard: int, producer: str, within_s: float, stopped: Callable[[], bool]) -> Orders | None:
    """The floor of a running engine, waiting for one that is still starting; None if stopped before.

    Raises what Floor.open raised last once `within_s` is over.
    """
    from services.simulator.floor import Floor  # not above: the venues run where no core is compiled

    deadline = time.monotonic() + within_s
    while True:
        try:
            return Floor.open(data, shard, producer)
        except TapewireError:
            if time.monotonic() > deadline:
                raise
        if stopped():
            return None
        time.sleep(TICK_S * 5)


def trade(
    orders: Orders,
    seed: int,
    accounts: Sequence[int],
    rate: float,
    stopped: Callable[[], bool],
    full: type[Exception],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> TraderModel:
    """Trades until `stopped`, `rate` commands a second; returns the model, whose counters say what happened.

    `full` is what submit raises when nothing was sent because the engine is behind: the command then waits. `clock`
    and `pause` are in seconds.
    """
    model = TraderModel(seed, orders.instruments, accounts, time.time_ns())
    waiting: list[m.Message] = list(model.opening())
    began = reported = clock()
    due = 0
    while not stopped():
        now = clock()
        due = max(due, int((now - began) * rate) - MAX_BURST)
        while waiting or due < (now - began) * rate:
            command = waiting.pop(0) if waiting else model.decide(time.time_ns())
            due += 1
            if command is None:
                continue
            try:
                orders.submit(command)
            except full:
                waiting.insert(0, command)
                due -= 1
                break
        while events := orders.poll(POLL_LIMIT):
            for event in events:
                model.take(event)
            if len(events) < POLL_LIMIT:
                break
        if now - reported >= REPORT_S:
            reported = now
            log.info("trading", sent=dict(model.sent), seen=dict(model.seen), refused=dict(model.refused))
        pause(TICK_S)
    return model
