"""The page of a feed, for whoever sequences it: made from the configuration, and said once when it has no room."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tapewire import house
from tapewire.latest._latest import LatestWriter

if TYPE_CHECKING:
    from tapewire.config import Config

Put = Callable[[bytes], object]


def page(settings: Config, feed: str, instruments: int | None = None) -> LatestWriter | None:
    """Opens `<rings>/latest.<feed>` for writing; None if [latest] is not enabled.

    `instruments`: how many there can be, where that is known. Raises LatestBusy, LatestError.
    """
    sizes = settings.latest
    if not sizes.enabled:
        return None
    return LatestWriter(
        settings.folders.latest(feed),
        instruments=instruments if instruments is not None else sizes.instruments,
        quotes=sizes.quotes,
        trades=sizes.trades,
        references=sizes.references,
        house=feed == house.FEED,
    )


def nowhere(_message: bytes) -> None:
    """Where messages go while there is no page."""
