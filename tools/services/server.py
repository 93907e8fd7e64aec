"""One server as a child process: started, asked whether it is ready, killed, started again on its port and its data."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

from tapewire import child
from tools.services.ports import free_port

HOST = "127.0.0.1"
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 20.0
LINES_SHOWN = 12


class Unavailable(Exception):
    """Nothing on this machine can be such a server; the text says what was looked for and how to get one."""


class NotStarted(Exception):
    """It ended at once or did not become ready; the text holds its last lines."""


def of_distribution(name: str, ending: str) -> Path | None:
    """A file of an installed wheel, by the end of its path."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())) for file in files if file.as_posix().endswith(ending))
    return next((path.resolve() for path in found if path.is_file()), None)


class Server(ABC):
    """A context manager. Start it from a thread that stays: the server ends with the thread that started it."""

    name: ClassVar[str]
    variable: ClassVar[str]  # of the environment, by which tests are given the address of one that runs already
    stop_signal: ClassVar[int] = signal.SIGTERM

    def __init__(self, folder: Path, port: int = 0) -> None:
        """`folder` is made, and kept when the server stops; `port` 0 takes a free one. Raises Unavailable."""
        self.folder, self.port = folder, port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """As the client takes it, password included."""

    @property
    @abstractmethod
    def version(self) -> str:
        """What it is, as it says itself."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Whether it answers; False too while nothing listens."""

    def _prepare(self) -> None:  # noqa: B027 - most need nothing
        """Makes what must be there before the first start, and leaves it alone later."""

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int:
        """Its process id; 0 when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else 0

    def start(self) -> Self:
        """Returns when it answers. Raises NotStarted."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        try:
            with self.log.open("ab") as log:
                self._process = child.spawn(
                    self._command(), stdout=log, stderr=log, on_parent_death=self._on_parent_death()
                )
            self._wait()
        except BaseException:
            self.kill()
            raise
        return self

    def _on_parent_death(self) -> int:
        return signal.SIGKILL

    def _wait(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._is_ready():
            if (code := self._process.poll()) is not None:
                raise NotStarted(f"{self.name} ended at once (exit code {code}). It said:\n{self.last_lines()}")
            if time.monotonic() > deadline:
                raise NotStarted(f"{self.name} not ready in {READY_WITHIN_S:g} s. It said:\n{self.last_lines()}")
            time.sleep(0.02)

    def last_lines(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-LINES_SHOWN:] if self.log.exists() else []
        return "\n".join(f"  {line}" for line in lines) or "  (nothing)"

    def stop(self) -> None:
        """Ends it in order, by force if that takes too long. Harmless when it is not running."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL to it and to every process it has started, as if the machine had taken them away."""
        if self._process is None:
            return
        pids = [self._process.pid, *_children(self._process.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + STOP_WITHIN_S
        while any(Path(f"/proc/{pid}").exists() for pid in pids[1:]) and time.monotonic() < deadline:
            time.sleep(0.005)
        self._process = None

    def restart(self) -> Self:
        """In order, on the port and the data it had."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _children(pid: int) -> list[int]:
    """Those that it has started and that still run; empty once it has ended."""
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except FileNotFoundError:
        return []


def ask(port: int, question: bytes, enough: int) -> bytes:
    """Sends and reads at least so many bytes of the answer; empty if there is none within a second."""
    try:
        with socket.create_connection((HOST, port), timeout=1.0) as one:
            one.sendall(question)
            answer = b""
            while len(answer) < enough and (more := one.recv(4096)):
                answer += more
            return answer
    except OSError:
        return b""


def said_by(*command: str | Path) -> str:
    """What a program prints on its output, in one line."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=30, check=False)
    return " ".join((done.stdout or done.stderr).split())
