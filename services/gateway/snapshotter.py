"""Has a snapshot taken now and then, by a process beside the gateway."""

from __future__ import annotations

import subprocess

from tapewire.logs import Logger


class Snapshotter:
    """`command`: what takes one. `every`: records of both tapes from one to the next; 0: none but the last."""

    def __init__(self, command: list[str], every: int, records: int, log: Logger) -> None:
        """`records`: on both tapes, as of the snapshot that the gateway began at."""
        self._command, self._every, self._log = command, every, log
        self._last = records
        self._process: subprocess.Popen[bytes] | None = None

    def poll(self, records: int, settled: int) -> None:
        """Starts one if so many records make it due. `records`: on both tapes by now; `settled`: the record of the
        orders tape up to which all is reported."""
        if self._process is not None:
            self._look()
        elif self._every and records - self._last >= self._every:
            self._start(records, settled)

    def finish(self, records: int, settled: int, timeout_s: float) -> None:
        """The last one, which the next start begins at; given up after `timeout_s`: that start then takes longer."""
        self._wait(timeout_s)
        if records > self._last:
            self._start(records, settled)
            self._wait(timeout_s)

    def _start(self, records: int, settled: int) -> None:
        self._last = records
        self._process = subprocess.Popen([*self._command, str(settled)])

    def _look(self) -> None:
        assert self._process is not None
        status = self._process.poll()
        if status is None:
            return
        if status != 0:
            self._log.warning("no_snapshot", status=status)
        self._process = None

    def _wait(self, timeout_s: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._look()
