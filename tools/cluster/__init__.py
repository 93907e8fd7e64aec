"""A real Kubernetes control plane on loopback, without containers: `make cluster`, and tests/deploy/cluster.

client      asks the API server
parts       etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok: one program, main.go
control     all of them, and kubectl
nodes       machines that only seem to be there, and their volumes
"""

from __future__ import annotations

from tools.cluster.client import Client, Refused, wait_until
from tools.cluster.control import Cluster
from tools.cluster.parts import BINARY

__all__ = ["BINARY", "Client", "Cluster", "Refused", "wait_until"]
