"""docs/kubernetes.md: its commands are run, and make the Secrets that the pods take; what else it says holds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.deploy.policies import selected
from tests.deploy.rendering import (
    KUBERNETES,
    OVERLAYS,
    ROOT,
    command_of,
    containers,
    labels_of,
    pod_of,
    rendered,
    workloads,
)
from tests.deploy.test_references import sources_of
from tests.deploy.test_schemas import versions

PAGE: Final = (ROOT / "docs" / "kubernetes.md").read_text()
RESULTS: Final = ROOT / "bench" / "results" / "amd-epyc-2-cores.json"
ROOM: Final = 5
"""A start may take so many times what was measured."""


def secrets_block() -> str:
    between = PAGE.partition("<!-- secrets -->\n")[2].partition("<!-- end -->")[0]
    return "\n".join(line.removeprefix("    ") for line in between.splitlines())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The Secrets that the commands of the page make, by name: run as they stand, but nothing goes to a cluster."""
    kubectl, openssl = shutil.which("kubectl"), shutil.which("openssl")
    if kubectl is None or openssl is None:
        pytest.skip("no kubectl, or no openssl, on this machine")
    folder = tmp_path_factory.mktemp("secrets")
    script = f"""
set -euo pipefail
kubectl() {{
  case "$*" in
    *"create secret"*) {kubectl} "$@" --dry-run=client -o json >> {folder}/made ;;
    "create namespace"*) {kubectl} "$@" ;;
    "apply -f -") cat > {folder}/namespace.yaml ;;
    *) echo "not expected: $*" >&2; exit 1 ;;
  esac
}}
tapewire() {{ {sys.executable} -m tapewire.cli "$@"; }}
{secrets_block()}
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KUBECONFIG": "/dev/null"}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load((folder / "namespace.yaml").read_text())["metadata"]["name"] == "tapewire"
    decoder, text, found = json.JSONDecoder(), (folder / "made").read_text().strip(), {}
    while text:
        one, end = decoder.raw_decode(text)
        found[one["metadata"]["name"]] = one
        text = text[end:].strip()
    return found


@pytest.mark.slow
def test_the_secrets_are_those_that_the_pods_take(made: dict[str, dict[str, Any]]) -> None:
    wanted: dict[str, set[str]] = {}
    for folder in OVERLAYS:
        for workload in workloads(rendered(folder)):
            for kind, name, keys in sources_of(workload):
                if kind == "Secret":
                    wanted.setdefault(name, set()).update(keys)
    assert set(made) == set(wanted)
    for name, items in wanted.items():
        assert items <= set(made[name]["data"]), name
    assert {one["metadata"]["namespace"] for one in made.values()} == {"tapewire"}


@pytest.mark.slow
def test_every_pod_finds_its_keys_in_them(made: dict[str, dict[str, Any]]) -> None:
    """Also those that a pod takes by its number, up to the most that the autoscaler makes."""
    documents = rendered("overlays/split")
    autoscaler = next(one for one in documents if one["kind"] == "HorizontalPodAutoscaler")
    for workload in workloads(documents):
        there = {
            item.get("path", key)
            for _, name, keys in sources_of(workload)
            if name in made and name != "nats-tls"
            for key in (keys or frozenset(made[name]["data"]))
            for item in ({"path": key},)
        } | {"venue-broker"}
        most = autoscaler["spec"]["maxReplicas"] if workload["metadata"]["name"] == "api" else 1
        for one in containers([workload]):
            if one.kind == "init":
                for path in command_of(one, documents)[6:]:
                    for at in range(most):
                        assert re.sub(r"-0\.nk$", f"-{at}.nk", Path(path).name) in there


@pytest.mark.slow
def test_the_certificates_are_of_the_names_that_are_called(made: dict[str, dict[str, Any]]) -> None:
    import base64

    from cryptography import x509

    for name, needed in (("nats-tls", {"nats", "*.nats-peers"}), ("gateway-tls", {"gateway"}), ("api-tls", {"api"})):
        certificate = x509.load_pem_x509_certificate(base64.b64decode(made[name]["data"]["tls.crt"]))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert needed <= set(names.get_values_for_type(x509.DNSName))


def test_the_second_market_finds_its_keys() -> None:
    """For every pod of it that the autoscaler may make, and none in vain."""
    block = PAGE.partition("<!-- second shard -->\n")[2].partition("<!-- end -->")[0]
    assert "--tape orders.1" in block
    made = {f"relay-{ring.replace('.', '-')}.nk" for ring in re.findall(r"--ring (\S+)", block)}
    documents = rendered("examples/second-shard")
    most = {
        one["spec"]["scaleTargetRef"]["name"]: int(one["spec"]["maxReplicas"])
        for one in documents
        if one["kind"] == "HorizontalPodAutoscaler"
    }
    taken = {
        re.sub(r"-0\.nk$", f"-{at}.nk", Path(path).name) if "-api-" in path else Path(path).name
        for one in containers(documents)
        if one.kind == "init"
        for path in command_of(one, documents)
        if "/relay-orders-1-" in path
        for at in range(most.get(one.workload["metadata"]["name"], 1))
    }
    assert made == taken


def test_every_folder_is_on_the_page() -> None:
    folders = {path.parent.relative_to(KUBERNETES) for path in KUBERNETES.rglob("kustomization.yaml")}
    tops = {str(one) for one in folders if one.parts[0] != "feeds"} - {"examples/second-shard/shard-1"}
    assert {one for one in tops if f"`{one}`" not in PAGE} == set()


def test_the_versions_on_the_page_are_those_that_are_checked() -> None:
    assert f"schemas of Kubernetes {versions()[0]} to {versions()[-1]}" in PAGE
    assert PAGE.count(f"{versions()[0]} or later") == 1


def test_the_grace_on_the_page_is_the_one_that_pods_have() -> None:
    documents = rendered("base")
    rows = dict(re.findall(r"^\| (\w+) \|.*\| (\d+) s \|$", PAGE, re.MULTILINE))
    for name, seconds in rows.items():
        mine = [it for it in workloads(documents) if labels_of(it)["app.kubernetes.io/component"] == name]
        assert mine, name
        assert {pod_of(it)["spec"]["terminationGracePeriodSeconds"] for it in mine} == {int(seconds)}
    assert set(rows) >= {"engine", "gateway", "api", "router", "connector", "nats"}


def measured(identity: str, name: str) -> float:
    """The value of a measurement that was kept."""
    rows = json.loads(RESULTS.read_text())
    return float(next(row["value"] for row in rows if row["id"] == identity and name in row["metric"]))


def budget(component: str, container: str) -> int:
    """Seconds that a container has for its start."""
    for one in containers(rendered("base")):
        if (labels_of(one.workload)["app.kubernetes.io/component"], one.spec["name"]) == (component, container):
            return int(one.spec["startupProbe"]["periodSeconds"] * one.spec["startupProbe"]["failureThreshold"])
    raise KeyError(container)


def test_a_start_has_more_time_than_was_measured() -> None:
    a_hundred_million_records = 100 / measured("J1", "fold a tape")  # in M/s: none of their snapshots is left
    assert budget("engine", "engine") >= ROOM * a_hundred_million_records
    assert budget("engine", "engine") >= ROOM * measured("J2", "recovery")
    assert budget("gateway", "gateway") >= ROOM * measured("start", "from the first records")


def test_every_workload_is_on_the_page_and_has_its_policy() -> None:
    documents = rendered("overlays/split")
    policies = [one for one in documents if one["kind"] == "NetworkPolicy" and one["spec"]["podSelector"]]
    for workload in workloads(documents):
        name = str(labels_of(workload)["app.kubernetes.io/component"])
        assert re.search(rf"\b{name}\b", PAGE)
        assert any(selected(one["spec"]["podSelector"], labels_of(workload)) for one in policies), name


def test_every_alert_is_in_the_runbook() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "tapewire.rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    headings = set(re.findall(r"^### (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE))
    assert {rule["alert"] for rule in alerts} <= headings
    assert all(rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}" for rule in alerts)
