"""Folds a book out of Kafka and prints its top: python examples/kafka_book.py TICKER TOPIC [BROKER] [UP TO SEQ]"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer

from tapewire.fixed import to_text
from tapewire.house import HouseMarket


async def main(ticker: str, topic: str, broker: str = "127.0.0.1:9092", until: str = "0") -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    market, shown = HouseMarket("kafka"), None
    async with consumer:
        async for record in consumer:
            if record.value is None:
                raise SystemExit(f"records were taken back at offset {record.offset}: read the topic anew")
            market.fold(record.value)
            if last := market.seq == int(until):
                market.settle()
            if (book := market.book(ticker)) and book.top != shown:
                shown = bid, bid_qty, ask, ask_qty = book.top
                price, qty = book.definition.price_exponent, book.definition.qty_exponent
                bids = f"{to_text(bid_qty, qty)} @ {to_text(bid, price)}"
                print(f"{market.seq:>8} {bids:>24} | {to_text(ask_qty, qty)} @ {to_text(ask, price)}", flush=True)
            if last:
                break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
