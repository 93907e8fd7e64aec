from collections.abc import Callable
from os import PathLike
from typing import Self

from tapewire import messages as m

FIELDS: tuple[str, ...]

class LatestValue:
    """How one instrument stands: its latest trade, quote, top of book and status, all of one moment.

    Prices and quantities are mantissas; each part has its own exponents, as a definition may change them. Times are UTC
    ns. An enum's value that this build does not know reads as unspecified.
    """

    ticker: str
    @property
    def updates(self) -> int:
        """Messages folded into it since its page was made."""
    @property
    def seq(self) -> int:
        """Of the newest message: the feed's, or of the house the tape's."""
    @property
    def ts(self) -> int: ...
    @property
    def ts_event(self) -> int: ...
    @property
    def ts_recv(self) -> int: ...
    @property
    def gaps(self) -> int:
        """How often something of it is known to be missing here; 0 on the host of the feed's sequencer."""
    @property
    def trade_seq(self) -> int:
        """0: no trade was told."""
    @property
    def trade_id(self) -> int: ...
    @property
    def trade_ts(self) -> int: ...
    @property
    def trade_price(self) -> int: ...
    @property
    def trade_qty(self) -> int: ...
    @property
    def quote_seq(self) -> int:
        """0: no quote was told."""
    @property
    def quote_ts(self) -> int: ...
    @property
    def bid_price(self) -> int: ...
    @property
    def bid_qty(self) -> int: ...
    @property
    def ask_price(self) -> int: ...
    @property
    def ask_qty(self) -> int: ...
    @property
    def top_seq(self) -> int:
        """0: no book was told. The top of the published book, where the feed has quotes of its own beside it."""
    @property
    def book_seq(self) -> int: ...
    @property
    def top_ts(self) -> int: ...
    @property
    def top_bid_price(self) -> int: ...
    @property
    def top_bid_qty(self) -> int: ...
    @property
    def top_ask_price(self) -> int: ...
    @property
    def top_ask_qty(self) -> int: ...
    @property
    def status_seq(self) -> int:
        """0: no status was told."""
    @property
    def status_ts(self) -> int: ...
    @property
    def resume_time(self) -> int:
        """UTC ns at which trading resumes by itself; 0: when commanded."""
    @property
    def feed_gaps(self) -> int:
        """What the venue's session counted; 0 of the house."""
    @property
    def feed_resyncs(self) -> int: ...
    @property
    def feed_dropped(self) -> int: ...
    @property
    def instrument(self) -> int: ...
    @property
    def trade_price_exponent(self) -> int: ...
    @property
    def trade_qty_exponent(self) -> int: ...
    @property
    def quote_price_exponent(self) -> int: ...
    @property
    def quote_qty_exponent(self) -> int: ...
    @property
    def top_price_exponent(self) -> int: ...
    @property
    def top_qty_exponent(self) -> int: ...
    @property
    def status(self) -> m.InstrumentStatus: ...
    @property
    def status_reason(self) -> m.StatusReason: ...
    @property
    def limit_state(self) -> m.LimitState: ...
    @property
    def feed_state(self) -> m.FeedState: ...
    @property
    def feed_quality(self) -> m.BookQuality: ...
    @property
    def trade_quality(self) -> m.BookQuality: ...
    @property
    def quote_quality(self) -> m.BookQuality: ...
    @property
    def top_quality(self) -> m.BookQuality: ...
    @property
    def aggressor(self) -> m.Side: ...
    @property
    def quality(self) -> m.BookQuality:
        """That of the latest quote, or of the book where no quote was told."""
    def age_ns(self, now_ns: int, /) -> int:
        """How long before `now_ns` (UTC) the newest message was sequenced."""
    def to_dict(self) -> dict[str, object]:
        """Every field by its name, and the ticker."""

class LatestWriter:
    """The one writer of a page. Goes on in the page that is there, if it has the same sizes, else makes it anew.

    LatestBusy: another live process writes it. LatestError: no such page can be made.
    """

    path: str | PathLike[str]
    def __init__(
        self,
        path: str | PathLike[str] | None,
        *,
        instruments: int = 128,
        quotes: int = 256,
        trades: int = 256,
        references: int = 16,
        contiguous: bool = False,
        house: bool = False,
    ) -> None:
        """`path` None: a page of this process alone. The others: messages kept of each instrument, 0 to 2^20.

        `contiguous`: the numbers of all messages follow each other, so that a missing one counts as a gap.
        `house`: the feed's books begin empty, with the delta 1, and its quote is the top of its book: a snapshot tells
        one that was lost or never told.
        """
    def put(self, message: bytes, /) -> bool:
        """Folds a flat message in, as it was published. False: it is of another kind, it was folded before, or there is
        no room for its ticker (counted in `refused`). Raises WireError if it is no flat message."""
    def lose_all(self) -> None:
        """Something of every instrument is missing: each counts a gap, and book and quote wait for their next."""
    @property
    def instruments(self) -> int:
        """Tickers named by now; the feed as a whole counts as one."""
    @property
    def refused(self) -> int:
        """Messages of tickers that there was no room for, since the page was made."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class LatestReader:
    """Reads a page, unnoticed by its writer. LatestMissing: there is none; LatestError: of another version, or damaged.

    Every call by ticker raises LatestError for one of which nothing was told.
    """

    path: str | PathLike[str]
    opened: int
    """How many pages it has mapped: another number, other versions."""
    def __init__(self, path: str | PathLike[str], *, called: str | None = None) -> None:
        """`called`: what errors name in place of the path."""
    def reopen(self) -> None:
        """Maps the page that bears the name now."""
    get: Callable[[str], LatestValue]
    """The latest value of a ticker."""
    def version(self, ticker: str, /) -> int:
        """Moves on with every change of the ticker's value."""
    def trades(self, ticker: str, most: int) -> list[m.Trade]:
        """The newest at most, oldest first."""
    def quotes(self, ticker: str, most: int) -> list[m.Quote]: ...
    def references(
        self, ticker: str, most: int
    ) -> list[m.InstrumentDefinition | m.InstrumentStatusChanged | m.LimitStateChanged]: ...
    @property
    def tickers(self) -> list[str]: ...
    @property
    def updates(self) -> int:
        """Of all instruments since the page was made."""
    @property
    def writer_alive(self) -> bool: ...
    @property
    def replaced(self) -> bool:
        """The name leads to another page by now, or to none."""
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...
