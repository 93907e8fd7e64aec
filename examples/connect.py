"""Follows a book, enters an order far below it, and cancels it: over the bus, with the client library.

python examples/connect.py [NATS URL] [ENV] [ACCOUNT] [TICKER]
"""

import asyncio
import sys
from decimal import Decimal

import tapewire


async def main(
    url: str = "nats://127.0.0.1:4222", env: str = "demo", account: str = "1", ticker: str = "BTCUSDT"
) -> None:
    async with tapewire.connect(url, env=env, account=int(account)) as tw:
        instrument = await tw.instrument(ticker)
        book = await tw.book("house", ticker)
        print(book, book.best_bid, book.best_ask)
        best = book.best_bid.price if book.best_bid else instrument.price(instrument.definition.reference_price)
        order = await tw.buy(ticker, instrument.lot, instrument.floor(best * Decimal("0.98")))
        print(await order.ack())
        print(await order.cancel())
        print(order)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
