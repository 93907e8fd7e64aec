"""Requests that are answered out of what the gateway knows, and those that then follow it: H AF x e g XLQ. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from services.gateway.happened import Order
from services.gateway.inbound import Desk, find_order
from services.gateway.instruments import Instrument
from services.gateway.reports import Reports
from services.gateway.session import Session
from services.gateway.values import SIDES, MissingField
from tapewire import messages as m
from tapewire.fix.message import Message

PAGE: Final = 50
"""Instruments in one SecurityList."""
MAX_LIVE_ORDERS: Final = 1 << 20
"""What the platform holds at most, of all clients together."""
_S = m.InstrumentStatus
TRADING_STATUS: Final = {
    _S.trading: 17, _S.halted: 2, _S.closed: 18, _S.opening_auction: 21, _S.closing_auction: 101, _S.halt_auction: 102,
    _S.delisted: 103,
}  # fmt: skip
HALT_REASONS: Final = {
    m.StatusReason.price_band: "price band",
    m.StatusReason.news: "news",
    m.StatusReason.market_wide: "market wide",
}
ANSWERED: Final = {
    "orders": frozenset({"H", "AF", "x", "e", "g", "XLQ"}),
    "market-data": frozenset({"x", "e", "g", "XLQ"}),
    "drop-copy": frozenset({"XLQ"}),
}
"""What a session may ask, by its kind."""
MAX_FOLLOWED: Final = 1024
"""Statuses of instruments that one session follows at most, and of the market."""
LOOKED_AT: Final = 256
"""Orders or instruments that are looked at for an answer cost as much as sending one message."""
MARKET_STATES: Final = ((_S.trading, 2), (_S.opening_auction, 4), (_S.closing_auction, 5), (_S.halted, 1))
"""The first status that any instrument has says how the market stands (340); else it is closed."""


class Queries:
    def __init__(self, desk: Desk, reports: dict[int, Reports]) -> None:
        self._desk, self._reports = desk, reports
        self._statuses: dict[int, dict[str, str]] = {}
        """Who follows which instrument's status: by session, SecurityStatusReqID to the ticker."""
        self._market: dict[int, dict[str, int]] = {}
        """Who follows the market's: by session, TradSesReqID to what was last said."""
        self._answers: dict[str, Callable[[Session, Message, int], list[str]]] = {
            "H": self._order_status,
            "AF": self._mass_status,
            "x": self._security_list,
            "e": self._security_status,
            "g": self._market_status,
            "XLQ": self._limits,
        }

    def answer(self, session: Session, message: Message, now: int) -> list[str]:
        """Bodies of the answers. Raises MissingField, Waits."""
        answer = self._answers.get(message.type)
        reports, kind = self._reports[session.terms.number], session.terms.kind
        if answer is None:
            return [reports.business_reject(message.seq, message.type, 3, f"MsgType (35) {message.type}: not answered")]
        if message.type not in ANSWERED[kind]:
            return [reports.business_reject(message.seq, message.type, 6, f"not on a session of kind {kind}")]
        return answer(session, message, now)

    def gone(self, session: int) -> None:
        """The session was lost: it follows nothing any more."""
        self._statuses.pop(session, None)
        self._market.pop(session, None)

    def changed(self, instrument: Instrument, now: int) -> list[tuple[int, str]]:
        """An instrument's status or band has changed: what those who follow it are told."""
        out = [
            (session, self._status(session, instrument, f"324={name}\x01", True, now))
            for session, following in self._statuses.items()
            for name, ticker in following.items()
            if ticker == instrument.ticker
        ]
        state = self._market_state() if self._market else 0
        for session, said in self._market.items():
            for name in [name for name, before in said.items() if before != state]:
                said[name] = state
                out.append((session, self._market_body(session, name, state, True, now)))
        return out

    def _order_status(self, session: Session, message: Message, now: int) -> list[str]:
        f, reports = message.fields, self._reports[session.terms.number]
        more = f"790={f[790]}\x01" if 790 in f else ""
        order = find_order(self._desk, session, message)
        if order is None:
            why = self._desk.orders.why_unknown()
            return [reports.unknown(why, f.get(11, ""), f.get(37, ""), f[55], f.get(54, "1"), now, more)]
        return [reports.status(order, now, more)]

    def _mass_status(self, session: Session, message: Message, now: int) -> list[str]:
        f, reports = message.fields, self._reports[session.terms.number]
        if f[585] == "1" and 55 not in f:
            raise MissingField(55, "585=1 asks about one instrument")
        session.charge(len(self._desk.orders.live) // LOOKED_AT)
        accounts = session.terms.accounts if 1 not in f else [a for a in session.terms.accounts if str(a) == f[1]]

        def meant(order: Order) -> bool:
            i = order.instrument
            symbol = 55 not in f or (i is not None and i.ticker == f[55])
            return order.account in accounts and symbol and (54 not in f or order.side == SIDES[f[54]])

        found = [order for order in self._desk.orders.live.values() if meant(order)]
        head = f"584={f[584]}\x01911={len(found)}\x01"
        if not found:
            symbol, side = f.get(55, "[N/A]"), f.get(54, "1")
            return [reports.unknown("no such order", "", "", symbol, side, now, f"{head}912=Y\x01")]
        last = len(found) - 1
        return [
            reports.status(order, now, f"{head}912={'Y' if at == last else 'N'}\x01") for at, order in enumerate(found)
        ]

    def _security_list(self, session: Session, message: Message, now: int) -> list[str]:
        f, known = message.fields, self._desk.orders.instruments.by_ticker
        if f[559] == "0":
            if 55 not in f:
                raise MissingField(55, "559=0 asks for one instrument")
            found = [known[f[55]]] if f[55] in known else []
        else:
            found = sorted(known.values(), key=lambda i: i.number)
        head = f"35=y\x01320={f[320]}\x01322={session.terms.number}-{message.seq}\x01"
        if not found:
            return [f"{head}560=2\x01393=0\x01893=Y\x01"]
        out = []
        for at in range(0, len(found), PAGE):
            page = found[at : at + PAGE]
            last = "Y" if at + PAGE >= len(found) else "N"
            out.append(
                f"{head}560=0\x01393={len(found)}\x01893={last}\x01146={len(page)}\x01" + "".join(map(_listed, page))
            )
        return out

    def _security_status(self, session: Session, message: Message, now: int) -> list[str]:
        f = message.fields
        number, head = session.terms.number, f"324={f[324]}\x01"
        if f[263] == "2":
            self._statuses.get(number, {}).pop(f[324], None)
            return []
        i = self._desk.orders.instruments.by_ticker.get(f[55])
        if i is None:
            return [f"35=f\x01{head}55={f[55]}\x01326=20\x0158=unknown symbol\x01"]
        if f[263] == "1":
            if (refusal := self._too_many(self._statuses, number, f[324], message)) is not None:
                return [refusal]
            self._statuses.setdefault(number, {})[f[324]] = i.ticker
        return [self._status(number, i, head, False, now)]

    def _too_many(
        self, following: Mapping[int, Mapping[str, object]], number: int, name: str, message: Message
    ) -> str | None:
        mine = following.get(number, {})
        if name in mine or len(mine) < MAX_FOLLOWED:
            return None
        text = f"{MAX_FOLLOWED} are followed, which is the most; end one by 263=2"
        return self._reports[number].business_reject(message.seq, message.type, 8, text, name)

    def _status(self, session: int, i: Instrument, head: str, unasked: bool, now: int) -> str:
        more = f"327={HALT_REASONS[i.reason]}\x01" if i.reason in HALT_REASONS and i.status != _S.trading else ""
        lower, upper = i.limits
        more += f"332={i.px(upper)}\x01" if upper else ""
        more += f"333={i.px(lower)}\x01" if lower else ""
        return (
            f"35=f\x01{head}55={i.ticker}\x01325={'Y' if unasked else 'N'}\x01"
            f"326={TRADING_STATUS.get(i.status, 20)}\x01{more}60={self._reports[session].stamp(now)}\x01"
        )

    def _market_status(self, session: Session, message: Message, now: int) -> list[str]:
        f = message.fields
        number, name = session.terms.number, f[335]
        if f[263] == "2":
            self._market.get(number, {}).pop(name, None)
            return []
        session.charge(len(self._desk.orders.instruments.by_ticker) // LOOKED_AT)
        state = self._market_state()
        if f.get(336, "DAY") != "DAY":
            return [f"35=h\x01335={f[335]}\x01336={f[336]}\x01340=6\x01567=1\x0158=the only trading session is DAY\x01"]
        if f[263] == "1":
            if (refusal := self._too_many(self._market, number, name, message)) is not None:
                return [refusal]
            self._market.setdefault(number, {})[name] = state
        return [self._market_body(number, name, state, False, now)]

    def _market_state(self) -> int:
        statuses = {i.status for i in self._desk.orders.instruments.by_ticker.values()}
        return next((state for status, state in MARKET_STATES if status in statuses), 3)

    def _market_body(self, session: int, name: str, state: int, unasked: bool, now: int) -> str:
        asked, time = "Y" if unasked else "N", self._reports[session].stamp(now)
        return f"35=h\x01335={name}\x01336=DAY\x01325={asked}\x01340={state}\x0160={time}\x01"

    def _limits(self, session: Session, message: Message, now: int) -> list[str]:
        terms = session.terms
        used = session.messages if now - session.interval_ns < terms.interval * 1e9 else 0
        policy = "R" if terms.on_excess == "reject" else "Q"
        live = self._desk.orders.live_by_session.get(terms.number, 0)
        return [
            f"35=XLR\x018030={message[8030]}\x018031=2\x01"
            f"8032=1\x018033={used}\x018034={terms.messages}\x018035={int(terms.interval * 1000)}\x018036={policy}\x01"
            f"8032=3\x018033={live}\x018034={MAX_LIVE_ORDERS}\x018036=R\x01"
        ]


def _listed(i: Instrument) -> str:
    """One entry of a SecurityList."""
    d = i.definition
    text = f"55={i.ticker}\x01561={i.qty(d.lot_size)}\x01562={i.qty(d.lot_size)}\x01969={i.px(d.tick_size)}\x01"
    if d.max_qty:
        text += f"1140={i.qty(d.max_qty)}\x01"
    if d.min_price:
        text += f"1148={i.px(d.min_price)}\x01"
    if d.max_price:
        text += f"1149={i.px(d.max_price)}\x01"
    return f"{text}326={TRADING_STATUS.get(i.status, 20)}\x01"
