"""The left side of a table: sentences of the market's people, as the messages they send.

a1: ann buys 10 at 100                      at market          ... 10 BETA at 100
    , day gtc ioc fok atOpen atClose        , until 10:05      , stop 105        , showing 10     , hidden
    , post-only                             , slide            , at least 5      , protected at 105
    , self-trade cancelOldest               , session 7        , with timeInForce 9
ann cancels a1                              ann replaces a1: 6 at 101, stop 106
ann cancels all buys BETA, session 7, disconnected             operator cancels all
kill ann                kill all, orders stay                  release ann
limits ann: group 3, self-trade cancelOldest, max qty 100, max notional 5000, max position 50
define ACME: tick 5, lot 10, max qty 1000, prices 50 to 200, reference 100, collar 1000 bps,
             static band 1000 bps, dynamic band 500 bps, limit state 15 s, pause 300 s, status closed
change ACME: tick 10                        as before but for what is said
set ACME halted, because news               set all trading                  set ACME haltAuction, until 10:05
time 10:05              what is due by then happens
clock 10:05             the command itself
bust trade 1            correct trade 1: 4 at 99
book, queue, waiting    (not sent: what there is, as the events tell it)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tapewire import messages as m

ACCOUNTS = {"operator": 0, "all": 0, "ann": 1, "bob": 2, "cid": 3, "dan": 4, "eve": 5, "stranger": 99}
"""Stranger has no account."""
OPENED = tuple(number for number in ACCOUNTS.values() if 0 < number < 99)
INSTRUMENTS = {"all": 0, "ACME": 1, "BETA": 2, "GAMA": 3, "NONE": 99}
MIDNIGHT = 20_458 * 86_400 * 10**9  # 2026-01-05, a Monday
SECOND = 10**9
NAME = r"[a-z]+[0-9]+|#[0-9]+"

FATES = {
    "day": m.TimeInForce.day,
    "gtc": m.TimeInForce.gtc,
    "ioc": m.TimeInForce.ioc,
    "fok": m.TimeInForce.fok,
    "atOpen": m.TimeInForce.at_open,
    "atClose": m.TimeInForce.at_close,
}


class SentenceError(Exception):
    """A sentence that is not one of the language."""


@dataclass(frozen=True)
class View:
    """Not a command: a look at what there is."""

    what: str
    instrument: int


@dataclass(frozen=True)
class Time:
    ts: int


@dataclass(frozen=True)
class Tried:
    """A command that comes by the traders' ring, whatever it is."""

    command: m.Message


Sentence = m.Message | View | Time | Tried
TRIED = "traders try: "


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower()


def enumerant(enum: Any, name: str) -> Any:
    try:
        return enum[snake(name)]
    except KeyError:
        raise SentenceError(f"{name!r} is none of {', '.join(camel(e.name) for e in enum)}") from None


def time_of_day(text: str) -> int:
    found = re.fullmatch(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?", text)
    if found is None:
        raise SentenceError(f"{text!r} is no time: write 10:05, 10:05:30 or 10:05:30.5")
    hours, minutes, seconds, fraction = found.groups()
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return MIDNIGHT + whole * SECOND + int((fraction or "0").ljust(9, "0"))


def clock(ts: int) -> str:
    seconds, fraction = divmod(ts - MIDNIGHT, SECOND)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    text += f".{fraction:09}".rstrip("0") if fraction else ""
    return text.removesuffix(":00")


@dataclass
class Reader:
    """Reads sentences; remembers what later ones refer to."""

    orders: dict[str, int] = field(default_factory=dict)
    """Order id by name; filled by who runs the table."""
    trades: dict[int, m.Message] = field(default_factory=dict)
    """BustTrade as a trade stands now, by its number; filled likewise."""
    definitions: dict[int, m.InstrumentDefinition] = field(default_factory=dict)

    def read(self, text: str) -> tuple[str, Sentence]:
        """The name of the order that the sentence is about, if one, and what to send."""
        if text.startswith(TRIED):
            name, command = self.read(text.removeprefix(TRIED))
            if not isinstance(command, m.Message):
                raise SentenceError("traders can try a command, nothing else")
            return name, Tried(command)
        head, *options = (part.strip() for part in text.split(","))
        for pattern, make in self._sentences():
            found = re.fullmatch(pattern, head)
            if found:
                given = {name: value for name, value in found.groupdict().items() if value is not None}
                made: Sentence = make(given, options)
                if isinstance(made, m.Message):
                    made = self._overridden(made, options)
                if options:
                    raise SentenceError(f"not understood here: {', '.join(options)!r}")
                return given.get("order", ""), made
        raise SentenceError(f"not a sentence of the language: {head!r}")

    def _sentences(self) -> Iterator[tuple[str, Any]]:
        who, order, instrument = rf"(?P<who>{'|'.join(ACCOUNTS)})", rf"(?P<order>{NAME})", r"(?P<instrument>[A-Z]+|all)"
        price = r"(?P<price>-?\d+|market)"
        yield rf"{order}: {who} (?P<side>buys|sells) (?P<qty>-?\d+)(?: {instrument})? at {price}", self._order
        yield rf"{who} cancels {order}", self._cancel
        yield rf"{who} replaces {order}: (?P<qty>-?\d+) at {price}", self._replace
        yield rf"{who} cancels all(?: (?P<side>buys|sells))?(?: {instrument})?", self._cancel_all
        yield rf"(?P<verb>kill|release) {who}", self._kill
        yield rf"limits {who}:(?P<first>.*)", self._limits
        yield rf"(?P<verb>define|change) {instrument}:(?P<first>.*)", self._define
        yield rf"set {instrument} (?P<status>\w+)", self._status
        yield r"time (?P<time>[\d:.]+)", lambda given, _: Time(time_of_day(given["time"]))
        yield r"clock (?P<time>[\d:.]+)", lambda given, _: m.AdvanceClock(up_to=time_of_day(given["time"]))
        yield r"bust trade (?P<trade>\d+)", self._bust
        yield r"correct trade (?P<trade>\d+): (?P<qty>-?\d+) at (?P<price>-?\d+)", self._correct
        yield rf"(?P<what>book|queue|waiting)(?: {instrument})?", self._view

    # Orders

    def _order(self, given: dict[str, str], options: list[str]) -> m.NewOrder:
        market = given["price"] == "market"
        order: dict[str, Any] = {
            "instrument": instrument(given),
            "account": ACCOUNTS[given["who"]],
            "side": m.Side.buy if given["side"] == "buys" else m.Side.sell,
            "qty": int(given["qty"]),
            "price": 0 if market else int(given["price"]),
            "ord_type": m.OrdType.market if market else m.OrdType.limit,
            "time_in_force": m.TimeInForce.gtc,
        }
        for option in take(options, "with"):
            word, _, rest = option.partition(" ")
            if option in FATES:
                order["time_in_force"] = FATES[option]
            elif word == "until":
                order |= {"time_in_force": m.TimeInForce.gtd, "expire_time": time_of_day(rest)}
            elif word == "stop":
                order |= {"stop_px": int(rest), "ord_type": m.OrdType.stop if market else m.OrdType.stop_limit}
            elif word == "self-trade":
                order["self_trade"] = enumerant(m.SelfTrade, rest)
            elif option.startswith("at least "):
                order["min_qty"] = int(option.removeprefix("at least "))
            elif option.startswith("protected at "):
                order["price"] = int(option.removeprefix("protected at "))
            elif word in ("showing", "session"):
                order["display_qty" if word == "showing" else word] = int(rest)
            elif option in ("post-only", "hidden", "slide"):
                order[option.replace("-", "_")] = True
            else:
                raise SentenceError(f"not an order's word: {option!r}")
        return m.NewOrder(**order)

    def order_id(self, name: str) -> int:
        if name.startswith("#"):
            return int(name[1:])
        if name not in self.orders:
            raise SentenceError(f"no order {name!r} was sent before")
        return self.orders[name]

    def _cancel(self, given: dict[str, str], _: list[str]) -> m.CancelOrder:
        return m.CancelOrder(order_id=self.order_id(given["order"]), account=ACCOUNTS[given["who"]])

    def _replace(self, given: dict[str, str], options: list[str]) -> m.ReplaceOrder:
        stop = 0
        for option in take(options, "with"):
            word, _, rest = option.partition(" ")
            if word != "stop":
                raise SentenceError(f"a replace takes a stop price, not {option!r}")
            stop = int(rest)
        return m.ReplaceOrder(
            order_id=self.order_id(given["order"]),
            account=ACCOUNTS[given["who"]],
            qty=int(given["qty"]),
            price=0 if given["price"] == "market" else int(given["price"]),
            stop_px=stop,
        )

    def _cancel_all(self, given: dict[str, str], options: list[str]) -> m.MassCancel:
        side = {"buys": m.Side.buy, "sells": m.Side.sell}.get(given.get("side", ""), m.Side.unspecified)
        session, reason = 0, m.CancelReason.requested
        for option in take(options, "with"):
            if option.startswith("session "):
                session = int(option.removeprefix("session "))
            else:
                reason = enumerant(m.CancelReason, option)
        where = INSTRUMENTS[given.get("instrument", "all")]
        return m.MassCancel(instrument=where, account=ACCOUNTS[given["who"]], side=side, session=session, reason=reason)

    # The operator

    def _kill(self, given: dict[str, str], options: list[str]) -> m.KillSwitch:
        engaged, stay = given["verb"] == "kill", list(take(options, "with"))
        if stay not in ([], ["orders stay"]):
            raise SentenceError(f"a kill says `orders stay` or nothing, not {stay}")
        return m.KillSwitch(account=ACCOUNTS[given["who"]], engaged=engaged, cancel_open=engaged and not stay)

    def _limits(self, given: dict[str, str], options: list[str]) -> m.AccountLimits:
        limits: dict[str, Any] = {"account": ACCOUNTS[given["who"]]}
        known = {
            "group": "self_trade_group",
            "max qty": "max_order_qty",
            "max notional": "max_notional",
            "max position": "max_position",
        }
        for option in filter(None, [given["first"].strip(), *take(options, "with")]):
            word, _, value = option.rpartition(" ")
            if word == "self-trade":
                limits["self_trade"] = enumerant(m.SelfTrade, value)
            elif word in known:
                limits[known[word]] = int(value)
            else:
                raise SentenceError(f"not a limit: {option!r}")
        return m.AccountLimits(**limits)

    def _define(self, given: dict[str, str], options: list[str]) -> m.InstrumentDefinition:
        number = INSTRUMENTS[given["instrument"]]
        terms: dict[str, Any] = {"ticker": given["instrument"], "tick_size": 1, "lot_size": 1}
        terms["status"] = m.InstrumentStatus.trading
        if given["verb"] == "change":
            known = self.definitions[number]
            terms = {name: getattr(known, name) for name in (*terms, *TERMS.values(), "min_price", "max_price")}
            terms |= {"status": m.InstrumentStatus.unspecified, "reference_price": 0}
        for option in filter(None, [given["first"].strip(), *take(options, "with")]):
            found = re.fullmatch(r"prices (-?\d+) to (-?\d+)", option)
            if found:
                terms |= {"min_price": int(found[1]), "max_price": int(found[2])}
                continue
            if option.startswith("status "):
                terms["status"] = enumerant(m.InstrumentStatus, option.removeprefix("status "))
                continue
            found = re.fullmatch(r"([a-z ]+) (-?\d+)(?: (bps|s))?", option)
            if not found or found[1] not in TERMS:
                raise SentenceError(f"not a term of an instrument: {option!r}")
            terms[TERMS[found[1]]] = int(found[2]) * (1000 if found[3] == "s" else 1)
        return m.InstrumentDefinition(instrument=number, **terms)

    def _status(self, given: dict[str, str], options: list[str]) -> m.SetInstrumentStatus:
        reason, until = m.StatusReason.requested, 0
        for option in take(options, "with"):
            word, _, rest = option.partition(" ")
            if word == "because":
                reason = enumerant(m.StatusReason, rest)
            elif word == "until":
                until = time_of_day(rest)
            else:
                raise SentenceError(f"a status is set `because` of something or `until` a time, not {option!r}")
        status = enumerant(m.InstrumentStatus, given["status"])
        return m.SetInstrumentStatus(instrument=instrument(given), status=status, reason=reason, resume_time=until)

    def _trade(self, given: dict[str, str]) -> dict[str, Any]:
        number = int(given["trade"])
        fields = ("maker_order_id", "taker_order_id", "maker_account", "taker_account", "taker_side")
        unknown = m.BustTrade(
            match_id=number, instrument=1, price=1, qty=1, maker_account=1, taker_account=2, taker_side=m.Side.sell
        )
        known: Any = self.trades.get(number, unknown)
        found = {name: getattr(known, name) for name in ("instrument", "match_id", *fields)}
        return found | {"price": known.price, "qty": known.qty}

    def _bust(self, given: dict[str, str], _: list[str]) -> m.BustTrade:
        return m.BustTrade(**self._trade(given))

    def _correct(self, given: dict[str, str], _: list[str]) -> m.CorrectTrade:
        return m.CorrectTrade(**self._trade(given), new_price=int(given["price"]), new_qty=int(given["qty"]))

    def _view(self, given: dict[str, str], _: list[str]) -> View:
        return View(given["what"], instrument(given))

    def _overridden(self, command: m.Message, options: list[str]) -> m.Message:
        """`with orderId 7`: any field of the message, to say what no sentence says."""
        for option in list(options):
            if found := re.fullmatch(r"with (\w+) (-?\d+)", option):
                command = command.replace(**{snake(found[1]): int(found[2])})
                options.remove(option)
        return command


TERMS = {
    "tick": "tick_size",
    "lot": "lot_size",
    "max qty": "max_qty",
    "reference": "reference_price",
    "collar": "collar_bps",
    "static band": "static_band_bps",
    "dynamic band": "dynamic_band_bps",
    "limit state": "limit_state_ms",
    "pause": "pause_ms",
}


def instrument(given: dict[str, str]) -> int:
    name = given.get("instrument", "ACME")
    if name not in INSTRUMENTS:
        raise SentenceError(f"{name!r} is none of the instruments {', '.join(INSTRUMENTS)}")
    return INSTRUMENTS[name]


def take(options: list[str], leave: str) -> Iterator[str]:
    """The options, taken out of the list; those that begin with `leave` stay."""
    for option in list(options):
        if not option.startswith(leave + " "):
            options.remove(option)
            yield option
