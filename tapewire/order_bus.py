"""Order entry over the bus: what its two subjects carry, for the door of the API and for its clients.

    <env>.orders.command.<account>    NewOrder, CancelOrder, ReplaceOrder, MassCancel   → the event that decided it
    <env>.orders.history.<account>    {"after": SEQ, "limit": N}                        → frames, oldest first

    frame     | length u32, little endian | a flat message |

The history of an account is what the orders tape holds of it: its commands as they were sequenced (with OrderID and
ClOrdID beside the client's text) and its events as on `<env>.house.exec.<account>`. Its headers say how far it was read
and what is under way, so an order that is neither on the tape nor under way is known never to have been taken.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Final

import msgspec

from tapewire import messages as m
from tapewire.errors import WireError

FEED: Final = "orders"
COMMAND: Final = "command"
HISTORY: Final = "history"

STATUS: Final = "Tapewire-Status"
"""As HTTP has it: 201 an order was accepted, 200 other commands, 202 not decided in time, 4xx and 5xx refused."""
ERROR: Final = "Tapewire-Error"
"""Why nothing was done, in words; only where no event tells it."""
SEQ: Final = "Tapewire-Seq"
"""The record up to which the history was read: the `after` of the next request."""
RELEASED: Final = "Tapewire-Released"
"""The last record of the tape that may be told."""
PENDING: Final = "Tapewire-Pending"
"""Client texts, split by spaces, of what was taken in for this account and is not on the tape as far as known."""

EXPIRES: Final = "Tapewire-Expires"
"""Of a command: UTC ns after which it is no longer wanted, so that one that was held up is not carried out late."""

MAX_TEXT: Final = 39
"""Bytes of a client's text."""
MAX_LIMIT: Final = 1_000
"""Records in one answer."""

Command = m.NewOrder | m.CancelOrder | m.ReplaceOrder | m.MassCancel
COMMANDS: Final = frozenset({m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel})
_LENGTH: Final = struct.Struct("<I")


class HistoryRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of an account's history is wanted."""

    after: int
    """Records behind this one; what a `Tapewire-Seq` said."""
    limit: int = MAX_LIMIT
    """At most so many; 0: the headers alone."""


def frames(messages: Iterable[bytes]) -> bytes:
    """Flat messages as one payload."""
    return b"".join(part for raw in messages for part in (_LENGTH.pack(len(raw)), raw))


def unframed(payload: bytes | memoryview) -> list[bytes]:
    """The flat messages of a payload that `frames` made. Raises WireError for any other."""
    payload = bytes(payload)
    found: list[bytes] = []
    at = 0
    while at < len(payload):
        if len(payload) - at < _LENGTH.size:
            raise WireError(f"frames: {len(payload) - at} bytes at {at}, where a length of 4 was expected")
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        if length > len(payload) - at:
            raise WireError(f"frames: a message of {length} bytes at {at}, and {len(payload) - at} are left")
        found.append(payload[at : at + length])
        at += length
    return found
