"""The shell of risk and matcher as services: takes asks off the bus, one after the other, and answers each.

It holds no files: killed at any moment, it is brought to its state anew by whoever asks. Shards come as they are asked.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Final, Protocol

from tapewire import config as configuration
from tapewire import health, stopping
from tapewire.config import Config
from tapewire.errors import StatsError, TransportError
from tapewire.histogram import StatsPage
from tapewire.logs import Logger, configure
from tapewire.subjects import ANY, Subject
from tapewire.transports.nats_line import NatsLine

WAIT_S: Final = 0.25  # for an ask, between two looks at whether to stop
RETRY_S: Final = 0.2  # between two tries to reach the bus
MAX_SHARDS: Final = 1024
HISTOGRAMS: Final = ("answer",)
COUNTERS: Final = ("asks", "others", "losses", "shards")


class Answering(Protocol):
    """The compiled core of one shard."""

    def answer(self, ask: bytes, now: int) -> bytes | None: ...


class Serving:
    """Answers for every shard that is asked for, until `stop`."""

    def __init__(self, name: str, settings: Config, make: Callable[[int, str], Answering], log: Logger) -> None:
        """`make`: a core for an instance of that number, of that version of Tapewire."""
        self._away = "starting"
        self._name, self._make, self._log = name, make, log
        self._instance = secrets.randbits(63) | 1
        self._line = NatsLine(settings.nats, name)
        self._line.subscribe(f"{settings.env}.{name}.ask.{ANY}")
        self._shards: dict[str, Answering] = {}
        self._stopping = False
        self._page = self._create_page(settings)

    def _create_page(self, settings: Config) -> StatsPage:
        """Several may run on one host: the second one's page has its instance in the name."""
        try:
            return StatsPage.create(settings.folders.stats / f"answering.{self._name}", HISTOGRAMS, COUNTERS)
        except StatsError:
            name = f"answering.{self._name}-{self._instance:x}"
            return StatsPage.create(settings.folders.stats / name, HISTOGRAMS, COUNTERS)

    def reasons(self) -> list[str]:
        """Why nobody is answered; from any thread."""
        return [f"the bus is away: {self._away}"] if self._away else []

    def detail(self) -> str:
        return f"instance={self._instance:x} shards={len(self._shards)}"

    def stop(self) -> None:
        """Safe in a signal handler: the ask at hand is answered."""
        self._stopping = True

    def run(self, beat: Callable[[], object] = lambda: None) -> None:
        """Returns once stopped. `beat` is called every turn."""
        self._log.info(
            "ready to answer", service=self._name, instance=f"{self._instance:x}", version=version("tapewire")
        )
        while not self._stopping:
            beat()
            try:
                if not self._line.connected:
                    self._connect()
                self._turn()
            except TransportError as error:
                self._lost(str(error))
                time.sleep(RETRY_S)
        self._line.close()
        self._page.close()

    def _connect(self) -> None:
        self._line.connect()
        if self._away:
            self._log.info("bus reached", service=self._name)
        self._away = ""

    def _lost(self, why: str) -> None:
        """Says so once, until it is back."""
        if self._away in ("", "starting"):
            self._log.error("bus away", service=self._name, reason=why)
            self._page.add("losses")
        self._away = why

    def _turn(self) -> None:
        message = self._line.receive(WAIT_S)
        if message is None or not message.reply:
            return
        began = time.monotonic_ns()
        core = self._core(Subject.parse(message.subject).key)
        answer = core.answer(message.data, began) if core is not None else None
        if answer is None:
            self._page.add("others")
            return
        self._line.publish(message.reply, answer)
        self._page.add("asks")
        self._page.histogram("answer").record(time.monotonic_ns() - began)

    def _core(self, shard: str) -> Answering | None:
        """None: there are too many shards; whoever asks for one more is not answered."""
        core = self._shards.get(shard)
        if core is None and len(self._shards) < MAX_SHARDS:
            core = self._shards[shard] = self._make(self._instance, version("tapewire"))
            self._page.set("shards", len(self._shards))
            self._log.info("shard taken up", service=self._name, shard=shard)
        return core


def serve(name: str, path: Path | None, make: Callable[[int, str], Answering]) -> None:
    """Runs the service `name` by the settings in the file `path`, until SIGTERM."""
    settings = configuration.load(path)
    settings.folders.prepare(settings.rings)
    log = configure(name)
    with health.serve(settings, name) as told:
        serving = Serving(name, settings, make, log)

        def stop() -> None:
            told.drain()
            serving.stop()

        stopping.on_stop(stop)
        told.check(ready=serving.reasons, detail=serving.detail)
        serving.run(told.pulse("duty cycle").beat)
