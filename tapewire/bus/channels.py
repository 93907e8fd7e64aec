"""Every subject of the bus, in one table: what is on it, from whom, for whom, when.

From it come the table of docs/subjects.md, docs/asyncapi.json, and what each user of the server may do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from tapewire import messages as m
from tapewire import order_bus
from tapewire.replication.part import HEADER

ANY_FEED: Final = "*"
"""A venue's feed, or the house market."""
VENUES: Final = "+"
"""A venue's feed: any but our own."""

Readers = Literal["public", "account", "operator"]
"""Whoever may subscribe; the holder of the account that is the subject's key; who runs the platform."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One kind of subject, `<env>.<feed>.<kind>.<key>`."""

    feed: str
    kind: str
    key: str
    """What the key is: ticker, account, shard, ring, service, file."""
    messages: tuple[type[m.Message], ...]
    """Empty: text (see `when`)."""
    services: tuple[str, ...]
    """Who publishes on it, or answers there."""
    readers: Readers
    when: str
    rate: str
    """What to expect of one subject."""
    asks: tuple[type[m.Message], ...] | None = None
    """Of a subject that is asked: what a request holds (nothing, or text, if empty). None: it is subscribed to."""
    headers: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique."""
        feed = {ANY_FEED: "feed", VENUES: "venue"}.get(self.feed, self.feed)
        return f"{feed}.{self.kind}"

    @property
    def address(self) -> str:
        feed = {ANY_FEED: "<feed>", VENUES: "<venue>"}.get(self.feed, self.feed)
        return f"<env>.{feed}.{self.kind}.<{self.key}>"


TRACE = ("traceparent", "tracestate")
EXEC = (
    *(m.OrderAccepted, m.OrderRejected, m.OrderExecuted, m.OrderCancelled, m.OrderReplaced, m.OrderTriggered),
    *(m.OrderRestated, m.CancelRejected, m.TradeBusted, m.TradeCorrected, m.CommandCompleted),
)
COMMANDS = (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel)
DECIDED = (m.OrderAccepted, m.OrderRejected, m.OrderCancelled, m.OrderReplaced, m.CancelRejected, m.CommandCompleted)
STANDING = (m.BookSnapshot, m.InstrumentStatusChanged, m.LimitStateChanged, m.AuctionIndicated, m.InstrumentDefinition)

CHANNELS: Final = (
    Channel(
        *(ANY_FEED, "trade", "ticker", (m.Trade,), ("connector", "journal"), "public"),
        *("per trade", "as the market: 0 to some 1,000 a second"),
        headers=TRACE,
    ),
    Channel(
        *(ANY_FEED, "quote", "ticker", (m.Quote,), ("connector", "journal"), "public"),
        *("when the top of the book changed", "up to that of `book`"),
        headers=TRACE,
    ),
    Channel(
        *(ANY_FEED, "book", "ticker", (m.BookDelta, m.BookSnapshot), ("connector", "journal"), "public"),
        *("per change; `BookSnapshot` from venues only", "venues: 1 to some 100 a second; house: one a command"),
        headers=TRACE,
    ),
    Channel(
        *(ANY_FEED, "instrument", "ticker", (m.InstrumentDefinition,), ("connector", "journal"), "public"),
        *("when defined", "rare"),
    ),
    Channel(
        *(VENUES, "status", "ticker", (m.FeedStatus,), ("connector",), "public"),
        *("when the feed (empty key, `=`) or one instrument of it changed its state", "rare"),
    ),
    Channel(
        *("house", "trade", "ticker", (m.TradeBusted, m.TradeCorrected), ("journal",), "public"),
        *("also: when the operator takes back or corrects a trade", "rare"),
    ),
    Channel(
        *("house", "status", "ticker", (m.InstrumentStatusChanged, m.LimitStateChanged), ("journal",), "public"),
        *("when either changes; the first with the definition", "rare"),
    ),
    Channel(
        *("house", "auction", "ticker", (m.AuctionIndicated,), ("journal",), "public"),
        *("in a call, whenever what it would trade changes", "in a call: one a command"),
    ),
    Channel(
        *("house", "exec", "account", EXEC, ("journal",), "account"),
        *("every event that concerns the account, at once", "1 to 3 a command of the account"),
    ),
    Channel(
        *("house", "snapshot", "ticker", STANDING, ("journal",), "public"),
        *("asked: see [Coming later](#coming-later)", "answers in under a millisecond"),
        asks=(),
    ),
    Channel(
        *("orders", "command", "account", DECIDED, ("api",), "account"),
        *("asked: enter, amend, cancel; answered once decided and durable", "as the client asks, up to its limit"),
        asks=COMMANDS,
        headers=(*TRACE, order_bus.EXPIRES),
    ),
    Channel(
        *("orders", "history", "account", (*COMMANDS, *EXEC), ("api",), "account"),
        *("asked: what the tape has of the account behind a record; see [client.md](client.md)", "a page a request"),
        asks=(),
    ),
    Channel(
        *("orders", "tape", "shard", (m.Message,), ("journal",), "operator"),
        *("every record of the orders tape, as it is, at once", "2 to 4 a command"),
    ),
    Channel(
        *("risk", "ask", "shard", (m.CoreAnswered,), ("risk",), "operator"),
        *("asked by a split engine: the decision on a command; what follows is in split.capnp", "once a command"),
        asks=(m.AskCore,),
    ),
    Channel(
        *("matcher", "ask", "shard", (m.CoreAnswered,), ("matcher",), "operator"),
        *("asked by a split engine: the events of a command; what follows is in split.capnp", "once a command"),
        asks=(m.AskCore,),
    ),
    Channel(
        *("router", "parent", "account", (m.ParentChanged, m.ParentMeasured), ("router",), "account"),
        *("when a parent of the account stands otherwise; see [router.md](router.md)", "a few a second and parent"),
    ),
    Channel(
        *("tape", "frames", "tape", (), ("replica",), "operator"),
        *(
            "stored in the tape's stream: its bytes, for other hosts; see [replication.md](replication.md)",
            "one a batch",
        ),
        headers=(HEADER,),
    ),
    Channel(
        *("tape", "claim", "tape", (), ("replica",), "operator"),
        *("stored there: who writes the tape from here on", "rare"),
        headers=(HEADER,),
    ),
    Channel(
        *("tape", "alive", "tape", (), ("replica",), "operator"),
        *("JSON: the tape's writer lives, how far its stream is", "10 a second"),
    ),
    Channel(
        *("tape", "fetch", "tape", (), ("replica",), "operator"),
        *("asked: what is older than the stream", "as a new mirror begins"),
        asks=(),
    ),
    Channel(
        *("orders", "ring", "ring", (m.RelayPosition,), ("relay",), "operator"),
        *("asked by the relay of the producer's host: takes records of its ring; see `services/relay`", "one a batch"),
        asks=(m.RelayOpened, m.RelayChunk),
    ),
    Channel(
        *("router", "ring", "ring", (m.RelayPosition,), ("relay",), "operator"),
        *("the same for the rings of the router's clients", "one a batch"),
        asks=(m.RelayOpened, m.RelayChunk),
    ),
    Channel(
        *("ops", "health", "service", (m.ServiceHealth,)),
        *(("connector", "journal", "router", "api", "monitor"), "operator"),
        *("how a service is; of several hosts each by its own name, `<service>@<host>`", "1 a second"),
    ),
    Channel(
        *("ops", "schema", "file", (), ("journal",), "public"),
        *("asked: a schema (`market.capnp`), or all offsets as JSON (`layout`)", "once a program"),
        asks=(),
    ),
)
"""The order is that of the documentation. Subjects with several lines here carry the messages of all of them."""
