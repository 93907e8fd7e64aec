"""A real API server takes every overlay as it stands, keeps all of it, and refuses pods that are not restricted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.deploy.cluster.market import PODS, SPACE, Market, refusal
from tests.deploy.policies import cpus, size
from tests.deploy.rendering import OVERLAYS, Document, labels_of, pod_of, rendered, workloads

pytestmark = pytest.mark.slow
NO_RIGHTS = {"selfsubjectreviews.authentication.k8s.io", "selfsubjectaccessreviews.authorization.k8s.io"}
NO_RIGHTS |= {"selfsubjectrulesreviews.authorization.k8s.io"}


def is_quantity(text: object) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?(m|[KMGT]i)?", str(text)) is not None


def same(ours: object, theirs: object) -> bool:
    """Texts as they are; quantities by what they mean."""
    if ours == theirs or str(ours) == str(theirs):
        return True
    if not (is_quantity(ours) and is_quantity(theirs)):
        return False
    measure: Callable[[str], float] = size if str(ours).endswith("i") else cpus
    return measure(str(ours)) == measure(str(theirs))


def lost(ours: Any, theirs: Any, where: str) -> list[str]:
    """What was said and is not there: a server drops what it does not know. What it adds does not matter."""
    if isinstance(ours, dict):
        there = theirs if isinstance(theirs, dict) else {}
        return [line for key, one in ours.items() if one != {} for line in lost(one, there.get(key), f"{where}.{key}")]
    if isinstance(ours, list):
        if not isinstance(theirs, list) or len(ours) != len(theirs):
            return [f"{where}: {ours} became {theirs}"] if ours else []
        return [line for at, one in enumerate(ours) for line in lost(one, theirs[at], f"{where}[{at}]")]
    return (
        []
        if same(ours, theirs) or (ours in (False, "") and theirs is None)
        else [f"{where}: {ours!r} became {theirs!r}"]
    )


@pytest.mark.usefixtures("room_for_two")
@pytest.mark.parametrize("folder", OVERLAYS)
def test_it_is_taken_without_a_warning_kept_whole_and_taken_again_without_a_change(market: Market, folder: str) -> None:
    done = market.apply(folder)
    assert done.stderr == ""
    documents = rendered(folder)
    assert len(done.stdout.splitlines()) == len(documents)
    found = market.cluster.kubectl("get", "-f", "-", "-o", "json", text=_text(documents))
    live = {(one["kind"], one["metadata"]["name"]): one for one in _items(found.stdout)}
    for one in documents:
        kind, name = one["kind"], one["metadata"]["name"]
        assert lost(one, live[kind, name], f"{kind}/{name}") == []
    market.settle()
    options = ("--server-side", "--field-manager=tests")
    again = market.cluster.kubectl("diff", *options, "-f", "-", text=_text(documents), check=False)
    assert again.returncode == 0, again.stdout


def test_a_change_is_seen(market: Market) -> None:
    market.apply("base")
    documents = rendered("base")
    next(one for one in documents if one["kind"] == "PriorityClass")["description"] = "another"
    engine = next(one for one in documents if one["kind"] == "StatefulSet")
    engine["spec"]["minReadySeconds"] += 1
    options = ("--server-side", "--field-manager=tests", "--force-conflicts")
    done = market.cluster.kubectl("diff", *options, "-f", "-", text=_text(documents), check=False)
    assert done.returncode == 1
    assert "minReadySeconds" in done.stdout


def _text(documents: list[Document]) -> str:
    return str(yaml.safe_dump_all(documents))


def _items(text: str) -> list[Document]:
    found: list[Document] = json.loads(text)["items"]
    return found


def bare_pod(market: Market, component: str) -> Document:
    """One as its controller would make it, alone."""
    workload = next(
        one for one in workloads(rendered("base")) if labels_of(one)["app.kubernetes.io/component"] == component
    )
    template = pod_of(workload)
    spec = template["spec"]
    spec["volumes"] = [*spec["volumes"], {"name": "data", "emptyDir": {}}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "planted", "namespace": SPACE}, "spec": spec}


def privileged(spec: Document) -> None:
    spec["containers"][0]["securityContext"] = {"privileged": True}


def may_be_root(spec: Document) -> None:
    del spec["securityContext"]["runAsNonRoot"]


def no_seccomp(spec: Document) -> None:
    del spec["securityContext"]["seccompProfile"]


def gains_rights(spec: Document) -> None:
    del spec["initContainers"][1]["securityContext"]["allowPrivilegeEscalation"]


def has_capabilities(spec: Document) -> None:
    del spec["initContainers"][0]["securityContext"]["capabilities"]


def in_the_node(spec: Document) -> None:
    spec["volumes"].append({"name": "x", "hostPath": {"path": "/"}})


PLANTED = [
    (privileged, "privileged"),
    (may_be_root, "runAsNonRoot != true"),
    (no_seccomp, "seccompProfile"),
    (gains_rights, "allowPrivilegeEscalation != false"),
    (has_capabilities, "unrestricted capabilities"),
    (in_the_node, "hostPath"),
]


def test_pod_security_refuses_each_pod_that_is_not_restricted(market: Market) -> None:
    market.apply("base")
    path = f"{PODS}?dryRun=All"
    assert refusal(market.client, path, bare_pod(market, "gateway")) == ""
    for plant, word in PLANTED:
        pod = bare_pod(market, "gateway")
        plant(pod["spec"])
        said = refusal(market.client, path, pod)
        assert said.startswith("403"), plant.__name__
        assert "violates PodSecurity" in said, said
        assert "restricted" in said, said
        assert word in said, said


def test_a_workload_whose_pods_will_be_refused_is_warned_about(market: Market) -> None:
    documents = rendered("base")
    gateway = next(one for one in documents if (one["kind"], one["metadata"]["name"]) == ("StatefulSet", "gateway"))
    may_be_root(pod_of(gateway)["spec"])
    done = market.cluster.kubectl("apply", "--server-side", "-f", "-", text=_text(documents))
    assert "would violate PodSecurity" in done.stderr


@pytest.mark.parametrize("folder", ["overlays/prod", "overlays/split", "overlays/dev"])
def test_nobody_may_do_anything_at_the_api_server(market: Market, folder: str) -> None:
    market.apply(folder)
    accounts = [one["metadata"]["name"] for one in rendered(folder) if one["kind"] == "ServiceAccount"]
    for account in [*accounts, "default"]:
        user = f"--as=system:serviceaccount:{SPACE}:{account}"
        listed = market.cluster.kubectl("auth", "can-i", "--list", "--no-headers", "-n", SPACE, user).stdout
        rows = [line for line in listed.splitlines() if not line.startswith(" ")]
        assert {row.split()[0] for row in rows} == NO_RIGHTS, account
        for verb, what in (("get", "secrets"), ("list", "pods"), ("create", "pods/exec"), ("get", "configmaps")):
            asked = market.cluster.kubectl("auth", "can-i", verb, what, "-n", SPACE, user, check=False)
            assert (asked.returncode, asked.stdout.strip()) == (1, "no"), (account, verb, what)
