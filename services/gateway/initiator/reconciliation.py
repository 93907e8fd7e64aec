"""After each logon: how do the open orders stand? Asked all at once, or one by one, until each is answered. Pure.

begin ──▶ mass: AF ──last report──▶ what it did not tell of, one by one: H ──all answered──▶ done
          each, cancel ──────────────────────────────────▶ H, or F                            ▲
          cancel, and followed by the drop copy ──────────▶ is that up to date? ──yes─────────┘
"""

from __future__ import annotations

from typing import Final, Literal

from services.gateway.initiator.child import Child
from services.gateway.initiator.words import Kind, Report

IN_FLIGHT: Final = 50
"""Orders asked for and not answered yet."""
TRIES: Final = 3


class Reconciliation:
    def __init__(
        self,
        asks: Literal["mass", "each", "cancel"],
        children: set[int],
        timeout_ns: int,
        followed: frozenset[int] = frozenset(),
    ) -> None:
        """`followed`: children of which the drop copy has told everything, if it proves to be up to date."""
        self.restated = 0
        """Orders that the venue told otherwise than we had them."""
        self.found = ""
        """What is to be said of how it ended."""
        self._left = dict.fromkeys(sorted(children), 0)  # child, how often it was asked for
        self._asked: dict[int, int] = {}  # child, when
        self._timeout = timeout_ns
        self.followed = followed
        """Of them nothing is asked until `release` says whether it must be."""
        self._mass = asks == "mass"
        self._mass_asked = self._mass_tries = 0

    @property
    def done(self) -> bool:
        return not self._mass and not self._left

    @property
    def given_up(self) -> bool:
        """Whether something was asked for as often as it may be, and not answered."""
        return self._mass_tries > TRIES or any(tries > TRIES for tries in self._left.values())

    def next(self, now: int) -> int | None:
        """The child to ask for next, 0: all of them; None: nothing now. It counts as asked."""
        if self._mass:
            if self._mass_asked and now - self._mass_asked < self._timeout:
                return None
            self._mass_asked, self._mass_tries = now, self._mass_tries + 1
            return None if self.given_up else 0
        for child, asked in list(self._asked.items()):
            if now - asked >= self._timeout:
                del self._asked[child]
        if len(self._asked) < IN_FLIGHT:
            for child in self._left:
                if child not in self._asked and child not in self.followed:
                    self._left[child] += 1
                    self._asked[child] = now
                    return None if self.given_up else child
        return None

    def release(self, known: bool) -> None:
        """`known`: the drop copy is up to date; else they are asked for like all others."""
        if known:
            left = [child for child in self.followed if self._left.pop(child, None) is not None]
            self.found = f"open orders that the drop copy has followed: {len(left)}" if left else ""
        self.followed = frozenset()

    def refused_mass(self) -> None:
        """It does not know AF: one by one, then."""
        self._mass = False

    def heard(self, child: Child | None, report: Report, asked: bool) -> None:
        """A report came, and what it says is taken. `asked`: it answers a question about its order."""
        if child is not None and (asked or report.kind in (Kind.unspecified, Kind.unknown)):
            self._asked.pop(child.child_id, None)
            if child.doubt is None:
                self._left.pop(child.child_id, None)
        if self._mass and report.answers and report.last:
            self._mass = False
