from __future__ import annotations

import subprocess
import sys

import orjson
import pytest

from tapewire import logs
from tapewire.errors import ConfigError

SCRIPT = """
from tapewire import logs
log = logs.configure("engine")
log.info("started", shard=3)
log.debug("not shown")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("failed")
"""


def test_each_line_is_an_object_with_its_service_level_and_time() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True, env={})
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"], line["service"]) for line in lines] == [
        ("started", "info", "engine"),
        ("failed", "error", "engine"),
    ]
    assert lines[0]["shard"] == 3
    assert lines[0]["ts"].endswith("Z")
    assert "ZeroDivisionError" in lines[1]["exception"]
    assert done.stdout == b""


def test_an_unknown_level_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(ConfigError, match="TAPEWIRE_LOG: holds 'loud'; expected one of debug, info, warning, error"):
        logs.configure("engine", {"TAPEWIRE_LOG": "loud"})
