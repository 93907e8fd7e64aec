"""What market-data dialects have in common: requests and answers of FIX 4.4. A venue says what differs. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from services.gateway.initiator.dialects.base import Dialect
from services.gateway.initiator.market_data.words import Changes, Levels, Listed, Refused, Told, Traded, Trades, Whole
from tapewire import messages as m
from tapewire.errors import FixError
from tapewire.fix.message import SOH, Message, Reason, integer
from tapewire.fix.timestamps import to_ns

BID, OFFER, TRADE = "0", "1", "2"
DELETE = "2"
Entry = dict[int, str]


class MarketDialect:
    """A subclass names the venue's dictionary, its limits, and the tags that FIX 4.4 has none of."""

    dictionary: ClassVar[Path]
    """By which the session layer reads groups: they come apart without."""
    limit: ClassVar[tuple[int, float]]
    """Messages in seconds."""
    depths: ClassVar[tuple[int, int]] = (1, 5000)
    """Smallest and largest MarketDepth (264)."""
    first_id: ClassVar[int]
    last_id: ClassVar[int]
    """Tags of the update ids of a change, or of a snapshot (the last alone)."""
    trade_id: ClassVar[int] = 1003
    aggressor: ClassVar[int] = 2446

    def __init__(self, dialect: Dialect) -> None:
        """`dialect`: how the venue is logged on to."""
        self.dialect = dialect

    # -- what is asked

    def define(self, request: str, symbol: str) -> str:
        """How an instrument is traded."""
        return _body("35=x", f"320={request}", "559=0", f"55={symbol}")

    def book(self, request: str, symbol: str, depth: int) -> str:
        lowest, highest = self.depths
        return self._subscribe(request, symbol, min(max(depth, lowest), highest), (BID, OFFER))

    def trades(self, request: str, symbol: str) -> str:
        return self._subscribe(request, symbol, 1, (TRADE,))

    def leave(self, request: str) -> str:
        """No more of what was subscribed to by that request."""
        return _body("35=V", f"262={request}", "263=2", "264=1")

    @staticmethod
    def _subscribe(request: str, symbol: str, depth: int, kinds: tuple[str, ...]) -> str:
        types = (f"267={len(kinds)}", *(f"269={kind}" for kind in kinds))
        return _body("35=V", f"262={request}", "263=1", f"264={depth}", "266=Y", "146=1", f"55={symbol}", *types)

    # -- what is told

    def read(self, message: Message) -> Told | None:
        """None: nothing of a market. Raises FixError if it is broken."""
        match message.get(35):
            case "X":
                return self._changed(message)
            case "W":
                return self._snapshot(message)
            case "y":
                return [self._listed(one) for one in entries(message, 146, 55)]
            case "Y":
                return Refused(message[262], 0, False, f"{message.get(281)} {message.get(58)}".strip())
            case "3":
                unknown = message.get(371) == "55"
                return Refused("", integer(message.get(45, "0"), 45), unknown, message.get(58))
        return None

    def _listed(self, one: Entry) -> Listed:
        return Listed(*(_field(one, tag) for tag in (55, 969, 25039, 1140)))

    def _snapshot(self, message: Message) -> Whole:
        bids, asks = _levels(entries(message, 268, 269))
        return Whole(message[262], message.integer(self.last_id), bids, asks)

    def _changed(self, message: Message) -> Changes | Trades:
        found = entries(message, 268, 279)
        request = message[262]
        if found and found[0].get(269) == TRADE:
            return Trades(request, [self._traded(one) for one in found])
        firsts = [integer(one[self.first_id], self.first_id) for one in found if self.first_id in one]
        lasts = [integer(one[self.last_id], self.last_id) for one in found if self.last_id in one]
        if not firsts or not lasts:
            raise FixError("a change of a book without its update ids", self.first_id, Reason.REQUIRED_TAG_MISSING)
        ts = max((_time(one) for one in found), default=0)
        return Changes(request, min(firsts), max(lasts), message.get(893, "Y") == "Y", *_levels(found), ts)

    def _traded(self, one: Entry) -> Traded:
        side = {"1": m.Side.buy, "2": m.Side.sell}.get(one.get(self.aggressor, ""), m.Side.unspecified)
        number = integer(_field(one, self.trade_id), self.trade_id)
        return Traded(number, _field(one, 270), _field(one, 271), side, _time(one))


def entries(message: Message, count: int, first: int) -> list[Entry]:
    """The entries of a group, each of which begins with the tag `first`. Raises FixError if they are not `count`."""
    _, found, text = message.raw.decode("latin-1").partition(f"{SOH}{count}=")
    if not found:
        raise FixError(f"tag {count} is missing", count, Reason.REQUIRED_TAG_MISSING)
    said, *fields = text.split(SOH)
    out: list[Entry] = []
    for field in fields:
        tag, _, value = field.partition("=")
        if tag.isdigit() and tag.isascii():
            if int(tag) == first:
                out.append({})
            if out:
                out[-1].setdefault(int(tag), value)
    if integer(said, count) != len(out):
        raise FixError(f"tag {count} says {said[:20]} entries; there are {len(out)}", count, Reason.GROUP_COUNT_WRONG)
    return out


def _levels(found: list[Entry]) -> tuple[Levels, Levels]:
    sides: dict[str, Levels] = {BID: [], OFFER: []}
    for one in found:
        side = sides.get(_field(one, 269))
        if side is None:
            raise FixError(f"tag 269 is {one[269][:20]}; expected 0 or 1", 269, Reason.VALUE_OUT_OF_RANGE)
        side.append((_field(one, 270), "0" if one.get(279) == DELETE else _field(one, 271)))
    return sides[BID], sides[OFFER]


def _field(one: Entry, tag: int) -> str:
    if tag not in one:
        raise FixError(f"tag {tag} is missing in a group", tag, Reason.REQUIRED_TAG_MISSING)
    return one[tag]


def _time(one: Entry) -> int:
    return to_ns(one[60], 60) if 60 in one else 0


def _body(*parts: str) -> str:
    return SOH.join(parts) + SOH
