"""libtapewire_book.so from Python, by ctypes: structures and constants are read from the header itself."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tapewire import messages as m
from tools import native

ROOT = Path(__file__).resolve().parents[2]
HEADER = ROOT / "include" / "tapewire" / "book.h"
TYPES: dict[str, Any] = {
    "uint64_t": ctypes.c_uint64,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint16_t": ctypes.c_uint16,
    "uint8_t": ctypes.c_uint8,
}


def declarations() -> str:
    """The header without its comments."""
    return re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)


def structures() -> dict[str, Any]:
    """Every `typedef struct` and `typedef union` of the header, by its name."""
    known = dict(TYPES)
    for kind, body, name in re.findall(r"typedef (struct|union) tw_\w+ \{(.*?)\} (tw_\w+);", declarations(), re.DOTALL):
        fields = [
            (one.strip(), known[of]) for of, names in re.findall(r"(\w+) ([\w, ]+);", body) for one in names.split(",")
        ]
        base = ctypes.Structure if kind == "struct" else ctypes.Union
        known[name] = type(name, (base,), {"_fields_": fields})
    return known


def functions() -> set[str]:
    return set(re.findall(r"^TW_API .*?(tw_\w+)\(", declarations(), re.MULTILINE))


S = structures()
MEMBERS = {
    m.OrderAccepted: "accepted",
    m.OrderRejected: "rejected",
    m.CancelRejected: "rejected",
    m.OrderCancelled: "cancelled",
    m.OrderReplaced: "replaced",
    m.OrderExecuted: "executed",
    m.OrderTriggered: "triggered",
    m.OrderRestated: "restated",
    m.InstrumentStatusChanged: "status_changed",
    m.AuctionIndicated: "auction_indicated",
    m.LimitStateChanged: "limit_state_changed",
    m.TradeBusted: "trade_busted",
    m.TradeCorrected: "trade_corrected",
    m.CommandCompleted: "completed",
}
"""Which member of tw_event tells what a message of the platform tells."""
KINDS = {int(message.TYPE): member for message, member in MEMBERS.items()}
BODIES: dict[str, Any] = dict(S["tw_event"]._fields_)
STRUCTS = {
    m.NewOrder: ("new_order", "tw_new_order"),
    m.CancelOrder: ("cancel_order", "tw_cancel_order"),
    m.ReplaceOrder: ("replace_order", "tw_replace_order"),
    m.MassCancel: ("mass_cancel", "tw_mass_cancel"),
    m.InstrumentDefinition: ("define", "tw_instrument"),
    m.BustTrade: ("bust_trade", "tw_trade"),
}

Told = tuple[Any, ...]


def sanitized() -> Path:
    flags = ("-shared", "-fPIC", "-DTAPEWIRE_CHECK", '-DTAPEWIRE_VERSION="checked"')
    return native.build("services/matcher/abi.cpp", *native.SANITIZED, *flags)


def load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.tw_version.restype = ctypes.c_char_p
    library.tw_book_create.restype = ctypes.c_void_p
    for name in ("events", "drain", "depth"):
        getattr(library, f"tw_book_{name}").restype = ctypes.c_size_t
    for name in ("depth_at", "next_due"):
        getattr(library, f"tw_book_{name}").restype = ctypes.c_int64
    for name in ("order_count", "last_order_id", "next_match_id"):
        getattr(library, f"tw_book_{name}").restype = ctypes.c_uint64
    return library


class Book:
    """A tw_book that takes and tells what services.matcher.Matcher does, as far as C knows of it."""

    def __init__(self, library: ctypes.CDLL, max_live_orders: int = 0) -> None:
        self.library = library
        self.at = ctypes.c_void_p(library.tw_book_create(ctypes.c_uint64(max_live_orders)))
        assert self.at.value

    def close(self) -> None:
        self.library.tw_book_destroy(self.at)

    def apply(self, command: m.Message) -> int:
        """Carries out one command; what tw_book_... returns."""
        self.library.tw_book_set_time(self.at, ctypes.c_int64(command.ts))
        if isinstance(command, m.SetInstrumentStatus):
            instrument, resume = ctypes.c_uint32(command.instrument), ctypes.c_int64(command.resume_time)
            return self.call("set_status", instrument, int(command.status), int(command.reason), resume)
        if isinstance(command, m.AdvanceClock):
            return self.call("advance_clock", ctypes.c_int64(command.up_to))
        if isinstance(command, m.CorrectTrade):
            new = ctypes.c_int64(command.new_price), ctypes.c_int64(command.new_qty)
            return self.call("correct_trade", ctypes.byref(fill("tw_trade", command)), *new)
        function, struct = STRUCTS[type(command)]
        return self.call(function, ctypes.byref(fill(struct, command)))

    def call(self, name: str, *arguments: Any) -> int:
        return int(getattr(self.library, f"tw_book_{name}")(self.at, *arguments))

    def events(self) -> list[Told]:
        """What is held, by the view; then forgotten."""
        at = ctypes.POINTER(S["tw_event"])()
        count = self.library.tw_book_events(self.at, ctypes.byref(at))
        out = [told(at[i]) for i in range(count)]
        self.library.tw_book_clear(self.at)
        return out

    def drained(self, room: int) -> Iterator[Told]:
        """The same by copies, `room` at a time."""
        into = (S["tw_event"] * room)()
        while n := self.library.tw_book_drain(self.at, into, ctypes.c_size_t(room)):
            yield from (told(into[i]) for i in range(n))

    def best(self, instrument: int) -> tuple[int, int, int, int]:
        top = S["tw_top"]()
        assert self.library.tw_book_best(self.at, ctypes.c_uint32(instrument), ctypes.byref(top)) == 0
        return top.bid, top.bid_qty, top.ask, top.ask_qty

    def depth(self, instrument: int, side: int, room: int) -> list[tuple[int, int, int]]:
        into = (S["tw_level"] * room)()
        n = self.library.tw_book_depth(self.at, ctypes.c_uint32(instrument), side, into, ctypes.c_size_t(room))
        return [(level.price, level.qty, level.orders) for level in into[:n]]

    def depth_at(self, instrument: int, side: int, price: int) -> int:
        return self.call("depth_at", ctypes.c_uint32(instrument), side, ctypes.c_int64(price))

    def digest(self) -> str:
        into = (ctypes.c_uint8 * 32)()
        assert self.library.tw_book_digest(self.at, into) == 0
        return bytes(into).hex()

    def snapshot(self) -> bytes:
        at, count = ctypes.POINTER(ctypes.c_uint8)(), ctypes.c_size_t()
        assert self.library.tw_book_snapshot(self.at, ctypes.byref(at), ctypes.byref(count)) == 0
        out = ctypes.string_at(at, count.value)
        self.library.tw_free(at)
        return out

    def restore(self, snapshot: bytes) -> int:
        return self.call("restore", snapshot, ctypes.c_size_t(len(snapshot)))


def fill(struct: str, command: m.Message) -> ctypes.Structure:
    return S[struct](**{name: int(getattr(command, name)) for name, *_ in S[struct]._fields_})  # type: ignore[no-any-return]


def names(struct: Any) -> list[str]:
    """Of the fields of an event, its header left out."""
    return [name for name, *_ in struct._fields_ if name != "header"]


def told(event: Any) -> Told:
    """An event as C tells it: type, time, instrument, and the fields."""
    header, body = event.header, getattr(event, KINDS[event.header.type])
    return header.type, header.ts, header.instrument, *((name, getattr(body, name)) for name in names(type(body)))


def expected(events: Iterable[bytes]) -> list[Told]:
    """The same of what services.matcher.Matcher said."""
    out: list[Told] = []
    for event in map(m.decode, events):
        fields = [(name, int(getattr(event, name))) for name in names(BODIES[MEMBERS[type(event)]])]
        out.append((int(event.TYPE), event.ts, event.instrument, *fields))
    return out
