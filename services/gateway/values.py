"""Values of a request as the engine takes them, and what is wrong with them: pure."""

from __future__ import annotations

import re
from typing import Final

from services.gateway.happened import Order
from services.gateway.instruments import Instrument
from services.gateway.session import Session
from tapewire import messages as m
from tapewire.errors import FixedError, FixError
from tapewire.fix.dictionary import load
from tapewire.fix.message import Message, Reason
from tapewire.fix.reasons import REASONS
from tapewire.fix.timestamps import to_ns
from tapewire.fixed import to_mantissa

MAX_CL_ORD_ID: Final = 39
"""Bytes of a ClOrdID: what `clientText` of a command holds."""
TOO_LATE: Final = 0
"""CxlRejReason (102) of a cancel or replace of an order that is done."""
_GROUPS: Final = frozenset({146, 267, 453})
_STRANGE: Final = re.compile(rb"[^\x01 -~]")
_S, _T, _F, _P, _R = m.Side, m.OrdType, m.TimeInForce, m.SelfTrade, m.RejectReason
SIDES: Final = {"1": _S.buy, "2": _S.sell}
ORD_TYPES: Final = {"1": _T.market, "2": _T.limit, "3": _T.stop, "4": _T.stop_limit}
TIMES_IN_FORCE: Final = {
    "0": _F.day, "1": _F.gtc, "2": _F.at_open, "3": _F.ioc, "4": _F.fok, "6": _F.gtd, "7": _F.at_close,
}  # fmt: skip
SELF_TRADES: Final = {
    "A": _P.allow, "N": _P.cancel_newest, "O": _P.cancel_oldest, "B": _P.cancel_both, "D": _P.decrement_and_cancel,
}  # fmt: skip


class Refusal(Exception):
    """The request is well formed and not acceptable: answered by 8, 9 or r, as its type has it."""

    order: Order | None = None
    """That a cancel or replace means: see `add_order`."""

    def __init__(self, text: str, reason: m.RejectReason = _R.invalid_field, *, late: bool = False) -> None:
        """`late`: the order was there, and is done."""
        super().__init__(text)
        self.text, self.reason = text, reason
        self.ord_rej = REASONS[reason].ord_rej
        self.cxl_rej = TOO_LATE if late else REASONS[reason].cxl_rej


class MissingField(Exception):
    """A field that this very request needs (j, 380=5)."""

    def __init__(self, tag: int, why: str) -> None:
        super().__init__(f"tag {tag} is missing: {why}")
        self.tag = tag


def check_name(message: Message) -> str:
    """The ClOrdID. Raises FixError if it is too long or not plain text: it could not be carried."""
    text = message[11]
    if len(text) > MAX_CL_ORD_ID or not text.isascii() or not text.isprintable():
        raise FixError(
            f"ClOrdID (11) of {len(text)} characters: expected 1 to {MAX_CL_ORD_ID} printable ASCII characters",
            11,
            Reason.VALUE_OUT_OF_RANGE,
        )
    return text


def check_content(session: Session, message: Message) -> None:
    """What the session layer lets pass. Raises FixError: a field of a group without a value; a group in a group that is
    not as the dictionary says; a value but 58 that is not printable ASCII, as what we repeat must be readable."""
    if b"=\x01" in message.raw:
        message.pairs()
    if not _GROUPS.isdisjoint(message.fields):
        load(session.terms.version).check(message)
    if _STRANGE.search(message.raw) is None:
        return
    for tag, value in message.pairs():
        if tag != 58 and not (value.isascii() and value.isprintable()):
            raise FixError(f"tag {tag}: expected printable ASCII characters", tag, Reason.INCORRECT_DATA_FORMAT)


def transacted_at(f: dict[int, str]) -> int:
    return to_ns(f[60], 60) if 60 in f else 0


def price_of(f: dict[int, str], tag: int, i: Instrument, needed: bool, why: str) -> int:
    if tag not in f:
        if needed:
            raise MissingField(tag, why)
        return 0
    price = _amount(f, tag, i.price_exponent, _R.invalid_price)
    if price and not needed and tag == 44:
        raise Refusal("Price (44) of an order without a limit")
    return price


def qty_of(f: dict[int, str], tag: int, i: Instrument) -> int:
    return _amount(f, tag, i.qty_exponent, _R.invalid_qty)


def shown_of(f: dict[int, str], i: Instrument) -> int | None:
    """What an order is to show at a time, by either of its two fields; None: all of it."""
    shown = {tag: qty_of(f, tag, i) for tag in (111, 1138) if tag in f}
    if len(set(shown.values())) > 1:
        raise Refusal("MaxFloor (111) and DisplayQty (1138) are the same and differ here")
    return next(iter(shown.values()), None)


def _amount(f: dict[int, str], tag: int, exponent: int, reason: m.RejectReason) -> int:
    """A decimal as mantissa; 0 if it is not there."""
    if tag not in f:
        return 0
    try:
        return to_mantissa(f[tag], exponent)
    except FixedError as error:
        places = max(-exponent, 0)
        text = f"tag {tag}: {f[tag][:24]} is not possible here; expected at most {places} decimal places and 64 bits"
        raise Refusal(text, reason) from error
