"""What readers of latest values hold: `Latest.local` on the feed's host, `Latest.remote` elsewhere; the same calls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from tapewire import house, logs
from tapewire import messages as m
from tapewire.errors import LatestError, LatestMissing
from tapewire.folders import Folders
from tapewire.latest._latest import LatestReader, LatestValue

if TYPE_CHECKING:
    from tapewire.config import Config
    from tapewire.latest.remote import Filling

LOOK_EVERY_S: Final = 0.001
REPLACED_EVERY_S: Final = 1.0
"""Between two looks at whether another page bears the name: a removed file says nothing by itself."""

Callback = Callable[[LatestValue], None]
Reference = m.InstrumentDefinition | m.InstrumentStatusChanged | m.LimitStateChanged


class Watch:
    """One `subscribe`. Its callback gets the newest value after a change; what comes between two looks is one."""

    def __init__(self, owner: Latest, ticker: str, callback: Callback) -> None:
        self.ticker, self.callback, self.version = ticker, callback, 0
        self._owner = owner

    def close(self) -> None:
        """No more calls."""
        self._owner.forget(self)


class Latest:
    """The latest values of one feed. From one thread or event loop; close it, or use it by `with` or `async with`."""

    def __init__(self, reader: LatestReader, feed: str, filling: Filling | None = None) -> None:
        self.feed = feed
        self.latest: Callable[[str], LatestValue] = reader.get
        """`latest(ticker)`: how it stands. Raises LatestError for a ticker of which nothing was told."""
        self._reader, self._filling = reader, filling
        self._watches: list[Watch] = []
        self._seen = self._looked = 0.0
        self._opened = reader.opened
        self._looking: asyncio.Task[None] | None = None
        self._log = logs.get("latest")

    # -- its life

    @classmethod
    def local(cls, data: Path | str | Config, feed: str = house.FEED) -> Latest:
        """That of a feed which is sequenced on this host, by the platform's data folder or its configuration.

        Raises LatestMissing if no page is there, LatestError if it is of another version or damaged.
        """
        folders = Folders(Path(data)) if isinstance(data, Path | str) else data.folders
        path = folders.latest(feed)
        try:
            return cls(LatestReader(path), feed)
        except LatestMissing as error:
            there = ", ".join(folders.latest_feeds()) or "none"
            raise LatestMissing(
                f"{error}. Pages here: {there}. Start its connector (or the journal, for {house.FEED}) with this "
                f"data folder and [latest] enabled; on another host use Latest.remote"
            ) from None

    @classmethod
    async def remote(
        cls,
        url: str = "nats://127.0.0.1:4222",
        *,
        env: str = "demo",
        feed: str = house.FEED,
        config: Config | None = None,
    ) -> Latest:
        """That of a feed which comes over the bus, from now on; of the house with what stands now.

        `config`: its [nats], env and [latest] instead of `url` and `env`. Raises TransportError if the bus is away.
        """
        from tapewire.latest.remote import Filling

        filling = Filling(url, env, feed, config)
        await filling.start()
        reader = LatestReader(filling.writer.path, called=f"latest values of {feed} over the bus")
        return cls(reader, feed, filling)

    async def aclose(self) -> None:
        """As `close`; also leaves the bus."""
        self.close()
        if self._filling is not None:
            await self._filling.close()

    def close(self) -> None:
        """Ends subscriptions. One over the bus is to be ended by `aclose`."""
        self._watches.clear()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    # -- what stands

    @property
    def tickers(self) -> list[str]:
        """Those of which anything was told."""
        return self._reader.tickers

    def snapshot(self) -> dict[str, LatestValue]:
        """Every instrument's latest value, by ticker. Each is whole; two may be of different moments."""
        return {ticker: self.latest(ticker) for ticker in self._reader.tickers}

    def feed_status(self) -> LatestValue | None:
        """What the venue's session said of the feed as a whole (feed_state, feed_gaps …); None before it said any."""
        try:
            return self.latest("")
        except LatestError:
            return None

    def recent_trades(self, ticker: str, n: int = 256) -> list[m.Trade]:
        """The newest `n` at most, oldest first; as many as [latest] trades are kept."""
        return self._reader.trades(ticker, n)

    def recent_quotes(self, ticker: str, n: int = 256) -> list[m.Quote]:
        """The same of quotes."""
        return self._reader.quotes(ticker, n)

    def recent_references(self, ticker: str, n: int = 16) -> list[Reference]:
        """Definitions, changes of status and of limit state: the newest `n` at most, oldest first."""
        return self._reader.references(ticker, n)

    @property
    def alive(self) -> bool:
        """Whether values move on: the feed's sequencer has the page open, or the bus is there."""
        if self._filling is not None:
            return self._filling.connected
        return self._reader.writer_alive and not self._reader.replaced

    # -- what changes

    def subscribe(self, ticker: str, callback: Callback) -> Watch:
        """Calls `callback` with the latest value now and after each change, at most once a millisecond.

        Within an event loop by itself; elsewhere whenever `poll` is called. A ticker may be told of later.
        """
        watch = Watch(self, ticker, callback)
        self._watches.append(watch)
        if self._looking is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return watch
            self._looking = loop.create_task(self._look())
        return watch

    def forget(self, watch: Watch) -> None:
        """What `watch.close()` does."""
        if watch in self._watches:
            self._watches.remove(watch)

    def poll(self) -> int:
        """Calls back for what has changed since the last look; returns how many that were.

        What a callback raises comes out here; the others are called at the next look.
        """
        self._follow_name()
        updates = self._reader.updates
        if updates == self._seen and all(watch.version for watch in self._watches):
            return 0
        called = 0
        for watch in tuple(self._watches):
            if watch not in self._watches:
                continue  # one that was called before it has closed it
            try:
                version = self._reader.version(watch.ticker)
            except LatestError:
                continue  # not told of yet: it may be
            if version != watch.version:
                watch.version = version
                watch.callback(self.latest(watch.ticker))
                called += 1
        self._seen = updates
        return called

    def _follow_name(self) -> None:
        """Goes over to the page that bears the name, if it is another one by now: its versions begin anew."""
        now = time.monotonic()
        if self._filling is None and now - self._looked >= REPLACED_EVERY_S:
            self._looked = now
            if self._reader.replaced and Path(self._reader.path).exists():
                self._reader.reopen()
        if self._reader.opened != self._opened:  # here, or by a call of `latest`
            self._opened = self._reader.opened
            for watch in self._watches:
                watch.version = 0

    async def _look(self) -> None:
        while True:
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001
                # A callback of the reader's own failed: the others must go on.
                self._log.error("callback_failed", feed=self.feed, error=repr(error))
            await asyncio.sleep(LOOK_EVERY_S)
