"""What one document says of another holds: ports, volumes, ConfigMaps, Secrets, accounts, names of services."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from tests.deploy.policies import selected
from tests.deploy.rendering import OVERLAYS, Document, containers, labels_of, named_ports, pod_of, rendered, workloads

PROBES: Final = ("startupProbe", "readinessProbe", "livenessProbe")
SEEN_FROM_OUTSIDE: Final = frozenset({"nats", "nats-peers", "gateway", "api", "simulator", "metrics"})


def named(documents: list[Document], kind: str) -> dict[str, Document]:
    return {one["metadata"]["name"]: one for one in documents if one["kind"] == kind}


def pods_of(documents: list[Document], selector: dict[str, Any]) -> list[Document]:
    return [one for one in workloads(documents) if selected(selector, labels_of(one))]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_names_are_there_once(folder: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in rendered(folder)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_everything_is_in_one_namespace(folder: str) -> None:
    spaces = {
        one["metadata"].get("namespace")
        for one in rendered(folder)
        if one["kind"] not in ("Namespace", "PriorityClass")
    }
    assert spaces == {"tapewire"}


@pytest.mark.parametrize("folder", OVERLAYS)
def test_ports_of_one_pod_are_its_own(folder: str) -> None:
    """All containers of a pod share one address."""
    for one in workloads(rendered(folder)):
        spec = pod_of(one)["spec"]
        every = [port for c in (*spec.get("initContainers", ()), *spec["containers"]) for port in c.get("ports", ())]
        numbers, names = [port["containerPort"] for port in every], [port["name"] for port in every]
        assert (sorted(set(numbers)), sorted(set(names))) == (sorted(numbers), sorted(names))


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_probe_asks_a_port_of_its_own_container(folder: str) -> None:
    for one in containers(rendered(folder)):
        own = {port["name"] for port in one.spec.get("ports", ())}
        for probe in PROBES:
            if probe in one.spec:
                assert one.spec[probe]["httpGet"]["port"] in own, one.where


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_service_finds_pods_that_have_its_ports(folder: str) -> None:
    documents = rendered(folder)
    for name, one in named(documents, "Service").items():
        found = pods_of(documents, {"matchLabels": one["spec"]["selector"]})
        assert found, name
        for workload in found:
            ports = named_ports(pod_of(workload)["spec"])
            for port in one["spec"]["ports"]:
                assert port["targetPort"] in ports, (name, workload["metadata"]["name"])


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_service_without_an_address_of_its_own_gives_the_ports_as_they_are(folder: str) -> None:
    documents = rendered(folder)
    for name, one in named(documents, "Service").items():
        if one["spec"].get("clusterIP") == "None":
            for workload in pods_of(documents, {"matchLabels": one["spec"]["selector"]}):
                ports = named_ports(pod_of(workload)["spec"])
                assert {p["name"]: ports[p["targetPort"]] for p in one["spec"]["ports"]} == {
                    p["name"]: p["port"] for p in one["spec"]["ports"]
                }, name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_each_shard_has_services_of_its_own(folder: str) -> None:
    """A selector that takes pods of two workloads would mix two shards, or two feeds."""
    documents = rendered(folder)
    for name, one in named(documents, "Service").items():
        if one["metadata"]["name"] != "metrics":
            assert len(pods_of(documents, {"matchLabels": one["spec"]["selector"]})) == 1, name
    for workload in workloads(documents):
        assert pods_of(documents, workload["spec"]["selector"]) == [workload]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_stateful_set_has_the_service_that_names_its_pods(folder: str) -> None:
    documents = rendered(folder)
    for name, one in named(documents, "StatefulSet").items():
        service = named(documents, "Service")[one["spec"]["serviceName"]]
        assert service["spec"]["clusterIP"] == "None"
        assert pods_of(documents, {"matchLabels": service["spec"]["selector"]}) == [one], name


@pytest.mark.parametrize("folder", OVERLAYS)
def test_a_network_policy_is_of_pods_that_are_there_and_ports_that_they_have(folder: str) -> None:
    documents = rendered(folder)
    for name, one in named(documents, "NetworkPolicy").items():
        spec = one["spec"]
        mine = pods_of(documents, spec["podSelector"])
        assert mine, name
        for rule in spec.get("ingress") or ():
            for port in rule["ports"]:
                assert all(port["port"] in named_ports(pod_of(it)["spec"]) for it in mine), (name, port)
        for way, key in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(way) or ():
                for peer in rule.get(key, ()):
                    if set(peer) == {"podSelector"}:
                        found = pods_of(documents, peer["podSelector"])
                        assert found, (name, peer)
                        if way == "egress":
                            for port in rule["ports"]:
                                assert all(port["port"] in named_ports(pod_of(it)["spec"]) for it in found), (
                                    name,
                                    port,
                                )


def may_come_in(documents: list[Document], workload: Document) -> set[str]:
    """The named ports of a pod that some policy opens."""
    return {
        str(port["port"])
        for one in named(documents, "NetworkPolicy").values()
        if selected(one["spec"]["podSelector"], labels_of(workload))
        for rule in one["spec"].get("ingress") or ()
        for port in rule["ports"]
    }


@pytest.mark.parametrize("folder", OVERLAYS)
def test_nothing_can_be_reached_but_what_a_service_offers(folder: str) -> None:
    """Probes come from the node itself, which no policy concerns."""
    documents = rendered(folder)
    has_operator = "metrics" in named(documents, "Service")
    for workload in workloads(documents):
        offered = {
            port["targetPort"]
            for name, one in named(documents, "Service").items()
            if re.sub(r"-shard\d+$", "", name) in SEEN_FROM_OUTSIDE
            and selected({"matchLabels": one["spec"]["selector"]}, labels_of(workload))
            for port in one["spec"]["ports"]
        }
        if has_operator and labels_of(workload).get("tapewire.io/monitored"):
            offered.add("metrics")
        assert may_come_in(documents, workload) == offered, workload["metadata"]["name"]


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_mount_has_its_volume_and_every_volume_is_mounted(folder: str) -> None:
    for workload in workloads(rendered(folder)):
        spec = pod_of(workload)["spec"]
        volumes = {one["name"] for one in spec.get("volumes", ())}
        volumes |= {one["metadata"]["name"] for one in workload["spec"].get("volumeClaimTemplates", ())}
        every = (*spec.get("initContainers", ()), *spec["containers"])
        assert {mount["name"] for one in every for mount in one.get("volumeMounts", ())} == volumes
        for one in every:
            places = [mount["mountPath"] for mount in one["volumeMounts"]]
            assert len(places) == len(set(places)), one["name"]


def sources_of(workload: Document) -> list[tuple[str, str, frozenset[str]]]:
    """(kind, name, keys) of each ConfigMap and Secret that a pod takes; no keys: all."""
    found = []
    for volume in pod_of(workload)["spec"].get("volumes", ()):
        for one in (volume, *volume.get("projected", {}).get("sources", ())):
            for kind, word, key in (("ConfigMap", "configMap", "name"), ("Secret", "secret", "secretName")):
                if word in one:
                    name = one[word].get(key) or one[word]["name"]
                    found.append((kind, name, frozenset(item["key"] for item in one[word].get("items", ()))))
    for one in containers([workload]):
        maps = [source["configMapRef"]["name"] for source in one.spec.get("envFrom", ())]
        found += [("ConfigMap", name, frozenset()) for name in maps]
    return found


@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_config_map_is_there_under_a_name_that_changes_with_it(folder: str) -> None:
    documents = rendered(folder)
    maps, used = named(documents, "ConfigMap"), set()
    for workload in workloads(documents):
        for kind, name, keys in sources_of(workload):
            if kind == "ConfigMap":
                assert keys <= set(maps[name]["data"]), name
                assert re.search(r"-[a-z0-9]{10}$", name)
                used.add(name)
    assert used == set(maps)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_no_pod_holds_the_key_of_another_service(folder: str) -> None:
    """Each secret of the bus goes to pods that run a service of that name."""
    documents = rendered(folder)
    for workload in workloads(documents):
        names = {one.spec["name"] for one in containers([workload])}
        feed = labels_of(workload).get("tapewire.io/feed", "")
        for kind, name, _ in sources_of(workload):
            if kind == "Secret" and name.startswith("bus-"):
                user = name.removeprefix("bus-").removesuffix(f"-{feed}" if feed else "\n")
                parts = set(user.split("-"))  # relay-api: the rings of api, carried by relay
                assert parts <= names, (workload["metadata"]["name"], name)


@pytest.mark.parametrize("folder", OVERLAYS)
def test_an_autoscaler_scales_what_is_there_and_the_engine_knows_as_many(folder: str) -> None:
    documents = rendered(folder)
    for name, one in named(documents, "HorizontalPodAutoscaler").items():
        spec = one["spec"]
        target = named(documents, spec["scaleTargetRef"]["kind"])[spec["scaleTargetRef"]["name"]]
        scaled = {c.spec["name"] for c in containers([target])}
        assert {it["containerResource"]["container"] for it in spec["metrics"]} <= scaled, name
        settings = [
            text
            for kind, source, _ in sources_of(target)
            if kind == "ConfigMap"
            for key, text in named(documents, "ConfigMap")[source]["data"].items()
            if key == "tapewire.toml"
        ]
        for at in range(spec["maxReplicas"]):
            assert f'name = "api-{at}"' in settings[0]
            assert f'name = "api-operator-{at}"' in settings[0]
