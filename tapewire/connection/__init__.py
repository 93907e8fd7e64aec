"""What a client has of the platform over the bus: typed subscriptions, live books, orders with their reports, history.

tapewire.connect(url, env=…, account=…)    a Connection
tapewire.replay(tape, speed=…)             the same calls, on a tape
"""

from tapewire.connection.book import Book, Level
from tapewire.connection.connection import Connection, connect
from tapewire.connection.handle import Order
from tapewire.connection.instrument import Instrument, Number
from tapewire.connection.live_book import LiveBook
from tapewire.connection.order import OrderState, OrderStatus, Report
from tapewire.connection.replaying import Replay, replay
from tapewire.connection.subscription import Subscription
from tapewire.connection.values import Auction, Gap, Quote, Status, Trade, TradeBusted, TradeCorrected

__all__ = [
    "Auction",
    "Book",
    "Connection",
    "Gap",
    "Instrument",
    "Level",
    "LiveBook",
    "Number",
    "Order",
    "OrderState",
    "OrderStatus",
    "Quote",
    "Replay",
    "Report",
    "Status",
    "Subscription",
    "Trade",
    "TradeBusted",
    "TradeCorrected",
    "connect",
    "replay",
]
