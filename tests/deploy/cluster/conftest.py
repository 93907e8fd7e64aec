"""A control plane for the tests of this folder, with the nodes and disks that docs/kubernetes.md asks for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.cluster.market import Market
from tools.cluster import BINARY, Cluster
from tools.cluster.nodes import PRODUCTION, SECOND_MARKET, STORAGE_CLASSES, add, provisioning, remove, storage_class

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def kind_of_the_operator(kind: str) -> dict[str, object]:
    """One of which nobody here knows more than its name."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


@pytest.fixture(scope="session")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Skips where it was not built: a test builds nothing."""
    if not BINARY.exists():
        pytest.skip("no build/cluster: `make build/cluster` builds it where Go is, in a quarter of an hour")
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster, provisioning(cluster.client()):
        client = cluster.client()
        add(client, PRODUCTION)
        for one in (storage_class("tapewire-tapes"), storage_class("standard", is_default=True)):
            client.make(STORAGE_CLASSES, one)
        for kind in ("ServiceMonitor", "PrometheusRule"):
            client.make(DEFINITIONS, kind_of_the_operator(kind))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield cluster


@pytest.fixture
def room_for_two(control: Cluster) -> Iterator[None]:
    """Nodes for the engines of a second market; a test asks for them before `market`, so that they go after it."""
    add(control.client(), SECOND_MARKET)
    yield
    remove(control.client(), SECOND_MARKET)


@pytest.fixture
def market(control: Cluster) -> Iterator[Market]:
    """Nothing of Tapewire is there; what the test applies is gone after it."""
    market = Market(control)
    yield market
    market.remove()


@pytest.fixture
def prod(running: Market) -> Market:
    """The same, for a test that drains nodes or rolls pods: it begins with all nodes, and every pod ready."""
    running.uncordon()
    running.apply("overlays/prod")
    running.settle()
    return running


@pytest.fixture(scope="module")
def running(control: Cluster) -> Iterator[Market]:
    """overlays/prod, all of its pods ready, for tests of one module that leave it so."""
    market = Market(control)
    market.apply("overlays/prod")
    market.settle()
    yield market
    market.remove()
