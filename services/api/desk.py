"""Orders of clients: a request becomes a command through the entry, and its answer a JSON shape. For every door."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import Struct

from services.api import types
from services.api.answers import Answer
from services.api.authors import Author
from services.api.entry import Entry, check_text
from services.api.hub import Hub, render
from services.api.problems import FIELDS, REASONS, Problem
from services.api.requests import Amend, MassCancel, NewOrder
from services.api.shapes import Cancelled, Pending
from services.api.tape import Origin
from tapewire import messages as m
from tapewire.errors import FixedError
from tapewire.fixed import to_mantissa, to_text

_SIDES: Final = {one.name: one for one in m.Side}
_TYPES: Final = {one.name: one for one in m.OrdType}
_TIMES: Final = {one.name: one for one in m.TimeInForce}
_SELF_TRADES: Final = {one.name: one for one in m.SelfTrade}
_R: Final = m.RejectReason
_PRICES: Final = frozenset(
    {_R.invalid_price, _R.off_tick, _R.price_collar, _R.would_cross, _R.price_band, _R.would_trigger}
)
_QUANTITIES: Final = frozenset({_R.invalid_qty, _R.max_order_qty, _R.max_position, _R.would_not_fill})
_UNPRICED: Final = frozenset({"market", "stop"})
_MAX_ID: Final = 1 << 53
_DECIMAL: Final = re.compile(r"[0-9]{1,19}(\.[0-9]{1,18})?")


class Response(NamedTuple):
    status: int
    body: Struct


class Terms(NamedTuple):
    """An instrument's number and exponents."""

    instrument: int
    price_exponent: int
    qty_exponent: int


class Desk:
    """Every method raises Problem for what is refused, whether it reached the tape (`received`) or not."""

    def __init__(self, entry: Entry, hub: Hub) -> None:
        self._entry, self._hub = entry, hub

    async def order(self, author: Author, asked: NewOrder, origin: Origin) -> Response:
        """A new order: 201 or, repeated, 200 types.Order, 202 Pending."""
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        instrument = self._instrument(asked.ticker)
        command = _new_order(asked, instrument)
        answer = await self._entry.submit(author, command, origin)
        return self._of_order(answer, asked.cl_ord_id, instrument, 200 if answer.repeated else 201)

    async def amend(self, author: Author, order_id: int, asked: Amend, origin: Origin) -> Response:
        """New price or whole quantity: 200 types.Order, 202 Pending."""
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        order = self._own_order(author, order_id, asked.account)
        instrument = self._instrument(order.ticker)
        px, qx = instrument.price_exponent, instrument.qty_exponent
        stop = asked.stop_price
        # The price of an order that has none of its own is the engine's protection price: it is not for us to send.
        kept = "0" if order.type in _UNPRICED else order.price
        command = m.ReplaceOrder(
            order_id=order_id,
            account=asked.account,
            price=mantissa("price", kept if asked.price is None else asked.price, px),
            qty=mantissa("qty", order.qty if asked.qty is None else asked.qty, qx),
            stop_px=0 if stop is None else mantissa("stop_price", stop, px),
            client_text=asked.cl_ord_id,
        )
        answer = await self._entry.submit(author, command, origin)
        return self._of_order(answer._replace(order_id=order_id), asked.cl_ord_id, instrument, 200)

    async def cancel(
        self, author: Author, order_id: int, account: int | None, cl_ord_id: str, origin: Origin
    ) -> Response:
        """`account` None: the order's. `cl_ord_id` empty: none; 200 types.Order, 202 Pending."""
        if cl_ord_id:
            check_text(cl_ord_id)
        if account is not None:
            author.need_account(account)
        order = self._own_order(author, order_id, account)
        author.need_account(order.account)
        instrument = self._instrument(order.ticker)
        command = m.CancelOrder(order_id=order_id, account=order.account, client_text=cl_ord_id)
        answer = await self._entry.submit(author, command, origin)
        return self._of_order(answer._replace(order_id=order_id), cl_ord_id, instrument, 200)

    async def mass_cancel(self, author: Author, asked: MassCancel, origin: Origin) -> Response:
        """All of an account, or of an instrument or side: 200 Cancelled, 202 Pending."""
        author.need_account(asked.account)
        check_text(asked.cl_ord_id)
        instrument = 0 if asked.ticker is None else self._instrument(asked.ticker).instrument
        side = m.Side.unspecified if asked.side is None else _SIDES[asked.side]
        command = m.MassCancel(account=asked.account, instrument=instrument, side=side, client_text=asked.cl_ord_id)
        answer = await self._entry.submit(author, command, origin)
        if answer.status == 202:
            return pending(answer, asked.cl_ord_id)
        if answer.reason:
            raise refused(answer, None)
        return Response(200, Cancelled(asked.cl_ord_id, answer.seq, str(answer.ts), answer.cancelled))

    def _of_order(self, answer: Answer, cl_ord_id: str, instrument: Terms, status: int) -> Response:
        if answer.reason:
            raise refused(answer, instrument)
        if answer.status == 202:
            return pending(answer, cl_ord_id)
        hub = self._hub
        order = hub.views.orders.by_id.get(answer.order_id)
        if order is None:
            raise Problem(
                410, f"order {answer.order_id} ended so long ago that it is only on the tape", received=answer.received
            )
        return Response(status, render.order(hub.views, order, hub.producers))

    def _instrument(self, ticker: str) -> Terms:
        book = self._hub.views.house.book(ticker)
        if book is None:
            raise Problem(422, f"there is no instrument {_shown(ticker)}", field="ticker", reason="unknown_instrument")
        definition = book.definition
        return Terms(definition.instrument, definition.price_exponent, definition.qty_exponent)

    def _own_order(self, author: Author, order_id: int, account: int | None) -> types.Order:
        """Raises Problem (404): there is none of this number that the author may see, told no further apart."""
        try:
            order = self._hub.order(order_id) if order_id < _MAX_ID else None
        except LookupError:
            order = None
        if order is None or not author.sees(order.account) or account not in (None, order.account):
            of = f" of account {account}" if account is not None else ""
            raise Problem(404, f"there is no order {order_id}{of}", field="order_id", reason="unknown_order")
        return order


def pending(answer: Answer, cl_ord_id: str) -> Response:
    """Not answered in time."""
    detail = "the engine has not answered yet; ask again with the same ClOrdID, or for the order"
    body = Pending(answer.received, detail, cl_ord_id) if cl_ord_id else Pending(answer.received, detail)
    return Response(202, body)


def refused(answer: Answer, instrument: Terms | None) -> Problem:
    """What a refusal on the tape is told."""
    reason = answer.reason
    value, limit = str(answer.value), str(answer.limit)
    if instrument is not None:
        exponent = None
        if reason in _PRICES:
            exponent = instrument.price_exponent
        elif reason in _QUANTITIES:
            exponent = instrument.qty_exponent
        elif reason == _R.max_notional:
            exponent = instrument.price_exponent + instrument.qty_exponent
        if exponent is not None:
            value, limit = to_text(answer.value, exponent), to_text(answer.limit, exponent)
    return Problem(
        422,
        REASONS.get(reason, reason.name),
        field=FIELDS.get(reason, ""),
        reason=reason.name,
        value=value,
        limit=limit,
        received=answer.received,
    )


def _new_order(asked: NewOrder, instrument: Terms) -> m.NewOrder:
    px, qx = instrument.price_exponent, instrument.qty_exponent
    optional = {}
    for name, field, text, exponent in (
        ("price", "price", asked.price, px),
        ("stop_px", "stop_price", asked.stop_price, px),
        ("display_qty", "display_qty", asked.display_qty, qx),
        ("min_qty", "min_qty", asked.min_qty, qx),
    ):
        if text is not None:
            optional[name] = mantissa(field, text, exponent)
    if asked.expire_time is not None:
        optional["expire_time"] = nanoseconds("expire_time", asked.expire_time)
    if asked.self_trade is not None:
        optional["self_trade"] = _SELF_TRADES[asked.self_trade]
    return m.NewOrder(
        instrument=instrument.instrument,
        account=asked.account,
        side=_SIDES[asked.side],
        ord_type=_TYPES[asked.type],
        time_in_force=_TIMES[asked.time_in_force],
        qty=mantissa("qty", asked.qty, qx),
        post_only=asked.post_only,
        hidden=asked.hidden,
        slide=asked.slide,
        client_text=asked.cl_ord_id,
        **optional,
    )


def mantissa(field: str, text: str, exponent: int) -> int:
    """Of plain decimal text. Raises Problem (422)."""
    if not _DECIMAL.fullmatch(text):
        raise Problem(
            422, "expected decimal text such as 64000.10", field=field, reason="invalid_field", value=_shown(text)
        )
    try:
        return to_mantissa(text, exponent)
    except FixedError as error:
        raise Problem(422, str(error), field=field, reason="invalid_field", value=_shown(text)) from None


def nanoseconds(field: str, text: str) -> int:
    """UTC ns of a text of digits. Raises Problem (422)."""
    if not text.isascii() or not text.isdigit() or len(text) > 19 or int(text) >= 1 << 63:
        raise Problem(
            422, "expected UTC nanoseconds as text of digits", field=field, reason="invalid_field", value=_shown(text)
        )
    return int(text)


def _shown(text: str) -> str:
    """A text of a client as it may stand in an answer: short, printable, and no markup."""
    return "".join(char if char.isprintable() and char not in "<>&\"'" else "?" for char in text[:40])
