"""One sink: tapes into a store outside, exactly once. `python -m services.flusher.sinks NAME`."""

from __future__ import annotations

from tapewire import stopping

if __name__ == "__main__":
    stopping.hold()

from pathlib import Path

import click

from services.flusher.sinks import stores
from services.flusher.sinks.sink import Rebuild, Sink
from services.flusher.sinks.status import Teller
from tapewire import health, lifecycle, logs
from tapewire.believed_clock import Believed
from tapewire.config import load
from tapewire.errors import ConfigError


def rebuild_of(begin: int | None, since: int | None, tape: str) -> Rebuild | None:
    """What `--from`, `--since` and `--tape` ask for together. Raises ConfigError."""
    if begin is None and since is None:
        if tape:
            raise ConfigError("--tape: names the tape to build anew; expected --from or --since with it")
        return None
    if begin is not None and since is not None:
        raise ConfigError("--from and --since: expected one of them")
    if begin is not None and not tape:
        raise ConfigError("--from: a seq is one tape's; expected --tape with it")
    return Rebuild(begin or 0, since or 0, tape)


@click.command()
@click.argument("name")
@click.option("--config", "path", type=click.Path(path_type=Path), help="The TOML file to read.")
@click.option("--from-seq", "begin", type=click.IntRange(min=1), help="Build anew from this record of --tape.")
@click.option("--from-time", "since", type=click.IntRange(min=1), help="Build anew from this time, UTC ns.")
@click.option("--tape", default="", help="Of this tape alone.")
def main(name: str, path: Path | None, begin: int | None, since: int | None, tape: str) -> None:
    """Follow tapes into the store NAME until SIGTERM, which commits what was read and ends."""
    config = load(path)
    log = logs.configure("sink")
    config.folders.prepare(config.rings)
    target = stores.target_of(config, name)
    stores.check_password(config, name)
    teller = Teller(config.folders, name, target.where, log)
    rebuild = rebuild_of(begin, since, tape)

    async def run() -> None:
        stop = lifecycle.stop_on_signals()
        settings, believed = stores.settings_of(config, name), Believed(config.folders.believed_clock)
        sink = Sink(*(name, settings, config.folders.tapes, target, teller), rebuild=rebuild, believed=believed.now_ns)
        with health.serve(config, f"sink-{name}", ready=teller.reasons) as told:
            told.watch_loop(stop)
            log.info("started", sink=name, target=target.where, data=str(config.data))
            await sink.run(stop)
            log.info("drained", sink=name)

    try:
        lifecycle.run(run())
    finally:
        teller.close()


if __name__ == "__main__":
    lifecycle.main(main, "tapewire sink")
