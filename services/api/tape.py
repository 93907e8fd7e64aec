"""The API's own tape `api.<number>`: what was asked, before anything is done about it; what was answered, before it leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tapewire import messages as m
from tapewire.tape import TapeWriter
from tapewire.trace_context import TraceContext

_RECEIVED = m.ApiReceived.encoder(
    *("seq", "ts", "ts_recv", "cl_ord_id", "trace_high", "trace_low", "span_id", "key", "account", "trace_flags"),
    *("door", "author", "address", "nonce", "operation", "body"),
)
_ANSWERED = m.ApiAnswered.encoder("seq", "ts", "received", "orders_seq", "status")
_LOW = (1 << 64) - 1


class Origin(NamedTuple):
    """Where a request to change something came from."""

    door: m.ApiDoor
    operation: str
    """Such as `POST /v1/orders`; up to 63 bytes."""
    body: str
    """As it came, each byte a character of latin-1; of a bus message its bytes in base64."""
    ts_recv: int
    """UTC ns when its last byte was read."""
    address: str = ""
    nonce: str = ""
    trace: TraceContext | None = None
    """Never None in a request that is to be sampled: the door decides that."""


class ApiTape:
    """Appends; on the loop's thread, but for `secure`."""

    def __init__(self, writer: TapeWriter, clock: Callable[[], int], last_ts: int, *, durable: bool) -> None:
        """`writer`: with durability memory; records are made durable in groups, if `durable`. `last_ts`: the highest
        time on the tape or in a command."""
        self._writer, self._clock, self.durable = writer, clock, durable
        self.last_ts = last_ts

    @property
    def path(self) -> Path:
        return self._writer.path

    def secure(self) -> None:
        """Makes durable what was appended; from any thread. Raises TapeError."""
        self._writer.sync()

    def received(self, key: int, author: str, account: int, has_command: bool, origin: Origin) -> tuple[int, int]:
        """Returns the record's seq and its ts: the number that its command carries as ts_event and ClOrdID."""
        self.last_ts = ts = max(self._clock(), self.last_ts + 1)
        trace, seq = origin.trace, self._writer.next_seq
        high = low = span = flags = 0
        if trace is not None:
            number = int(trace.trace_id, 16)
            high, low, flags = number >> 64, number & _LOW, trace.flags & 0xFF
            span = int(trace.span_id, 16)
        self._append(
            _RECEIVED(
                *(seq, ts, origin.ts_recv, ts if has_command else 0, high, low, span, key, account, flags),
                *(origin.door, author, origin.address[:47], origin.nonce, origin.operation[:63], origin.body),
            )
        )
        return seq, ts

    def answered(self, received: int, orders_seq: int, status: int) -> None:
        ts = max(self._clock(), self.last_ts)
        self._append(_ANSWERED(self._writer.next_seq, ts, received, orders_seq, status))

    def _append(self, raw: bytes) -> None:
        self._writer.append(raw)
        self._writer.commit()

    def close(self) -> None:
        self._writer.close()
