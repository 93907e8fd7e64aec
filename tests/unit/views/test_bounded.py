from __future__ import annotations

from tapewire.views.bounded import Bounded


def test_the_oldest_of_an_owner_makes_way() -> None:
    log: Bounded[str] = Bounded(2, 100)
    assert [log.add(1, item) for item in "abc"] == [[], [], ["a"]]
    assert log.of(1) == ["b", "c"]
    assert log.of(2) == []


def test_the_oldest_of_all_makes_way_for_any_owner() -> None:
    log: Bounded[str] = Bounded(3, 4)
    for owner, item in [(1, "a"), (2, "b"), (2, "c"), (2, "d")]:
        log.add(owner, item)
    assert log.add(3, "e") == ["a"]
    assert log.add(2, "f") == ["b"]
    assert log.all() == [(2, "c"), (2, "d"), (3, "e"), (2, "f")]
    assert len(log) == 4
