"""The matcher under AddressSanitizer and UndefinedBehaviorSanitizer, its invariants checked after every command."""

from __future__ import annotations

import pytest

from tests.native.random_commands import RandomCommands

pytestmark = pytest.mark.timeout(900)  # a compiler takes minutes where others want the cores, too


@pytest.fixture(scope="module")
def matcher() -> RandomCommands:
    return RandomCommands("matcher_check")


@pytest.mark.parametrize("seed", range(6))
def test_random_commands_break_no_invariant(matcher: RandomCommands, seed: int) -> None:
    matcher.hold(seed, 8_000)


def test_a_book_that_differs_from_its_events_is_found_out(matcher: RandomCommands) -> None:
    code, said = matcher.run(1, 1_000, "break")
    assert (code, said) == (1, "command 8: a replace of another order (6)\n")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_random_commands_break_no_invariant(matcher: RandomCommands, seed: int) -> None:
    matcher.hold(seed, 100_000)
