"""Every overlay keeps every policy, and every policy catches what it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.deploy import policies
from tests.deploy.rendering import OVERLAYS, Document, rendered

Plant = Callable[[list[Document]], None]
ONE_SMALL_NODE = "overlays/dev"


@pytest.mark.parametrize("policy", policies.POLICIES, ids=lambda policy: policy.__name__)
@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_overlay_keeps_the_policy(folder: str, policy: policies.Policy) -> None:
    assert policy(rendered(folder)) == []


@pytest.mark.parametrize("policy", policies.FOR_MACHINES_OF_THEIR_OWN, ids=lambda policy: policy.__name__)
@pytest.mark.parametrize("folder", [one for one in OVERLAYS if one != ONE_SMALL_NODE])
def test_every_overlay_for_large_machines_keeps_the_policy(folder: str, policy: policies.Policy) -> None:
    assert policy(rendered(folder)) == []


def one(documents: list[Document], kind: str, name: str) -> Document:
    return next(it for it in documents if (it["kind"], it["metadata"]["name"]) == (kind, name))


def pod(documents: list[Document], name: str = "gateway") -> dict[str, Any]:
    found: dict[str, Any] = one(documents, "StatefulSet", name)["spec"]["template"]["spec"]
    return found


def main(documents: list[Document], name: str = "gateway") -> dict[str, Any]:
    found: dict[str, Any] = pod(documents, name)["containers"][0]
    return found


def sidecar(documents: list[Document], name: str, sidecar_name: str) -> dict[str, Any]:
    return next(it for it in pod(documents, name)["initContainers"] if it["name"] == sidecar_name)


def secret(documents: list[Document]) -> None:
    documents.append({"kind": "Secret", "metadata": {"name": "x"}, "stringData": {"a": "b"}})


def role(documents: list[Document]) -> None:
    documents.append({"kind": "ClusterRole", "metadata": {"name": "x"}, "rules": []})


def namespaced_role(documents: list[Document]) -> None:
    documents.append({"kind": "RoleBinding", "metadata": {"name": "x"}})


def no_default_deny(documents: list[Document]) -> None:
    documents.remove(one(documents, "NetworkPolicy", "default-deny"))


def no_budget(documents: list[Document]) -> None:
    documents.remove(one(documents, "PodDisruptionBudget", "nats"))


def two_budgets(documents: list[Document]) -> None:
    documents.append(one(rendered("base"), "PodDisruptionBudget", "nats"))


def api_first(documents: list[Document]) -> None:
    one(documents, "PriorityClass", "tapewire-api")["value"] = 1_000_000


def shared_account(documents: list[Document]) -> None:
    pod(documents)["serviceAccountName"] = "api"


def grows(documents: list[Document]) -> None:
    next(it for it in pod(documents)["volumes"] if it["name"] == "rings")["emptyDir"]["sizeLimit"] = "8Gi"


def unbounded(documents: list[Document]) -> None:
    next(it for it in pod(documents)["volumes"] if it["name"] == "tmp")["emptyDir"] = {}


def host_path(documents: list[Document]) -> None:
    pod(documents)["volumes"].append({"name": "x", "hostPath": {"path": "/"}})


def any_port(documents: list[Document]) -> None:
    one(documents, "NetworkPolicy", "gateway")["spec"]["ingress"] = [{}]


def to_anybody(documents: list[Document]) -> None:
    one(documents, "NetworkPolicy", "gateway")["spec"]["egress"] = [{"ports": [{"port": 443}]}]


def other_neighbours(documents: list[Document]) -> None:
    term = pod(documents, "nats")["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    term["labelSelector"]["matchLabels"] = {"app.kubernetes.io/component": "natz"}


def put(place: Callable[[list[Document]], dict[str, Any]], key: str, value: object) -> Plant:
    def plant(documents: list[Document]) -> None:
        place(documents)[key] = value

    return plant


def drop(place: Callable[[list[Document]], dict[str, Any]], key: str) -> Plant:
    def plant(documents: list[Document]) -> None:
        del place(documents)[key]

    return plant


def security(documents: list[Document]) -> dict[str, Any]:
    found: dict[str, Any] = main(documents)["securityContext"]
    return found


def pod_security(documents: list[Document]) -> dict[str, Any]:
    found: dict[str, Any] = pod(documents)["securityContext"]
    return found


def keys(documents: list[Document]) -> dict[str, Any]:
    found: dict[str, Any] = pod(documents)["initContainers"][0]
    return found


def spec(documents: list[Document]) -> dict[str, Any]:
    found: dict[str, Any] = one(documents, "StatefulSet", "gateway")["spec"]
    return found


def volume(documents: list[Document], name: str) -> dict[str, Any]:
    return next(it for it in pod(documents)["volumes"] if it["name"] == name)


PROBE = {"httpGet": {"path": "/ready", "port": 8104}}
CREDENTIAL = "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"
PLANTED: list[tuple[policies.Policy, Plant]] = [
    (policies.probes, drop(main, "readinessProbe")),
    (policies.probes, drop(lambda all_: sidecar(all_, "engine", "journal"), "livenessProbe")),
    (policies.probes, put(main, "livenessProbe", {"periodSeconds": 5})),
    (policies.limits, drop(main, "resources")),
    (policies.limits, put(keys, "resources", {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1"}})),
    (policies.limits, put(lambda all_: main(all_)["resources"]["requests"], "memory", "64Gi")),
    (policies.restricted, drop(main, "securityContext")),
    (policies.restricted, put(security, "readOnlyRootFilesystem", False)),
    (policies.restricted, put(security, "allowPrivilegeEscalation", True)),
    (policies.restricted, put(security, "privileged", True)),
    (policies.restricted, put(security, "runAsUser", 0)),
    (policies.restricted, put(security, "capabilities", {"drop": ["ALL"], "add": ["SYS_NICE"]})),
    (policies.restricted, put(pod_security, "runAsNonRoot", False)),
    (policies.restricted, drop(pod_security, "seccompProfile")),
    (policies.nothing_of_the_node, host_path),
    (policies.nothing_of_the_node, put(pod, "hostNetwork", True)),
    (policies.nothing_of_the_node, put(main, "ports", [{"containerPort": 9880, "hostPort": 9880}])),
    (policies.images, put(main, "image", "tapewire")),
    (policies.images, put(main, "image", "tapewire:latest")),
    (policies.images, put(main, "image", "host:5000/tapewire")),
    (policies.images, put(main, "imagePullPolicy", "Always")),
    (policies.secrets, secret),
    (policies.secrets, put(main, "env", [{"name": "PGPASSWORD", "value": "x"}])),
    (policies.secrets, put(main, "env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}])),
    (policies.secrets, put(main, "envFrom", [{"secretRef": {"name": "x"}}])),
    (policies.secrets, put(main, "args", ["gateway", CREDENTIAL])),
    (
        policies.secrets,
        lambda all_: all_.append({"kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": CREDENTIAL}}),
    ),
    (policies.nothing_optional, lambda all_: volume(all_, "bus-ca")["secret"].update(optional=True)),
    (policies.nothing_optional, lambda all_: volume(all_, "config")["configMap"].update(optional=True)),
    (
        policies.nothing_optional,
        lambda all_: volume(all_, "secrets")["projected"]["sources"][0]["secret"].update(optional=True),
    ),
    (
        policies.nothing_optional,
        lambda all_: main(all_)["envFrom"].append({"configMapRef": {"name": "x", "optional": True}}),
    ),
    (policies.no_rights, role),
    (policies.no_rights, namespaced_role),
    (policies.no_rights, drop(pod, "automountServiceAccountToken")),
    (policies.no_rights, put(lambda all_: one(all_, "ServiceAccount", "api"), "automountServiceAccountToken", True)),
    (policies.no_rights, shared_account),
    (policies.no_rights, put(pod, "serviceAccountName", "default")),
    (policies.default_deny, no_default_deny),
    (policies.default_deny, any_port),
    (policies.default_deny, to_anybody),
    (policies.default_deny, put(lambda all_: one(all_, "NetworkPolicy", "default-deny")["spec"], "ingress", [{}])),
    (policies.disruption_budgets, no_budget),
    (policies.disruption_budgets, two_budgets),
    (
        policies.disruption_budgets,
        drop(lambda all_: one(all_, "PodDisruptionBudget", "nats")["spec"], "unhealthyPodEvictionPolicy"),
    ),
    (policies.priorities, drop(pod, "priorityClassName")),
    (policies.priorities, api_first),
    (policies.spread, drop(lambda all_: pod(all_, "api"), "topologySpreadConstraints")),
    (policies.spread, drop(lambda all_: pod(all_, "engine"), "affinity")),
    (policies.spread, other_neighbours),
    (policies.one_says_how_many, put(lambda all_: one(all_, "StatefulSet", "api")["spec"], "replicas", 2)),
    (policies.one_says_how_many, lambda all_: all_.remove(one(all_, "StatefulSet", "api"))),
    (policies.whole_cpus, put(lambda all_: main(all_, "engine")["resources"]["limits"], "memory", "64Gi")),
    (
        policies.whole_cpus,
        put(lambda all_: main(all_, "engine"), "resources", {"requests": {"cpu": "1500m"}, "limits": {"cpu": "1500m"}}),
    ),
    (policies.memory_volumes, grows),
    (policies.memory_volumes, unbounded),
    (policies.lasting, put(spec, "volumeClaimTemplates", [])),
    (policies.lasting, drop(spec, "persistentVolumeClaimRetentionPolicy")),
    (policies.drained, drop(pod, "terminationGracePeriodSeconds")),
    (policies.drained, put(pod, "terminationGracePeriodSeconds", 6)),
    (policies.drained, drop(lambda all_: main(all_, "api"), "lifecycle")),
    (policies.no_gate_on_what_follows, put(lambda all_: sidecar(all_, "engine", "journal"), "startupProbe", PROBE)),
]


@pytest.mark.parametrize(
    ("policy", "plant"), PLANTED, ids=[f"{policy.__name__}-{at}" for at, (policy, _) in enumerate(PLANTED)]
)
def test_a_policy_catches_what_is_planted(policy: policies.Policy, plant: Plant) -> None:
    documents = rendered("overlays/prod")
    assert policy(documents) == []
    plant(documents)
    assert len(policy(documents)) >= 1


def test_every_policy_has_something_planted() -> None:
    assert {policy for policy, _ in PLANTED} == {*policies.POLICIES, *policies.FOR_MACHINES_OF_THEIR_OWN}
