"""What must hold of everything that is deployed: pure functions from documents to what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from tests.deploy.rendering import Container, Document, containers, pod_of, workloads

Policy = Callable[[list[Document]], list[str]]

REPLICATED: Final = ("StatefulSet", "Deployment")
_SECRET_WORD: Final = re.compile(r"(?i)(password|passphrase|secret|token|seed|private_?key)$")
_SECRET_VALUE: Final = re.compile(r"-----BEGIN|\bS[UAO][A-Z2-7]{56}\b|scrypt\$|\beyJ[A-Za-z0-9_-]{20,}")
_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES: Final = frozenset({"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim", "downwardAPI"})
_UNITS: Final = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def cpus(text: str) -> float:
    """Of a quantity such as "2" or "250m"."""
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def size(text: str) -> int:
    """Bytes of a quantity such as "2Gi"."""
    hit = re.fullmatch(r"(\d+)([KMGT]i)?", str(text))
    assert hit is not None, text
    return int(hit[1]) * _UNITS[hit[2] or ""]


def _staying(documents: list[Document]) -> Iterator[Container]:
    return (one for one in containers(documents) if one.kind != "init")


def _named(documents: Iterable[Document]) -> Iterator[tuple[str, Document]]:
    return ((f"{one['kind']}/{one['metadata']['name']}", one) for one in documents)


def probes(documents: list[Document]) -> list[str]:
    """Whoever stays can be asked whether it lives and whether it is ready."""
    return [
        f"{one.where}: no {probe}"
        for one in _staying(documents)
        for probe in ("readinessProbe", "livenessProbe")
        if not ({"httpGet", "exec", "tcpSocket", "grpc"} & set(one.spec.get(probe, ())))
    ]


def limits(documents: list[Document]) -> list[str]:
    """Every container says what it needs and what it may take, of CPU and memory, and needs no more than it may."""
    wrong = []
    for one in containers(documents):
        resources = one.spec.get("resources", {})
        for what, measure in (("cpu", cpus), ("memory", size)):
            asked = resources.get("requests", {}).get(what)
            most = resources.get("limits", {}).get(what)
            if asked is None or most is None or measure(str(asked)) > measure(str(most)):
                wrong.append(f"{one.where}: {what}: requests {asked}, limits {most}")
    return wrong


def restricted(documents: list[Document]) -> list[str]:
    """Pod Security "restricted", and a root file system that cannot be written."""
    wrong = []
    for workload in workloads(documents):
        own = pod_of(workload)["spec"].get("securityContext", {})
        name = f"{workload['kind']}/{workload['metadata']['name']}"
        if own.get("runAsNonRoot") is not True or own.get("runAsUser", 0) == 0:
            wrong.append(f"{name}: may run as root")
        if own.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            wrong.append(f"{name}: no seccompProfile")
    for one in containers(documents):
        own = one.spec.get("securityContext", {})
        if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
            wrong.append(f"{one.where}: may gain rights")
        if own.get("readOnlyRootFilesystem") is not True:
            wrong.append(f"{one.where}: may write its root file system")
        if own.get("capabilities", {}) != {"drop": ["ALL"]}:
            wrong.append(f"{one.where}: has capabilities")
        if own.get("runAsUser", 1) == 0 or own.get("runAsNonRoot") is False:
            wrong.append(f"{one.where}: runs as root")
    return wrong


def nothing_of_the_node(documents: list[Document]) -> list[str]:
    """No folder, network, port or process table of the node."""
    wrong = []
    for workload in workloads(documents):
        spec = pod_of(workload)["spec"]
        name = f"{workload['kind']}/{workload['metadata']['name']}"
        wrong += [f"{name}: {key}" for key in _HOST if spec.get(key)]
        for volume in spec.get("volumes", ()):
            kinds = set(volume) - {"name"}
            wrong += [f"{name}: volume {volume['name']}: {kind}" for kind in kinds - _VOLUMES]
    for one in containers(documents):
        wrong += [f"{one.where}: hostPort" for port in one.spec.get("ports", ()) if port.get("hostPort")]
    return wrong


def images(documents: list[Document]) -> list[str]:
    """Each image has a tag or digest, and it is not one that means something else tomorrow."""
    wrong = []
    for one in containers(documents):
        image = str(one.spec["image"])
        _, _, tag = image.rpartition("/")[2].partition(":")
        if "@sha256:" not in image and (not tag or tag == "latest"):
            wrong.append(f"{one.where}: {image}")
        if one.spec.get("imagePullPolicy") == "Always":
            wrong.append(f"{one.where}: needs the registry to start again")
    return wrong


def secrets(documents: list[Document]) -> list[str]:
    """No secret stands in a manifest: not as a Secret, a value of the environment, a line of a file, an argument."""
    wrong = [f"{name}: a Secret with its contents" for name, one in _named(documents) if one["kind"] == "Secret"]
    for name, one in _named(documents):
        if one["kind"] == "ConfigMap":
            wrong += [f"{name}: {key}" for key, text in one.get("data", {}).items() if _SECRET_VALUE.search(text)]
    for container in containers(documents):
        for variable in container.spec.get("env", ()):
            value = str(variable.get("value", ""))
            is_path = value.startswith("/")
            if _SECRET_VALUE.search(value) or (value and not is_path and _SECRET_WORD.search(variable["name"])):
                wrong.append(f"{container.where}: {variable['name']}")
        if any(
            _SECRET_VALUE.search(str(text))
            for text in (*container.spec.get("command", ()), *container.spec.get("args", ()))
        ):
            wrong.append(f"{container.where}: an argument")
        if any("secretRef" in source for source in container.spec.get("envFrom", ())):
            wrong.append(f"{container.where}: a secret in the environment")
        if any("secretKeyRef" in v.get("valueFrom", {}) for v in container.spec.get("env", ())):
            wrong.append(f"{container.where}: a secret in the environment")
    return wrong


def nothing_optional(documents: list[Document]) -> list[str]:
    """No pod starts without a Secret, a ConfigMap or a key of one that it names: the kubelet says which is missing."""
    wrong = []
    for workload in workloads(documents):
        for volume in pod_of(workload)["spec"].get("volumes", ()):
            for one in (volume, *volume.get("projected", {}).get("sources", ())):
                wrong += [
                    f"{workload['kind']}/{workload['metadata']['name']}: {volume['name']}: an optional {kind}"
                    for kind in ("secret", "configMap")
                    if one.get(kind, {}).get("optional")
                ]
    for container in containers(documents):
        named = [*container.spec.get("envFrom", ()), *(it.get("valueFrom", {}) for it in container.spec.get("env", ()))]
        wrong += [
            f"{container.where}: {source}" for source in named if any(it.get("optional") for it in source.values())
        ]
    return wrong


def no_rights(documents: list[Document]) -> list[str]:
    """Nobody may do anything at the API server: no roles, no tokens, an account of its own for each."""
    wrong = [name for name, one in _named(documents) if one["kind"].endswith(("Role", "RoleBinding"))]
    accounts = {one["metadata"]["name"]: one for one in documents if one["kind"] == "ServiceAccount"}
    wrong += [f"ServiceAccount/{n}: token" for n, a in accounts.items() if a.get("automountServiceAccountToken", True)]
    users: dict[str, str] = {}
    for workload in workloads(documents):
        spec, name = pod_of(workload)["spec"], f"{workload['kind']}/{workload['metadata']['name']}"
        if spec.get("automountServiceAccountToken", True):
            wrong.append(f"{name}: token")
        account = spec.get("serviceAccountName", "default")
        if account not in accounts:
            wrong.append(f"{name}: no account {account}")
        if (other := users.setdefault(account, name)) != name:
            wrong.append(f"{name}: shares the account {account} with {other}")
    return wrong


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector takes something with these labels."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for rule in selector.get("matchExpressions") or ():
        there, values = rule["key"] in labels, rule.get("values", ())
        holds = {
            "Exists": there,
            "DoesNotExist": not there,
            "In": labels.get(rule["key"]) in values,
            "NotIn": labels.get(rule["key"]) not in values,
        }[rule["operator"]]
        if not holds:
            return False
    return True


def _pod_labels(workload: Document) -> dict[str, str]:
    return pod_of(workload)["metadata"].get("labels", {}) or {}


def default_deny(documents: list[Document]) -> list[str]:
    """In every namespace that has pods a policy refuses everything; no other opens all ports to everybody."""
    policies = [one for one in documents if one["kind"] == "NetworkPolicy"]
    closed = {
        one["metadata"].get("namespace")
        for one in policies
        if one["spec"]["podSelector"] == {}
        and set(one["spec"].get("policyTypes", ())) == {"Ingress", "Egress"}
        and not one["spec"].get("ingress")
        and not one["spec"].get("egress")
    }
    spaces = {one["metadata"].get("namespace") for one in workloads(documents)}
    wrong = [f"namespace {space}: no policy that refuses everything" for space in spaces - closed]
    for one in policies:
        for way in ("ingress", "egress"):
            wrong += [
                f"NetworkPolicy/{one['metadata']['name']}: {way} on all ports"
                for rule in one["spec"].get(way) or ()
                if not rule.get("ports")
            ]
        if any(not rule.get("to") for rule in one["spec"].get("egress") or ()):
            wrong.append(f"NetworkPolicy/{one['metadata']['name']}: egress to everybody")
    return wrong


def disruption_budgets(documents: list[Document]) -> list[str]:
    """Each pod is under exactly one budget, which says what becomes of pods that are not ready."""
    budgets = [one for one in documents if one["kind"] == "PodDisruptionBudget"]
    wrong = [
        f"{name}: no unhealthyPodEvictionPolicy"
        for name, one in _named(budgets)
        if "unhealthyPodEvictionPolicy" not in one["spec"]
    ]
    for workload in workloads(documents):
        found = [b["metadata"]["name"] for b in budgets if selected(b["spec"]["selector"], _pod_labels(workload))]
        if len(found) != 1:
            wrong.append(f"{workload['kind']}/{workload['metadata']['name']}: budgets {found}")
    for name, one in _named(budgets):
        if not any(selected(one["spec"]["selector"], _pod_labels(workload)) for workload in workloads(documents)):
            wrong.append(f"{name}: no pod")
    return wrong


def priorities(documents: list[Document]) -> list[str]:
    """Every pod has a class of ours; what others wait for comes before who waits."""
    values = {one["metadata"]["name"]: one["value"] for one in documents if one["kind"] == "PriorityClass"}
    wrong = []
    for workload in workloads(documents):
        name = pod_of(workload)["spec"].get("priorityClassName")
        if name not in values:
            wrong.append(f"{workload['kind']}/{workload['metadata']['name']}: priority {name}")
    order = [f"tapewire-{word}" for word in ("engine", "nats", "gateway", "router", "connector", "api", "sink")]
    there = [values[name] for name in order if name in values]
    if there != sorted(set(there), reverse=True):
        wrong.append(f"PriorityClass: expected falling values of {', '.join(order)}, found {there}")
    return wrong


def spread(documents: list[Document]) -> list[str]:
    """What there are several of does not stand on one node; engine and standby of a shard never do."""
    wrong = []
    scaled = _scaled(documents)
    for workload in workloads(documents):
        spec, name = pod_of(workload)["spec"], f"{workload['kind']}/{workload['metadata']['name']}"
        anti = spec.get("affinity", {}).get("podAntiAffinity", {})
        terms = anti.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        terms = [
            *terms,
            *(one["podAffinityTerm"] for one in anti.get("preferredDuringSchedulingIgnoredDuringExecution", ())),
        ]
        mine = [term["labelSelector"] for term in terms] + [
            one["labelSelector"] for one in spec.get("topologySpreadConstraints", ())
        ]
        has_role = "tapewire.io/role" in _pod_labels(workload)
        if (workload["spec"].get("replicas", 1) > 1 or name in scaled or has_role) and not mine:
            wrong.append(f"{name}: nothing keeps its pods apart")
        wrong += [
            f"{name}: keeps away from others than its own: {one}"
            for one in mine
            if not selected(one, _pod_labels(workload))
        ]
    return wrong


def _scaled(documents: list[Document]) -> set[str]:
    """Whose number of pods an autoscaler says."""
    targets = [one["spec"]["scaleTargetRef"] for one in documents if one["kind"] == "HorizontalPodAutoscaler"]
    return {f"{one['kind']}/{one['name']}" for one in targets}


def one_says_how_many(documents: list[Document]) -> list[str]:
    """Where an autoscaler says how many pods there are, the manifest does not: `apply` would take them away."""
    there = dict(_named(documents))
    wrong = [f"autoscaler of {name}, which is not there" for name in _scaled(documents) - set(there)]
    return wrong + [
        f"{name}: replicas" for name in _scaled(documents) & set(there) if "replicas" in there[name]["spec"]
    ]


def whole_cpus(documents: list[Document]) -> list[str]:
    """A pod with an engine is Guaranteed, and its CPUs are whole: the static CPU manager makes them its own."""
    wrong = []
    for workload in workloads(documents):
        if _pod_labels(workload).get("tapewire.io/role") != "sequencer":
            continue
        for one in containers([workload]):
            resources = one.spec["resources"]
            if resources["requests"] != resources["limits"]:
                wrong.append(f"{one.where}: requests are not limits, so the pod is not Guaranteed")
            if one.spec["name"] == "engine" and cpus(str(resources["requests"]["cpu"])) % 1:
                wrong.append(f"{one.where}: part of a CPU")
    return wrong


def memory_volumes(documents: list[Document]) -> list[str]:
    """A folder in memory has a bound, and all of them fit beside the processes of the pod."""
    wrong = []
    for workload in workloads(documents):
        name = f"{workload['kind']}/{workload['metadata']['name']}"
        taken = 0
        for volume in pod_of(workload)["spec"].get("volumes", ()):
            if "emptyDir" not in volume:
                continue
            bound = (volume["emptyDir"] or {}).get("sizeLimit")
            if bound is None:
                wrong.append(f"{name}: {volume['name']} has no sizeLimit")
            elif volume["emptyDir"].get("medium") == "Memory":
                taken += size(str(bound))
        room = max((size(str(c.spec["resources"]["limits"]["memory"])) for c in containers([workload])), default=0)
        if taken > room / 2:
            wrong.append(f"{name}: {taken} bytes of files in memory, and its largest container may have {room}")
    return wrong


def lasting(documents: list[Document]) -> list[str]:
    """A tape is on a volume that outlives its pod, and is kept when the pods are no more wanted."""
    wrong = []
    for workload in workloads(documents):
        if workload["kind"] != "StatefulSet":
            continue
        name, spec = f"StatefulSet/{workload['metadata']['name']}", workload["spec"]
        if [one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())] != ["data"]:
            wrong.append(f"{name}: no volume for its data")
        kept = spec.get("persistentVolumeClaimRetentionPolicy", {})
        if kept != {"whenDeleted": "Retain", "whenScaled": "Retain"}:
            wrong.append(f"{name}: its volumes go with it")
    return wrong


def drained(documents: list[Document]) -> list[str]:
    """Who is found through a Service leaves it before it is told to end, and has time to end after that."""
    wrong = []
    serving = [one for one in documents if one["kind"] == "Service" and one["spec"].get("clusterIP") != "None"]
    for workload in workloads(documents):
        spec, name = pod_of(workload)["spec"], f"{workload['kind']}/{workload['metadata']['name']}"
        grace = spec.get("terminationGracePeriodSeconds")
        if grace is None:
            wrong.append(f"{name}: no terminationGracePeriodSeconds")
            continue
        targets = {
            port["targetPort"]
            for one in serving
            if selected({"matchLabels": one["spec"].get("selector")}, _pod_labels(workload))
            for port in one["spec"]["ports"]
        }
        for one in _staying([workload]):
            hook = one.spec.get("lifecycle", {}).get("preStop", {})
            if (pause := hook.get("sleep", {}).get("seconds", 0)) > grace / 3:
                wrong.append(f"{one.where}: sleeps {pause} of {grace} s")
            serves = {port.get("name") for port in one.spec.get("ports", ())} & targets
            if serves and not hook:
                wrong.append(f"{one.where}: serves {sorted(serves)} and has no preStop")
    return wrong


def no_gate_on_what_follows(documents: list[Document]) -> list[str]:
    """A sidecar beside an engine has no startupProbe: it waits for the tape, and the engine would wait for it."""
    return [
        f"{one.where}: startupProbe"
        for one in containers(documents)
        if one.kind == "sidecar"
        and "startupProbe" in one.spec
        and _pod_labels(one.workload).get("tapewire.io/role") == "sequencer"
    ]


POLICIES: Final[tuple[Policy, ...]] = (
    *(probes, limits, restricted, nothing_of_the_node, images, secrets, nothing_optional, no_rights, default_deny),
    *(
        disruption_budgets,
        priorities,
        spread,
        one_says_how_many,
        memory_volumes,
        lasting,
        drained,
        no_gate_on_what_follows,
    ),
)
"""Those that hold everywhere."""
FOR_MACHINES_OF_THEIR_OWN: Final[tuple[Policy, ...]] = (whole_cpus,)
"""Those that a cluster on one small node need not keep."""
