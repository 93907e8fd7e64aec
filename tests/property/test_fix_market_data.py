"""What a market data client adds up from W and X is the top of the book, at every depth, slow readers included."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from services.gateway.instruments import Instruments
from services.gateway.market_data import MarketData
from services.gateway.session import Session
from tapewire import messages as m
from tapewire.config import GatewaySession
from tapewire.fix.dictionary import load
from tapewire.fix.message import fields_of, frame
from tapewire.house import HouseMarket
from tests.oracle.naive_market import TICKERS, NaiveMarket

FIX44 = load("FIX.4.4")
Book = dict[tuple[str, str], tuple[str, str]]


def session() -> Session:
    return Session(GatewaySession(name="md", number=1, kind="market-data", comp_id="MD", username="md"))


def asks(name: str, depth: int, kind: str, tickers: list[str]) -> bytes:
    symbols = "".join(f"55={ticker}\x01" for ticker in tickers)
    body = f"35=V\x0134=2\x01262={name}\x01263=1\x01264={depth}\x01265={kind}\x01267=3\x01269=0\x01269=1\x01269=2\x01"
    return frame("FIX.4.4", f"{body}146={len(tickers)}\x01{symbols}")


class Client:
    """Folds W and X of one subscription."""

    def __init__(self) -> None:
        self.books: dict[str, Book] = {}

    def take(self, body: str) -> None:
        head = "34=1\x0149=T\x0152=20261121-12:00:00\x0156=MD\x01"
        kind, _, rest = body.partition("\x01")
        entry = FIX44.check(fields_of(frame("FIX.4.4", f"{kind}\x01{head}{rest}")))
        if kind == "35=W":
            levels = {(e.get(269), e.get(270)): (e.get(271), e.get(346)) for e in entry.group(268)}
            self.books[entry.get(55)] = levels
            return
        for e in entry.group(268):
            if e.get(269) == "2":
                continue
            book, key = self.books[e.get(55)], (e.get(269), e.get(270))
            assert (key in book) == (e.get(279) != "0"), "new is new, and what changes or goes is there"
            if e.get(279) == "2":
                del book[key]
            else:
                book[key] = (e.get(271), e.get(346))


def top(house: HouseMarket, instruments: Instruments, ticker: str, depth: int) -> Book:
    book, i = house.book(ticker), instruments.by_ticker[ticker]
    found: Book = {}
    if book is None:  # delisted
        return found
    for kind, side in (("0", book.bids), ("1", book.asks)):
        for level in side.best_first(side.totals, depth or len(side.totals)):
            found[kind, i.px(level.price)] = (i.qty(level.qty), str(level.orders))
    return found


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), before=st.integers(0, 60), after=st.integers(1, 150), slow=st.booleans())
def test_every_depth_is_the_top_of_the_book(seed: int, before: int, after: int, slow: bool) -> None:
    market = NaiveMarket(seed)
    for _ in range(before):
        market.step()
    instruments, house = Instruments(), HouseMarket("x")
    data, one = MarketData(instruments), session()
    clients = {
        ("all", 0, "1"): Client(),
        ("best", 1, "1"): Client(),
        ("three", 3, "1"): Client(),
        ("full", 2, "0"): Client(),
    }
    names = {name: client for (name, _, _), client in clients.items()}

    def feed(records: list[bytes]) -> None:
        for raw, following in zip(records, [*records[1:], b""], strict=True):
            record = m.decode(raw)
            if isinstance(record, m.InstrumentDefinition) and m.type_of(following) != m.MessageType.order_rejected:
                instruments.fold(record)
            house.fold(raw)
            deliver(data.fold(raw))
        house.settle()
        deliver(data.settle())

    def deliver(bodies: list[tuple[int, str]]) -> None:
        for number, body in bodies:
            assert number == 1
            names[body.split("\x01262=")[1].split("\x01")[0]].take(body)

    feed(market.records)
    tickers = [ticker for ticker in TICKERS if house.book(ticker) is not None]
    for (name, depth, kind), client in clients.items():
        for body in data.request(one, fields_of(asks(name, depth, kind, tickers))):
            client.take(body)
    at = len(market.records)
    for step in range(after):
        if slow and step == after // 3:
            data.slow(1, True)
        if slow and step == 2 * after // 3:
            deliver(data.slow(1, False))
        market.step()
        feed(market.records[at:])
        at = len(market.records)
    deliver(data.slow(1, False))
    for (_, depth, _), client in clients.items():
        for ticker in tickers:
            assert client.books[ticker] == top(house, instruments, ticker, depth)
