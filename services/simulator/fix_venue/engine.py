"""An engine of the venue's own, as a child process, for who has none running."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from services.simulator.traders_market import LOTS_OF_MAX
from tapewire import child
from tapewire.errors import ConfigError, FixedError
from tapewire.fixed import exponent_of, to_mantissa, to_text

STOP_WAIT_S = 10.0


def configuration(data: Path, instruments: Sequence[str], accounts: Sequence[int], lots: int) -> str:
    """The engine's settings, as TOML; `lots`: a typical size. Raises ConfigError for an instrument that is not
    TICKER:TICK:LOT:REFERENCE."""
    lines = [
        f'env = "fix-venue-{os.getpid()}"',
        f'data = "{data.absolute()}"',
        f'rings = "{data.absolute()}/memory"',  # nothing is left in /dev/shm
        "[engine]",
        'durability = "memory"',
        'producers = [{ name = "operator", role = "operator" }, { name = "venue" }]',
        "ring_bytes = 1048576",
        "segment_bytes = 8388608",
    ]
    for text in instruments:
        parts = text.split(":")
        if len(parts) not in (3, 4) or not all(parts):
            raise ConfigError(f"--instrument {text}: expected TICKER:TICK:LOT or TICKER:TICK:LOT:REFERENCE")
        ticker, tick, lot, *reference = parts
        try:
            exponent = exponent_of(lot)
            largest = to_text(to_mantissa(lot, exponent) * lots * LOTS_OF_MAX, exponent)
        except FixedError as error:
            raise ConfigError(f"--instrument {text}: {error}") from None
        lines += ["[[instrument]]", f'ticker = "{ticker}"', f'tick_size = "{tick}"', f'lot_size = "{lot}"']
        lines.append(f'max_qty = "{largest}"')
        lines += [f'reference_price = "{reference[0]}"'] if reference else []
    for account in accounts:
        lines += ["[[account]]", f"account = {account}"]
    return "\n".join(lines) + "\n"


class OwnEngine:
    """`python -m services.engine` over `data`, ended with this process at the latest. A context manager."""

    def __init__(self, data: Path, instruments: Sequence[str], accounts: Sequence[int], lots: int) -> None:
        """Raises ConfigError."""
        data.mkdir(parents=True, exist_ok=True)
        self.config = data / "engine.toml"
        self.config.write_text(configuration(data, instruments, accounts, lots))
        self.log = data / "engine.log"
        with self.log.open("ab") as log:
            program = [sys.executable, "-m", "services.engine", "--config", str(self.config)]
            self.process: subprocess.Popen[bytes] = child.spawn(program, stderr=log)

    def check(self) -> None:
        """Raises ConfigError if it has ended."""
        if self.process.poll() is not None:
            said = self.log.read_text(errors="replace").strip().splitlines()
            raise ConfigError(f"{self.log}: the engine has ended: {said[-1] if said else 'it said nothing'}")

    def close(self) -> None:
        child.stop(self.process, STOP_WAIT_S)

    def __enter__(self) -> OwnEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
