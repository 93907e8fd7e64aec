"""Nodes are drained and lost: what may go goes, one of a pair or of three at a time, and what comes back where."""

from __future__ import annotations

import subprocess

import pytest

from tests.deploy.cluster.market import PODS, SPACE, Market, is_ready
from tests.deploy.rendering import Document
from tools.cluster import Refused, wait_until

pytestmark = pytest.mark.slow
DRAIN = ("--ignore-daemonsets", "--delete-emptydir-data")


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


def test_one_server_of_the_bus_is_drained_and_no_second_one_before_it_is_back(prod: Market) -> None:
    first, second = node_of(prod, "nats-0"), node_of(prod, "nats-1")
    spare = f"{first[:-1]}{3 - int(first[-1])}"  # the other node of its zone, where it would go
    prod.cluster.kubectl("cordon", first, spare)
    assert evict(prod, "nats-0") == 201
    wait_until("nats-0 has no node", lambda: "nodeName" not in _spec(prod, "nats-0"))
    refused = drain(prod, second, 8)
    assert refused.returncode == 1
    assert "Cannot evict pod as it would violate the pod's disruption budget" in refused.stderr
    assert is_ready(prod.pods()["nats-1"])
    prod.cluster.kubectl("uncordon", spare)
    wait_until("nats-0 is back", lambda: _spec(prod, "nats-0").get("nodeName") == spare)
    assert drain(prod, second, 60).returncode == 0


def _spec(market: Market, name: str) -> Document:
    pod = market.pods().get(name)
    return {"nodeName": "?"} if pod is None else pod["spec"]


def test_all_that_stands_on_a_common_node_goes_to_the_other_one_of_its_zone(prod: Market) -> None:
    """Also two pods of the API, one after the other, and what has a disk in the zone."""
    prod.cluster.kubectl("scale", "-n", SPACE, "statefulset/api", "--replicas=4")
    prod.settle()
    api = [pod["spec"]["nodeName"] for pod in prod.pods("api").values()]
    node = max(api, key=lambda one: [name[:-1] for name in api].count(one[:-1]))  # of the zone that has two of them
    zones = {name: prod.zone(pod) for name, pod in prod.pods().items()}
    assert drain(prod, node, 90).returncode == 0
    prod.settle()
    assert {name: prod.zone(pod) for name, pod in prod.pods().items()} == zones
    assert node not in {pod["spec"]["nodeName"] for pod in prod.pods().values()}


def test_an_engine_goes_only_while_the_other_one_is_ready(prod: Market) -> None:
    prod.set_ready("engine-1", ready=False)
    wait_until("budget used up", lambda: prod.budget("engine")["disruptionsAllowed"] == 0)
    assert evict(prod, "engine-0") == 429
    prod.set_ready("engine-0", ready=False)
    wait_until("none is healthy", lambda: prod.budget("engine")["currentHealthy"] == 0)
    assert (evict(prod, "engine-0"), evict(prod, "engine-1")) == (429, 429)
    prod.set_ready("engine-0", ready=True)
    wait_until("one is healthy", lambda: prod.budget("engine")["currentHealthy"] == 1)
    assert evict(prod, "engine-0") == 429
    assert evict(prod, "engine-1") == 201  # it was not of use, and the other one is


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
