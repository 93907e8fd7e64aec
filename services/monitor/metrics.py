"""`/metrics` of a whole host, for Prometheus. Nothing is read between two scrapes."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tapewire.config import Config
from tapewire.errors import ConfigError
from tapewire.logs import Logger
from tapewire.metrics.exemplars import Exemplars
from tapewire.metrics.exposition import registry, scrape
from tapewire.metrics.reading import HostReader
from tapewire.metrics.samples import Reading

TIMEOUT_S = 10.0
"""How long a client may take for its request, and for taking the answer."""
MOST_AT_ONCE = 4
"""Scrapes; more are asked to come again."""
MOST_CONNECTIONS = 32


class Metrics:
    """A part of the monitor: a small HTTP door on threads of its own, since a look at the host takes tens of ms."""

    def __init__(
        self, settings: Config, exemplars: Exemplars, log: Logger, extra: Callable[[Reading], None] | None = None
    ) -> None:
        """`extra` puts what another part of the monitor knows."""
        self._settings, self._exemplars, self._log, self._extra = settings, exemplars, log, extra
        self.port = 0
        """Where it listens, once it runs."""

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until `stop`. ConfigError: the address is taken, or none of this host."""
        host, port = self._settings.monitor.metrics_host, self._settings.monitor.metrics_port
        reader = HostReader(self._settings.folders, self._extra)
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
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own, as long as there are not too many."""
        if not self._room.acquire(blocking=False):
            self.log.warning("too many connections for metrics", most=MOST_CONNECTIONS)
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who leaves in the middle is no fault of ours; anything else is, and the next scrape may show it again."""
        error = sys.exc_info()[1]
        if isinstance(error, ConnectionError | TimeoutError):
            self.log.debug("a scrape was left", by=client_address[0], error=str(error))
        else:
            self.log.error("a scrape failed", by=client_address[0], exc_info=error)


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
