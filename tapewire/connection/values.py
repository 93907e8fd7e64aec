"""Messages as their readers want them: prices and quantities as Decimals, made when they are looked at.

Each holds the message it stands for (`message`): mantissas, header and all. What is an attribute of the message is one
here, too, so `trade.ts`, `trade.seq`, `quote.book_seq` need no detour.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from tapewire import messages as m
from tapewire.connection.instrument import Instrument, decimal


class Gap(NamedTuple):
    """Something of a subscription did not come through: what, and how much if the numbers tell."""

    subject: str
    reason: str
    """book_seq, seq, trade_id: numbers are missing; reconnected: the bus was away; queue_full: the reader was too slow;
    bus_dropped: this process was; tape_cut: numbers began anew."""
    after: int = 0
    """The last number before the gap; 0: no numbers tell."""
    before: int = 0
    """The first one behind it."""
    missing: int = 0
    """How many messages, as far as is known; 0: unknown."""


class Value:
    """A message with Decimals."""

    __slots__ = ("message",)
    message: m.Message

    def __init__(self, message: m.Message) -> None:
        self.message = message

    def __getattr__(self, name: str) -> Any:
        # Only what the class itself does not have; a message knows its own names and says so otherwise.
        return getattr(self.message, name)

    @property
    def seq(self) -> int:
        """Its number where it comes from: the tape, or the feed."""
        return self.message.seq

    @property
    def ts(self) -> int:
        """UTC ns, as sequenced."""
        return self.message.ts

    @property
    def ts_event(self) -> int:
        """UTC ns of the venue, or of whoever caused it."""
        return self.message.ts_event

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and bytes(self.message) == bytes(other.message)

    def __hash__(self) -> int:
        return hash(bytes(self.message))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r})"


class Trade(Value):
    """A public trade."""

    __slots__ = ()
    message: m.Trade

    @property
    def ticker(self) -> str:
        return self.message.ticker

    @property
    def trade_id(self) -> int:
        return self.message.trade_id

    @property
    def price(self) -> Decimal:
        return decimal(self.message.price, self.message.price_exponent)

    @property
    def qty(self) -> Decimal:
        return decimal(self.message.qty, self.message.qty_exponent)

    @property
    def aggressor(self) -> m.Side:
        """Unspecified in an auction."""
        return self.message.aggressor

    @property
    def quality(self) -> m.BookQuality:
        return self.message.quality


class _OfATrade(Value):
    """What names a trade of the house afterwards. Decimals are None if its instrument is unknown."""

    __slots__ = ("instrument",)
    message: m.TradeBusted | m.TradeCorrected

    def __init__(self, message: m.TradeBusted | m.TradeCorrected, instrument: Instrument | None) -> None:
        super().__init__(message)
        self.instrument = instrument

    @property
    def ticker(self) -> str:
        return self.instrument.ticker if self.instrument else ""

    @property
    def trade_id(self) -> int:
        return self.message.match_id

    @property
    def price(self) -> Decimal | None:
        return self.instrument.price(self.message.price) if self.instrument else None

    @property
    def qty(self) -> Decimal | None:
        return self.instrument.qty(self.message.qty) if self.instrument else None


class TradeBusted(_OfATrade):
    """A trade of the house that did not happen: `trade_id` names it."""

    __slots__ = ()
    message: m.TradeBusted


class TradeCorrected(_OfATrade):
    """A trade of the house that happened otherwise: `price` and `qty` are what is right."""

    __slots__ = ()
    message: m.TradeCorrected

    @property
    def old_price(self) -> Decimal | None:
        return self.instrument.price(self.message.old_price) if self.instrument else None

    @property
    def old_qty(self) -> Decimal | None:
        return self.instrument.qty(self.message.old_qty) if self.instrument else None


class Quote(Value):
    """The top of a book. Of a side without orders price and quantity are None."""

    __slots__ = ()
    message: m.Quote

    @property
    def ticker(self) -> str:
        return self.message.ticker

    @property
    def book_seq(self) -> int:
        return self.message.book_seq

    @property
    def quality(self) -> m.BookQuality:
        return self.message.quality

    def _price(self, price: int, qty: int) -> Decimal | None:
        return decimal(price, self.message.price_exponent) if qty else None

    def _qty(self, qty: int) -> Decimal | None:
        return decimal(qty, self.message.qty_exponent) if qty else None

    @property
    def bid(self) -> Decimal | None:
        return self._price(self.message.bid_price, self.message.bid_qty)

    @property
    def ask(self) -> Decimal | None:
        return self._price(self.message.ask_price, self.message.ask_qty)

    @property
    def bid_qty(self) -> Decimal | None:
        return self._qty(self.message.bid_qty)

    @property
    def ask_qty(self) -> Decimal | None:
        return self._qty(self.message.ask_qty)


class Status(Value):
    """How an instrument of the house stands (InstrumentStatusChanged, LimitStateChanged), or a venue (FeedStatus)."""

    __slots__ = ()
    message: m.InstrumentStatusChanged | m.LimitStateChanged | m.FeedStatus

    @property
    def ticker(self) -> str:
        """Empty: the whole feed."""
        return self.message.ticker

    @property
    def state(self) -> str:
        """The name of its status, limit state, or feed state."""
        if isinstance(self.message, m.InstrumentStatusChanged):
            return self.message.status.name
        return self.message.state.name


class Auction(Value):
    """What a call would trade if it ended now. Price None: nothing."""

    __slots__ = ()
    message: m.AuctionIndicated

    @property
    def ticker(self) -> str:
        return self.message.ticker

    @property
    def price(self) -> Decimal | None:
        return decimal(self.message.price, self.message.price_exponent) if self.message.qty else None

    @property
    def qty(self) -> Decimal:
        return decimal(self.message.qty, self.message.qty_exponent)

    @property
    def imbalance_qty(self) -> Decimal:
        return decimal(self.message.imbalance_qty, self.message.qty_exponent)

    @property
    def imbalance_side(self) -> m.Side:
        return self.message.imbalance_side
