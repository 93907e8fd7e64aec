"""Prints what a tape puts into Kafka, with aiokafka alone: python examples/kafka_consumer.py TOPIC [BROKER] [COUNT]"""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main(topic: str, broker: str = "127.0.0.1:9092", count: str = "0") -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    left = int(count) or -1
    async with consumer:
        async for record in consumer:
            headers = {name: value.decode() for name, value in record.headers}
            size = len(record.value) if record.value is not None else 0  # null: records behind seq are taken back
            trace = headers.get("traceparent", "-").removeprefix("00-")[:32]
            print(headers["seq"], headers["type"], record.key.decode() or "-", f"{size} bytes", trace, flush=True)
            left -= 1
            if left == 0:
                break


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
