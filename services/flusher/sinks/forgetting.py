"""What a sink that is no longer wanted holds back of tapes, and letting go of it.

A tape keeps what its slowest consumer has not dealt with, and a sink that was taken out of the settings, or that nobody
runs, deals with nothing. Its store is left as it is; started again, the sink goes on from there if the tape still can.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from services.flusher.sinks import status as pages
from services.flusher.sinks.sink import CONSUMER
from tapewire import consumers, durable
from tapewire.config import Config
from tapewire.errors import ConfigError
from tapewire.tape import TapeReader, inspect

Document = dict[str, Any]
FOLLOWS: Final = "the sink runs and follows this tape: stop it first"


def forget(config: Config, name: str, tape: str, carry_out: bool) -> Document:
    """What the sink `name` holds of every tape, or of one, and, with `carry_out`, lets go of it.

    Raises ConfigError for a tape that is not there, TapeError, OSError.
    """
    folders = inspect.tapes(config.folders.tapes)
    if tape and tape not in {folder.name for folder in folders}:
        raise ConfigError(f"--tape {tape}: there is no such tape below {config.folders.tapes}")
    followed = _followed(config, name)
    held = []
    for folder in folders:
        if tape in ("", folder.name) and f"{CONSUMER}{name}" in (found := consumers.positions(folder)):
            seq = found[f"{CONSUMER}{name}"]
            why_not = FOLLOWS if folder.name in followed else ""
            if carry_out and not why_not:
                _let_go(folder, name)
            held.append(
                {
                    "tape": folder.name,
                    "seq": seq,
                    "behind": max(0, _released(folder) - seq),
                    "forgotten": carry_out and not why_not,
                    "reason": why_not,
                }
            )
    return {"sink": name, "carried_out": carry_out, "tapes": held}


def _followed(config: Config, name: str) -> set[str]:
    """The tapes that a process follows now, whatever the settings have become since it began."""
    if not pages.is_running(config.folders, name):
        return set()
    words = pages.read(config.folders, name)
    return set(words.tapes) if words else set()


def _released(folder: Path) -> int:
    with TapeReader(folder, from_seq=None) as reader:
        return reader.positions.released_seq


def _let_go(folder: Path, name: str) -> None:
    path = folder / consumers.FOLDER / f"{CONSUMER}{name}"
    path.unlink(missing_ok=True)
    durable.sync_folder(path.parent)
