"""A real Jaeger v2 with its traces in memory, as a process: built by `make jaeger`."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.engine_process import PATIENCE_S, ROOT
from tests.fix.processes import free_port

BINARY = ROOT / "build" / "jaeger"
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
    http: {{endpoint: "127.0.0.1:{query}"}}
    grpc: {{endpoint: "127.0.0.1:{grpc}"}}
receivers:
  otlp:
    protocols:
      http: {{endpoint: "127.0.0.1:{otlp}"}}
exporters:
  jaeger_storage_exporter: {{trace_storage: here}}
"""


def skip_reason() -> str:
    """Empty if there is one."""
    return "" if BINARY.exists() else "no build/jaeger: `make jaeger` builds it where Go is"


class Jaeger:
    """Runs while the block lasts."""

    def __init__(self, folder: Path) -> None:
        self._query, self._otlp = free_port(), free_port()
        self._config, self.log = folder / "jaeger.yaml", folder / "jaeger.log"
        self._config.write_text(SETTINGS.format(query=self._query, otlp=self._otlp, grpc=free_port()))

    @property
    def otlp_url(self) -> str:
        return f"http://127.0.0.1:{self._otlp}"

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of the answer of the query API; None if it says that there is none."""
        url = f"http://127.0.0.1:{self._query}/api/{path}"
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            error.close()
            return None

    def trace(self, trace_id: str, spans: int) -> dict[str, Any]:
        """The trace, once it has so many spans."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.ask(f"traces/{trace_id}")) or len(found[0]["spans"]) < spans:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)
        trace: dict[str, Any] = found[0]
        return trace

    def search(self, **parameters: str) -> list[dict[str, Any]]:
        """The traces that fit, once there is one."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := self.ask("traces", **parameters)):
            assert time.monotonic() < deadline, parameters
            time.sleep(0.1)
        traces: list[dict[str, Any]] = found
        return traces

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [BINARY, "--config", str(self._config)], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("services")
                return self
            except (urllib.error.URLError, ConnectionError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.__exit__()
                    raise AssertionError(self.log.read_text()) from None
                time.sleep(0.1)

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
