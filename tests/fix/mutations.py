"""Messages of a client that are wrong in every way: seeded, and each with what its number is worth.

A body is a list of fields behind the header. What is changed there, however badly, leaves a message with a number,
which counts. What is changed in header or framing may end the session, or be no message at all: `wild`.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Iterator
from pathlib import Path

from tapewire.fix.message import SOH, checksum

Body = list[tuple[str, str]]
"""Fields as they are written; the first is 35."""
T = "20261121-12:00:00.000"
ORDER = f"35=D|11=@|55=BTCUSDT|54=1|60={T}|38=2|40=2|44=100.00|59=1|"
PLAIN = (
    ORDER,
    ORDER.replace("54=1", "54=2"),
    ORDER.replace("40=2|44=100.00", "40=1"),
    ORDER.replace("59=1", "59=3"),
    ORDER.replace("59=1", "59=6|126=20991231-12:00:00"),
    ORDER.replace("40=2|44=100.00", "40=4|44=101.00|99=101.00"),
    ORDER.replace("59=1", "18=6|8040=Y|7928=D"),
    ORDER.replace("38=2", "38=20|111=1|110=1"),
    ORDER.replace("11=@|", "11=@|1=1|21=1|58=a text|"),
    f"35=F|11=@|41=last|55=BTCUSDT|54=1|60={T}|",
    f"35=F|11=@|37=0-3|55=BTCUSDT|54=1|60={T}|",
    f"35=G|11=@|41=last|55=BTCUSDT|54=1|60={T}|38=3|40=2|44=100.01|",
    "35=H|11=last|55=BTCUSDT|54=1|790=@|",
    f"35=q|11=@|530=7|60={T}|",
    f"35=q|11=@|530=1|55=BTCUSDT|54=1|60={T}|",
    "35=AF|584=@|585=7|",
    "35=x|320=@|559=4|",
    "35=e|324=@|55=BTCUSDT|263=1|",
    "35=g|335=@|263=1|",
    "35=XLQ|8030=@|",
    "35=V|262=@|263=1|264=0|265=1|267=2|269=0|269=1|146=2|55=BTCUSDT|55=ETHUSDT|",
    "35=1|112=@|",
    "35=0|",
)
WITH_GROUPS = (
    ORDER.replace("11=@|", "11=@|453=2|448=DESK|447=D|452=24|802=1|523=X|803=4|448=TRADER|452=11|"),
    "35=V|262=@|263=0|264=5|267=3|269=0|269=1|269=2|146=1|55=ETHUSDT|",
)
"""Not in FIX 4.2, the first."""
COUNTS = frozenset({"453", "802", "267", "146", "268"})
NUMBERS = (
    *("0", "-1", "1", "00", "1.", ".5", "-0.000000000000000001", "9223372036854775807", "9223372036854775808", "1e9"),
    *("9" * 26, "0x10", "NaN", "+5", "1,5", " 1", "2147483648", "-9223372036854775808"),
)
TIMES = (
    *("99991231-23:59:59", "00010101-00:00:00", "20261121", "20261121-24:00:00", "20261121-23:59:60"),
    *("20261121-12:00:00.123456789", "22620412-00:00:00.000", "16770101-00:00:00", "20261331-01:01:01"),
)
TEXTS = (
    *("", "A" * 40, "x" * 3000, "\xe9\xff\x80", "\x00", "\x02", "a=b", "==", " ", "|", "%s%n", "../..", "N", "Y"),
    *("6 6", "NONE"),
)
TAGS = (
    *("1", "6", "7", "9999", "5000", "2147483647", "100", "212", "354", "78"),
    *("8013", "8022", "150", "39", "797", "20"),
)
TYPES = (
    *("D", "F", "G", "H", "q", "AF", "V", "x", "e", "g", "XLQ"),
    *("8", "9", "j", "r", "W", "B", "0", "1", "3", "ZZ", "s", "AE", "BZ", "U1"),
)
WRONG_COUNTS = ("0", "1", "2", "3", "9", "-1", "1000000", "x")
ANY = (*range(32, 127), *range(128, 256))
LOGS = ("FIX.4.2-KOD-BON.messages.current.log.gz", "Montran_order_messages.log", "FIXT.1.1-EXEC-BANZAI.messages.log")
RAW = re.compile(rb"8=FIX.*?\x0110=\d{3}\x01", re.DOTALL)
AROUND = frozenset({"8", "9", "34", "49", "52", "56", "10", "43", "97", "122", "369", "115", "128", "1128"})


def recorded(folder: Path) -> list[Body]:
    """Application messages of others, without their headers."""
    found = []
    for name in LOGS:
        data = (folder / name).read_bytes()
        for raw in RAW.findall(gzip.decompress(data) if name.endswith(".gz") else data):
            pairs = [part.partition("=")[::2] for part in raw.decode("latin-1").split(SOH)[:-1]]
            body = [(tag, value) for tag, value in pairs if tag not in AROUND]
            if body[0][1] not in ("A", "5", "4", "2"):
                found.append(body)
    return found


def body_of(text: str) -> Body:
    return [(tag, value) for tag, _, value in (part.partition("=") for part in text.split("|")[:-1])]


class Mutations:
    """Draws messages. `wild` ones may cost the session; all others use their number."""

    def __init__(self, seed: int, begin: str, seeds: list[Body]) -> None:
        """`seeds`: recorded messages to begin with, besides ours."""
        self.random = random.Random(f"{seed}/{begin}")
        self.begin = begin
        own = [*PLAIN, *WITH_GROUPS[begin == "FIX.4.2" :]]
        self._own, self._seeds = [body_of(text) for text in own], seeds
        self._names = 0
        self._last = "none"

    def body(self) -> Body:
        """A message as it should be, of ours or another's."""
        others = self._seeds and self.random.random() < 0.25
        made = []
        for tag, value in self.random.choice(self._seeds if others else self._own):
            if value == "@" or (others and tag == "11"):
                self._names += 1
                value = f"f{self._names}"
            elif value == "last":
                value = self._last
            made.append((tag, value))
        if made[0] == ("35", "D"):
            self._last = dict(made).get("11", "none")
        return made

    def mutated(self) -> Body:
        """One to four changes of a body. Its type stays one that is not of the session."""
        body = self.body()
        for _ in range(self.random.choice((0, 1, 1, 1, 2, 4))):
            body = self.random.choice(self.CHANGES)(self, body)
        return body

    def refused(self) -> Body:
        """A message that must be refused whatever else it holds, and leaves nothing behind."""
        return [*self.mutated(), ("5000", "x")]

    def _at(self, body: Body) -> int:
        return self.random.randrange(1, len(body)) if len(body) > 1 else 0

    def _value(self) -> str:
        kind = self.random.random()
        if kind < 0.1:
            return "".join(chr(self.random.choice(ANY)) for _ in range(self.random.randint(1, 60)))
        return self.random.choice((NUMBERS, TIMES, TEXTS, tuple("0123456789ABCDEFGHIZ"))[int(kind * 3.99)])

    def _drop(self, body: Body) -> Body:
        at = self._at(body)
        return body[:at] + body[at + 1 :] if at else body

    def _repeat(self, body: Body) -> Body:
        at, to = self._at(body), self.random.randint(1, len(body))
        return body[:to] + [body[at]] * self.random.choice((1, 1, 50)) + body[to:] if at else body

    def _swap(self, body: Body) -> Body:
        a, b = self._at(body), self._at(body)
        made = list(body)
        made[a], made[b] = made[b], made[a]
        return made if a and b else body

    def _change(self, body: Body) -> Body:
        at = self._at(body)
        return [*body[:at], (body[at][0], self._value()), *body[at + 1 :]] if at else body

    def _flip(self, body: Body) -> Body:
        """One byte of a value."""
        at = self._at(body)
        if not at:
            return body
        tag, value = body[at]
        place = self.random.randrange(max(len(value), 1))
        other = chr(self.random.choice((*range(2, 61), *range(62, 256))))
        return [*body[:at], (tag, value[:place] + other + value[place + 1 :]), *body[at + 1 :]]

    def _insert(self, body: Body) -> Body:
        at = self.random.randint(1, len(body))
        return [*body[:at], (self.random.choice(TAGS), self._value()), *body[at:]]

    def _retag(self, body: Body) -> Body:
        at = self._at(body)
        return [*body[:at], (self.random.choice(TAGS), body[at][1]), *body[at + 1 :]] if at else body

    def _retype(self, body: Body) -> Body:
        return [("35", self.random.choice(TYPES)), *body[1:]]

    def _recount(self, body: Body) -> Body:
        counts = [at for at, (tag, _) in enumerate(body) if tag in COUNTS]
        if not counts:
            at = self.random.randint(1, len(body))
            return [*body[:at], (self.random.choice(sorted(COUNTS)), self.random.choice(WRONG_COUNTS)), *body[at:]]
        at = self.random.choice(counts)
        return [*body[:at], (body[at][0], self.random.choice(WRONG_COUNTS)), *body[at + 1 :]]

    def _long(self, body: Body) -> Body:
        return [*body, *[("58", "y" * 60)] * self.random.choice((1, 40))]

    CHANGES = (_drop, _repeat, _swap, _change, _change, _flip, _flip, _insert, _retag, _retype, _recount, _long)

    def garbled(self, raw: bytes) -> bytes:
        """The same with a frame that is wrong, in such a way that the next message is found behind it."""
        wrong = b"%03d" % ((int(raw[-4:-1]) + self.random.randint(1, 255)) % 256)
        return raw[:-4] + wrong + b"\x01"

    def wild(self, raw: bytes, expected: int) -> bytes:
        """Header and framing changed: may be taken for another number, another client, another time, or nothing."""
        dice = self.random.random()
        if dice < 0.3:
            return self._framing(raw)
        tag, values = self.random.choice(self._HEADERS)
        value = self.random.choice(values).replace("@", str(expected + self.random.choice((-3, -1, 1, 2, 1000))))
        head, _, rest = raw.partition(b"\x0135=")
        inner = ("35=" + rest[:-7].decode("latin-1")).split(SOH)[:-1]
        if dice < 0.7:
            inner = [f"{tag}={value}" if part.startswith(f"{tag}=") else part for part in inner]
        else:
            at = self.random.randint(1, min(len(inner), 8))
            inner = [*inner[:at], f"{tag}={value}", *inner[at:]]
        return framed(head.split(b"\x01")[0].decode(), "".join(part + SOH for part in inner))

    _HEADERS = (
        ("34", ("@", "@", "@", "0", "-1", "x", "99999999999999999999", "1")),
        ("49", ("SOMEONE", "", "ORDERS-44")),
        ("56", ("SOMEONE", "")),
        ("52", ("20201121-12:00:00", "20991121-12:00:00", "now", "")),
        ("35", ("4", "5", "A", "2", "", "3", "\x00")),
        ("43", ("Y", "N", "x")),
        ("122", ("20201121-12:00:00", "20991121-12:00:00", "x")),
        ("97", ("Y",)),
        ("369", ("1", "x", "999999999")),
        ("8", ("FIX.4.4", "FIX.9.9")),
        ("9", ("5",)),
        ("10", ("000",)),
        ("36", ("@", "1", "999999999")),
        ("7", ("1", "@", "0")),
        ("16", ("0", "@", "-1")),
        ("96", ("x",)),
        ("95", ("5", "99999", "-1")),
        ("0", ("x",)),
        ("abc", ("x",)),
        ("011", ("x",)),
        ("-5", ("x",)),
    )

    def _framing(self, raw: bytes) -> bytes:
        choice = self.random.randrange(7)
        if choice == 0:
            return raw[: self.random.randint(1, len(raw) - 1)]
        if choice == 1:
            return self.random.randbytes(self.random.randint(1, 400))
        if choice == 2:
            length = self.random.choice((0, 1, 5, len(raw), 9999, 99999999))
            return re.sub(rb"\x019=\d+", b"\x019=%d" % length, raw, count=1)
        if choice == 3:
            place = self.random.randrange(len(raw))
            return raw[:place] + self.random.randbytes(1) + raw[place + 1 :]
        if choice == 4:
            place = self.random.randrange(len(raw))
            return raw[:place] + b"\x01" * self.random.randint(1, 3) + raw[place:]
        if choice == 5:
            return raw + raw
        return raw.replace(b"\x0110=", b"\x0110=0", 1)


def framed(begin: str, inner: str) -> bytes:
    """With length and checksum; unlike `build` it takes anything."""
    data = inner.encode("latin-1")
    data = begin.encode() + b"\x019=%d\x01" % len(data) + data
    return data + b"10=%03d\x01" % checksum(data)


def pieces(random_: random.Random, data: bytes) -> Iterator[bytes]:
    """The bytes cut anywhere, as a network does."""
    at = 0
    while at < len(data):
        size = random_.choice((1, 7, 100, 1500, 60_000))
        yield data[at : at + size]
        at += size
