"""Waits for our place at the house market: the engine, or the relay that carries our ring to it, may start after us."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from services.router.house_market import HousePlace, find_house
from tapewire.config import Config
from tapewire.errors import RingMissing, TapeMissing
from tapewire.logs import Logger
from tapewire.tape import TapeReader

LOOK_EVERY_S: Final = 0.2


def wait_for_house(
    settings: Config, stop: threading.Event, say: Callable[[str], object], log: Logger
) -> HousePlace | None:
    """Our place once it is there; None if no venue is the house market, or `stop` came first.

    `say` is told what is waited for. Raises ConfigError, TapeError, RingError: of what does not pass by waiting.
    """
    said = ""
    while not stop.is_set():
        try:
            place = find_house(settings)
            why = _still_coming(settings, place) if place is not None else ""
            if not why:
                return place
        except (TapeMissing, RingMissing) as error:
            why = str(error)
        if why != said:
            said = why
            log.warning("waiting_for_the_house_market", reason=why)
            say(why)
        stop.wait(LOOK_EVERY_S)
    return None


def _still_coming(settings: Config, place: HousePlace) -> str:
    """What a copy of the orders tape does not say yet; on the engine's own host what is missing is a mistake."""
    missing = sorted({market.symbol for market in place.venue.markets} - place.listed.keys())
    if not missing:
        return ""
    tape = settings.folders.orders_tape(settings.engine.shard)
    with TapeReader(tape, from_seq=None) as reader:
        mirrored = reader.mirror
    return f"{tape}: the copy does not list {', '.join(missing)} yet" if mirrored else ""
