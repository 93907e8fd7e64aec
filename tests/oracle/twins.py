"""The compiled matcher beside its slow twin: both get the same commands, and any difference is an AssertionError."""

from __future__ import annotations

from dataclasses import dataclass

from services.matcher import Matcher
from tapewire import messages as m
from tests.oracle.naive_book import NaiveMatcher
from tests.oracle.order_flow import MARKETS, Flow


@dataclass
class Twins:
    """The compiled matcher and the naive one, which must be alike in all they say and show."""

    capacity: int
    naive: NaiveMatcher
    seed: int = 0
    commands: int = 0

    def __post_init__(self) -> None:
        self.compiled = Matcher(self.capacity)

    def apply(self, command: bytes) -> list[bytes]:
        most = self.compiled.most_events()
        got, expected = self.compiled.apply(command), self.naive.apply(command)
        if got != expected or len(got) >= most or not self.same_views():
            told = [[str(m.decode(event)) for event in events] for events in (got, expected)]
            raise AssertionError(
                f"seed {self.seed}, command {self.commands}: {m.decode(command)}\n"
                + "\n    ".join([f"got, said to be fewer than {most}:", *told[0], "expected:", *told[1]])
                + f"\nviews: {self.views(self.compiled)}\nexpected: {self.views(self.naive)}"
            )
        self.commands += 1
        return expected

    def views(self, matcher: Matcher | NaiveMatcher) -> list[object]:
        """What readers of the books see, without events."""
        seen: list[object] = [matcher.next_due(), matcher.live_orders]
        for i in self.naive.instruments:
            sides = [matcher.depth(i, side, 4) for side in (m.Side.buy, m.Side.sell)]
            seen.append((i, matcher.status(i), matcher.best(i), *sides))
        return seen

    def same_views(self) -> bool:
        return self.views(self.compiled) == self.views(self.naive)

    def same_snapshots(self) -> None:
        assert self.compiled.snapshot() == self.naive.snapshot(), f"seed {self.seed}, command {self.commands}"

    def restart(self) -> None:
        """Goes on from a snapshot: what is not in its bytes is missed from here on."""
        snapshot = self.naive.snapshot()
        self.compiled = Matcher.restore(snapshot, self.capacity)
        self.naive = type(self.naive).restore(snapshot, self.capacity)


def compare(seed: int, market: str, commands: int, capacity: int, twin: type[NaiveMatcher] = NaiveMatcher) -> None:
    twins = Twins(capacity, twin(capacity), seed)
    for i, _ in enumerate(Flow(seed, **MARKETS[market]).play(twins.apply, commands)):
        if i % 100 == 0:
            twins.same_snapshots()
        if i % 300 == 0:
            twins.restart()
    twins.same_snapshots()
    assert twins.compiled.digest() == twins.naive.digest()
