"""Let this host take a mirrored tape over, from a writer that is gone or is to go."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from tapewire.cli._options import complete_tapes, data_option, json_option
from tapewire.errors import TapeError
from tapewire.tape import TapeFrames

LOOK_EVERY_S = 0.005
SIGN_WITHIN_S = 5.0


@click.command()
@click.argument("tape", shell_complete=complete_tapes)
@click.option("--within", "within_s", type=click.FloatRange(min=0.1), default=30.0, help="Seconds. Default: 30.")
@data_option
@json_option
def command(tape: str, within_s: float, data: Path, as_json: bool) -> None:
    """Take TAPE over on this host: its replica claims it, its engine that stands by goes on with it.

    Whoever wrote it until now can release nothing from that moment on, and stops. Refused where no engine stands by
    that could go on. Exit status 1 if that fails.

    \b
    tapewire promote orders.0
    tapewire promote orders.0 --within 60 --json
    """
    from tapewire.folders import Folders
    from tapewire.replication import standing
    from tapewire.replication import state as states

    folder = Folders(data).tape(tape)
    began = time.monotonic()
    frames = TapeFrames(folder)
    epoch = frames.epoch
    if not _mirror(frames):
        raise TapeError(f"{folder}: is no mirror: this host writes it, at epoch {epoch}. Nothing was changed")
    state = states.read(folder)
    if state is None or state.stale(time.time_ns()):
        raise TapeError(f"{folder}: no replica runs here that could take it over. Start `tapewire replica`")
    if state.role == "differs":
        raise TapeError(f"{folder}: this mirror differs and must not be promoted: {state.why}")
    if state.back:
        raise TapeError(f"{folder}: is not promoted: {state.why}")
    if tape.startswith("orders.") and (why := standing.wait_for(folder, state.seq, SIGN_WITHIN_S)):
        raise TapeError(f"{folder}: not taken over, {state.holder or 'its writer'} goes on: {why}")
    states.ask_promotion(folder)
    claimed = 0.0
    while time.monotonic() - began < within_s:
        if not claimed and frames.grant > epoch:
            claimed = time.monotonic() - began
        if frames.grant and frames.epoch >= frames.grant and frames.writer_alive and not _mirror(frames):
            report = {"tape": tape, "epoch": frames.epoch, "claimed_s": claimed, "seconds": time.monotonic() - began}
            click.echo(
                json.dumps(report)
                if as_json
                else f"{tape}: this host writes it from epoch {frames.epoch} on, after {report['seconds']:.3f} s"
            )
            return
        time.sleep(LOOK_EVERY_S)
    states.promotion_done(folder)
    state = states.read(folder)
    if frames.grant > frames.epoch:
        raise TapeError(
            f"{folder}: this host has taken it over with epoch {frames.grant}, but no engine has opened it within "
            f"{within_s:g} s. Start `tapewire engine --standby`"
        )
    click.echo(
        f"{tape}: not taken over within {within_s:g} s: {state.why if state else 'no replica runs here'}", err=True
    )
    sys.exit(1)


def _mirror(frames: TapeFrames) -> bool:
    """As it is now."""
    return frames.mirror
