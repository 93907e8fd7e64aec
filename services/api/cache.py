"""What the Redis sink keeps, for reads that our own folds cannot answer: see docs/redis.md. Never for decisions.

    closed ──an error, an answer that is none──▶ resting REST_S: as if there were no cache ──▶ closed

A read waits TIMEOUT_S at most, and AT_ONCE reads at a time: whoever comes beside them is answered as without a cache.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.api import types
from tapewire.config import Config
from tapewire.errors import TransportError
from tapewire.fix.auth import read_private
from tapewire.last_known import LastKnown
from tapewire.logs import Logger

TIMEOUT_S: Final = 0.25
REST_S: Final = 5.0
AT_ONCE: Final = 16
SOURCE: Final = "cache"
HOUSE: Final = "house"
_Decimal = Annotated[str, Meta(pattern=r"^-?[0-9]{1,40}(\.[0-9]{1,18})?\Z")]
_MaybeDecimal = Annotated[str, Meta(pattern=r"^(-?[0-9]{1,40}(\.[0-9]{1,18})?)?\Z")]
_Whole = Annotated[int, Meta(ge=0)]
_Name = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")]


class _Trade(msgspec.Struct):
    """The hashes as the sink puts them."""

    seq: _Whole
    ts: _Whole
    trade_id: _Whole
    price: _Decimal
    qty: _Decimal
    aggressor: _Name


class _Top(msgspec.Struct):
    seq: _Whole
    ts: _Whole
    book_seq: _Whole
    bid: _MaybeDecimal
    bid_qty: _MaybeDecimal
    ask: _MaybeDecimal
    ask_qty: _MaybeDecimal
    quality: _Name


class _Position(msgspec.Struct):
    seq: _Whole
    ts: _Whole
    net: _Decimal
    bought: _Decimal | UnsetType = UNSET
    sold: _Decimal | UnsetType = UNSET
    fills: int | UnsetType = UNSET
    known_from: _Whole | UnsetType = UNSET
    """Then the three before it are left out: the sink was first started on a pruned tape."""


Kind = TypeVar("Kind", bound=msgspec.Struct)
Answer = TypeVar("Answer")


class Cache:
    """Every method answers None for what it does not know, or cannot say now; none raises. On the loop's thread."""

    def __init__(
        self, known: LastKnown, where: str, tape: str, log: Logger, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`where`: the server without secrets. `tape`: the orders tape that our own fold is of. `now` in s."""
        self._known, self._where, self._tape, self._log, self._now = known, where, tape, log, now
        self._rests_until, self._reading = float("-inf"), 0
        self.state = "ok"
        """For people: `ok`, or why it is not asked."""
        self.answered = 0

    async def close(self) -> None:
        await self._known.close()

    async def trades(self, feed: str, ticker: str) -> types.Trades | None:
        """The last one."""
        found = await self._ask(lambda: self._known.trade_as_of(self._tape_of(feed), feed, ticker))
        if found is None or (last := self._checked(found.fields, _Trade, ticker)) is None:
            return None
        trade = types.Trade(
            *(feed, ticker, last.seq, str(last.ts), last.trade_id), *(last.price, last.qty, last.aggressor)
        )
        return types.Trades([trade], found.seq, source=SOURCE, as_of_seq=found.seq)

    async def book(self, feed: str, ticker: str) -> types.Book | None:
        """The best level of each side, without how many orders it has."""
        found = await self._ask(lambda: self._known.top_as_of(self._tape_of(feed), feed, ticker))
        if found is None or (top := self._checked(found.fields, _Top, ticker)) is None:
            return None
        bids, asks = (
            [(price, qty, 0)] if price and qty else []
            for price, qty in ((top.bid, top.bid_qty), (top.ask, top.ask_qty))
        )
        head = (feed, ticker, top.book_seq, top.quality, top.seq, str(top.ts))
        return types.Book(*head, bids, asks, source=SOURCE, as_of_seq=found.seq)

    async def positions(self, accounts: Iterable[int] | None) -> types.Positions | None:
        """All of them as of one record, without what follows from prices."""
        found = await self._ask(lambda: self._known.positions_as_of(self._tape, accounts))
        if found is None:
            return None
        made: list[types.Position] = []
        for (account, ticker), fields in sorted(found.fields.items()):
            if (one := self._checked(fields, _Position, ticker)) is None:
                return None
            if one.fills or one.known_from or Decimal(one.net):
                made.append(
                    types.Position(
                        account=account,
                        ticker=ticker,
                        seq=one.seq,
                        ts=str(one.ts),
                        net=one.net,
                        bought=one.bought,
                        sold=one.sold,
                        fills=one.fills,
                        known_from=one.known_from,
                    )
                )
        return types.Positions(made, found.seq, source=SOURCE, as_of_seq=found.seq)

    def _tape_of(self, feed: str) -> str:
        return self._tape if feed == HOUSE else f"md.{feed}"

    async def _ask(self, read: Callable[[], Awaitable[Answer]]) -> Answer | None:
        if self._reading >= AT_ONCE or self._now() < self._rests_until:
            return None
        self._reading += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                found = await read()
        except TimeoutError:
            self._rest("slow", f"no answer within {TIMEOUT_S:g} s")
            return None
        except TransportError as error:
            self._rest("away", str(error))
            return None
        finally:
            self._reading -= 1
        if self.state != "ok" and self._now() >= self._rests_until:
            self.state = "ok"
            self._log.info("cache", state=self.state, where=self._where)
        self.answered += found is not None
        return found

    def _checked(self, fields: dict[str, str], kind: type[Kind], ticker: str) -> Kind | None:
        try:
            return msgspec.convert(fields, kind, strict=False)
        except msgspec.ValidationError as error:
            self._rest("unreadable", f"{ticker}: {error}: not put there by the sink, or by another version of it")
            return None

    def _rest(self, state: str, why: str) -> None:
        self._rests_until = self._now() + REST_S
        if state != self.state:
            self._log.warning("cache", state=state, where=self._where, reason=why)
        self.state = state


def opened(config: Config, log: Logger) -> Cache | None:
    """As `[api] cache` says; None: there is none. Raises CredentialError."""
    own = config.api
    if not own.cache:
        return None
    terms: dict[str, Any] = {"prefix": own.cache_prefix, "timeout": TIMEOUT_S}
    if own.cache_password_file != Path():
        terms["password"] = read_private(own.cache_password_file)
    where = f"{own.cache.rpartition('@')[2]} prefix {own.cache_prefix}"
    return Cache(LastKnown(own.cache, **terms), where, config.folders.orders_tape(config.engine.shard).name, log)
