"""A small FIX venue on QuickFIX, written from docs/fix.md alone: what `tapewire fix selftest` is tried against.

python -m tests.fix.scripted_acceptor PORT BEGIN TOKENFILE FOLDER [MISBEHAVIOUR ...]
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import quickfix as fix

from tapewire.fix.auth import front_token, is_front
from tapewire.fix.dictionary import FILES, FOLDER
from tapewire.fix.message import Message, frame, parse
from tapewire.fix.timestamps import Stamp

SYMBOLS = ("BTCUSDT", "ETHUSDT")
SETTINGS = """
[DEFAULT]
ConnectionType=acceptor
SocketAcceptPort={port}
SocketReuseAddress=Y
SocketNodelay=Y
StartTime=00:00:00
EndTime=00:00:00
NonStopSession=Y
UseDataDictionary=Y
ValidateUserDefinedFields=Y
FileStorePath={folder}
FileLogPath={folder}
[SESSION]
BeginString={begin}
SenderCompID=TAPEWIRE
TargetCompID=ACME
{dictionary}
[SESSION]
BeginString={begin}
SenderCompID=TAPEWIRE
TargetCompID=COPY
{dictionary}
"""


class Order:
    def __init__(self, number: int, m: Message) -> None:
        self.number, self.id, self.symbol, self.side = number, m[11], m[55], m[54]
        self.qty, self.done, self.price = Decimal(m[38]), Decimal(0), m.get(44)
        self.allow, self.kind, self.tif = m.get(7928) == "A", m[40], m.get(59, "0")

    @property
    def left(self) -> Decimal:
        return self.qty - self.done


class Venue(fix.Application):  # type: ignore[misc]
    """One book per symbol, price and time; everything on QuickFIX's one thread."""

    def __init__(self, begin: str, token: str, wrong: set[str]) -> None:
        super().__init__()
        self.begin, self.token, self.wrong = begin, token, wrong
        self.orders: dict[str, Order] = {}
        self.names: set[str] = set()
        self.follow: dict[str, str] = {}
        self.seq = 0
        self.cod = False
        self.stamp = Stamp()
        self.dictionaries = [fix.DataDictionary(str(FOLDER / name)) for name in FILES[begin]]
        self.session: Any = None
        self.copies: Any = None

    # -- QuickFIX: a failure must be seen, not hang the thread

    def loud(self, function: Callable[..., None], *arguments: object) -> None:
        try:
            function(*arguments)
        except (fix.RejectLogon, fix.DoNotSend):
            raise
        except BaseException:  # noqa: BLE001 - there is nobody above to raise it to
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(70)

    def onCreate(self, session: Any) -> None:
        pass

    def onLogon(self, session: Any) -> None:
        self.loud(self.logged_on, session)

    def onLogout(self, session: Any) -> None:
        self.loud(self.logged_out, session)

    def toAdmin(self, message: Any, session: Any) -> None:
        self.loud(self.to_admin, message, session)

    def fromAdmin(self, message: Any, session: Any) -> None:
        self.loud(self.from_admin, message)

    def toApp(self, message: Any, session: Any) -> None:
        pass

    def fromApp(self, message: Any, session: Any) -> None:
        self.loud(self.from_app, parse(message.toString().encode()))

    # -- session

    def logged_on(self, session: Any) -> None:
        ident = fix.SessionID(self.begin, "TAPEWIRE", session.getTargetCompID().getString())
        if ident.getTargetCompID().getString() == "COPY":
            self.copies = ident
        else:
            self.session = ident

    def logged_out(self, session: Any) -> None:
        if session.getTargetCompID().getString() == "ACME" and self.cod:
            for order in list(self.orders.values()):
                self.cancel(order, order.id, "", "378=100|")

    def to_admin(self, message: Any, session: Any) -> None:
        kind = message.getHeader().getField(35)
        if kind == "A" and self.cod and session.getTargetCompID().getString() == "ACME":
            message.setField(fix.StringField(8013, "Y"))
        if kind == "5" and self.begin != "FIX.4.2" and "no-789" not in self.wrong:
            expected = fix.Session.lookupSession(session).getExpectedTargetNum()
            message.setField(fix.IntField(789, expected))

    def from_admin(self, message: Any) -> None:
        if message.getHeader().getField(35) == "A":
            if not (message.isSetField(96) and is_front(self.token, message.getField(96))):
                raise fix.RejectLogon("this port is for the front alone")
            if message.getHeader().getField(49) == "ACME":
                self.cod = message.isSetField(8013) and message.getField(8013) == "Y"

    # -- requests

    def from_app(self, m: Message) -> None:
        known = {
            "D": self.new, "F": self.on_cancel, "G": self.replace, "H": self.status, "q": self.mass_cancel,
            "AF": self.mass_status, "V": self.market_data, "x": self.securities, "e": self.security, "g": self.market,
            "XLQ": self.limits,
        }  # fmt: skip
        if (handle := known.get(m.type)) is None:
            self.send("j", f"45={m.seq}|372={m.type}|380=3|58=not supported|")
        else:
            handle(m)

    def new(self, m: Message) -> None:
        if m[40] == "2" and 44 not in m:
            self.send("j", f"45={m.seq}|372=D|380=5|58=Price (44) is missing in a limit order|")
            return
        order = Order(len(self.names) + 1, m)
        if m[11] in self.names:
            return self.refuse(order, "103=6|58=duplicate|")
        self.names.add(m[11])
        if m[55] not in SYMBOLS:
            return self.refuse(order, "103=1|58=unknown symbol|")
        against = [o for o in self.orders.values() if o.symbol == order.symbol and o.side != order.side]
        crossing = [o for o in against if self.crosses(order, o)]
        if crossing and (m.get(18) == "6" or not order.allow):
            return self.refuse(order, "103=99|58=would cross|")
        self.orders[order.id] = order
        self.report(order, "0", "0")
        for other in crossing:
            self.trade(order, other)
        if order.tif in "34" and order.id in self.orders:
            self.cancel(order, order.id, "", "")
        self.publish(order)
        return None

    @staticmethod
    def crosses(order: Order, other: Order) -> bool:
        if order.kind == "1":
            return True
        mine, theirs = Decimal(order.price), Decimal(other.price)
        return mine >= theirs if order.side == "1" else mine <= theirs

    def trade(self, order: Order, other: Order) -> None:
        qty = min(order.left, other.left)
        self.seq += 1
        for one, side in ((other, "m"), (order, "t")):
            one.done += qty
            status = "2" if not one.left else "1"
            kind = status if self.begin == "FIX.4.2" else "F"
            self.report(one, kind, status, f"31={other.price}|32={qty}|", name=f"0-{self.seq}-{side}")
            if not one.left:
                del self.orders[one.id]

    def on_cancel(self, m: Message) -> None:
        order = self.orders.get(m.get(41))
        if order is None:
            return self.send("9", f"37=NONE|11={m[11]}|41={m[41]}|39=8|434=1|102=1|58=no such order|")
        self.cancel(order, m[11], m[41], "")
        self.publish(order)
        return None

    def cancel(self, order: Order, name: str, orig: str, more: str) -> None:
        del self.orders[order.id]
        self.report(order, "4", "4", (f"41={orig}|" if orig else "") + more, cl_ord_id=name, left="0")

    def replace(self, m: Message) -> None:
        order = self.orders.get(m.get(41))
        if order is None:
            return self.send("9", f"37=NONE|11={m[11]}|41={m[41]}|39=8|434=2|102=1|58=no such order|")
        del self.orders[order.id]
        order.id, order.qty, order.price = m[11], Decimal(m[38]), m[44]
        self.orders[order.id] = order
        self.names.add(order.id)
        self.report(order, "5", "5" if self.begin == "FIX.4.2" else "0", f"41={m[41]}|")
        return None

    def status(self, m: Message) -> None:
        order = self.orders[m[11]]
        if self.begin == "FIX.4.2":
            self.report(order, "0", "0", "", trans="3", name="0")
        else:
            self.report(order, "I", "0", "", name="0")

    def mass_status(self, m: Message) -> None:
        left = len(self.orders)
        for order in list(self.orders.values()):
            left -= 1
            more = f"584={m[584]}|911={len(self.orders)}|912={'N' if left else 'Y'}|"
            old = self.begin == "FIX.4.2"
            self.report(order, "0" if old else "I", "0", "" if old else more, trans="3", name="0")

    def mass_cancel(self, m: Message) -> None:
        gone = list(self.orders.values())
        for order in gone:
            self.cancel(order, m[11], order.id, "")
        self.seq += 1
        self.send("r", f"11={m[11]}|37=0-{self.seq}|530={m[530]}|531={m[530]}|533={len(gone)}|")

    def market_data(self, m: Message) -> None:
        if m[55] not in SYMBOLS:
            return self.send("Y", f"262={m[262]}|281=0|58=unknown symbol|")
        if m[263] == "2":
            self.follow.pop(m[262], None)
            return None
        if m[263] == "1":
            self.follow[m[262]] = m[55]
        return self.book(m[262], m[55])

    def book(self, request: str, symbol: str) -> None:
        levels = [o for o in self.orders.values() if o.symbol == symbol]
        entries = "".join(f"269={int(o.side) - 1}|270={o.price}|271={o.left}|" for o in levels)
        self.send("W", f"262={request}|55={symbol}|268={len(levels)}|{entries}")

    def publish(self, order: Order) -> None:
        for request, symbol in self.follow.items():
            if symbol == order.symbol:
                action = "0" if order.id in self.orders else "2"
                entry = f"279={action}|269={int(order.side) - 1}|55={symbol}|270={order.price}|271={order.left}|"
                self.send("X", f"262={request}|268=1|{entry}")

    def securities(self, m: Message) -> None:
        entries = "".join(f"55={symbol}|561=0.01|969=0.01|" for symbol in SYMBOLS)
        self.send("y", f"320={m[320]}|322=1|560=0|393=2|893=Y|146=2|{entries}")

    def security(self, m: Message) -> None:
        self.send("f", f"324={m[324]}|55={m[55]}|326=17|")

    def market(self, m: Message) -> None:
        self.send("h", f"335={m[335]}|336=DAY|340=2|")

    def limits(self, m: Message) -> None:
        self.send("XLR", f"8030={m[8030]}|8031=1|8032=1|8033=3|8034=10000|8035=10000|8036=R|")

    # -- out

    def refuse(self, order: Order, why: str) -> None:
        self.report(order, "8", "8", why, left="0")

    def report(
        self, order: Order, kind: str, status: str, more: str = "", *, name: str = "", left: str = "", trans: str = "0",
        cl_ord_id: str = "",
    ) -> None:  # fmt: skip
        self.seq += 0 if "same-exec-id" in self.wrong else 1
        head = "20=" + trans + "|" if self.begin == "FIX.4.2" else ""
        left = left or str(order.left + (1 if "wrong-leaves" in self.wrong else 0))
        text = (
            f"37=0-{order.number}|11={cl_ord_id or order.id}|17={name or f'0-{self.seq}'}|{head}150={kind}|39={status}|"
            f"55={order.symbol}|54={order.side}|38={order.qty}|151={left}|14={order.done}|6=0|{more}"
            f"60={self.stamp.micros(time.time_ns())}|"
        )
        if "strange-tag" in self.wrong:
            text += "4998=x|"
        self.send("8", text)
        if self.copies is not None and self.begin != "FIX.4.2":
            self.send("8", text + "797=Y|", self.copies)

    def send(self, kind: str, body: str, session: Any = None) -> None:
        begin = self.begin
        raw = frame(begin, f"35={kind}\x01" + body.replace("|", "\x01"))
        # With the dictionaries: without them QuickFIX sorts the fields of a group apart.
        fix.Session.sendToTarget(fix.Message(raw.decode(), *self.dictionaries, False), session or self.session)


def main(port: str, begin: str, token: str, folder: str, *wrong: str) -> None:
    keys = ["TransportDataDictionary", "AppDataDictionary"] if begin == "FIXT.1.1" else ["DataDictionary"]
    lines = [f"{key}={FOLDER / name}" for key, name in zip(keys, FILES[begin], strict=True)]
    dictionary = "\n".join([*lines, "DefaultApplVerID=FIX.5.0SP2" if begin == "FIXT.1.1" else ""])
    path = Path(folder) / "acceptor.cfg"
    path.write_text(SETTINGS.format(port=port, begin=begin, folder=folder, dictionary=dictionary))
    venue = Venue(begin, front_token(Path(token)), set(wrong))
    settings = fix.SessionSettings(str(path))
    acceptor = fix.SocketAcceptor(venue, fix.MemoryStoreFactory(), settings)
    acceptor.start()
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    os._exit(0)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main(*sys.argv[1:])
