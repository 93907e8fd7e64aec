"""Strategies: one class that trades live, in simulation and in replay (docs/strategy.md)."""

from tapewire.connection.book import Book, Level
from tapewire.connection.instrument import Instrument
from tapewire.connection.order import OrderState, OrderStatus, Report
from tapewire.connection.values import Auction, Gap, Quote, Status, Trade, TradeBusted, TradeCorrected
from tapewire.strategy.metrics import InstrumentMetrics
from tapewire.strategy.report import RunReport
from tapewire.strategy.stepped import Latency
from tapewire.strategy.strategy import Strategy, StrategyParams
from tapewire.strategy.trader import Fill

__all__ = [
    "Auction",
    "Book",
    "Fill",
    "Gap",
    "Instrument",
    "InstrumentMetrics",
    "Latency",
    "Level",
    "OrderState",
    "OrderStatus",
    "Quote",
    "Report",
    "RunReport",
    "Status",
    "Strategy",
    "StrategyParams",
    "Trade",
    "TradeBusted",
    "TradeCorrected",
]
