"""`/metrics` of a whole host, for Prometheus. Nothing is read between two scrapes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tapewire.config import Config
from tapewire.errors import ConfigError
from tapewire.logs import Logger
from tapewire.metrics.exemplars import Exemplars
from tapewire.metrics.exposition import registry, scrape
from tapewire.metrics.reading import HostReader

TIMEOUT_S = 10.0
"""How long a client may take for its request, and for taking the answer."""
MOST_AT_ONCE = 4


class Metrics:
    """A part of the monitor: a small HTTP door on threads of its own, since a look at the host takes tens of ms."""

    def __init__(self, settings: Config, exemplars: Exemplars, log: Logger) -> None:
        self._settings, self._exemplars, self._log = settings, exemplars, log
        self.port = 0
        """Where it listens, once it runs."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`. ConfigError: the address is taken, or none of this host."""
        host, port = self._settings.monitor.metrics_host, self._settings.monitor.metrics_port
        reader = HostReader(self._settings.folders)
        collectors = registry(self._settings.folders, self._exemplars, reader)
        try:
            server = _Server((host, port), lambda accept: scrape(collectors, accept), self._log)
        except OSError as error:
            raise ConfigError(
                f"monitor.metrics_host, monitor.metrics_port: cannot listen on {host}:{port}: {error.strerror}"
            ) from error
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        self._log.info("metrics are served", url=f"http://{host}:{self.port}/metrics")
        try:
            await stop.wait()
        finally:
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join()
            reader.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 16

    def __init__(self, address: tuple[str, int], answer: Callable[[str], tuple[bytes, str]], log: Logger) -> None:
        super().__init__(address, _Handler)
        self.answer, self.log = answer, log
        self.at_once = threading.BoundedSemaphore(MOST_AT_ONCE)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT_S
    server_version, sys_version = "tapewire", ""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != "/metrics":
            self._send(HTTPStatus.NOT_FOUND, b"there is /metrics\n", ())
            return
        if not self.server.at_once.acquire(blocking=False):
            self._send(HTTPStatus.TOO_MANY_REQUESTS, b"several scrapes are being answered\n", (("Retry-After", "1"),))
            return
        try:
            body, content_type = self.server.answer(self.headers.get("Accept", ""))
        finally:
            self.server.at_once.release()
        self._send(HTTPStatus.OK, body, (("Content-Type", content_type),))

    def _send(self, status: HTTPStatus, body: bytes, headers: Iterable[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: one comes every few seconds, for ever."""
