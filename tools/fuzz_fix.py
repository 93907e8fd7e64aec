"""`python -m tools.fuzz_fix [--messages N] [--seed N]`: mutated messages into a real acceptor (tests/fix/fuzz.py)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from tapewire.testing.recordings import folder
from tests.fix.fuzz import Figures, run
from tests.fix.stack import Stack


@click.command()
@click.option("--messages", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True, help="The same seed draws the same messages.")
@click.option("--refused", is_flag=True, help="Only what must be refused: to see whether it leaves anything behind.")
def main(messages: int, seed: int, refused: bool) -> None:
    """Starts an engine, a gateway and a front, and sends them so many mutated messages."""
    logs = folder() / "fix" / "logs"
    began = time.monotonic()

    def progress(figures: Figures) -> None:
        if len(figures.memory) % 25 == 0:
            grown = ", ".join(f"{name} {used >> 20} MiB" for name, used in figures.memory[-1][1].items())
            print(f"{figures.messages:,} messages, {time.monotonic() - began:.0f} s; {grown}", flush=True)

    with (
        tempfile.TemporaryDirectory() as made,
        Stack(Path(made), sessions="messages = 1000000") as stack,
    ):
        figures = run(stack, seed, messages, logs if logs.is_dir() else None, refused=refused, progress=progress)
    print(f"seed {seed}: {figures.messages:,} messages, of them {figures.garbled:,} garbled and {figures.wild:,} wild")
    print("answers:", ", ".join(f"{count:,} {kind}" for kind, count in figures.answers.most_common()))
    print("sessions ended:", ", ".join(f"{count} x {text}" for text, count in figures.ends.most_common()) or "never")
    for process in figures.memory[-1][1]:
        print(f"{process}: {figures.growth(process):+.0f} bytes a message")


if __name__ == "__main__":
    main()
