"""What clients send: one JSON object in one text message. Unknown fields are refused.

{"op":"auth",...}  {"op":"subscribe",...}  {"op":"unsubscribe","id":1}  {"op":"ping"}
{"op":"order","id":2, ...}  {"op":"amend",...}  {"op":"cancel",...}  {"op":"mass_cancel",...}
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from services.api.json_body import Body
from services.api.problems import Problem
from services.api.types import Interval

Id = Annotated[int, Meta(ge=0, lt=1 << 53)]
Seq = Annotated[int, Meta(ge=0, lt=1 << 53)]
Text = Annotated[str, Meta(max_length=512, pattern=r"^[!-~]*\Z")]
Ticker = Annotated[str, Meta(pattern=r"^[!-~]{1,31}\Z")]
Feed = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}\Z")]
TypeName = Annotated[str, Meta(pattern=r"^[a-z_]{1,47}\Z")]
Channel = Literal[
    "book", "trades", "quotes", "status", "bars", "orders", "fills", "positions", "risk", "tape", "state", "latency",
    "feeds", "services", "parents",
]  # fmt: skip
Milliseconds = Annotated[int, Meta(ge=0, le=10_000)]


class Auth(Struct, tag_field="op", tag="auth", forbid_unknown_fields=True):
    """A ticket (`POST /v1/stream/ticket`), or a key's signature."""

    ticket: Text | None = None
    key: Text = ""
    timestamp: Text = ""
    nonce: Text = ""
    signature: Text = ""


class Subscribe(Struct, tag_field="op", tag="subscribe", forbid_unknown_fields=True):
    id: Id
    """Given by the client, of no other of its subscriptions; every message of this one carries it."""
    channel: Channel
    feed: Feed | None = None
    """`house` if it is left out."""
    ticker: Ticker | None = None
    account: Annotated[int, Meta(ge=1, lt=1 << 20)] | None = None
    after: Seq | None = None
    """Of trades, fills, orders, tape: instead of a snapshot all that came behind this seq."""
    depth: Annotated[int, Meta(ge=1)] | None = None
    """Of a book: levels a side; 20 if it is left out."""
    interval: Interval | None = None
    """Of bars; `1m` if it is left out."""
    types: Annotated[list[TypeName], Meta(min_length=1, max_length=64)] | None = None
    """Of the tape: records of these types alone."""
    interval_ms: Milliseconds | None = None
    """Not told more often than this; rounded up to one of INTERVALS."""


class Unsubscribe(Struct, tag_field="op", tag="unsubscribe", forbid_unknown_fields=True):
    id: Id


class Ping(Struct, tag_field="op", tag="ping", forbid_unknown_fields=True):
    id: Id | None = None


class Entered(Struct):
    """An order, amendment, cancel or mass cancel: `body` is what HTTP would take."""

    op: str
    id: int
    order_id: int
    """Of an amendment and a cancel."""
    account: int | None
    cl_ord_id: str
    """Of a cancel, which has no body."""
    body: bytes
    traceparent: str = ""
    """Of the client's span, as HTTP has it in a header."""


Request = Auth | Subscribe | Unsubscribe | Ping | Entered


class Invalid(Exception):
    """A message that cannot be taken: `reason` is one word, `field` the one that is wrong ("": the whole)."""

    def __init__(self, reason: str, detail: str, field: str = "", number: int | None = None) -> None:
        super().__init__(detail)
        self.reason, self.detail, self.field, self.number = reason, detail, field, number


class _Order(Struct, tag_field="op", tag="order"):
    id: Id
    traceparent: str = ""


class _MassCancel(Struct, tag_field="op", tag="mass_cancel"):
    id: Id
    traceparent: str = ""


class _Amend(Struct, tag_field="op", tag="amend"):
    id: Id
    order_id: Id
    traceparent: str = ""


class Cancel(Struct, tag_field="op", tag="cancel", forbid_unknown_fields=True):
    id: Id
    order_id: Id
    account: int | None = None
    cl_ord_id: str = ""
    traceparent: str = ""


class _Numbered(Struct):
    id: Id | None = None


_DECODER = msgspec.json.Decoder(Auth | Subscribe | Unsubscribe | Ping | _Order | _MassCancel | _Amend | Cancel)
_NUMBERED = msgspec.json.Decoder(_Numbered)
_OBJECT: Final = Body(dict[str, msgspec.Raw])
_OURS = ("op", "id", "traceparent", "order_id")
_PATH = re.compile(r" - at `\$\.?([^`]*)`\Z")


def read(raw: bytes) -> Request:
    """Raises Invalid, with the message's id where it has one."""
    try:
        head = _DECODER.decode(raw)
        if isinstance(head, (Auth, Subscribe, Unsubscribe, Ping)):
            return head
        return _entered(head, raw)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PATH.search(text)
        detail = _PATH.sub("", text)
        raise Invalid("invalid", detail, "" if found is None else found[1], _number_of(raw)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("malformed", str(error) or "not JSON") from None


def _entered(head: _Order | _MassCancel | _Amend | Cancel, raw: bytes) -> Entered:
    """The order's own fields are left as they came: whoever takes them for HTTP judges them here, too."""
    op = str(head.__struct_config__.tag)
    try:
        fields = _OBJECT.decode(raw)
    except Problem as problem:
        raise Invalid(problem.body.reason or "malformed", problem.detail, "", head.id) from None
    if isinstance(head, Cancel):
        return Entered(op, head.id, head.order_id, head.account, head.cl_ord_id, b"", head.traceparent)
    ours = _OURS if isinstance(head, _Amend) else _OURS[:3]
    body = msgspec.json.encode({name: value for name, value in fields.items() if name not in ours})
    return Entered(op, head.id, head.order_id if isinstance(head, _Amend) else 0, None, "", body, head.traceparent)


def _number_of(raw: bytes) -> int | None:
    try:
        return _NUMBERED.decode(raw).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
