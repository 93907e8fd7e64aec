"""`make services`: starts what tests and benches can use, prints their addresses, stays until Ctrl-C or `ARGS=stop`.

    $ make services ARGS="postgres redis"
    export TAPEWIRE_TEST_POSTGRES=postgresql://postgres:...@127.0.0.1:23071/postgres
    export TAPEWIRE_TEST_REDIS=redis://:...@127.0.0.1:17655/0

The same lines are in build/services/env while they run: `source build/services/env`, then run the tests.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tools.services import KINDS, NotStarted, Server, Unavailable
from tools.services.containers import Container, no_engine

STATE = Path(__file__).resolve().parents[2] / "build" / "services"
STOPS_WITHIN_S = 60.0


def started(kind: type[Server], folder: Path, stack: ExitStack) -> Server | Container:
    """A container where there is an engine and the image can be had, else a process. Raises Unavailable, NotStarted."""
    if not no_engine():
        try:
            return stack.enter_context(Container(kind.name))
        except Unavailable as reason:
            print(f"# {kind.name}: {reason}; trying without", file=sys.stderr)
    server = kind(folder / kind.name)
    stack.enter_context(server)
    return server


def run(names: list[str]) -> int:
    """Serves until a signal comes; the exit code says whether all that was asked for by name runs."""
    STATE.mkdir(parents=True, exist_ok=True)
    missing = 0
    with (STATE / "pid").open("a+") as pid, ExitStack() as stack:
        try:
            fcntl.flock(pid, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"they run already: source {STATE / 'env'}, or `make services ARGS=stop`", file=sys.stderr)
            return 1
        pid.truncate(0)
        pid.write(str(os.getpid()))
        pid.flush()
        env = STATE / "env"
        stack.callback(env.unlink, missing_ok=True)
        env.unlink(missing_ok=True)
        env.touch(mode=0o600)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tapewire-services-")))
        try:
            for kind in KINDS:
                if names and kind.name not in names:
                    continue
                try:
                    server = started(kind, folder, stack)
                except (Unavailable, NotStarted) as reason:
                    print(f"# {kind.name}: {reason}", file=sys.stderr)
                    missing += bool(names)
                    continue
                line = f"export {kind.variable}={server.url}"
                print(f"# {server.version}\n{line}", flush=True)
                with env.open("a") as file:
                    file.write(f"{line}\n")
            print("# running; Ctrl-C stops them", file=sys.stderr, flush=True)
            signal.pause()
        except KeyboardInterrupt:
            print("# stopping", file=sys.stderr)
    return 1 if missing else 0


def stop() -> int:
    """Ends those that another `make services` has started, and waits until they are gone."""
    try:
        file = (STATE / "pid").open("r+")
    except FileNotFoundError:
        print("none run", file=sys.stderr)
        return 0
    with file as pid:
        deadline = time.monotonic() + STOPS_WITHIN_S
        asked = False
        while time.monotonic() < deadline:
            try:
                fcntl.flock(pid, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not asked:
                    os.kill(int(pid.read()), signal.SIGTERM)
                    asked = True
                time.sleep(0.05)
                continue
            print("stopped" if asked else "none run", file=sys.stderr)
            return 0
    print(f"they did not stop within {STOPS_WITHIN_S:g} s", file=sys.stderr)
    return 1


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make services", description=__doc__)
    names = [kind.name for kind in KINDS]
    parser.add_argument("what", nargs="*", choices=[*names, "stop", []], help="which; all without. stop: ends them")
    what = parser.parse_args(arguments).what
    return stop() if "stop" in what else run(what)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
