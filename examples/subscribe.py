"""Prints live trades with nats-py and pycapnp alone: nothing of Tapewire is imported, only its schemas are read.

python examples/subscribe.py [SUBJECT] [NATS URL] [COUNT]
"""

import asyncio
import contextlib
import sys
from pathlib import Path

import capnp
import nats

market = capnp.load(str(Path(__file__).parents[1] / "schemas" / "market.capnp"))


async def main(subject: str = "demo.*.trade.*", url: str = "nats://127.0.0.1:4222", count: str = "0") -> None:
    client = await nats.connect(url)
    subscription = await client.subscribe(subject)
    left = int(count) or -1
    async for message in subscription.messages:
        with market.Trade.from_bytes(message.data) as trade:
            if trade.header.type != "trade":
                continue  # the house also says here when a trade is busted or corrected
            price = trade.price * 10.0**trade.priceExponent  # a float is fine for printing, never for money
            qty = trade.qty * 10.0**trade.qtyExponent
            print(f"{message.subject:32} {trade.aggressor!s:>4} {qty:>14.8f} @ {price:.8f}", flush=True)
        left -= 1
        if left == 0:
            break
    await client.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
