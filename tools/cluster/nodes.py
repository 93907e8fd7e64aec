"""Machines and disks for a control plane that has none: kwok plays the kubelets, this the provisioner of volumes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from tools.cluster.client import Client, Object, Refused

PROVISIONER: Final = "disks.tapewire.io"
STORAGE_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
ZONE: Final = "topology.kubernetes.io/zone"
_EVERY_S: Final = 0.2


@dataclass(frozen=True)
class Node:
    """What a machine leaves for pods: `cpus`, `memory` as quantities. `sequencers`: kept for engines."""

    name: str
    zone: str
    cpus: str
    memory: str
    sequencers: bool = False
    labels: dict[str, str] = field(default_factory=dict)

    def document(self) -> Object:
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", ZONE: self.zone, **self.labels}
        taints = []
        if self.sequencers:
            labels["tapewire.io/sequencers"] = "true"
            taints = [{"key": "tapewire.io/sequencers", "value": "true", "effect": "NoSchedule"}]
        room = {"cpu": self.cpus, "memory": self.memory, "pods": "110", "ephemeral-storage": "100Gi"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"taints": taints},
            "status": {"allocatable": room, "capacity": room},
        }


PRODUCTION: Final = tuple(
    node
    for zone in ("a", "b", "c")
    for node in (
        Node(f"sequencer-{zone}", zone, "7", "14Gi", sequencers=True),
        Node(f"node-{zone}1", zone, "15", "30Gi"),
        Node(f"node-{zone}2", zone, "15", "30Gi"),
    )
)
"""What docs/kubernetes.md names for overlays/prod, less what the system keeps for itself."""

SECOND_MARKET: Final = tuple(Node(f"sequencer-{zone}2", zone, "7", "14Gi", sequencers=True) for zone in ("a", "b", "c"))
"""What examples/second-shard needs besides: an engine's pod takes most of a node."""


def add(client: Client, nodes: Sequence[Node]) -> None:
    """They are ready when kwok has seen them."""
    for node in nodes:
        client.make("/api/v1/nodes", node.document())


def remove(client: Client, nodes: Sequence[Node]) -> None:
    for node in nodes:
        client.delete(f"/api/v1/nodes/{node.name}")


def storage_class(name: str, *, is_default: bool = False) -> Object:
    """As docs/kubernetes.md asks for: volumes stay, and are made where the pod goes."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": name,
            "annotations": {"storageclass.kubernetes.io/is-default-class": str(is_default).lower()},
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def _volume(claim: Object, zone: str) -> Object:
    """A disk that is there for this claim, in the zone of the node that the scheduler chose, as a network disk is."""
    meta, spec = claim["metadata"], claim["spec"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{meta['uid']}", "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": spec["resources"]["requests"],
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {
                **{"apiVersion": "v1", "kind": "PersistentVolumeClaim"},
                **{key: meta[key] for key in ("name", "namespace", "uid")},
            },
            "csi": {"driver": PROVISIONER, "volumeHandle": meta["uid"]},
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}]
                }
            },
        },
    }


def _provision(client: Client) -> None:
    zones: dict[str, str] = {}
    for claim in client.items("/api/v1/persistentvolumeclaims"):
        node = claim["metadata"].get("annotations", {}).get("volume.kubernetes.io/selected-node")
        if node is None or claim["spec"].get("volumeName") or claim["status"]["phase"] != "Pending":
            continue
        if node not in zones:
            zones[node] = client.get(f"/api/v1/nodes/{node}")["metadata"]["labels"][ZONE]
        try:
            client.make("/api/v1/persistentvolumes", _volume(claim, zones[node]))
        except Refused as error:
            if error.code != 409:  # there already, and about to be bound
                raise


@contextmanager
def provisioning(client: Client) -> Iterator[None]:
    """Makes a volume for every claim whose pod has been given a node. Raises at its end what went wrong meanwhile.

    `client` is for this alone.
    """
    ended, wrong = threading.Event(), []

    def serve() -> None:
        while not ended.wait(_EVERY_S):
            try:
                _provision(client)
            except (OSError, Refused) as error:
                wrong.append(error)
                return

    thread = threading.Thread(target=serve, name="provisioner")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if wrong:
        raise wrong[0]
