"""The API's own tape `api.<number>`: what was asked, before it is done; what was answered, before it leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire.logs import in_trace
from tapewire.tape import TapeWriter
from tapewire.trace_context import SAMPLED, TraceContext

_RECEIVED = m.ApiReceived.encoder(
    *("seq", "ts", "ts_recv", "cl_ord_id", "trace_high", "trace_low", "span_id", "key", "account", "trace_flags"),
    *("door", "author", "address", "nonce", "operation", "body"),
)
_ANSWERED = m.ApiAnswered.encoder("seq", "ts", "received", "orders_seq", "status")
NO_SPAN: Final = "0" * 16


@dataclass(slots=True)
class Origin:
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
    """What it came with; None: the API begins one, see `Sampler`."""
    number: int = field(default=0, init=False)
    """Of its ApiReceived: its ts, which is also the id of our span. 0: not on the tape."""

    @property
    def traceparent(self) -> str:
        """Of our span, for the answer; empty while the request is not on the tape."""
        if self.trace is None or not self.number:
            return ""
        return self.trace._replace(span_id=f"{self.number:016x}").traceparent()

    def logged(self) -> AbstractContextManager[None]:
        """Lines that are logged in this block name the trace, and our span or, while there is none, the client's."""
        if self.trace is None:
            return nullcontext()
        return in_trace(int(self.trace.trace_id, 16), self.number or int(self.trace.span_id, 16))


class Sampler:
    """Head sampling: whether a trace that begins here is recorded."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._random = random.Random()

    def begin(self) -> TraceContext:
        """A new trace; the span id is all zeros, there is none yet."""
        trace_id = self._random.getrandbits(128) or 1
        return TraceContext(f"{trace_id:032x}", NO_SPAN, SAMPLED if self._random.random() < self._share else 0)


class ApiTape:
    """Appends, and commits what gathered; on the loop's thread, but for `secure`."""

    def __init__(
        self, writer: TapeWriter, clock: Callable[[], int], last_ts: int, sampler: Sampler, *, durable: bool
    ) -> None:
        """`writer`: with durability memory; records are made durable in groups, if `durable`. `last_ts`: the highest
        time on the tape or in a command."""
        self._writer, self._clock, self._sampler, self.durable = writer, clock, sampler, durable
        self.last_ts = last_ts

    @property
    def path(self) -> Path:
        return self._writer.path

    def secure(self) -> None:
        """Makes durable what was committed; from any thread. Raises TapeError."""
        self._writer.sync()

    def received(self, key: int, author: str, account: int, has_command: bool, origin: Origin) -> tuple[int, int]:
        """Returns the record's seq and its ts: the number that its command carries as ts_event and ClOrdID."""
        self.last_ts = ts = max(self._clock(), self.last_ts + 1)
        if origin.trace is None:
            origin.trace = self._sampler.begin()
        origin.number, trace, seq = ts, origin.trace, self._writer.next_seq
        (high, low, flags), span = trace.numbers(), int(trace.span_id, 16)
        self._writer.append(
            _RECEIVED(
                *(seq, ts, origin.ts_recv, ts if has_command else 0, high, low, span, key, account, flags),
                *(origin.door, author, origin.address[:47], origin.nonce, origin.operation[:63], origin.body),
            )
        )
        return seq, ts

    def answered(self, received: int, orders_seq: int, status: int) -> None:
        ts = max(self._clock(), self.last_ts)
        self._writer.append(_ANSWERED(self._writer.next_seq, ts, received, orders_seq, status))

    def commit(self) -> None:
        """Shows readers what was appended since the last time. Raises TapeError."""
        if self._writer.batch_records:
            self._writer.commit()

    def close(self) -> None:
        self._writer.close()
