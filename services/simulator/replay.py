"""Recorded captures as the markets behind the venues: frames leave as they were received, at their own pace.

    file ──frames──▶ clock ──due──▶ book kept up ──▶ Published(raw bytes)
                                       └──▶ snapshots for those who come later

Time starts when somebody subscribes. Nothing is repeated: a second round would need other ids and a book that jumps,
and so would not be what was recorded. At the end the venue stays up and quiet, and says so in its log and /_sim/status.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from services.simulator import recordings
from services.simulator.flow import ASK, BID, Book
from services.simulator.recordings import Frame
from tapewire import logs
from tapewire.fixed import exponent_of, to_mantissa, to_text

MAX_FRAMES_PER_STEP = 1000  # a clock that runs faster than this falls behind, and says by how much
log = logs.get("simulator")

Key = tuple[str, ...]


class Clock:
    """Hands out frames when they are due: recorded time, scaled, from the moment it is started."""

    def __init__(self, name: str, frames: Iterator[Frame], speed: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed {speed}: expected a number above 0; 1 is as recorded")
        self._name, self._frames, self._speed = name, frames, speed
        self._next: Frame | None = next(frames, None)
        self.recorded_ns = self._first = self._next.at_ns if self._next else 0
        self._started_ns: int | None = None
        self._now = 0
        self.played = 0

    def start(self, now_ns: int) -> None:
        if self._started_ns is None:
            self._started_ns = self._now = now_ns

    def due(self, now_ns: int, paused: bool) -> Iterator[Frame]:
        """The frames due now, at most MAX_FRAMES_PER_STEP. While paused, recorded time stands still."""
        if self._started_ns is None:
            return
        if paused:
            self._started_ns += now_ns - self._now
        self._now = now_ns
        until = self._first + int((now_ns - self._started_ns) * self._speed)
        for _ in range(MAX_FRAMES_PER_STEP):
            if self._next is None or self._next.at_ns > until or paused:
                return
            frame = self._next
            self.recorded_ns = max(self.recorded_ns, frame.at_ns)
            self.played += 1
            self._next = next(self._frames, None)
            if self._next is None:
                log.warning("recording ended; the venue stays up and quiet", venue=self._name, frames=self.played)
            yield frame

    @property
    def ended(self) -> bool:
        return self._next is None

    def status(self) -> dict[str, Any]:
        return {
            **{"source": "recording", "started": self._started_ns is not None, "ended": self.ended},
            **{"frames": self.played, "recorded_seconds": (self.recorded_ns - self._first) // 1_000_000_000},
            "speed": self._speed,
        }


class TextBook:
    """A book of levels as printed: integers inside, the venue's own texts outside."""

    def __init__(self, price_decimals: int, qty_decimals: int) -> None:
        self.book = Book()
        self.price_decimals, self.qty_decimals = price_decimals, qty_decimals

    def set(self, side: int, price: str, qty: str) -> int:
        """Sets a level; returns its price. Raises FixedError if a text has more places than this book keeps."""
        mantissa = to_mantissa(price, -self.price_decimals)
        self.book.set(side, mantissa, to_mantissa(qty, -self.qty_decimals))
        return mantissa

    def texts(self, price: int, qty: int) -> tuple[str, str]:
        return to_text(price, -self.price_decimals), to_text(qty, -self.qty_decimals)

    def levels(self, side: int, count: int = 1 << 30) -> list[tuple[str, str]]:
        return [self.texts(price, qty) for price, qty in self.book.top(side, count)]

    def trim(self, depth: int) -> None:
        """Cuts both sides to their best `depth` levels."""
        for side in (BID, ASK):
            prices = self.book.prices[side]
            for price in prices[:-depth] if side == BID else prices[depth:]:
                self.book.set(side, price, 0)

    def json(self) -> dict[str, Any]:
        return {"bids": self.levels(BID), "asks": self.levels(ASK)}


def decimals(text: str) -> int:
    """How many decimal places a text is printed with, zeros at the end included."""
    return len(text.partition(".")[2]) if "e" not in text.lower() else -exponent_of(text)


class RecordedMarket:
    """What the recorded markets share: a clock, and standing still on request."""

    tickers: Collection[str]
    patient = True  # waits for a slow reader, up to a bound: a recording loses nothing by it

    def __init__(self, name: str, frames: Iterator[Frame], speed: float) -> None:
        self.clock = Clock(name, frames, speed)

    def due(self, now_ns: int, silent: Collection[str]) -> Iterator[Frame]:
        # Frames of different symbols keep their order, so silence of one is silence of all.
        return self.clock.due(now_ns, paused=bool(silent))

    def status(self) -> dict[str, Any]:
        return self.clock.status()


def open_market(venue: str, data: Path, speed: float) -> Any:
    """The recorded market of a venue. Raises ConfigError naming what `data` lacks."""
    from services.simulator.replay_binance import RecordedBinance
    from services.simulator.replay_coinbase import RecordedCoinbase
    from services.simulator.replay_kraken import RecordedKraken

    recordings.check(data, [venue])
    kinds: dict[str, Callable[[list[Path], float], Any]] = {
        "binance": RecordedBinance,
        "coinbase": RecordedCoinbase,
        "kraken": RecordedKraken,
    }
    return kinds[venue](recordings.paths(data, venue), speed)
