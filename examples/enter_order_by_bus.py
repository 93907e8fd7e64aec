"""Enters an order with nats-py and pycapnp alone, and prints what decided it: nothing of Tapewire is imported.

python examples/enter_order_by_bus.py [ENV] [ACCOUNT] [INSTRUMENT ID] [SIDE] [QTY] [PRICE] [NATS URL]     (mantissas)
"""

import asyncio
import sys
import uuid
from pathlib import Path

import capnp
import nats

orders = capnp.load(str(Path(__file__).parents[1] / "schemas" / "orders.capnp"))


async def main(env="demo", account="1", instrument="1", side="buy", qty="1", price="1", url="nats://127.0.0.1:4222"):
    client = await nats.connect(url)
    order = orders.NewOrder.new_message(account=int(account), qty=int(qty), price=int(price), side=side)
    order.ordType, order.timeInForce, order.clientText = "limit", "gtc", uuid.uuid4().hex
    order.header.type, order.header.instrument = "newOrder", int(instrument)
    answer = await client.request(f"{env}.orders.command.{account}", order.to_bytes(), timeout=5)
    with orders.OrderAccepted.from_bytes(answer.data or bytes(16)) as event:
        kind, seq = (event.header.type, event.header.seq) if answer.data else (answer.headers["Tapewire-Error"], 0)
        print(f"{answer.headers['Tapewire-Status']}: {kind}, record {seq} of the orders tape", flush=True)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
