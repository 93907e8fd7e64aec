"""The exchanges of docs/stream.md: real messages of a real stream, made anew by `python -m tests.stream.exchanges`.

Between `<!-- exchange: NAME -->` and `<!-- end -->`; `>` is what the client sends, `<` what it is sent. A test compares
them with what the stream says today, but for times, nonces and signatures.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path
from typing import Any, Final

from tapewire import messages as m
from tests.stream.world import Peer, World, client, running, signed

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "stream.md"
MARKED: Final = re.compile(r"(<!-- exchange: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
VARIABLE: Final = re.compile(r'"(?:timestamp|nonce|signature)": "[^"]*"|"\d{19}"')
"""What differs from one run to the next."""
ORDER: Final = {
    "op": "order", "id": 10, "cl_ord_id": "a-1", "account": 1, "ticker": "ACME", "side": "buy", "type": "limit",
    "qty": "3", "price": "101.00", "time_in_force": "ioc",
}  # fmt: skip
MAKER: Final = {
    "op": "order", "id": 11, "cl_ord_id": "a-2", "account": 1, "ticker": "ACME", "side": "buy", "type": "limit",
    "qty": "5", "price": "99.00", "post_only": True,
}  # fmt: skip

OTHERS: Final[tuple[tuple[str, dict[str, Any]], ...]] = (
    ("quotes", {"ticker": "ACME"}),
    ("status", {"ticker": "ACME"}),
    ("bars", {"ticker": "ACME", "interval": "1d"}),
    ("positions", {"account": 1}),
    ("risk", {"account": 1}),
    ("tape", {"types": ["order_executed"], "after": 12}),
    ("parents", {}),
)


class Notes(Peer):
    """Writes down what is said."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.ws)
        self.lines: list[str] = []

    async def say(self, **message: Any) -> None:
        self.lines.append("> " + json.dumps(message))
        await super().say(**message)

    async def next(self) -> dict[str, Any]:
        message = await super().next()
        self.lines.append("< " + json.dumps(message))
        return message

    def taken(self) -> str:
        """The lines since the last time."""
        lines, self.lines = self.lines, []
        return "```\n" + "\n".join(lines) + "\n```\n"


async def exchanges() -> dict[str, str]:
    """By name."""
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        async with running(Path(folder)) as world, client(world, "") as plain:
            side = m.Side
            world.send(
                world.order(side.buy, 9900, 10), world.order(side.buy, 9800, 5), world.order(side.sell, 10100, 7)
            )
            await world.settled()
            c = Notes(plain)
            await c.ask(**signed("trader"))
            await c.ask(op="ping", id=1)
            found["auth"] = c.taken()
            await c.ask(op="subscribe", id=1, channel="book", ticker="ACME", depth=2)
            await c.next()
            world.send(world.order(side.buy, 9850, 1))
            await c.next()
            await c.ask(op="unsubscribe", id=1)
            found["book"] = c.taken()
            await c.ask(op="subscribe", id=2, channel="trades", ticker="ACME")
            await c.next()
            await c.say(**ORDER)
            seen = {(await c.next()).get("op", "trades") for _ in range(2)}
            assert seen == {"answer", "trades"}
            found["trade"] = c.taken()
            for number, channel in ((3, "fills"), (4, "orders")):
                await c.ask(op="subscribe", id=number, channel=channel, account=1)
                await c.next()
            c.lines = [line for line in c.lines if '"subscribed"' not in line]
            await c.ask(**MAKER)
            await c.next()
            found["account"] = c.taken()
            await _resumed(world, found)
            await c.ask(op="subscribe", id=5, channel="orders", account=2)
            await c.ask(op="subscribe", id=6, channel="book", ticker="NONE")
            await c.ask(op="subscribe", id=7, channel="trades", ticker="ACME", depth=5)
            await c.ask(op="subscribe", id=7, channel="trades", ticker="ACME", after=999_999)
            await c.ask(**{**MAKER, "id": 12, "cl_ord_id": "a-3", "price": "101.00"})
            found["errors"] = c.taken()
            await _platform(world, found)
    return found


async def _resumed(world: World, found: dict[str, str]) -> None:
    async with client(world) as plain:
        c = Notes(plain)
        await c.ask(op="subscribe", id=2, channel="trades", ticker="ACME", after=10)
        await c.next()
        found["resume"] = c.taken()


async def _platform(world: World, found: dict[str, str]) -> None:
    async with client(world, "risk") as plain:
        c = Notes(plain)
        for number, (channel, options) in enumerate(OTHERS, start=1):
            await c.ask(op="subscribe", id=number, channel=channel, **options)
            await c.next()
        c.lines = [line for line in c.lines if '"op": "subscribed"' not in line]
        found["others"] = c.taken()


def written(document: str, found: dict[str, str]) -> str:
    """The document with these exchanges."""
    return MARKED.sub(lambda place: place[1] + found[place[2]] + place[3], document)


def comparable(text: str) -> str:
    return VARIABLE.sub("…", text)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(), asyncio.run(exchanges())))
