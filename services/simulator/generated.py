"""What the generated markets share: one order flow per instrument, stepped together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from services.simulator.flow import ASK, BID, Event, Flow
from services.simulator.instruments import Instrument


class GeneratedMarket:
    """Flows by symbol. A seed fixes all of them; each venue and symbol draws its own numbers."""

    patient = False  # this market does not wait for slow readers

    def __init__(self, instruments: Sequence[Instrument], seed: int, rate: float, start_ns: int) -> None:
        self.flows = {i.symbol: Flow(i, seed, rate, start_ns) for i in instruments}
        self.tickers: Collection[str] = list(self.flows)
        self.events = 0

    def step(self, now_ns: int, silent: Collection[str]) -> Iterator[tuple[Flow, Event]]:
        """Every event up to now, flow by flow; when one is handed out, the flow's book is as it left it."""
        for symbol, flow in self.flows.items():
            if silent and (symbol in silent or "" in silent):
                flow.skip_to(now_ns)
                continue
            for event in flow.step(now_ns):
                self.events += 1
                yield flow, event

    def book_json(self, ticker: str) -> dict[str, Any]:
        flow = self.flows[ticker]
        return {
            "update_id": flow.update_id,
            "trade_id": flow.trade_id,
            "bids": levels(flow, BID, len(flow.book.prices[BID])),
            "asks": levels(flow, ASK, len(flow.book.prices[ASK])),
        }

    def status(self) -> dict[str, Any]:
        return {"source": "generated", "events": self.events}


def levels(flow: Flow, side: int, count: int) -> list[tuple[str, str]]:
    """The best levels as texts, best first."""
    i = flow.instrument
    return [(i.price_text(price), i.qty_text(qty)) for price, qty in flow.book.top(side, count)]
