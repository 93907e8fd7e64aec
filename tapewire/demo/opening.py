"""Opens the house market as a venue does: a call collects orders for some seconds, then an auction, then trading."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterable
from pathlib import Path

from tapewire import messages as m
from tapewire.errors import TransportError
from tapewire.interfaces import Transport
from tapewire.subjects import subject

CALL_SECONDS = 3.0


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
    # A service is named, not imported: tapewire depends on none.
    service = importlib.import_module("services.engine.operator")
    with service.Operator(data) as operator:
        for instrument in instruments:
            resume_time = time.time_ns() + int(seconds * 1e9)
            status, reason = m.InstrumentStatus.opening_auction, m.StatusReason.schedule
            _ = operator.set_status(instrument, status, reason=reason, resume_time=resume_time).completed
