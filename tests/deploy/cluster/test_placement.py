"""Where the scheduler puts the pods of overlays/prod on nodes as docs/kubernetes.md names them, and what they are."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any, Final

import pytest

from tests.deploy.cluster.market import BUDGETS, PODS, SPACE, Market
from tests.deploy.policies import cpus, size
from tests.deploy.rendering import ROOT, Document
from tools.cluster import BINARY
from tools.cluster.nodes import PRODUCTION

pytestmark = pytest.mark.slow
PAGE: Final = (ROOT / "docs" / "kubernetes.md").read_text()
CLAIMS: Final = f"/api/v1/namespaces/{SPACE}/persistentvolumeclaims"


def nodes(pods: dict[str, Document]) -> dict[str, str]:
    return {name: one["spec"]["nodeName"] for name, one in pods.items()}


def test_the_nodes_are_those_of_the_page() -> None:
    rows = re.findall(r"^\| (engines|all else) \| (\d) \| (\d+) of \d+ \| (\d+) of \d+ GiB \|", PAGE, re.MULTILINE)
    assert [row[0] for row in rows] == ["engines", "all else"]
    zones = {one.zone for one in PRODUCTION}
    for (_, each, cpu, memory), kept in zip(rows, (True, False), strict=True):
        mine = [one for one in PRODUCTION if one.sequencers is kept]
        assert len(mine) == int(each) * len(zones)
        assert {(one.cpus, one.memory) for one in mine} == {(cpu, f"{memory}Gi")}


def test_engines_stand_on_nodes_of_their_own_in_two_zones(running: Market) -> None:
    pods = running.pods("engine")
    assert set(pods) == {"engine-0", "engine-1"}
    assert all(node.startswith("sequencer-") for node in nodes(pods).values())
    assert len({running.zone(pod) for pod in pods.values()}) == 2


def test_nobody_else_stands_there(running: Market) -> None:
    others = {name: node for name, node in nodes(running.pods()).items() if not name.startswith("engine-")}
    assert {node for node in others.values() if node.startswith("sequencer-")} == set()


def test_the_servers_of_the_bus_stand_in_three_zones(running: Market) -> None:
    pods = running.pods("nats")
    assert len(set(nodes(pods).values())) == len({running.zone(pod) for pod in pods.values()}) == len(pods) == 3


def test_the_pods_of_the_api_stand_in_two_zones(running: Market) -> None:
    pods = running.pods("api")
    assert len({running.zone(pod) for pod in pods.values()}) == len(pods) == 2


def test_priorities_are_in_the_pods(running: Market) -> None:
    order = ("engine", "nats", "gateway", "router", "connector", "api")
    found: list[int] = []
    for component in order:
        pods = running.pods() if component == "connector" else running.pods(component)
        values = {one["spec"]["priority"] for name, one in pods.items() if name.startswith(component)}
        assert len(values) == 1, component
        found += values
    assert found == sorted(set(found), reverse=True)


def test_what_a_node_has_is_enough_with_room_for_what_the_system_needs(running: Market) -> None:
    """Also with four pods of the API and one node of the others away."""
    sums: dict[str, float] = {}
    for pod in running.pods().values():
        spec, kind = pod["spec"], pod["spec"]["nodeName"].partition("-")[0]
        stay = [one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]
        asked = [one["resources"]["requests"] for one in (*stay, *spec["containers"])]
        times = 2 if pod["metadata"]["name"].startswith("api-") else 1
        sums[kind] = sums.get(kind, 0.0) + times * sum(cpus(one["cpu"]) for one in asked)
        assert sum(size(one["memory"]) for one in asked) <= size("8Gi")
    assert sums["sequencer"] / 2 <= 7 * 0.9
    assert sums["node"] <= 2 * 15 * 0.9


def test_the_engine_is_guaranteed_and_has_whole_cpus(running: Market) -> None:
    classes = {name: pod["status"]["qosClass"] for name, pod in running.pods().items()}
    guaranteed = {name for name, found in classes.items() if found == "Guaranteed"}
    assert guaranteed == {"engine-0", "engine-1", "nats-0", "nats-1", "nats-2"}


def static(pod: Document, *options: str) -> subprocess.CompletedProcess[str]:
    """What the kubelet's static CPU manager makes of it, on a machine of 8 cores."""
    command = [str(BINARY), "static-cpus", "--cores=8", *options]
    return subprocess.run(command, input=json.dumps(pod), capture_output=True, text=True, timeout=30, check=False)


def members(text: str) -> set[int]:
    """Of "2-4,6"."""
    ends = [part.partition("-") for part in text.split(",")]
    return {cpu for low, _, high in ends for cpu in range(int(low), int(high or low) + 1)}


def test_the_static_cpu_manager_gives_the_engine_cpus_that_nobody_shares(running: Market) -> None:
    done = static(running.pods("engine")["engine-0"], "--full-pcpus-only")
    given: dict[str, Any] = json.loads(done.stdout)
    own = {name: members(text) for name, text in given.items()}
    assert {name: len(cpus_) for name, cpus_ in own.items() if name} == {"engine": 2, "replica": 1, "relay": 1}
    assert sum(map(len, own.values())) == len(set().union(*own.values())) == 8


def test_with_two_threads_a_core_only_whole_cores_can_be_asked_for(running: Market) -> None:
    """So full-pcpus-only is for nodes without: the page says so."""
    engine = running.pods("engine")["engine-0"]
    done = static(engine, "--threads=2", "--full-pcpus-only")
    assert done.returncode == 1
    assert "SMT Alignment Error" in done.stderr
    shared = json.loads(static(engine, "--threads=2").stdout)
    assert len(members(shared["engine"])) == 2


def test_a_pod_that_may_take_more_than_it_asks_for_gets_no_cpu_of_its_own(running: Market) -> None:
    """Were the engine's limit above its request, it would share what all share."""
    pod = running.pods("engine")["engine-0"]
    pod["spec"]["containers"][0]["resources"]["limits"]["cpu"] = "3"
    del pod["status"]
    assert set(json.loads(static(pod).stdout)) == {""}


def test_every_pod_has_its_volume_and_no_other_pod_may_have_it(running: Market) -> None:
    claims = {one["metadata"]["name"]: one for one in running.client.items(CLAIMS)}
    assert set(claims) == {f"data-{name}" for name in running.pods()}
    for one in claims.values():
        assert one["status"]["phase"] == "Bound"
        assert one["spec"]["accessModes"] == ["ReadWriteOncePod"]
        assert one["spec"]["storageClassName"] == "tapewire-tapes"


def test_a_second_pod_with_the_tape_of_the_first_is_not_started(running: Market) -> None:
    spec = running.pods("gateway")["gateway-0"]["spec"]
    kept = {key: spec[key] for key in ("securityContext", "automountServiceAccountToken")}
    container = {
        "name": "thief",
        "image": "tapewire:0.1.0",
        "securityContext": spec["containers"][0]["securityContext"],
    }
    container["resources"] = {"requests": {"cpu": "1m"}}
    container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data-gateway-0"}}
    body = {"metadata": {"name": "thief"}, "spec": {**kept, "containers": [container], "volumes": [volume]}}
    running.client.make(PODS, {"apiVersion": "v1", "kind": "Pod", **body})
    try:
        done = running.cluster.kubectl(
            *("wait", "-n", SPACE, "pod/thief", "--timeout=20s"),
            "--for=jsonpath={.status.conditions[?(@.type=='PodScheduled')].reason}=Unschedulable",
        )
        assert "condition met" in done.stdout
        [why] = [one["message"] for one in running.pods()["thief"]["status"]["conditions"]]
        assert "ReadWriteOncePod access mode already in-use by another pod" in why
    finally:
        running.client.delete(f"{PODS}/thief", gracePeriodSeconds=0)


def test_a_volume_grows_as_the_page_says(running: Market) -> None:
    [line] = re.findall(r"kubectl -n tapewire (patch pvc data-engine-0 -p '.*?')`", PAGE)
    arguments = line.replace("'", "").split(" ", 4)
    running.cluster.kubectl("-n", SPACE, *arguments)
    assert running.client.get(f"{CLAIMS}/data-engine-0")["spec"]["resources"]["requests"]["storage"] == "400Gi"


def test_every_budget_lets_one_go_and_no_more(running: Market) -> None:
    found = {one["metadata"]["name"]: one["status"] for one in running.client.items(BUDGETS)}
    assert {status["disruptionsAllowed"] for status in found.values()} == {1}
    assert {name: found[name]["expectedPods"] for name in ("engine", "nats", "gateway", "api")} == {
        **{"engine": 2, "nats": 3},
        **{"gateway": 1, "api": 2},
    }


def test_every_service_finds_its_pods(running: Market) -> None:
    slices = running.client.items(f"/apis/discovery.k8s.io/v1/namespaces/{SPACE}/endpointslices")
    found: dict[str, set[str]] = {}
    for one in slices:
        name = one["metadata"]["labels"]["kubernetes.io/service-name"]
        pods = {it["targetRef"]["name"] for it in one.get("endpoints") or () if it.get("targetRef")}
        assert all(port.get("port") for port in one.get("ports") or [{}]), name
        found.setdefault(name, set()).update(pods)
    assert found["nats"] == found["nats-peers"] == {"nats-0", "nats-1", "nats-2"}
    assert found["api"] == found["api-pods"] == {"api-0", "api-1"}
    assert found["gateway"] == {"gateway-0"}
    assert found["metrics"] == {name for name in running.pods() if not name.startswith("nats-")}
    assert all(found.values())
