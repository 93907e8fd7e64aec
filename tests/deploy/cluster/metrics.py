"""Answers as metrics-server would: how much CPU each container uses, which the test says."""

from __future__ import annotations

import datetime
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from tools.authority import Authority
from tools.cluster import Client
from tools.services.ports import free_port
from tools.services.server import HOST

GROUP: Final = "metrics.k8s.io"
REGISTERED: Final = "/apis/apiregistration.k8s.io/v1/apiservices"
SYSTEM: Final = "/api/v1/namespaces/kube-system/services"
Usage = Callable[[], dict[str, dict[str, str]]]
"""CPU of each container of each pod, as a quantity."""


def _pods(usage: dict[str, dict[str, str]]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    items = [
        {
            "metadata": {"name": name, "namespace": "tapewire"},
            **{"timestamp": now, "window": "1s"},
            "containers": [{"name": one, "usage": {"cpu": cpu, "memory": "64Mi"}} for one, cpu in containers.items()],
        }
        for name, containers in usage.items()
    ]
    return {"kind": "PodMetricsList", "apiVersion": f"{GROUP}/v1beta1", "metadata": {}, "items": items}


RESOURCES: Final = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1beta1",
    "resources": [{"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["list"]}],
}


@contextmanager
def served(client: Client, folder: Path, usage: Usage) -> Iterator[None]:
    """Until the end of the block the API server passes questions of the group on to here."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            selector = parse_qs(parts.query).get("labelSelector", [""])[0]
            every = usage() if "component=api" in selector else {}
            body = json.dumps(_pods(every) if parts.path.endswith("/pods") else RESOURCES).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody reads it."""

    certificate, key = Authority(folder).issue("metrics", ("localhost",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    port = free_port()
    server = ThreadingHTTPServer((HOST, port), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, name="metrics")
    thread.start()
    name = f"v1beta1.{GROUP}"
    try:
        client.make(
            SYSTEM,
            {
                "metadata": {"name": "metrics"},
                "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
            },
        )
        spec: dict[str, Any] = {"group": GROUP, "version": "v1beta1", "insecureSkipTLSVerify": True}
        spec |= {"service": {"name": "metrics", "namespace": "kube-system", "port": port}}
        spec |= {"groupPriorityMinimum": 100, "versionPriority": 100}
        client.make(REGISTERED, {"metadata": {"name": name}, "spec": spec})
        yield
    finally:
        client.delete(f"{REGISTERED}/{name}")
        client.delete(f"{SYSTEM}/metrics")
        server.shutdown()
        server.server_close()
        thread.join()
