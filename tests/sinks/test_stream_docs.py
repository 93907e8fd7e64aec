"""The examples of docs/kafka.md and docs/redis.md, run as they stand there, against real servers."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tapewire.config import KafkaSink, RedisSink
from tapewire.errors import TransportError
from tapewire.fixed import to_text
from tapewire.house import HouseMarket
from tapewire.last_known import LastKnown
from tests.services import Running
from tests.sinks.broker import Broker
from tests.sinks.cache import Cache
from tests.sinks.stack import ROOT, World, market_records

TICKER = "BTC/USD"


def example(line: str, broker: Broker, *more: str) -> subprocess.CompletedProcess[str]:
    """A command of the document, with this test's topic and broker."""
    assert line in (ROOT / "docs" / "kafka.md").read_text()
    words = line.replace("tapewire.orders.0", broker.topic()).replace("127.0.0.1:9092", broker.url).split()
    return subprocess.run(
        [sys.executable, *words[1:], *more], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )


@pytest.mark.timeout(120)
async def test_examples_of_kafka_read_the_tape_and_fold_its_book(tmp_path: Path, kafka: Running) -> None:
    durable = kafka.server is None or getattr(kafka.server, "durable", False)
    world = World(tmp_path, Broker(kafka.url, durable))
    records = market_records(91, 300)
    world.write(records)
    async with world.sink() as sink:
        await sink.until_seq(len(records))
    consumer = "python examples/kafka_consumer.py tapewire.orders.0 127.0.0.1:9092"
    done = await asyncio.to_thread(example, consumer, world.database, str(len(records)))
    assert done.returncode == 0, done.stderr
    assert [int(line.split()[0]) for line in done.stdout.splitlines()] == list(range(1, len(records) + 1))
    book_of = f"python examples/kafka_book.py {TICKER} tapewire.orders.0 127.0.0.1:9092"
    done = await asyncio.to_thread(example, book_of, world.database, str(len(records)))
    assert done.returncode == 0, done.stderr
    market = HouseMarket("test")
    for raw in records:
        market.fold(raw)
    market.settle()
    book = market.book(TICKER)
    assert book is not None
    bid, bid_qty, ask, ask_qty = book.top
    price, qty = book.definition.price_exponent, book.definition.qty_exponent
    last = done.stdout.splitlines()[-1].split(None, 1)[1]
    assert last == f"{to_text(bid_qty, qty)} @ {to_text(bid, price)} | {to_text(ask_qty, qty)} @ {to_text(ask, price)}"


async def test_the_cache_is_read_by_name(tmp_path: Path, redis: Running) -> None:
    world = World(tmp_path, Cache(redis.url, tmp_path))
    world.write(market_records(92, 300))
    async with world.sink() as sink:
        await sink.until_taken(len(world.records()))
    code = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "redis.md").read_text(), re.S)
    assert code is not None
    found: list[Any] = []

    def of_here(url: str) -> LastKnown:
        assert url == "redis://127.0.0.1:6379/0"
        return LastKnown(redis.url, prefix=world.database.prefix)

    body = "\n".join(f"    {line}" for line in code[1].splitlines())
    scope: dict[str, Any] = {"LastKnown": of_here, "print": found.append}
    exec(f"async def run():\n{body}\n", scope)
    await scope["run"]()
    tops, positions = await world.database.hashes("top"), await world.database.hashes("position")
    assert found == [tops[f"house:{TICKER}"], positions.get(f"1:{TICKER}")]
    async with LastKnown(redis.url, prefix=world.database.prefix) as cache:
        assert await cache.trade("house", TICKER) == (await world.database.hashes("trade"))[f"house:{TICKER}"]
        assert await cache.trade("house", "NONE") is None
    await world.database.drop()


async def test_a_cache_that_is_away_is_said() -> None:
    async with LastKnown("redis://127.0.0.1:9/0") as cache:
        with pytest.raises(TransportError, match="Is the server running"):
            await cache.top("house", TICKER)


@pytest.mark.parametrize(("document", "settings"), [("kafka", KafkaSink), ("redis", RedisSink)])
def test_documents_name_settings_that_there_are(document: str, settings: type[Any]) -> None:
    text = (ROOT / "docs" / f"{document}.md").read_text()
    block = text.partition(f"[sinks.{document}]\n")[2].partition("\n\n")[0]
    keys = re.findall(r"^    (\w+) =", block, re.M)
    assert keys
    assert set(keys) <= set(settings.__struct_fields__)
