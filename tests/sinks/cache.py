"""What tests of the Redis sink share: keys of one's own on a server, and what the rows of the oracle make of them."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import redis.asyncio as client

from services.flusher.sinks.redis.target import RedisTarget
from tapewire import messages as m
from tapewire.config import RedisSink
from tests.oracle.naive_sink_rows import rows_of

_numbers = itertools.count(1)


class Cache:
    sink = "redis"

    def __init__(self, url: str, folder: Path) -> None:
        self.url, number = url, next(_numbers)
        self.env = f"t{os.getpid()}-{number}"
        self.prefix = f"{self.env}:"
        parts = urlsplit(url)
        self.password_file = folder / "redis.password"
        self.password_file.touch(mode=0o600)
        self.password_file.write_text(unquote(parts.password or ""))
        self.sink_url = urlunsplit((parts.scheme, f"{parts.hostname}:{parts.port}", parts.path, "", ""))

    def settings(self, **more: Any) -> RedisSink:
        terms: dict[str, Any] = {"batch_wait": 0.01, "retry_max": 0.3, "timeout": 5.0, **more}
        return RedisSink(url=self.sink_url, password_file=self.password_file, prefix=self.prefix, **terms)

    def target(self, settings: RedisSink) -> RedisTarget:
        return RedisTarget(settings, self.env)

    def toml(self, **more: object) -> str:
        terms = {"batch_wait": 0.01, "retry_max": 0.3, **more}
        lines = [f"{key} = {value}" for key, value in terms.items()]
        own = (f'url = "{self.sink_url}"', f'password_file = "{self.password_file}"', f'prefix = "{self.prefix}"')
        return "\n".join(("[sinks.redis]", *own, *lines, ""))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[client.Redis]:
        redis = client.Redis.from_url(self.url)
        try:
            yield redis
        finally:
            await redis.aclose()

    async def seq(self, tape: str = "orders.0") -> int:
        target = self.target(self.settings())
        try:
            await target.open()
            return (await target.positions()).get(tape, (0,))[0]
        finally:
            await target.close()

    async def hashes(self, kind: str) -> dict[str, dict[str, str]]:
        """By what follows the kind in the key."""
        found, begin = {}, f"{self.prefix}{kind}:"
        async with self.connected() as redis:
            async for key in redis.scan_iter(match=f"{begin}*"):
                fields: dict[Any, Any] = await redis.hgetall(key)
                found[key.decode().removeprefix(begin)] = {
                    name.decode(): value.decode() for name, value in fields.items()
                }
        return found

    async def drop(self) -> None:
        async with self.connected() as redis:
            async for key in redis.scan_iter(match=f"{self.prefix}*"):
                await redis.delete(key)


def expected_positions(records: list[bytes]) -> dict[str, dict[str, Decimal | int]]:
    """The oracle's last row of each account and instrument."""
    rows = rows_of(records)
    tickers = {row["instrument"]: row["ticker"] for row in rows.get("instruments", []) if row["ticker"]}
    names = ("seq", "net", "bought", "sold", "bought_notional", "sold_notional", "fills")
    return {
        f"{row['account']}:{tickers[row['instrument']]}": {name: row[name] for name in names}
        for row in rows.get("positions", [])
        if row["instrument"] in tickers  # an operator may bust what never was
    }


def expected_trades(records: list[bytes]) -> dict[str, list[dict[str, Any]]]:
    """The oracle's trades by ticker, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(records).get("trades", []):
        if row["kind"] == "trade":
            found.setdefault(f"house:{row['ticker']}", []).append(row)
    return found


async def assert_holds(cache: Cache, records: list[bytes], length: int = 1000) -> None:
    """Positions, last trades and streams are the oracle's fold of the records."""
    positions = await cache.hashes("position")
    expected = expected_positions(records)
    times = {m.decode(raw).seq: m.decode(raw).ts for raw in records}
    found = {key: {name: Decimal(value) for name, value in fields.items()} for key, fields in positions.items()}
    for fields in found.values():
        assert fields.pop("ts") == times[int(fields["seq"])]
    assert found == {key: {name: Decimal(value) for name, value in row.items()} for key, row in expected.items()}
    trades = expected_trades(records)
    last = {key: (int(one["seq"]), Decimal(one["price"])) for key, one in (await cache.hashes("trade")).items()}
    assert last == {key: (rows[-1]["seq"], rows[-1]["price"]) for key, rows in trades.items()}
    async with cache.connected() as redis:
        for key, rows in trades.items():
            entries: Any = await redis.xrange(f"{cache.prefix}trades:{key}")
            assert [int(fields[b"seq"]) for _, fields in entries] == [row["seq"] for row in rows][-length:]
