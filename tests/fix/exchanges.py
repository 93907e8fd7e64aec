"""The example exchanges of docs/fix.md: real bytes of a real gateway, made anew by `python -m tests.fix.exchanges`.

Between `<!-- exchanges -->` and `<!-- end -->`; `>` is what the client sends, `<` what it is sent, `|` stands for SOH.
Secrets are left out. A test compares them with what the gateway says today, but for times and numbers.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tapewire.fix.auth import redacted
from tapewire.fix.client import FixClient, Sent
from tests.fix.stack import Stack

DOCUMENT: Final = Path(__file__).resolve().parents[2] / "docs" / "fix.md"
MARKED: Final = re.compile(r"(<!-- exchanges -->\n).*?(<!-- end -->)", re.DOTALL)
VARIABLE: Final = re.compile(
    r"(?<=\|)(9|10|34|52|60|122|126|369|45|17|37|19|83|322|7|36|789|880|1003|8033|272|273|278)=[^|]*"
)
"""Fields that differ from one run to the next."""
PATIENCE_S: Final = 60.0
T: Final = "20261121-12:00:00.000"


class Notes:
    """What was said, under headings."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str, list[str]]] = []

    def keep(self, title: str, text: str, lines: list[Sent]) -> None:
        self.parts.append((title, text, [f"{'>' if one.outgoing else '<'} {redacted(one.raw)}" for one in lines]))

    def markdown(self) -> str:
        blocks = []
        for title, text, lines in self.parts:
            blocks.append(f"### {title}\n\n{text}\n\n```\n" + "\n".join(lines) + "\n```\n")
        return "\n".join(blocks)


class Speaker:
    """A client; each `say` is noted with all that came of it."""

    def __init__(self, notes: Notes, client: FixClient) -> None:
        self.notes, self.client = notes, client

    def say(self, title: str, text: str, *requests: str, until: tuple[str, ...]) -> None:
        """Sends the requests one after the other; after each comes a message of the type in `until`."""
        mark = len(self.client.transcript)
        for request, kind in zip(requests, until, strict=True):
            self.send(request, kind)
        self.notes.keep(title, text, self.client.transcript[mark:])

    def send(self, request: str, until: str) -> None:
        kind, *fields = request.split("|")[:-1]
        pairs = [(int(tag), value) for tag, _, value in (one.partition("=") for one in fields)]
        self.client.send(kind[3:], pairs)
        if until:
            self.client.expect(*until.split(), timeout=PATIENCE_S)

    def settle(self) -> None:
        """Until everything before was answered."""
        self.client.send("1", [(112, "settled")])
        self.client.expect("0", timeout=PATIENCE_S, where=[(112, "settled")])


def unsettled(client: FixClient, mark: int) -> list[Sent]:
    """What was said since, without what only waited for the end of it."""
    return [line for line in client.transcript[mark:] if b"=settled\x01" not in line.raw]


def session(notes: Notes, stack: Stack) -> None:
    client = FixClient("127.0.0.1", stack.port, stack.login("ORDERS-44"), timeout=PATIENCE_S)
    client.logon(timeout=PATIENCE_S)
    one = Speaker(notes, client)
    notes.keep("Logon", "`A` in both directions; 96 is the signature, left out here.", client.transcript[:])
    one.say("TestRequest and Heartbeat", "`1`, `0`", "35=1|112=are you there|", until=("0",))
    order = f"35=D|11=o1|55=BTCUSDT|54=1|60={T}|38=2|40=2|44=100.00|59=1|"
    one.say("A new order", "`D`, `8` with 150=0", order, until=("8",))
    mark = len(client.transcript)
    one.send("35=2|7=1|16=0|", "")
    one.settle()
    text = "`2`: reports come again, with 43=Y and 122; session messages as one `4`."
    notes.keep("ResendRequest", text, unsettled(client, mark))
    mark = len(client.transcript)
    client.next_out += 1
    client.send("1", [(112, "one is missing")])
    client.expect("2", timeout=PATIENCE_S)
    one.settle()
    text = "A number was left out: `2` asks for it, and `4` of the client fills the gap, the TestRequest included."
    notes.keep("A gap", text, unsettled(client, mark))
    one.say("A message that breaks the rules", "`3`: Side (54) is missing.",
            f"35=D|11=o2|55=BTCUSDT|60={T}|38=2|40=2|44=100.00|", until=("3",))  # fmt: skip
    one.say("A message that is not answered otherwise", "`j`: a limit order without a price.",
            f"35=D|11=o3|55=BTCUSDT|54=1|60={T}|38=2|40=2|", until=("j",))  # fmt: skip
    one.say("An order that is refused", "`8` with 150=8: 8022 says why, 8023 and 8024 are the two numbers.",
            order.replace("o1", "o4").replace("100.00", "100.001"),
            order.replace("o1", "o5").replace("100.00", "160.00"),
            until=("8", "8"))  # fmt: skip
    one.say("A replace", "`G`, `8` with 150=5: less at the same price keeps the order's place.",
            f"35=G|11=o6|41=o1|55=BTCUSDT|54=1|60={T}|38=1|40=2|44=100.00|", until=("8",))  # fmt: skip
    one.say("Where an order stands", "`H`, `8` with 150=I", "35=H|11=o6|55=BTCUSDT|54=1|790=s1|", until=("8",))
    trade(notes, stack, one)
    one.say("A cancel, and one that is too late", "`F`, `8` with 150=4; `9`",
            f"35=F|11=o7|41=o6|55=BTCUSDT|54=1|60={T}|", f"35=F|11=o8|41=o7|55=BTCUSDT|54=1|60={T}|",
            until=("8", "9"))  # fmt: skip
    for name, price in (("p1", "99.00"), ("p2", "98.00")):
        one.send(order.replace("o1", name).replace("100.00", price), "8")
    mark = len(client.transcript)
    one.send("35=AF|584=m1|585=7|", "8")
    one.settle()
    notes.keep("All live orders", "`AF`, an `8` for each", unsettled(client, mark))
    one.say("A mass cancel", "`q`, an `8` for each order, then `r`", f"35=q|11=m2|530=7|60={T}|", until=("r",))
    one.say("Limits", "`XLQ`, `XLR`", "35=XLQ|8030=l1|", until=("XLR",))
    one.say(
        "Logout", "`5` in both directions; ours says in 789 what we expect next.", "35=5|58=good night|", until=("5",)
    )
    client.close()


def trade(notes: Notes, stack: Stack, one: Speaker) -> None:
    other = Speaker(notes, stack.client("OTHER-44"))
    copy = stack.client("COPY-44")
    marks = [len(client.transcript) for client in (one.client, other.client, copy)]
    parties = "453=1|448=DESK|447=D|452=24|"
    other.send(f"35=D|11=x1|{parties}55=BTCUSDT|54=2|60={T}|38=0.5|40=2|44=100.00|59=3|", "8")
    other.client.expect("8", timeout=PATIENCE_S)
    for client in (one.client, copy):
        client.expect("8", timeout=PATIENCE_S, where=[(150, "F")])
    told = [client.transcript[mark:] for client, mark in zip((one.client, other.client, copy), marks, strict=True)]
    notes.keep("A trade, the taker's side", "`D`, `8` with 150=0 and 150=F; parties are repeated.", told[1])
    notes.keep("A trade, the maker's side", "`8` with 150=F", told[0])
    notes.keep("A drop copy", "Of the maker's account: the same report with 797=Y and the client's CompID in 8017.",
               [line for line in told[2] if b"\x01150=F\x01" in line.raw])  # fmt: skip
    other.client.logout()
    copy.logout()


def data(notes: Notes, stack: Stack) -> None:
    one, trader = Speaker(notes, stack.client("DATA-44")), stack.client("ORDERS-44", reset=True)
    one.say("Instruments", "`x`, `y`", "35=x|320=x1|559=4|", until=("y",))
    one.say("Status of an instrument and of the market", "`e`, `f`; `g`, `h`", "35=e|324=e1|55=BTCUSDT|263=0|",
            "35=g|335=g1|263=0|", until=("f", "h"))  # fmt: skip
    resting = Speaker(notes, trader)
    resting.send(f"35=D|11=d0|55=BTCUSDT|54=1|60={T}|38=1.5|40=2|44=99.00|", "8")
    best = "35=V|262=v0|263=0|264=1|266=Y|267=1|269=0|146=1|55=BTCUSDT|"
    one.say("A book, once", "`V` with 263=0, `W`: the best bid.", best, until=("W",))
    mark = len(one.client.transcript)
    one.send("35=V|262=v1|263=1|264=0|265=1|267=3|269=0|269=1|269=2|146=1|55=BTCUSDT|", "W")
    for side, name in (("1", "d1"), ("2", "d2")):
        order: list[tuple[int, object]] = [(11, name), (55, "BTCUSDT"), (54, side), (60, T), (38, "1"), (40, "2")]
        trader.send("D", [*order, (44, "100.00"), (7928, "A")])
        one.client.expect("X", timeout=PATIENCE_S)
    one.settle()
    text = "`V`, `W`, then `X` for each change: a bid comes; a trade takes it away."
    notes.keep("A book that is followed", text, unsettled(one.client, mark))
    one.say(
        "Market data that is refused", "`Y`", "35=V|262=v2|263=0|264=0|267=1|269=0|146=1|55=NONESUCH|", until=("Y",)
    )
    one.client.logout()
    trader.logout()


def versions(notes: Notes, stack: Stack) -> None:
    for version, name in (("42", "FIX 4.2"), ("50", "FIXT 1.1 with FIX 5.0 SP2")):
        client = FixClient("127.0.0.1", stack.port, stack.login(f"ORDERS-{version}"), timeout=PATIENCE_S)
        client.logon(timeout=PATIENCE_S)
        one = Speaker(notes, client)
        one.send(f"35=D|11=v1|55=ETHUSDT|54=1|60={T}|38=2|40=2|44=10.00|7928=A|", "8")
        one.send(f"35=D|11=v2|55=ETHUSDT|54=2|60={T}|38=2|40=2|44=10.00|59=3|7928=A|", "8")
        client.expect("8", timeout=PATIENCE_S)
        client.expect("8", timeout=PATIENCE_S)
        notes.keep(f"{name}: Logon, two orders, a trade", "The same in that version's words.", client.transcript[:])
        client.logout()


def shutdown(notes: Notes, stack: Stack) -> None:
    client = stack.client("ORDERS-44", reset=True)
    mark = len(client.transcript)
    stack.stop_gateway()
    client.expect("5", timeout=PATIENCE_S)
    client.send("5")
    kept = [one for one in client.transcript[mark:] if not one.outgoing or b"\x0135=5\x01" in one.raw]
    seen: set[bytes] = set()
    lines = []
    for one in kept:  # News comes again and again
        kind = one.raw.partition(b"\x0135=")[2][:1]
        if kind != b"B" or kind not in seen:
            lines.append(one)
        seen.add(kind)
    notes.keep("Before a shutdown", "`B` every 10 seconds, then `5`.", lines)


STEPS: Final[tuple[Callable[[Notes, Stack], None], ...]] = (session, data, versions, shutdown)


def made(folder: Path) -> Notes:
    """Says it all to a new stack."""
    notes = Notes()
    with Stack(folder) as stack:
        for step in STEPS:
            step(notes, stack)
    return notes


def comparable(markdown: str) -> list[str]:
    """Its lines, but for times and numbers."""
    return list(_comparable(markdown))


def _comparable(markdown: str) -> Iterator[str]:
    for line in markdown.splitlines():
        if line:
            yield VARIABLE.sub(r"\1=*", line)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        notes = made(Path(folder))
    text = DOCUMENT.read_text("utf-8")
    filled, count = MARKED.subn(lambda found: f"{found[1]}\n{notes.markdown()}\n{found[2]}", text)
    assert count == 1, f"{DOCUMENT}: expected the markers of exchanges once; there are {count}"
    DOCUMENT.write_text(filled, "utf-8")


if __name__ == "__main__":
    main()
