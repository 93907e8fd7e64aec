"""A recorded orders tape as the surrounding market: its commands again, at their times.

Orders get other numbers here than they had, so what names one is translated. What names a trade (busts, corrections) is
left out: with the strategy's orders in the book, other trades happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tapewire import messages as m
from tapewire.config.sections import Role
from tapewire.errors import TapeGone
from tapewire.tape import TapeReader

OPERATORS: Final = (m.InstrumentDefinition, m.AccountLimits, m.KillSwitch, m.SetInstrumentStatus)
TRADERS: Final = (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel)
LEFT_OUT: Final = (m.BustTrade, m.CorrectTrade)
MAX_SESSION: Final = 0xFFFF


class Step(NamedTuple):
    """Something that the market does."""

    ts: int
    commands: list[tuple[int, bytes]]
    """(producer, command)."""


class RecordedOrders:
    """The steps of a tape. Call `happened` with the records that each step has led to, before the next one is taken."""

    def __init__(self, tape: Path, without: frozenset[int] = frozenset()) -> None:
        """`without`: accounts whose orders are left out. Raises TapeGone for a tape whose beginning was removed."""
        self.tape, self._without = tape, without
        self.left_out = 0
        self.taken_seq = 0
        """The recorded tape's record of the step that was given last."""
        self._numbers: dict[int, int] = {}
        """OrderID here, by OrderID on the recorded tape."""
        self._recorded = 0
        with TapeReader(tape, None) as reader:
            if reader.first_seq > 1:
                raise TapeGone(
                    f"{tape}: begins with record {reader.first_seq}: retention removed what came before, and a market "
                    f"cannot be simulated from its middle. Give a tape that has record 1"
                )
            found = [m.decode(raw) for kind in (*OPERATORS, *TRADERS) for raw in _of(reader, kind)]
        if not found:
            raise TapeGone(f"{tape}: holds no command")
        operators = {one.source for one in found if isinstance(one, OPERATORS)}
        self.producers: dict[int, Role] = {
            source: "operator" if source in operators else "trader" for source in sorted({one.source for one in found})
        }
        self.first_ts = min(one.ts for one in found)
        self.first_trading_seq = min((one.seq for one in found if isinstance(one, TRADERS)), default=0)
        self.accounts = {one.account for one in found if isinstance(one, m.AccountLimits)}

    def __iter__(self) -> Iterator[Step]:
        with TapeReader(self.tape, 1) as reader:
            for raw in reader:
                record = m.decode(raw)
                self.taken_seq = record.seq
                if isinstance(record, m.AdvanceClock):
                    yield Step(record.ts, [])
                elif isinstance(record, TRADERS):
                    if record.account not in self._without:
                        yield Step(record.ts, [(record.source, bytes(self._again(record)))])
                elif isinstance(record, OPERATORS):
                    yield Step(record.ts, [(record.source, bytes(_unsequenced(record)))])
                elif isinstance(record, LEFT_OUT):
                    self.left_out += 1

    def happened(self, records: list[bytes]) -> None:
        """The records of the step that was taken last: its order's number is learnt."""
        if not self._recorded:
            return
        for raw in records:
            if m.type_of(raw) == m.MessageType.new_order:
                self._numbers[self._recorded] = m.NewOrder.decode(raw).order_id
        self._recorded = 0

    def _again(self, record: m.Message) -> m.Message:
        """A command as its producer sent it."""
        if isinstance(record, m.NewOrder):
            self._recorded = record.order_id
            priced = record.ord_type in (m.OrdType.limit, m.OrdType.stop_limit)
            return _unsequenced(record).replace(
                order_id=0,
                price=record.price if priced else 0,
                session=self._session(record.session, record.source),
                self_trade_group=0,
            )
        if isinstance(record, m.MassCancel):
            return _unsequenced(record).replace(session=self._session(record.session, record.source))
        assert isinstance(record, m.CancelOrder | m.ReplaceOrder)
        return _unsequenced(record).replace(order_id=self._numbers.get(record.order_id, 0))

    def _session(self, session: int, source: int) -> int:
        # A trader's own number: the engine puts the producer's above it again.
        return session if self.producers[source] == "operator" else session & MAX_SESSION


def _unsequenced(record: m.Message) -> m.Message:
    """Without what the engine stamped."""
    return record.replace(seq=0, cause=0, ts=0, origin_seq=0, source=0, decision=m.RejectReason.unspecified)


def _of(reader: TapeReader, kind: type[m.Message]) -> Iterator[bytes]:
    reader.seek_seq(reader.first_seq)
    while batch := reader.poll_type(kind.TYPE, 4096):
        yield from batch
