"""One example of every message type, every field set: what golden bytes and round trips are made from."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from tapewire import messages as m
from tapewire.wire._wire import BoolField, EnumField, IntField, ListField, TextField

CLASSES: tuple[type[m.Message], ...] = tuple(
    dict.fromkeys(
        cls for cls in vars(m).values() if isinstance(cls, type) and issubclass(cls, m.Message) and cls is not m.Message
    )
)

_TRACE = ("trace_high", "trace_low", "trace_flags")
# What a version of the golden bytes appended to messages that one before had.
APPENDED: dict[int, dict[type[m.Message], tuple[str, ...]]] = {
    2: {
        m.InstrumentDefinition: ("static_band_bps", "dynamic_band_bps", "limit_state_ms", "pause_ms"),
        m.NewOrder: (
            *("stop_px", "display_qty", "min_qty", "expire_time", "session", "self_trade_group", "self_trade"),
            *("hidden", "slide"),
        ),
        m.ReplaceOrder: ("stop_px",),
        m.MassCancel: ("session",),
        m.OrderAccepted: ("stop_px", "display_qty", "expire_time", "session", "hidden", "post_only", "waiting"),
        m.OrderExecuted: ("auction", "taker_side"),
        m.AccountLimits: ("self_trade_group", "self_trade"),
    },
    3: {m.MassCancel: ("client_text",)},
    4: {
        **dict.fromkeys((m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel), (*_TRACE, "span_is_ts_event")),
        m.NewParent: _TRACE,
    },
}
# The greatest values, when a version's golden bytes were written, of the enums that were appended to since.
GREATEST: dict[int, dict[type[IntEnum], IntEnum]] = {
    1: {
        m.MessageType: m.MessageType.segment_header,
        m.RejectReason: m.RejectReason.instrument_exists,
        m.InstrumentStatus: m.InstrumentStatus.closed,
        m.OrdType: m.OrdType.market,
        m.TimeInForce: m.TimeInForce.fok,
        m.CancelReason: m.CancelReason.self_trade,
    },
    2: {m.MessageType: m.MessageType.command_completed, m.ReportOrigin: m.ReportOrigin.reconciled},
}
# The elements of a list that starts at a place: one small, one with extremes.
ELEMENTS: dict[type, Callable[[int], list[tuple[object, ...]]]] = {
    m.BookLevel: lambda place: [(place, 2, 3, m.Side.buy), (-place, 5, 2**32 - 1, m.Side.sell)],
    m.ProfileBucket: lambda place: [m.ProfileBucket(place), m.ProfileBucket(-place)],
    m.VenueScore: lambda place: [
        m.VenueScore(place, 2, 3, 4, 5, 6, m.VenueState.down, 7, 8, 9, m.Unusable.down),
        m.VenueScore(
            *(-place, 2**63 - 1, -(2**31), 2**32 - 1, 2**32 - 2, 2**16 - 1),
            *(m.VenueState.ready, 2**64 - 1, -(2**63), 11, m.Unusable.too_small),
        ),
    ],
}


def version_of(cls: type[m.Message]) -> int:
    """The version of the golden bytes that are today's: 2, or that which last appended to this message."""
    return max((version for version, appended in APPENDED.items() if cls in appended), default=2)


def example(cls: type[m.Message], version: int = 0) -> m.Message:
    """Every field holds a value of its own, derived from its place, so that no two fields can be mixed up unseen.

    With a `version` the fields hold what they held when its golden bytes were written; those appended since hold 0.
    """
    version = version or version_of(cls)
    since = {name for later, appended in APPENDED.items() if later > version for name in appended.get(cls, ())}
    fields: dict[str, object] = {}
    for place, (name, field) in enumerate(cls.FIELDS.items(), start=1):
        if name == "type" or name in since:
            continue
        if isinstance(field, IntField):
            top = 2 ** (8 * field.size - field.signed) - 1
            fields[name] = -place if field.signed else top - place
        elif isinstance(field, BoolField):
            fields[name] = True
        elif isinstance(field, EnumField):
            greatest = max(field.enum.__members__.values())
            fields[name] = GREATEST.get(version, {}).get(field.enum, greatest)
        elif isinstance(field, TextField):
            fields[name] = f"{name}-é"[: (field.capacity or 40) - 2]
        elif isinstance(field, ListField):
            fields[name] = ELEMENTS[field.element](place)
    return cls(**fields)
