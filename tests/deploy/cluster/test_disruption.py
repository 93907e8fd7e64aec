"""Nodes are drained and lost: what may go goes, one of a pair or of three at a time, and what comes back where."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.deploy.cluster.market import PODS, SPACE, Market, is_ready
from tools.cluster import Cluster, Refused, wait_until

pytestmark = pytest.mark.slow
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data")


@pytest.fixture
def prod(control: Cluster) -> Iterator[Market]:
    market = Market(control)
    market.apply("overlays/prod")
    market.settle()
    yield market
    market.remove()


def drain(market: Market, node: str, seconds: int) -> subprocess.CompletedProcess[str]:
    return market.cluster.kubectl("drain", node, *DRAIN, f"--timeout={seconds}s", check=False)


def node_of(market: Market, pod: str) -> str:
    return str(market.pods()[pod]["spec"]["nodeName"])


def evict(market: Market, name: str) -> int:
    """The code of the answer: 201, or 429 where a budget forbids it."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": SPACE}}
    try:
        market.client.make(f"{PODS}/{name}/eviction", body)
    except Refused as error:
        return error.code
    return 201


def test_one_server_of_the_bus_is_drained_and_no_second_one(prod: Market) -> None:
    first = node_of(prod, "nats-0")
    second = node_of(prod, "nats-1")
    done = drain(prod, first, 60)
    assert done.returncode == 0, done.stderr
    wait_until("nats-0 made anew", lambda: "nats-0" in prod.pods())
    assert "nodeName" not in prod.pods()["nats-0"]["spec"]  # each has a node and a zone of its own, so it waits
    refused = drain(prod, second, 8)
    assert refused.returncode == 1
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
    assert is_ready(prod.pods()["nats-1"])
    prod.cluster.kubectl("uncordon", first)
    prod.cluster.kubectl("uncordon", second)
    prod.settle()
    assert node_of(prod, "nats-0") == first


def test_all_that_stands_on_a_common_node_finds_room_on_the_others(prod: Market) -> None:
    """But for the server of the bus that has its zone."""
    prod.cluster.kubectl("scale", "-n", SPACE, "statefulset/api", "--replicas=4")
    prod.settle()
    node = node_of(prod, "gateway-0")
    zone = prod.zone(prod.pods()["gateway-0"])
    assert drain(prod, node, 90).returncode == 0
    # What has its disk in this zone waits for a node there; with disks that follow (or none yet) it would not.
    waiting = {name for name, pod in prod.pods().items() if "nodeName" not in pod["spec"]}
    elsewhere = {name for name, pod in prod.pods().items() if is_ready(pod)}
    assert waiting | elsewhere == set(prod.pods())
    assert all(prod.zone(prod.pods()[name]) != zone for name in elsewhere if not name.startswith("engine"))


def test_of_the_engines_one_goes_while_the_other_is_ready(prod: Market) -> None:
    prod.set_ready("engine-1", ready=False)
    wait_until("budget used up", lambda: prod.budget("engine")["disruptionsAllowed"] == 0)
    assert evict(prod, "engine-0") == 429
    # The one that is not ready may be moved only while the other is well (IfHealthyBudget).
    assert evict(prod, "engine-1") == 429
    prod.set_ready("engine-1", ready=True)
    wait_until("budget free", lambda: prod.budget("engine")["disruptionsAllowed"] == 1)
    assert evict(prod, "engine-0") == 201


def test_a_gateway_that_is_not_ready_can_always_be_moved(prod: Market) -> None:
    prod.set_ready("gateway-0", ready=False)
    wait_until("budget used up", lambda: prod.budget("gateway")["disruptionsAllowed"] == 0)
    assert evict(prod, "gateway-0") == 201


def test_an_engine_whose_disk_is_lost_comes_up_on_the_third_node(prod: Market) -> None:
    """As docs/kubernetes.md says: its claim is deleted, then the pod; the copy begins anew."""
    before = {name: node_of(prod, name) for name in ("engine-0", "engine-1")}
    prod.cluster.kubectl("cordon", before["engine-1"])
    prod.cluster.kubectl("delete", "-n", SPACE, "pvc/data-engine-1", "--wait=false")
    prod.cluster.kubectl("delete", "-n", SPACE, "pod/engine-1", "--timeout=30s")
    prod.settle()
    after = node_of(prod, "engine-1")
    assert after.startswith("sequencer-")
    assert after not in before.values()
    assert node_of(prod, "engine-0") == before["engine-0"]
