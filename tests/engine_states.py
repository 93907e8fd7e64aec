"""The snapshot that an engine would take of a tape, made of its compiled cores, for tapes that no engine wrote."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from services.matcher import Matcher
from services.risk import Risk
from tapewire import messages as m
from tapewire.definitions import Definitions
from tapewire.snapshots import Snapshot
from tests.sections import Sections, joined

SOURCES = 64
COUNTED = (
    *(m.OrderAccepted, m.OrderExecuted, m.OrderCancelled, m.OrderReplaced, m.OrderRestated, m.OrderTriggered),
    *(m.TradeBusted, m.TradeCorrected),
)
COMMANDS = (
    *(m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel, m.KillSwitch, m.InstrumentDefinition),
    *(m.SetInstrumentStatus, m.AdvanceClock, m.BustTrade, m.CorrectTrade, m.AccountLimits),
)


def snapshot_of(records: Sequence[bytes]) -> Snapshot:
    """Behind the last of `records`, the end of a command. What is wrong on its face is left to the matcher's answer."""
    matcher, risk, definitions = Matcher(), Risk(), Definitions()
    decoded = [m.decode(raw) for raw in records]
    for instrument in {one.instrument for one in decoded if isinstance(one, COUNTED)}:
        # Those of an oracle's tape hold what risk itself would have refused before it folds them.
        risk.fold(bytes(m.InstrumentDefinition(instrument=instrument, ticker="ANY", tick_size=1, lot_size=1)))
    refused = {one.cause for one in decoded if isinstance(one, m.OrderRejected)}
    orders = 0
    for raw, record in zip(records, decoded, strict=True):
        if isinstance(record, COMMANDS):
            matcher.apply(raw)
        if isinstance(record, m.OrderAccepted):
            orders = max(orders, record.order_id)
        if record.seq in refused:
            continue  # an engine asks risk and matcher before a definition is taken
        definitions.fold(raw)
        known = isinstance(record, m.KillSwitch) and (record.account in definitions.accounts or not record.account)
        if isinstance(record, COUNTED) or known or isinstance(record, m.AccountLimits):
            risk.fold(raw)
    last_ts = max((one.ts for one in decoded), default=0)
    sequencer = b"TWSEQ_01" + struct.pack(f"<QqQ{8 * SOURCES}x", len(records) + 1, last_ts, orders + 1)
    stands = [*definitions.instruments.values(), *definitions.accounts.values()]
    defined = b"TWDEFS01" + b"".join(bytes(one) for one in stands)
    parts = Sections(defined, sequencer, risk.snapshot(), matcher.snapshot())
    return Snapshot(len(records), joined(parts))
