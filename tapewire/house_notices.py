"""What is said of an instrument beside its book: its status, limit state and auction, and trades busted or corrected.

    <env>.house.status.<ticker>     InstrumentStatusChanged, LimitStateChanged
    <env>.house.auction.<ticker>    AuctionIndicated
    <env>.house.trade.<ticker>      TradeBusted, TradeCorrected, without the orders and accounts behind the trade

The latest status, limit state and indication are kept, for whoever comes later and asks.
"""

from __future__ import annotations

from tapewire import messages as m
from tapewire.subjects import subject

HEAD = ("seq", "cause", "ts", "ts_event", "ts_recv")
KINDS = STATUS, LIMIT, AUCTION = "status", "limit", "auction"
Notice = tuple[str, bytes]


def terms_of(definition: m.InstrumentDefinition) -> dict[str, object]:
    """What each public message says of its instrument."""
    return {
        "instrument": definition.instrument,
        "ticker": definition.ticker,
        "price_exponent": definition.price_exponent,
        "qty_exponent": definition.qty_exponent,
    }


class Notices:
    """The encoders of one instrument's notices, and its latest ones by kind."""

    def __init__(self, env: str, definition: m.InstrumentDefinition) -> None:
        self._env = env
        self.status = m.InstrumentStatus.unspecified
        self.latest: dict[str, bytes] = {}
        """What holds now, by STATUS, LIMIT, AUCTION: the payload as published. A new status ends the other two."""
        self.define(definition)

    def define(self, definition: m.InstrumentDefinition) -> None:
        """Takes the terms of the instrument: its ticker and exponents."""
        terms = terms_of(definition)
        self._status = m.InstrumentStatusChanged.encoder(
            *(*HEAD, "status", "old_status", "reason", "auction_price", "auction_qty", "resume_time"), **terms
        )
        self._limit = m.LimitStateChanged.encoder(*HEAD, "state", "lower_price", "upper_price", **terms)
        self._auction = m.AuctionIndicated.encoder(*(*HEAD, "price", "qty", "imbalance_qty", "imbalance_side"), **terms)
        self._busted = m.TradeBusted.encoder(
            *(*HEAD, "match_id", "price", "qty", "taker_side"), instrument=definition.instrument
        )
        self._corrected = m.TradeCorrected.encoder(
            *(*HEAD, "match_id", "old_price", "old_qty", "price", "qty", "taker_side"),
            instrument=definition.instrument,
        )
        self._to_status, self._to_auction, self._to_trade = (
            subject(self._env, "house", kind, definition.ticker) for kind in ("status", "auction", "trade")
        )

    def opened(self, record: m.InstrumentDefinition) -> Notice:
        """The first status of an instrument stands in its definition."""
        return self._is_now(record.status, self._status(*_head(record), record.status, 0, 0, 0, 0, 0))

    def changed(self, record: m.InstrumentStatusChanged) -> Notice:
        payload = self._status(
            *_head(record),
            *(record.status, record.old_status, record.reason),
            *(record.auction_price, record.auction_qty, record.resume_time),
        )
        return self._is_now(record.status, payload)

    def limit(self, record: m.LimitStateChanged) -> Notice:
        payload = self._limit(*_head(record), record.state, record.lower_price, record.upper_price)
        self.latest[LIMIT] = payload
        return self._to_status, payload

    def indicated(self, record: m.AuctionIndicated) -> Notice:
        payload = self._auction(
            *_head(record), *(record.price, record.qty, record.imbalance_qty, record.imbalance_side)
        )
        self.latest[AUCTION] = payload
        return self._to_auction, payload

    def busted(self, record: m.TradeBusted) -> Notice:
        payload = self._busted(*_head(record), record.match_id, record.price, record.qty, record.taker_side)
        return self._to_trade, payload

    def corrected(self, record: m.TradeCorrected) -> Notice:
        payload = self._corrected(
            *(*_head(record), record.match_id),
            *(record.old_price, record.old_qty, record.price, record.qty, record.taker_side),
        )
        return self._to_trade, payload

    def standing(self, kind: str) -> bytes:
        """What holds now of one of KINDS, as a message.

        Where nothing was said since the status changed, that is said: no limit state, nothing to uncross.
        """
        said = self.latest.get(kind)
        if said is not None:
            return said
        since = m.InstrumentStatusChanged.decode(self.latest[STATUS])
        if kind == LIMIT:
            return self._limit(*_head(since), m.LimitState.normal, 0, 0)
        assert kind == AUCTION
        return self._auction(*_head(since), 0, 0, 0, 0)

    def restore(self, latest: dict[str, bytes]) -> None:
        """Takes what `latest` was. Raises WireError for bytes that are no such messages."""
        self.status = m.InstrumentStatusChanged.decode(latest[STATUS]).status
        self.latest = latest

    def _is_now(self, status: m.InstrumentStatus, payload: bytes) -> Notice:
        self.status, self.latest = status, {STATUS: payload}
        return self._to_status, payload


def _head(record: m.Message) -> tuple[int, int, int, int, int]:
    return record.seq, record.cause or record.seq, record.ts, record.ts, record.ts_recv
