"""JSON shapes of the API about itself: what is under way, who is logged in, whether it is ready."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class Pending(Struct):
    """The request is on the tape, but the engine has not answered in time. Ask again with the same ClOrdID: nothing is
    sent twice."""

    received: int
    """Seq of its ApiReceived."""
    detail: str
    cl_ord_id: str | UnsetType = UNSET


class Cancelled(Struct):
    """Answer to a mass cancel."""

    cl_ord_id: str
    seq: int
    ts: str
    cancelled: int
    """Orders that it ended."""


class Done(Struct):
    """Answer to a command of the operator that says no more than that it was carried out."""

    seq: int
    ts: str


class Session(Struct):
    """Who asks, and what it may do."""

    name: str
    number: int
    scopes: list[str]
    accounts: list[int]
    stream: str
    """Where the WebSocket stream is."""
    csrf: str | UnsetType = UNSET
    """Of a login: what its writes must carry in Tapewire-Csrf."""


class Alive(Struct):
    status: str = "alive"


class Ready(Struct):
    ready: bool
    tape: bool
    """Everything on the orders tape was taken in."""
    engine: bool
    """An engine takes commands."""
    entry: bool
    """Requests to change something are taken."""
    seq: int
    """The last record of the orders tape taken in."""
