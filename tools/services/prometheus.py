"""A real Prometheus; what it scrapes is the caller's file of settings, or nothing but itself."""

from __future__ import annotations

import shutil
from pathlib import Path

from tools.services.server import HOST, Server, Unavailable, ask, said_by

SETTINGS = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{host}:{port}"]}}]
"""


class Prometheus(Server):
    name, variable = "prometheus", "TAPEWIRE_TEST_PROMETHEUS"

    def __init__(self, folder: Path, port: int = 0, settings: str = "") -> None:
        super().__init__(folder, port)
        found = shutil.which("prometheus")
        if found is None:
            raise Unavailable("no Prometheus: Debian's package prometheus has it")
        self._binary, self._config = Path(found).resolve(), folder / "prometheus.yaml"
        self._settings = settings or SETTINGS.format(host=HOST, port=self.port)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def version(self) -> str:
        return " ".join(said_by(self._binary, "--version").split()[:3])

    def _prepare(self) -> None:
        self._config.write_text(self._settings)

    def _command(self) -> list[str]:
        arguments = [f"--config.file={self._config}", f"--storage.tsdb.path={self.folder / 'tsdb'}"]
        return [str(self._binary), *arguments, f"--web.listen-address={HOST}:{self.port}"]

    def _is_ready(self) -> bool:
        return b" 200 " in ask(self.port, f"GET /-/ready HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode(), 15)[:15]
