"""Every document against the schemas of the Kubernetes versions that are supported, nothing unknown in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import kubernetes_validate
import pytest
import yaml

from tests.deploy.rendering import OVERLAYS, ROOT, Document, rendered

VERSIONS: Final = 3
"""So many minor versions get fixes at a time."""
OF_THE_OPERATOR: Final = "monitoring.coreos.com/v1"
"""Prometheus's operator brings its own kinds, so no schema of Kubernetes has them."""
MONITOR_KEYS: Final = {
    "": {"apiVersion", "kind", "metadata", "spec"},
    "spec": {"jobLabel", "selector", "podTargetLabels", "endpoints"},
    "endpoint": {"port", "path", "interval", "scrapeTimeout"},
}


def versions() -> list[str]:
    """The last minor versions that the package holds, oldest first."""
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    found = {
        (int(hit[1]), int(hit[2])) for path in folder.iterdir() if (hit := re.match(r"v(\d+)\.(\d+)\.\d+", path.name))
    }
    return [f"{major}.{minor}" for major, minor in sorted(found)[-VERSIONS:]]


def test_the_schemas_are_of_three_versions() -> None:
    assert len(versions()) == VERSIONS


@pytest.mark.parametrize("version", versions())
@pytest.mark.parametrize("folder", OVERLAYS)
def test_every_document_is_as_kubernetes_has_it(folder: str, version: str) -> None:
    for one in rendered(folder):
        if one["apiVersion"] != OF_THE_OPERATOR:
            assert kubernetes_validate.validate(one, version, strict=True).startswith(version)


@pytest.mark.parametrize("version", versions())
def test_a_key_that_is_no_key_is_found(version: str) -> None:
    engine = next(one for one in rendered("base") if one["kind"] == "StatefulSet")
    engine["spec"]["template"]["spec"]["terminationGracePeriod"] = 5
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGracePeriod"):
        kubernetes_validate.validate(engine, version, strict=True)


def monitors(documents: list[Document]) -> list[Document]:
    return [one for one in documents if one["apiVersion"] == OF_THE_OPERATOR]


def test_only_who_asks_for_it_gets_a_kind_of_the_operator() -> None:
    assert {folder: len(monitors(rendered(folder))) for folder in OVERLAYS} == {
        "base": 0,
        "overlays/dev": 0,
        "overlays/prod": 2,
        "overlays/split": 0,
        "examples/second-shard": 2,
        "examples/stores": 2,
    }


def test_prometheus_finds_every_monitor_under_the_name_that_its_alerts_have() -> None:
    documents = rendered("overlays/prod")
    monitor, rule = sorted(monitors(documents), key=lambda one: str(one["kind"]), reverse=True)
    assert rule["kind"] == "PrometheusRule"
    assert rule["spec"] == yaml.safe_load((ROOT / "deploy" / "prometheus" / "tapewire.rules.yaml").read_text())
    assert (monitor["kind"], set(monitor), set(monitor["spec"])) == (
        *("ServiceMonitor", MONITOR_KEYS[""]),
        MONITOR_KEYS["spec"],
    )
    [endpoint] = monitor["spec"]["endpoints"]
    assert set(endpoint) == MONITOR_KEYS["endpoint"]
    [service] = [
        one
        for one in documents
        if one["kind"] == "Service"
        and monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"].get("labels", {}).items()
    ]
    assert service["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "tapewire"  # up{job="tapewire"}
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert service["spec"]["publishNotReadyAddresses"]
