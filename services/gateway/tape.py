"""The gateway's own tape: every record is published before what it says is acted upon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tapewire import messages as m
from tapewire.tape import TapeWriter

_RECEIVED = m.FixReceived.encoder(
    *("seq", "ts", "ts_recv", "session", "msg_seq_num", "next_in", "cl_ord_id", "msg_type", "raw")
)
_SENT = m.FixSent.encoder(*("seq", "ts", "session", "msg_seq_num", "orders_seq", "answers", "part", "msg_type", "raw"))
_SUBMITTED = m.FixSubmitted.encoder("seq", "ts", "session", "cl_ord_id", "received")
_CHANGED = m.FixSessionChanged.encoder(
    *("seq", "ts", "session", "state", "next_in", "next_out", "orders_seq", "reason")
)
MSG_TYPE_BYTES = 7


class GatewayTape:
    """Appends. Not for several threads at once: the gateway's lock is held, but for `secure`."""

    def __init__(self, writer: TapeWriter, clock: Callable[[], int], *, durable: bool = False) -> None:
        """`writer`: with durability memory, whatever `durable` is: records are made durable in groups, not one by
        one."""
        self._writer, self._clock, self.durable = writer, clock, durable

    def secure(self) -> None:
        """If the tape is to be durable, makes everything so that was appended; from any thread. Raises TapeError."""
        if self.durable:
            self._writer.sync()

    @property
    def path(self) -> Path:
        return self._writer.path

    @property
    def next_seq(self) -> int:
        return self._writer.next_seq

    def received(self, session: int, seq: int, next_in: int, cl_ord_id: int, kind: str, raw: str, now: int) -> int:
        number = self._writer.next_seq
        self._append(_RECEIVED(number, now, now, session, seq, next_in, cl_ord_id, kind[:MSG_TYPE_BYTES], raw))
        return number

    def sent(self, session: int, seq: int, orders_seq: int, answers: int, part: int, kind: str, raw: str) -> int:
        number, now = self._writer.next_seq, self._clock()
        self._append(_SENT(number, now, session, seq, orders_seq, answers, part, kind[:MSG_TYPE_BYTES], raw))
        return number

    def submitted(self, session: int, cl_ord_id: int, received: int) -> None:
        self._append(_SUBMITTED(self._writer.next_seq, self._clock(), session, cl_ord_id, received))

    def changed(
        self, session: int, state: m.FixSessionState, next_in: int, next_out: int, orders_seq: int = 0, reason: str = ""
    ) -> None:
        number, now = self._writer.next_seq, self._clock()
        self._append(_CHANGED(number, now, session, state, next_in, next_out, orders_seq, reason))

    def _append(self, raw: bytes) -> None:
        self._writer.append(raw)
        self._writer.commit()

    def close(self) -> None:
        self._writer.close()
