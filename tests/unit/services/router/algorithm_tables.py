"""The little language of docs/algorithms.md: a parent, then what happens at which second and what the algorithm does.

    twap qty=100 end=40 interval=10             terms; times in seconds, the rest as in NewParent. It begins at second 0
    0: bid 99, ask 101          | slice 1 of 4: 25 at 0 s; slice 2 of 4: 25 at 10 s; rest 25 at 99 (c1)
    3: c1 fills 5               |
    7: amend qty=200            | pull c1

Left of `|` is what happens, right all that the algorithm answers. Children are named in the order of their making;
a move is accepted at once, one that is pulled stands until it is said to be cancelled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from services.router.algorithms import make, refuses
from services.router.interfaces import ChildView, Move, Progress, Pull, Rest, Slice, Take, Terms
from services.router.markets import View
from tapewire import messages as m

SECOND = 10**9
TIMES = {"start": "start_time", "end": "end_time", "interval": "interval"}
NAMES = {"limit": "limit_price", "display": "display_qty", "most": "max_participation"}


def tables(path: Path) -> list[tuple[int, str]]:
    """(line, text) of each ```algorithm block of a document."""
    text = path.read_text()
    found = re.finditer(r"^```algorithm\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: one.start()].count("\n") + 2, one[1]) for one in found]


def values(words: list[str]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for word in words:
        name, value = word.split("=")
        if name in TIMES:
            given[TIMES[name]] = int(value) * SECOND
        elif name in ("side", "tif"):
            given["side" if name == "side" else "time_in_force"] = (
                m.Side[value] if name == "side" else m.TimeInForce[value]
            )
        else:
            given[NAMES.get(name, name)] = int(value)
    return given


def terms_of(line: str) -> Terms:
    """The first line of a table."""
    name, *words = line.split()
    given = {
        "parent_id": 1, "instrument": 1, "side": m.Side.buy, "algorithm": m.Algorithm[name], "qty": 0, "limit_price": 0,
        "start_time": 0, "end_time": 0, "participation": 0, "max_participation": 0, "display_qty": 0, "interval": 0,
        "randomness": 0, "urgency": 0, "seed": 1, "time_in_force": m.TimeInForce.unspecified,
    } | values(words)  # fmt: skip
    return Terms(**given)


@dataclass
class Table:
    """Plays one table."""

    text: str
    profile: m.VolumeProfile | None = None
    children: dict[str, ChildView] = field(default_factory=dict)
    made: int = 0
    cum: int = 0

    def __post_init__(self) -> None:
        first, *self.rows = [line for line in self.text.splitlines() if line.strip()]
        self.terms = terms_of(first)
        self.view = View(m.InstrumentDefinition(instrument=1, ticker="X", tick_size=1, lot_size=1))
        self.view.book(1, m.VenueState.ready).quality = m.BookQuality.live

    def play(self) -> list[tuple[str, str]]:
        """Each row as it stands in the table, and as it would be true."""
        refused = refuses(self.terms, 0, self.view, self.profile)
        assert refused is None, refused
        self.algorithm = make(self.terms, 0, self.view, self.profile)
        played = []
        for row in self.rows:
            left, right = (part.strip() for part in row.split("|"))
            at, happens = left.split(":")
            now = int(at) * SECOND
            for event in filter(None, (one.strip() for one in happens.split(","))):
                self.happen(event, now)
            actions = self.algorithm.step(now, self.view, self.progress())
            played.append((f"{left} | {right}", f"{left} | {'; '.join(self.say(action) for action in actions)}"))
        return played

    def progress(self) -> Progress:
        children = list(self.children.values())
        return Progress(self.cum, sum(child.leaves for child in children), children)

    def happen(self, event: str, now: int) -> None:
        who, *words = event.split()
        if who in ("bid", "ask"):
            levels = [(int(words[0]), 10**6)]
            if who == "bid":
                self.view.books[0].bids = levels
            else:
                self.view.books[0].asks = levels
        elif who == "volume":
            self.view.volume += int(words[0])
        elif who == "amend":
            self.terms = replace(self.terms, **values(words))
            refused = refuses(self.terms, now, self.view, self.profile)
            assert refused is None, refused
            self.algorithm.amend(self.terms, now, self.progress())
        elif words[0] == "fills":
            child = self.children[who]
            child.leaves -= int(words[1])
            self.cum += int(words[1])
            if not child.leaves:
                del self.children[who]
        else:
            assert words[0] in ("cancelled", "expired", "rejected"), event
            del self.children[who]

    def say(self, action: object) -> str:
        if isinstance(action, Slice):
            number = f"slice {action.number}" + (f" of {action.slices}" if action.slices else "")
            return f"{number}: {action.qty} at {action.due // SECOND} s"
        if isinstance(action, Pull):
            self.children[f"c{action.child_id}"].pending = True
            return f"pull c{action.child_id}"
        if isinstance(action, Move):
            child = self.children[f"c{action.child_id}"]
            child.price = action.price
            return f"move c{action.child_id} to {action.price}"
        assert isinstance(action, Take | Rest)
        self.made += 1
        rests, price = isinstance(action, Rest), action.price if isinstance(action, Rest) else action.limit
        self.children[f"c{self.made}"] = ChildView(self.made, 1, price, action.qty, action.qty, rests, False)
        return f"{'rest' if rests else 'take'} {action.qty}{f' at {price}' if price else ''} (c{self.made})"
