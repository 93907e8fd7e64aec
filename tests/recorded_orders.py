"""Readers of order-by-order recordings: what happened to which order, in the recording's own numbers and names."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import struct
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from tapewire import messages as m

BUY, SELL = m.Side.buy, m.Side.sell


# Nasdaq TotalView-ITCH 5.0: price in 1/10,000 dollar


class Itch(NamedTuple):
    kind: str
    """A, F new; E executed; X partly cancelled; D deleted; U replaced; P a trade with an order that is not shown."""
    stock: int
    order: int
    new_order: int
    """Of U: the order that takes its place."""
    side: m.Side
    """Of A and F."""
    price: int
    qty: int


def itch(messages: Iterator[bytes]) -> Iterator[Itch]:
    """The messages that say something of orders; all others (directory, status, imbalance) are left out."""
    for raw in messages:
        kind, stock = chr(raw[0]), int.from_bytes(raw[1:3], "big")
        if kind in "AF":
            order, side, qty = struct.unpack(">QcI", raw[11:24])
            price = int.from_bytes(raw[32:36], "big")
            yield Itch(kind, stock, order, 0, BUY if side == b"B" else SELL, price, qty)
        elif kind in "EX":
            order, qty = struct.unpack(">QI", raw[11:23])
            yield Itch(kind, stock, order, 0, m.Side.unspecified, 0, qty)
        elif kind == "D":
            yield Itch(kind, stock, int.from_bytes(raw[11:19], "big"), 0, m.Side.unspecified, 0, 0)
        elif kind == "U":
            order, new, qty, price = struct.unpack(">QQII", raw[11:35])
            yield Itch(kind, stock, order, new, m.Side.unspecified, price, qty)
        elif kind == "P":
            yield Itch(kind, stock, 0, 0, m.Side.unspecified, int.from_bytes(raw[32:36], "big"), 0)
        else:
            assert kind in "SRHYLJKVWIQN", f"an order message that is not read here: {kind}"


def framed(path: Path) -> Iterator[bytes]:
    """ITCH messages with two bytes of length before each."""
    data = gzip.decompress(path.read_bytes())
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        yield data[at + 2 : at + 2 + length]
        at += 2 + length


def multicast(path: Path, session: bytes) -> Iterator[bytes]:
    """ITCH messages of one MoldUDP64 session in a packet capture (classic pcap, Ethernet, IPv4, UDP)."""
    data = gzip.decompress(path.read_bytes())
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at, expected = 24, 0
    while at < len(data):
        (length,) = struct.unpack(order + "I", data[at + 8 : at + 12])
        packet = data[at + 16 : at + 16 + length]
        at += 16 + length
        ip = 18 if packet[12:14] == b"\x81\x00" else 14
        payload = packet[ip + (packet[ip] & 15) * 4 + 8 :] if len(packet) > ip else b""
        if payload[:10] != session:
            continue
        seq, count = struct.unpack(">QH", payload[10:20])
        if not 0 < count < 0xFFFF:
            continue  # a heartbeat, or the session's end
        assert expected in (0, seq), f"a gap in the recording: {seq} follows {expected - 1}"
        expected = seq + count
        inner = 20
        for _ in range(count):
            size = int.from_bytes(payload[inner : inner + 2], "big")
            yield payload[inner + 2 : inner + 2 + size]
            inner += 2 + size


# CME market by order, as Databento's DBN version 1: price in 1e-9


class Mbo(NamedTuple):
    order: int
    price: int
    qty: int
    snapshot: bool
    last: bool
    """Of its event: the book is consistent after it."""
    action: str
    """A added, C cancelled, M modified, R all cleared; T traded, F filled (these two change no book by themselves)."""
    side: m.Side
    """Of T the aggressor's, else the order's own."""


def mbo(path: Path) -> Iterator[Mbo]:
    data = pa.input_stream(str(path), compression="zstd").read()
    assert data[:4] == b"DBN\x01"
    at = 8 + int.from_bytes(data[4:8], "little")
    while at < len(data):
        size = 4 * data[at]
        assert data[at + 1] == 160, "not a market-by-order record"
        order, price, qty, flags, _, action, side = struct.unpack("<QqIBBcc", data[at + 16 : at + 40])
        told = {b"B": BUY, b"A": SELL, b"N": m.Side.unspecified}[side]
        yield Mbo(order, price, qty, bool(flags & 32), bool(flags & 128), action.decode(), told)
        at += size


def events(records: Iterator[Mbo]) -> Iterator[list[Mbo]]:
    """Records that belong together."""
    held: list[Mbo] = []
    for record in records:
        held.append(record)
        if record.last:
            yield held
            held = []
    assert not held


# Bitstamp live orders: price in cents, quantity in 1e-8


class Bitstamp(NamedTuple):
    kind: str
    """created, changed, deleted; trade; book (with levels)."""
    order: int
    side: m.Side
    price: int
    qty: int
    """What is left of the order; of a trade what was traded."""
    levels: dict[m.Side, dict[int, int]]
    """Of book: quantity by price, the best twenty levels a side."""


def bitstamp(path: Path) -> Iterator[Bitstamp]:
    with lzma.open(path, "rt") as file:
        for line in file:
            _, kind, text = line.split(" ", 2)
            told = json.loads(text, parse_float=Decimal)
            if kind == "order_book":
                sides = ((BUY, told["bids"]), (SELL, told["asks"]))
                levels = {side: {scaled(p, 2): scaled(q, 8) for p, q in listed} for side, listed in sides}
                yield Bitstamp("book", 0, m.Side.unspecified, 0, 0, levels)
                continue
            side = {0: BUY, 1: SELL, None: m.Side.unspecified}[told.get("order_type")]
            price, qty = scaled(told["price"], 2), scaled(told["amount"], 8)
            yield Bitstamp(kind.removeprefix("order_"), told["id"], side, price, qty, {})


@cache
def scaled(value: str | Decimal, digits: int) -> int:
    """Texts are exact; the floats of trades (235.91999999999999) are rounded to the digits that the others have."""
    if isinstance(value, Decimal):
        return int((value * 10**digits).to_integral_value())
    whole, _, fraction = value.partition(".")
    assert len(fraction) <= digits
    return int(whole + fraction.ljust(digits, "0"))


# LOBSTER: price in 1/10,000 dollar


def lobster(folder: Path, name: str) -> list[list[str]]:
    """The rows of the `message` or the `orderbook` file."""
    (path,) = folder.glob(f"*_{name}_10.csv.gz")
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))
