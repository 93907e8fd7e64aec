"""`make cluster`: a Kubernetes control plane on loopback until Ctrl-C, with nine nodes that only seem to be there.

    $ make cluster
    export KUBECONFIG=/tmp/tapewire-cluster-.../administrator.kubeconfig

In another shell, with that line: `kubectl apply --server-side -k deploy/k8s/overlays/prod`, `kubectl get pods -A`.
Pods are scheduled and said to be ready; none has a process.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tools.cluster import Cluster
from tools.cluster.nodes import PRODUCTION, STORAGE_CLASSES, add, provisioning, storage_class
from tools.services.server import NotStarted, Unavailable


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tapewire-cluster-") as folder:
        try:
            with Cluster(Path(folder)) as cluster, provisioning(cluster.client()):
                client = cluster.client()
                add(client, PRODUCTION)
                for one in (storage_class("tapewire-tapes"), storage_class("standard", is_default=True)):
                    client.make(STORAGE_CLASSES, one)
                print(f"# {cluster.server.version}\nexport KUBECONFIG={cluster.kubeconfig}", flush=True)
                print("# running; Ctrl-C stops it", file=sys.stderr, flush=True)
                signal.pause()
        except KeyboardInterrupt:
            print("# stopped", file=sys.stderr)
        except (NotStarted, Unavailable) as reason:
            print(reason, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
