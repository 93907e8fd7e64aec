"""Sequencer, risk, matcher and replay under sanitizers: hostile commands, and a second core that derives the same."""

from __future__ import annotations

import pytest

from tests.native.random_commands import RandomCommands

pytestmark = pytest.mark.timeout(900)  # a compiler takes minutes where others want the cores, too


@pytest.fixture(scope="module")
def core() -> RandomCommands:
    return RandomCommands("core_check")


@pytest.mark.parametrize("seed", range(3))
def test_random_and_hostile_commands_are_decided_and_replayed_alike(core: RandomCommands, seed: int) -> None:
    # The check is tested itself: it refused, matched, and had orders to match.
    words = core.hold(seed, 8_000).replace(",", "").split()
    assert min(int(words[at]) for at in (2, 4, 6)) > 50


def test_an_event_of_which_one_bit_differs_is_found_out(core: RandomCommands) -> None:
    code, said = core.run(1, 1_000, "break")
    assert (code, said.endswith("a replay differs, kind 3\n")) == (1, True), said


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_hostile_commands_are_decided_and_replayed_alike(core: RandomCommands, seed: int) -> None:
    core.hold(seed, 100_000)
