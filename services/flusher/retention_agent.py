"""Retention every day: what [retention] does not keep of any store goes, on the archive's own thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tapewire import believed_clock as clock
from tapewire import retention
from tapewire.believed_clock import Sight
from tapewire.config import Config
from tapewire.errors import TapewireError
from tapewire.logs import Logger

EVERY_NS: Final = 86_400 * 10**9
RETRY_NS: Final = 600 * 10**9


class RetentionAgent:
    """Runs at the start and then once a day; what fails is logged and tried again after ten minutes.

    What is due is told by the time since boot: a clock that is set neither skips a day nor runs one twice.
    """

    name = "retention"

    def __init__(self, config: Config, log: Logger, look: Callable[[], Sight] = clock.look) -> None:
        self._config, self._log, self._look = config, log, look
        self.stores = tuple(store for store in retention.STORES if _limited(config, store))
        """Those that have a limit; without any there is nothing to do."""
        self._next = look().up_ns

    def do_work(self) -> int:
        """Returns how many pieces went."""
        if not self.stores or (sight := self._look()).up_ns < self._next:
            return 0
        self._next = sight.up_ns + EVERY_NS
        try:
            done = retention.run(self._config, self.stores, sight)
        except (TapewireError, OSError) as error:
            self._log.error("retention", error=str(error), retry_seconds=RETRY_NS // 10**9)
            self._next = sight.up_ns + RETRY_NS
            return 0
        done.tell(self._log, RETRY_NS // 10**9)
        if done.failed:
            self._next = sight.up_ns + RETRY_NS
        return len(done.gone)

    def close(self) -> None:
        """There is nothing to give back."""


def _limited(config: Config, store: str) -> bool:
    keep = config.retention.of(store)
    return bool(keep.days or keep.mb)
