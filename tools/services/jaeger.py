"""A real Jaeger v2 that keeps its traces in memory; build/jaeger is made by `make jaeger` where Go is."""

from __future__ import annotations

from pathlib import Path

from tools.services.ports import free_port
from tools.services.server import HOST, Server, Unavailable, ask, said_by

BINARY = Path(__file__).resolve().parents[2] / "build" / "jaeger"
SETTINGS = """
service:
  extensions: [jaeger_storage, jaeger_query]
  pipelines:
    traces: {{receivers: [otlp], exporters: [jaeger_storage_exporter]}}
  telemetry:
    metrics: {{level: none}}
extensions:
  jaeger_storage:
    backends:
      here: {{memory: {{max_traces: 10000}}}}
  jaeger_query:
    storage: {{traces: here}}
    http: {{endpoint: "{host}:{query}"}}
    grpc: {{endpoint: "{host}:{grpc}"}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: "{host}:{otlp}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: here}}
"""


class Jaeger(Server):
    """Its port is that of the query API; spans are sent to `otlp_url`."""

    name, variable = "jaeger", "TAPEWIRE_TEST_JAEGER"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        if not BINARY.exists():
            raise Unavailable("no build/jaeger: `make jaeger` builds it where Go is")
        self._otlp, self._grpc, self._config = free_port(), free_port(), folder / "jaeger.yaml"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def otlp_url(self) -> str:
        return f"http://{HOST}:{self._otlp}"

    @property
    def version(self) -> str:
        return said_by(BINARY, "version")

    def _prepare(self) -> None:
        self._config.write_text(SETTINGS.format(host=HOST, query=self.port, grpc=self._grpc, otlp=self._otlp))

    def _command(self) -> list[str]:
        return [str(BINARY), "--config", str(self._config)]

    def _is_ready(self) -> bool:
        request = f"GET /api/services HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode()
        return b" 200 " in ask(self.port, request, 15)[:15]
