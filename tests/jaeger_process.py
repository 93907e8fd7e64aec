"""A real Jaeger v2 with its traces in memory, asked for them: built by `make jaeger`."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from tests.engine_process import PATIENCE_S
from tools import services
from tools.services.jaeger import BINARY


def skip_reason() -> str:
    """Empty if there is one."""
    return "" if BINARY.exists() else "no build/jaeger: `make jaeger` builds it where Go is"


class Jaeger(services.Jaeger):
    """Runs while the block lasts."""

    def ask(self, path: str, **parameters: str) -> Any:
        """The `data` of the answer of the query API; None if it says that there is none."""
        url = f"{self.url}/api/{path}"
        if parameters:
            url += "?" + urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
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
