"""What is no longer in the stream's logs: from the hub as far as it goes back, else off the orders tape.

after ──────────────▶ off the tape, in a thread ──────────────▶ floor of a log ─▶ the log ─▶ live
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from services.api.hub import Hub, render
from services.api.stream.channels import Name
from services.api.types import Order
from tapewire import messages as m
from tapewire.errors import TapeError, TapeGone
from tapewire.tape import TapeReader
from tapewire.views import Fill
from tapewire.views import Order as KnownOrder
from tapewire.views.holding import MAKER, TAKER
from tapewire.views.orders import DONE_KEPT, DONE_KEPT_IN_ALL
from tapewire.views.views import FILLS_KEPT, TRADES_KEPT

READERS: Final = 2
"""Threads that read tapes at a time."""
SCAN: Final = 200_000
"""Records looked at in one go."""
POLL: Final = 2048
PAGE: Final = 200
"""Items in one message."""
_MATCHES: Final = frozenset({m.MessageType.order_executed, m.MessageType.trade_busted, m.MessageType.trade_corrected})
_encode: Final = msgspec.json.Encoder().encode
Match = m.OrderExecuted | m.TradeBusted | m.TradeCorrected


class Page(NamedTuple):
    """Items, oldest first, and the seq up to where they are whole."""

    items: list[bytes]
    position: int


class Forgotten(Exception):
    """What is asked for is gone. `oldest`: what may be asked for is behind this seq."""

    def __init__(self, text: str, oldest: int) -> None:
        super().__init__(text)
        self.oldest = oldest


class TapeHistory:
    """On the loop's thread, but for the scan."""

    def __init__(self, hub: Hub, tape: Path) -> None:
        self._hub, self._tape = hub, tape
        self._readers = asyncio.Semaphore(READERS)

    def kept(self, channel: str, feed: str, key: str | int) -> tuple[list[tuple[int, bytes]], int]:
        """What the hub has of a log, and the seq from where on that is whole. Raises LookupError."""
        items: list[tuple[int, bytes]] = []
        if channel == "trades":
            assert isinstance(key, str)
            items = [(one.seq, _encode(one)) for one in self._hub.trades(feed, key, 0, TRADES_KEPT).trades]
        elif channel == "fills":
            assert isinstance(key, int)
            items = [(one.seq, _encode(one)) for one in self._hub.fills([key], 0, FILLS_KEPT).fills]
        else:
            return items, self._hub.seq
        return items, self._hub.kept_from(channel, feed, key) - 1

    async def read(self, name: Name, after: int, up_to: int) -> list[Page]:
        """What came behind `after`, in order, at most up to `up_to` (of orders: up to now); the last page tells how far
        that goes. Raises Forgotten."""
        if name.channel == "orders":
            assert isinstance(name.key, int)
            return self._orders(name.key, after)
        wanted = self._wanted(name)
        async with self._readers:
            try:
                raws, position = await asyncio.to_thread(_scan, self._tape, after, up_to, wanted)
            except TapeGone:
                oldest = await asyncio.to_thread(_first_seq, self._tape) - 1
                text = f"what came up to {oldest} was removed from the tape; resume after that, or take a snapshot"
                raise Forgotten(text, oldest) from None
        return [Page([item for raw in raws for item in self._rendered(name, raw)], position)]

    def _wanted(self, name: Name) -> Callable[[bytes], bool]:
        """Which records are of this log; called in a thread."""
        if name.channel == "tape":
            types = name.option
            assert isinstance(types, frozenset)
            if not types:
                return lambda raw: True
            numbers = {kind.value for kind in m.MessageType if kind.name in types}
            return lambda raw: m.type_of(raw) in numbers
        if name.channel == "trades":
            assert isinstance(name.key, str)
            instrument = self._hub.instrument(name.key).instrument
            return lambda raw: m.type_of(raw) in _MATCHES and m.decode(raw).instrument == instrument
        account = name.key
        return lambda raw: m.type_of(raw) in _MATCHES and account in _accounts(raw)

    def _rendered(self, name: Name, raw: bytes) -> list[bytes]:
        if name.channel == "tape":
            return [raw]
        record = m.decode(raw)
        assert isinstance(record, (m.OrderExecuted, m.TradeBusted, m.TradeCorrected))
        if name.channel == "trades":
            return [_encode(render.trade(render.terms(self._hub.views, record.instrument), raw))]
        return [
            _encode(render.fill(self._hub.views, account, Fill(record.seq, role, self._text(order_id), raw)))
            for role, account, order_id in (
                (MAKER, record.maker_account, record.maker_order_id),
                (TAKER, record.taker_account, record.taker_order_id),
            )
            if account == name.key
        ]

    def _text(self, order_id: int) -> str:
        order = self._hub.views.orders.by_id.get(order_id)
        return "" if order is None else order.text

    def _orders(self, account: int, after: int) -> list[Page]:
        """Every order that something happened to behind `after`, as it stands now, with all of that. Whoever loses the
        connection in between asks again from the same place: all but the last page stand at `after`."""
        orders = self._hub.views.orders
        done = orders.done.of(account)
        if (len(done) >= DONE_KEPT or len(orders.done) >= DONE_KEPT_IN_ALL) and done:
            oldest = _ended(done[0])
            if oldest > after:
                text = f"orders that ended before {oldest} are only on the tape; resume after that, or take a snapshot"
                raise Forgotten(text, oldest)
        changed = [self._with_events(one, after) for one in (*done, *orders.live.get(account, {}).values())]
        found = sorted((one for one in changed if one is not None), key=lambda one: one.seq)
        pages = [Page([_encode(one) for one in found[at : at + PAGE]], after) for at in range(0, len(found), PAGE)]
        last = pages.pop() if pages else Page([], after)
        return [*pages, Page(last.items, self._hub.seq)]

    def _with_events(self, one: KnownOrder, after: int) -> Order | None:
        if _ended(one) <= after:
            return None
        made = render.order_with_life(self._hub.views, one, self._hub.producers)
        assert isinstance(made.events, list)
        made.events = [event for event in made.events if event.seq > after]
        return made


def _ended(order: KnownOrder) -> int:
    """The seq of the last record of its life."""
    return int(m.decode(order.life[-1]).seq)


def _accounts(raw: bytes) -> tuple[int, int]:
    record = m.decode(raw)
    assert isinstance(record, (m.OrderExecuted, m.TradeBusted, m.TradeCorrected))
    return record.maker_account, record.taker_account


def _scan(tape: Path, after: int, up_to: int, wanted: Callable[[bytes], bool]) -> tuple[list[bytes], int]:
    """Records behind `after` that are wanted, until there are PAGE of them, or SCAN were looked at. Raises TapeGone."""
    found: list[bytes] = []
    position = after
    with TapeReader(tape, after + 1) as reader:
        while position < up_to and position - after < SCAN and len(found) < PAGE:
            raws = reader.poll(min(POLL, up_to - position))
            if not raws:
                raise TapeError(f"{tape}: ends at record {position}; expected up to {up_to}, which was read before")
            for raw in raws:
                position += 1
                if wanted(raw):
                    found.append(raw)
                    if len(found) >= PAGE:
                        break
    return found, position


def _first_seq(tape: Path) -> int:
    with TapeReader(tape, None) as reader:
        return reader.first_seq
