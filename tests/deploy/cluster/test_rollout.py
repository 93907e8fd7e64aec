"""In which order pods are replaced: as docs/upgrade.md and docs/kubernetes.md say."""

from __future__ import annotations

import time

import pytest

from tests.deploy.cluster.market import PODS, SETS, SPACE, Market, is_ready
from tests.deploy.rendering import Document
from tools.cluster import wait_until

pytestmark = pytest.mark.slow
NEXT = "tapewire:0.2.0"
LONGER_THAN_A_STEP_S = 4.0


def upgrade(market: Market, name: str, image: str = NEXT) -> None:
    """As `kubectl apply` of the next version would: every image of the pod."""
    found = market.client.get(f"{SETS}/{name}")["spec"]["template"]["spec"]
    spec = {
        part: [{"name": one["name"], "image": image} for one in found[part]]
        for part in ("initContainers", "containers")
        if part in found
    }
    market.client.patch(f"{SETS}/{name}", {"spec": {"template": {"spec": spec}}}, "strategic")


def image(pod: Document) -> str:
    return str(pod["spec"]["containers"][0]["image"])


def images(market: Market, component: str) -> dict[str, str]:
    return {name: image(pod) for name, pod in market.pods(component).items()}


def uids(market: Market, component: str) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in market.pods(component).items()}


def test_the_engines_wait_to_be_deleted_and_come_back_as_the_new_version_one_by_one(prod: Market) -> None:
    before, old = uids(prod, "engine"), images(prod, "engine")
    upgrade(prod, "engine")
    wait_until("a new revision", lambda: _revisions(prod, "engine") == 2)
    time.sleep(LONGER_THAN_A_STEP_S)
    assert uids(prod, "engine") == before
    prod.cluster.kubectl("delete", "-n", SPACE, "pod/engine-1", "--timeout=30s")
    prod.cluster.kubectl("wait", "-n", SPACE, "--for=condition=Ready", "pod/engine-1", "--timeout=30s")
    time.sleep(LONGER_THAN_A_STEP_S)
    assert uids(prod, "engine")["engine-0"] == before["engine-0"]
    assert images(prod, "engine") == {"engine-0": old["engine-0"], "engine-1": NEXT} != old
    prod.cluster.kubectl("delete", "-n", SPACE, "pod/engine-0", "--timeout=30s")
    prod.settle()
    assert set(images(prod, "engine").values()) == {NEXT}


def _revisions(market: Market, name: str) -> int:
    status = market.client.get(f"{SETS}/{name}")["status"]
    return len({status["currentRevision"], status["updateRevision"]})


def test_the_gateway_is_replaced_by_the_next_one_after_it_is_gone(prod: Market) -> None:
    """Never two of it: kwok lets a pod go at once, so a finalizer holds it as a long drain would."""
    old = prod.pods("gateway")["gateway-0"]["metadata"]["uid"]
    prod.client.patch(f"{PODS}/gateway-0", {"metadata": {"finalizers": ["tapewire.io/drains"]}})
    upgrade(prod, "gateway")
    wait_until("told to end", lambda: not prod.pods("gateway"))
    time.sleep(LONGER_THAN_A_STEP_S)
    [ending] = prod.client.items(PODS, labelSelector="app.kubernetes.io/component=gateway")
    assert ending["metadata"]["uid"] == old
    prod.client.patch(f"{PODS}/gateway-0", {"metadata": {"finalizers": None}})
    wait_until("the next version", lambda: images(prod, "gateway") == {"gateway-0": NEXT})
    prod.settle()


def test_servers_of_the_bus_are_replaced_one_by_one_each_after_the_other_is_ready(prod: Market) -> None:
    before = uids(prod, "nats")
    upgrade(prod, "nats", "nats:2.99.0-alpine")
    wait_until("the last one first", lambda: _is_anew(prod, "nats-2", before))
    prod.set_ready("nats-2", ready=False)
    time.sleep(13.0)  # longer than minReadySeconds, 10
    assert {name for name, uid in uids(prod, "nats").items() if uid != before[name]} == {"nats-2"}
    prod.set_ready("nats-2", ready=True)
    wait_until("the next one", lambda: _is_anew(prod, "nats-1", before))
    assert uids(prod, "nats")["nats-0"] == before["nats-0"]
    wait_until("all", lambda: set(images(prod, "nats").values()) == {"nats:2.99.0-alpine"})
    prod.settle()


def _is_anew(market: Market, name: str, before: dict[str, str]) -> bool:
    pod = market.pods("nats").get(name)
    return pod is not None and pod["metadata"]["uid"] != before[name] and is_ready(pod)


def test_gateways_and_api_can_be_held_back_until_the_engines_are_upgraded(prod: Market) -> None:
    """By the partition of their RollingUpdate, as the page says."""
    before = uids(prod, "api")
    held = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 2}}}}
    prod.client.patch(f"{SETS}/api", held)
    upgrade(prod, "api")
    time.sleep(LONGER_THAN_A_STEP_S)
    assert uids(prod, "api") == before
    prod.client.patch(f"{SETS}/api", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
    wait_until("both", lambda: set(images(prod, "api").values()) == {NEXT})


def test_a_changed_setting_rolls_every_pod_that_reads_it_but_the_engines(prod: Market) -> None:
    """A ConfigMap has a hash in its name; here the name in the templates is changed as `apply` would."""
    before = {name: pod["metadata"]["uid"] for name, pod in prod.pods().items()}
    for one in prod.workloads():
        volumes = one["spec"]["template"]["spec"]["volumes"]
        if any(volume.get("configMap", {}).get("name", "").startswith("tapewire-") for volume in volumes):
            spec = {"volumes": [{"name": "config", "configMap": {"name": "tapewire-another"}}]}
            patch = {"spec": {"template": {"spec": spec}}}
            prod.client.patch(f"{SETS}/{one['metadata']['name']}", patch, "strategic")

    def others_are_new() -> bool:
        pods = prod.pods()
        return set(pods) == set(before) and all(
            is_ready(pod) and pod["metadata"]["uid"] != before[name]
            for name, pod in pods.items()
            if not name.startswith(("engine-", "nats-"))
        )

    wait_until("all others anew", others_are_new)
    kept = {name for name, pod in prod.pods().items() if pod["metadata"]["uid"] == before[name]}
    assert kept == {"engine-0", "engine-1", "nats-0", "nats-1", "nats-2"}
