"""Opens the house market as a venue does: a call collects orders for some seconds, then an auction, then trading."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from tapewire import messages as m
from tapewire.client import OrderClient
from tapewire.errors import TapewireError, TransportError
from tapewire.interfaces import Transport
from tapewire.subjects import subject

PRODUCER = "demo"  # of the role operator, see settings.py
CALL_SECONDS = 3.0
ANSWER_WITHIN_S = 10.0


async def status_of(transport: Transport, ticker: str) -> m.InstrumentStatusChanged | None:
    """How an instrument stands on the tape; None while publisher or engine are still starting."""
    try:
        answer = await transport.request(subject("demo", "house", "snapshot", ticker), b"status", timeout=0.5)
    except TransportError:
        return None
    found = m.decode(answer.data)
    return found if isinstance(found, m.InstrumentStatusChanged) else None


def call_auction(data: Path, instruments: Iterable[int], seconds: float = CALL_SECONDS) -> None:
    """Calls the opening auction of `instruments`; the engine's clock ends it after `seconds`.

    Raises TapewireError if the engine refuses, or does not answer.
    """
    with OrderClient.open(data, producer=PRODUCER) as client:
        for instrument in instruments:
            resume = time.time_ns() + int(seconds * 1e9)
            opening = {"status": m.InstrumentStatus.opening_auction, "reason": m.StatusReason.schedule}
            client.submit(m.SetInstrumentStatus(instrument=instrument, **opening, resume_time=resume))
            _await_answer(client, instrument)


def _await_answer(client: OrderClient, instrument: int) -> None:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while time.monotonic() < deadline:
        for answer in client.poll():
            if isinstance(answer, m.CommandCompleted):
                return
            if isinstance(answer, m.OrderRejected):
                raise TapewireError(
                    f"instrument {instrument}: the engine refuses to open it: {answer.reason.name} "
                    f"({answer.value}, {answer.limit})"
                )
        client.wait(0.05)
    raise TapewireError(f"instrument {instrument}: the engine did not answer within {ANSWER_WITHIN_S:g} s")
