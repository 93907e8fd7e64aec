"""A signal ends the imports of a service at once; from then on it is kept until there is something to stop."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

SLOW_START = """
import sys
from tapewire import stopping
stopping.hold()
stopping.begin()
print("held", flush=True)
sys.stdin.readline()  # recovery: whatever takes its time
{ask}
print("stopped in order", flush=True)
"""
BLOCKING = "import threading; stop = threading.Event(); stopping.on_stop(stop.set); assert stop.wait(20)"
ON_THE_LOOP = """
import asyncio
from tapewire import lifecycle
async def serve() -> None:
    await asyncio.wait_for(lifecycle.stop_on_signals().wait(), 20)
lifecycle.run(serve())
"""


@pytest.mark.parametrize("ask", [BLOCKING, ON_THE_LOOP], ids=["threads", "loop"])
@pytest.mark.parametrize("while_it_starts", [True, False])
@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_at_any_moment_after_the_first_ends_it_in_order(ask: str, while_it_starts: bool, number: int) -> None:
    program = [sys.executable, "-c", SLOW_START.format(ask=ask)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        if while_it_starts:
            process.send_signal(number)
        process.stdin.write("\n")
        process.stdin.flush()
        if not while_it_starts:
            time.sleep(0.3)
            process.send_signal(number)
        assert process.stdout.read() == "stopped in order\n"
        assert process.wait(20) == 0


IMPORTING = """
from tapewire import stopping
stopping.hold()
print("importing", flush=True)
import time
try:
    time.sleep(20)
except BaseException:
    print("caught", flush=True)
"""


@pytest.mark.parametrize("number", [2, 15])
def test_a_signal_while_it_imports_ends_it_at_once(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", IMPORTING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        began = time.monotonic()
        process.send_signal(number)
        assert process.stdout.read() == ""
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10
