"""examples/second-shard: four engines, which find no room on the nodes of one market, and their own on those of two."""

from __future__ import annotations

import pytest

from tests.deploy.cluster.market import Market
from tools.cluster import wait_until
from tools.cluster.nodes import SECOND_MARKET, add, remove

pytestmark = pytest.mark.slow
ENGINES = {"engine-0", "engine-1", "engine-shard1-0", "engine-shard1-1"}


def without_cpus(market: Market) -> set[str]:
    return {name for name, why in market.without_node().items() if "Insufficient cpu" in why}


def test_a_second_market_waits_until_there_are_nodes_for_it(market: Market) -> None:
    market.apply("examples/second-shard")
    wait_until("an engine for which no node has CPUs", lambda: without_cpus(market) & ENGINES)
    wait_until("only engines wait", lambda: set(market.without_node()) <= ENGINES)
    add(market.client, SECOND_MARKET)
    try:
        pods = market.settle(120)
        assert len({pods[name]["spec"]["nodeName"] for name in ENGINES}) == len(ENGINES)
    finally:
        market.remove()
        remove(market.client, SECOND_MARKET)


@pytest.mark.usefixtures("room_for_two")
def test_where_the_nodes_are_there_before_each_market_stands_in_two_zones(market: Market) -> None:
    market.apply("examples/second-shard")
    pods = market.settle(120)
    for shard in ("engine", "engine-shard1"):
        assert len({market.zone(pods[f"{shard}-{at}"]) for at in (0, 1)}) == 2, shard
