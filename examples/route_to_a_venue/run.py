"""A parent order on two outside venues: a simulated Kraken and a simulated Coinbase, each with an engine of its own.

    python examples/route_to_a_venue/run.py

Starts a bus, both venues, the sessions to them and the router; buys half a bitcoin with a sweep; prints what the router
decided and what each venue itself says of it; ends everything. Needs the extra `fix`.
"""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tapewire import child
from tapewire import messages as m
from tapewire.folders import Folders
from tapewire.nats_server import NatsServer
from tapewire.tape import TapeReader

HERE = Path(__file__).resolve().parent
PATIENCE_S = 30.0
# What the simulated venues know their client by; a real venue gives its own out.
SECRETS = {
    "kraken.secret": base64.b64encode(b"a secret that is sixty-four bytes long, as the venue's own are .").decode(),
    "coinbase.secret": base64.b64encode(b"a secret of thirty-two bytes ...").decode(),
    "coinbase.passphrase": "passphrase",
}
INSTRUMENTS = {"kraken": "BTC/USD:0.1:0.00000001:64000", "coinbase": "BTC-USD:0.01:0.00000001:64004"}


def until(condition: Callable[[], bool], otherwise: str) -> None:
    """Waits for it. Raises SystemExit saying what did not come about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"{otherwise} within {PATIENCE_S:g} s")
        time.sleep(0.05)


class Processes:
    """All that is started here, each with its log in the folder; ended in the reverse order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, *command: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            self._running.append((name, child.spawn([sys.executable, "-m", *command], stderr=log)))

    def says(self, name: str, event: str) -> bool:
        return f'"{event}"' in (self._folder / f"{name}.log").read_text()

    def end(self) -> None:
        for _, process in reversed(self._running):
            child.stop(process, 10.0)


def tapewire(config: Path, *arguments: str) -> str:
    """The output of a `tapewire parent` command."""
    command = [sys.executable, "-m", "tapewire.cli", "parent", "--config", str(config), *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def truth(control: int) -> list[dict[str, str]]:
    """What a simulated venue itself says of its orders."""
    with urllib.request.urlopen(f"http://127.0.0.1:{control}/_sim/orders", timeout=5) as answer:
        found: list[dict[str, str]] = json.loads(answer.read())
        return found


def trade(folder: Path, nats: str, processes: Processes) -> None:
    files = {name: folder / f"{name}.ports" for name in INSTRUMENTS}
    for name, instrument in INSTRUMENTS.items():
        market = ["--instrument", instrument, "--rate", "0", "--publish", f"example.{name}", "--nats", nats]
        serving = ["--data", str(folder / name), "--engine", "--ports-file", str(files[name])]
        processes.start(f"venue {name}", "services.simulator", "fix", "--dialect", name, *serving, *market)
    until(lambda: all(file.exists() for file in files.values()), "the venues did not listen")
    ports = {name: json.loads(file.read_text()) for name, file in files.items()}

    for file, text in SECRETS.items():
        (folder / file).write_text(text)
        (folder / file).chmod(0o600)
    config, text = folder / "tapewire.toml", (HERE / "tapewire.toml").read_text()
    for key, value in {"folder": folder, "nats": nats, **{name: ports[name]["port"] for name in ports}}.items():
        text = text.replace(f"{{{key}}}", str(value))
    config.write_text(text)

    processes.start("router", "services.router", "--config", str(config))
    until(lambda: processes.says("router", "working"), "the router does not work")
    for name in INSTRUMENTS:
        processes.start(f"session {name}", "services.gateway.initiator", "--config", str(config), "--venue", name)
    tape = Folders(folder / "data").router_tape(0)
    until(lambda: len(ready(tape)) == len(INSTRUMENTS), "the router did not hear of all venues and their books")

    terms = ["--account", "1", "--algorithm", "sweep", "--ioc", "--limit", "64100"]
    print(tapewire(config, "new", "buy", "0.5", "BTC-USD", *terms), end="")
    until(lambda: not json.loads(tapewire(config, "list", "--json")), "the parent did not end")
    print(tapewire(config, "show", "1"))
    for name, where in ports.items():
        for one in truth(where["control_port"]):
            told = f"{one['side']} {one['cum_qty']} of {one['qty']} at {one['avg_px']}, status {one['status']}"
            print(f"{name} itself: {told}")


def ready(tape: Path) -> set[int]:
    """The venues, by number, of which the router's tape has a session that is ready and a book."""
    sessions, books = set(), set()
    with TapeReader(str(tape)) as reader:
        for record in map(m.decode, reader):
            if isinstance(record, m.VenueChanged) and record.state is m.VenueState.ready:
                sessions.add(record.venue)
            elif isinstance(record, m.BookSnapshot) and record.levels:
                books.add(record.source)
    return sessions & books


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        processes = Processes(folder)
        server = NatsServer(folder / "nats")
        server.start()
        try:
            trade(folder, server.url, processes)
        finally:
            processes.end()
            server.stop()


if __name__ == "__main__":
    main()
