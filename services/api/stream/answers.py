"""What the stream says besides the channels' messages. See docs/stream.md."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from services.api.stream.topic import ROOM

Number = int | UnsetType
Text = str | UnsetType


class Authenticated(Struct, tag_field="op", tag="auth"):
    """The client may go on. `accounts` left out: it sees every account."""

    name: str
    scopes: list[str]
    max_subscriptions: int
    max_message_bytes: int
    idle_timeout_ms: int
    accounts: list[int] | UnsetType = UNSET


class Subscribed(Struct, tag_field="op", tag="subscribed"):
    """What the subscription is, with all that was left out."""

    id: int
    ch: str
    interval_ms: int
    feed: Text = UNSET
    ticker: Text = UNSET
    account: Number = UNSET
    depth: Number = UNSET
    interval: Text = UNSET
    after: Number = UNSET


class Unsubscribed(Struct, tag_field="op", tag="unsubscribed"):
    id: int


class Pong(Struct, tag_field="op", tag="pong"):
    ts: str
    id: Number = UNSET


class Error(Struct, tag_field="op", tag="error"):
    """`reason` is one word; of a `gone` resume `oldest` is the seq it may begin after."""

    reason: str
    detail: str
    id: Number = UNSET
    field: Text = UNSET
    oldest: Number = UNSET


class Notice(Struct, tag_field="op", tag="notice"):
    reason: str
    detail: str


class Answer(Struct, tag_field="op", tag="answer"):
    """To an order, amend, cancel or mass_cancel: status and body as HTTP would answer."""

    id: int
    status: int
    body: Raw
    traceparent: Text = UNSET
    """Of our span, for a request that came with one and is on the tape."""


Said = Authenticated | Subscribed | Unsubscribed | Pong | Error | Notice | Answer


def message(said: Said) -> bytearray:
    """A frame of it."""
    made = bytearray(ROOM)
    made += msgspec.json.encode(said)
    return made
