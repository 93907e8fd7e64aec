"""Retention again and again, beside the services of a host: where no timer of the host can reach the data folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from tapewire import health, lifecycle
from tapewire.config import Config
from tapewire.errors import TapewireError
from tapewire.logs import Logger
from tapewire.retention.run import run

RETRY_S: Final = 600.0
"""After a run that failed, or left something that is still needed."""


class Timer:
    """`stores` as `run` takes them. Not ready while the last run failed."""

    def __init__(self, config: Config, stores: Sequence[str], every_s: float, log: Logger) -> None:
        self._config, self._stores, self._every_s, self._log = config, stores, every_s, log
        self._failed = ""

    async def serve(self) -> None:
        """Removes now and then every `every_s` seconds, until SIGTERM."""
        stop = lifecycle.stop_on_signals()
        with health.serve(self._config, "retain", ready=self._reasons) as told:
            told.watch_loop(stop)
            self._log.info("started", stores=list(self._stores), every_seconds=self._every_s)
            while not stop.is_set():
                pause = await asyncio.to_thread(self.run)
                try:
                    await asyncio.wait_for(stop.wait(), pause)
                except TimeoutError:
                    continue
            self._log.info("drained")

    def run(self) -> float:
        """Removes once. Returns the seconds until it is time again."""
        try:
            done = run(self._config, self._stores)
        except (TapewireError, OSError) as error:
            self._failed = str(error)
            self._log.error("retention", error=self._failed, retry_seconds=RETRY_S)
            return min(RETRY_S, self._every_s)
        self._failed = ""
        pause = min(RETRY_S, self._every_s) if done.failed else self._every_s
        done.tell(self._log, pause)
        return pause

    def _reasons(self) -> Sequence[str]:
        return (f"retention: {self._failed}",) if self._failed else ()
