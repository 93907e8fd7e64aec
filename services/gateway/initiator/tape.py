"""The tape of one venue: every record is published before what it says is acted upon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.gateway.initiator.words import Differs, Said
from tapewire import messages as m
from tapewire.tape import TapeWriter

SESSION: Final = 1
"""Order entry."""
COPY: Final = 2
"""Drop copy."""
COPIED: Final = "8"
"""MsgType of what a drop copy is read for; its refusals are of its own messages."""
MSG_TYPE_BYTES: Final = 7
TEXT_BYTES: Final = 47  # room of OrderID and ExecIDs on the tape
CURRENCY_BYTES: Final = 15
_RECEIVED = m.FixReceived.encoder("seq", "ts", "ts_recv", "session", "msg_seq_num", "next_in", "msg_type", "raw")
_SENT = m.FixSent.encoder("seq", "ts", "session", "msg_seq_num", "orders_seq", "part", "msg_type", "raw")
_CHANGED = m.FixSessionChanged.encoder("seq", "ts", "session", "state", "next_in", "next_out", "reason")


class VenueTape:
    """Appends. Not for several threads at once: the session's lock is held."""

    def __init__(self, writer: TapeWriter, venue: int, name: str, clock: Callable[[], int]) -> None:
        self._writer, self._venue, self._name, self._clock = writer, venue, name, clock

    @property
    def next_seq(self) -> int:
        return self._writer.next_seq

    def received(self, seq: int, next_in: int, kind: str, raw: str, now: int, session: int = SESSION) -> int:
        number = self._writer.next_seq
        self._append(_RECEIVED(number, now, now, session, seq, next_in, kind[:MSG_TYPE_BYTES], raw))
        return number

    def sent(self, seq: int, orders_seq: int, part: int, kind: str, raw: str, session: int = SESSION) -> None:
        number, kind = self._writer.next_seq, kind[:MSG_TYPE_BYTES]
        self._append(_SENT(number, self._clock(), session, seq, orders_seq, part, kind, raw))

    def session(
        self, state: m.FixSessionState, next_in: int, next_out: int, reason: str = "", session: int = SESSION
    ) -> None:
        self._append(_CHANGED(self._writer.next_seq, self._clock(), session, state, next_in, next_out, reason))

    def reported(self, told: Sequence[Said], received: int) -> list[m.VenueReported | m.VenueDiffered]:
        """All that one message says, in one commit: a tape holds all of it or none."""
        records: list[m.VenueReported | m.VenueDiffered] = []
        for one in told:
            records.append(record_of(one, self._writer.next_seq, self._clock(), self._venue, received))
            self._writer.append(bytes(records[-1]))
        self._writer.commit()
        return records

    def venue(self, state: m.VenueState, opened: int, restated: int, reason: str) -> None:
        record = m.VenueChanged(
            seq=self._writer.next_seq, ts=self._clock(), venue=self._venue, state=state, open=opened,
            restated=restated, name=self._name, reason=reason,
        )  # fmt: skip
        self._append(bytes(record))

    def _append(self, raw: bytes) -> None:
        self._writer.append(raw)
        self._writer.commit()

    def close(self) -> None:
        self._writer.close()


def record_of(told: Said, seq: int, ts: int, venue: int, received: int) -> m.VenueReported | m.VenueDiffered:
    """The record of what a venue said."""
    if isinstance(told, Differs):
        return m.VenueDiffered(
            seq=seq, ts=ts, ts_event=told.ts_event, instrument=told.instrument, child_id=told.child_id, venue=venue,
            received=received, price=told.price, qty=told.qty, other_price=told.other_price, other_qty=told.other_qty,
            order_id=told.order_id[:TEXT_BYTES], exec_id=told.exec_id[:TEXT_BYTES], reason=told.reason,
        )  # fmt: skip
    return m.VenueReported(
        seq=seq, ts=ts, ts_event=told.ts_event, cause=told.cause, instrument=told.instrument,
        child_id=told.child_id, venue=venue, kind=told.kind, origin=told.origin, side=told.side,
        liquidity=told.liquidity, live=told.live, received=received, price=told.price, qty=told.qty,
        leaves_qty=told.leaves_qty, cum_qty=told.cum_qty, last_price=told.last_price, last_qty=told.last_qty,
        fee=told.fee, fee_exponent=told.fee_exponent, fee_currency=told.fee_currency[:CURRENCY_BYTES],
        order_id=told.order_id[:TEXT_BYTES], exec_id=told.exec_id[:TEXT_BYTES],
        ref_exec_id=told.ref_exec_id[:TEXT_BYTES], code=told.code, reason=told.reason,
    )  # fmt: skip
