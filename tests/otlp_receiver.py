"""A collector for tests: takes OTLP over real HTTP, keeps the spans, and can be away or refuse."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.engine_process import PATIENCE_S


@dataclass(frozen=True)
class Got:
    """A span as it came over the wire."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    service: str
    start: int
    end: int
    kind: int
    attributes: dict[str, Any]
    events: list[tuple[str, int, dict[str, Any]]]
    links: list[tuple[str, str, dict[str, Any]]]
    error: str


class OtlpReceiver:
    """Listens on a port of this host while the block lasts."""

    def __init__(self, port: int = 0) -> None:
        self.spans: list[Got] = []
        self.requests = 0
        self.status = 200
        """What it answers; anything but 200 keeps nothing."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.take(self.path, self.headers.get("Content-Encoding", ""), body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def port(self) -> int:
        return self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, encoding: str, body: bytes) -> None:
        assert path == "/v1/traces"
        self.requests += 1
        if self.status == 200:
            self.spans += spans_in(gzip.decompress(body) if encoding == "gzip" else body)

    def wait(self, holds: Callable[[list[Got]], bool], timeout_s: float = PATIENCE_S) -> list[Got]:
        """The spans, once they are as expected; fails after the time."""
        deadline = time.monotonic() + timeout_s
        while not holds(list(self.spans)):
            assert time.monotonic() < deadline, [(one.name, one.service, one.trace_id) for one in self.spans]
            time.sleep(0.02)
        return list(self.spans)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def spans_in(body: bytes) -> list[Got]:
    """What an ExportTraceServiceRequest holds."""
    request = ExportTraceServiceRequest.FromString(body)
    found = []
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            found += [
                Got(
                    one.trace_id.hex(),
                    one.span_id.hex(),
                    one.parent_span_id.hex(),
                    one.name,
                    service,
                    one.start_time_unix_nano,
                    one.end_time_unix_nano,
                    one.kind,
                    _values(one.attributes),
                    [(event.name, event.time_unix_nano, _values(event.attributes)) for event in one.events],
                    [(link.trace_id.hex(), link.span_id.hex(), _values(link.attributes)) for link in one.links],
                    one.status.message if one.status.code == 2 else "",
                )
                for one in scope.spans
            ]
    return found


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
