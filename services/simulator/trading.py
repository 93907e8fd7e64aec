"""The thin loop that lets a TraderModel trade: commands out at a rate, answers in, through the order client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from services.simulator.traders import TraderModel
from tapewire import logs
from tapewire import messages as m
from tapewire.errors import RingError, TapeError, TapewireError

TICK_S = 0.01
POLL_LIMIT = 256
MAX_BURST = 1000  # commands in one tick, after a stall
REPORT_S = 10.0

log = logs.get("traders")


class Orders(Protocol):
    """What the loop needs of tapewire.client.OrderClient."""

    def submit(self, command: m.Message) -> None: ...
    def poll(self, limit: int = 256) -> list[m.Message]: ...
    def instruments(self) -> dict[str, m.InstrumentDefinition]: ...
    def close(self) -> None: ...


def open_orders(data: Path, shard: int, producer: str, within_s: float, stopped: Callable[[], bool]) -> Orders | None:
    """The order client of a running engine, waiting for one that is still starting; None if stopped before.

    Raises what OrderClient.open raised last once `within_s` is over, TapewireError if nothing is to be traded by then.
    """
    from tapewire.client import OrderClient

    deadline = time.monotonic() + within_s
    while True:
        try:
            client = OrderClient.open(data, shard, producer=producer)
        except (RingError, TapeError):
            if time.monotonic() > deadline:
                raise
        else:
            if client.instruments():
                return client
            client.close()
            if time.monotonic() > deadline:
                raise TapewireError(
                    f"{data}: no instrument was defined within {within_s:g} s; add [[instrument]] to the engine's file"
                )
        if stopped():
            return None
        time.sleep(TICK_S * 5)


def trade(
    orders: Orders, seed: int, accounts: Sequence[int], rate: float, stopped: Callable[[], bool], full: type[Exception]
) -> TraderModel:
    """Trades until `stopped`, `rate` commands a second; returns the model, whose counters say what happened.

    `full` is what submit raises when nothing was sent because the engine is behind: the command then waits.
    """
    model = TraderModel(seed, list(orders.instruments().values()), accounts, time.time_ns())
    waiting: list[m.Message] = list(model.opening())
    began = reported = time.monotonic()
    due = 0
    while not stopped():
        now = time.monotonic()
        due = max(due, int((now - began) * rate) - MAX_BURST)
        while waiting or due < (now - began) * rate:
            command = waiting.pop(0) if waiting else model.decide()
            try:
                orders.submit(command)
            except full:
                waiting.insert(0, command)
                break
            due += 1
        while events := orders.poll(POLL_LIMIT):
            for event in events:
                model.take(event)
            if len(events) < POLL_LIMIT:
                break
        if now - reported >= REPORT_S:
            reported = now
            log.info("trading", sent=dict(model.sent), seen=dict(model.seen), refused=dict(model.refused))
        time.sleep(TICK_S)
    return model
