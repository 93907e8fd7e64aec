"""ClOrdIDs that are remembered: how many, whose, and which never are forgotten."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from services.api.answers import Answer, Made, Remembered

MOST = 12
names = st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 40).map(str))


def made(*, answered: bool) -> Made:
    one = Made(1, ())
    one.answer = Answer(201, 0) if answered else None
    return one


@given(st.lists(st.tuples(names, st.booleans()), max_size=200))
def test_what_is_under_way_is_known_and_the_rest_is_bounded(added: list[tuple[tuple[int, int, str], bool]]) -> None:
    remembered, expected = Remembered(MOST), {}
    for name, answered in added:
        if remembered.get(name) is None:
            expected[name] = made(answered=answered)
            remembered.add(name, expected[name])
    pending = {name for name, one in expected.items() if one.answer is None}
    assert all(remembered.get(name) is expected[name] for name in pending)
    known = [name for name, one in expected.items() if remembered.get(name) is one]
    assert len(remembered) == len(known)
    assert len(known) <= MOST + len(pending)


@given(st.lists(names, max_size=300))
def test_whoever_has_less_than_its_share_forgets_nothing(added: list[tuple[int, int, str]]) -> None:
    remembered = Remembered(MOST)
    for name in added:
        if remembered.get(name) is None:
            remembered.add(name, made(answered=True))
    asked = Counter(name[:2] for name in set(added))
    for name in added:
        if asked[name[:2]] * len(asked) <= MOST:
            assert remembered.get(name) is not None


def test_what_was_spared_is_forgotten_once_it_is_answered() -> None:
    remembered = Remembered(MOST)
    spared = [made(answered=False) for _ in range(2 * MOST)]
    for number, one in enumerate(spared):
        remembered.add((1, 1, f"spared {number}"), one)
    assert len(remembered) == 2 * MOST
    for one in spared:
        one.answer = Answer(201, 0)
    for number in range(2 * MOST):
        remembered.add((1, 1, str(number)), made(answered=True))
    assert len(remembered) == MOST
    assert remembered.get((1, 1, str(2 * MOST - 1))) is not None
