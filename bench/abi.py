"""What calling the matcher from C costs on top of the matcher itself. CPU time per command, every event kept.

The flow is that of `bench matcher`, one instrument; the loops are in bench/native/abi.cpp, linked with the library of
`make abi` as a user's program would be.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.harness import Row
from bench.matcher import commands
from tools.native import RELEASE, book_library, build

if TYPE_CHECKING:
    from bench.probes import Probes

MESSAGES = 1_000_000


def run(probes: Probes) -> Iterable[Row]:
    library, n = book_library(), probes.scale(MESSAGES)
    program = build("bench/native/abi.cpp", *RELEASE, link=(str(library), f"-Wl,-rpath,{library.parent}"))
    flow = commands(build("bench/native/matcher.cpp", *RELEASE), n)
    with TemporaryDirectory() as folder:
        tape = Path(folder) / "flow"
        tape.write_bytes(b"".join(flow))
        done = subprocess.run([program, tape, str(len(flow) - n)], capture_output=True, text=True, check=True)
    native, *ways = map(json.loads, done.stdout.splitlines())
    for one in (native, *ways):
        row = Row(
            id="M7",
            metric=f"one command at a time, {one['live']} live orders: {one['name']}",
            value=one["ns"],
            unit="ns",
            n=one["messages"],
        )
        row.spread = one["ns_min"], one["ns_max"]
        if one is not native:
            row.probe, row.ratio = "the matcher itself", one["ns"] / native["ns"]
        yield row
