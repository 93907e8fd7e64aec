"""Two hosts, one tape, one stream: kills, losses, late messages, claims, by seed. A failure names its seed."""

from __future__ import annotations

import pytest

from tapewire.tape import TapeReader
from tests.replicated_world import World
from tests.tapes import in_memory_folder

STEPS = 1200


def run(seed: int, steps: int = STEPS) -> World:
    with in_memory_folder() as folder:
        world = World(folder, seed)
        for _ in range(steps):
            world.step()
        world.settle()
        ends = []
        for host in world.hosts:
            with TapeReader(host.tape, from_seq=None) as reader:
                ends.append((reader.positions.released_seq, reader.positions.released))
        assert ends[0] == ends[1], f"seed {seed}: released to {ends}"
        for name in {path.name for path in world.hosts[0].tape.glob("*.seg")}:
            one, other = (host.tape / name for host in world.hosts)
            assert one.read_bytes() == other.read_bytes(), f"seed {seed}: {name} differs"
    return world


@pytest.mark.parametrize("seed", range(6))
def test_nothing_released_is_lost_or_written_twice(seed: int) -> None:
    run(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_nothing_released_is_lost_or_written_twice_at_length(seed: int) -> None:
    run(seed, 5000)


def test_the_simulation_promotes_and_releases() -> None:
    """A world in which nothing happens would pass everything."""
    worlds = [run(seed) for seed in (1, 2, 3)]
    assert sum(world.promotions for world in worlds) > 3
    assert min(len(world.released) for world in worlds) > 50
