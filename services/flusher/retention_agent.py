"""The archive's retention: once a day what [retention.archive] does not keep goes, on the archive's own thread."""

from __future__ import annotations

import time
from typing import Final

from tapewire import retention
from tapewire.config import Config
from tapewire.errors import TapewireError
from tapewire.logs import Logger

EVERY_S: Final = 86_400.0
RETRY_S: Final = 600.0
STORE: Final = ("archive",)


class RetentionAgent:
    """Runs at the start and then once a day; what fails is logged and tried again after ten minutes."""

    name = "retention"

    def __init__(self, config: Config, log: Logger) -> None:
        self._config, self._log = config, log
        keep = config.retention.archive
        self._next = time.monotonic() if keep.days or keep.mb else float("inf")

    def do_work(self) -> int:
        """Returns how many pieces went."""
        now = time.monotonic()
        if now < self._next:
            return 0
        self._next = now + EVERY_S
        try:
            planned = retention.plan(self._config, time.time_ns(), STORE)
            gone, stayed = retention.carry_out(self._config, planned)
        except (TapewireError, OSError) as error:
            self._log.error("retention", error=str(error), retry_seconds=RETRY_S)
            self._next = now + RETRY_S
            return 0
        for why in stayed:
            self._log.warning("retention_held_back", why=why)
        if stayed:
            self._next = now + RETRY_S
        if gone:
            self._log.info("retention", removed=[one.name for one in gone], bytes=sum(one.bytes for one in gone))
        return len(gone)

    def close(self) -> None:
        """There is nothing to give back."""
