"""Whom an event of an orders tape concerns, and what each of them is told of it.

An account is told the record as it stands, but for a match: what the other side has left is that side's own affair, as
it may be the reserve of an iceberg, and is 0 here. The bus, the history of an account and a simulation all tell this.
"""

from __future__ import annotations

from tapewire import messages as m
from tapewire.wire._wire import IntField

EVENTS = frozenset(
    {
        *(m.OrderAccepted, m.OrderRejected, m.OrderExecuted, m.OrderCancelled, m.OrderReplaced),
        *(m.OrderTriggered, m.OrderRestated, m.CancelRejected, m.CommandCompleted, m.TradeBusted, m.TradeCorrected),
    }
)
"""What accounts are told of; other records concern none."""


def reports_of(record: m.Message) -> list[tuple[int, bytes]]:
    """(account, payload) of each account that an event concerns; none for a record that is no such event."""
    raw = bytes(record)
    if isinstance(record, m.OrderExecuted):
        maker, taker = record.maker_account, record.taker_account
        if maker == taker:
            return [(maker, raw)] if maker else []
        sides = (
            (maker, _blanked(raw, m.OrderExecuted.taker_leaves_qty)),
            (taker, _blanked(raw, m.OrderExecuted.maker_leaves_qty)),
        )
        return [(account, told) for account, told in sides if account]
    if isinstance(record, m.TradeBusted | m.TradeCorrected):
        return [(account, raw) for account in dict.fromkeys((record.maker_account, record.taker_account)) if account]
    if type(record) in EVENTS:
        account: int = record.account  # type: ignore[attr-defined]
        return [(account, raw)] if account else []
    return []


def _blanked(raw: bytes, field: IntField) -> bytes:
    """A copy of a message with one number taken out."""
    return raw[: field.at] + bytes(field.size) + raw[field.at + field.size :]
