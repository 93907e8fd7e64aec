"""Secrets where the other side is away or refuses: in no log, no error, no command line, no settings that are shown."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.bus import keys
from tapewire.bus.permissions import Permissions
from tapewire.cli import cli
from tapewire.config import load
from tapewire.errors import ConfigError
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT
from tests.hosts import until
from tests.integration.test_platform import leaks

SECRET = "Pl4nted-Pa55word-zX9"
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SINKS__POSTGRES__URL", f"postgresql://u:{SECRET}@{NOBODY}/x"),
        ("SINKS__REDIS__URL", f"redis://u:{SECRET}@{NOBODY}/0"),
        ("SINKS__REDIS__URL", f"redis://:{SECRET}@{NOBODY}/0"),
        ("SINKS__KAFKA__URL", f"kafka://u:{SECRET}@{NOBODY}"),
        ("API__CACHE", f"redis://u:{SECRET}@{NOBODY}/0"),
        ("API__CACHE", f"redis:/u:{SECRET}@{NOBODY}/0"),
        ("NATS__URL", f"nats://u:{SECRET}@{NOBODY}"),
        ("NATS__URL", f"nats:/u:{SECRET}@{NOBODY}"),
        ("NATS__URL", f"nats:u:{SECRET}@{NOBODY}"),
        ("NATS__URL", f"nats//u:{SECRET}@{NOBODY}"),
        ("NATS__URL", f"nats://u:a/{SECRET}@{NOBODY}"),
        ("API__CACHE", f"redis://u:a@{SECRET}@{NOBODY}/0"),
        ("MONITOR__OTLP_URL", f"http://u:{SECRET}@{NOBODY}"),
        ("MONITOR__OTLP_URL", f"htp://u:{SECRET}@{NOBODY}"),
    ],
)
def test_a_password_in_a_url_is_told_to_nobody(setting: str, value: str, tmp_path: Path) -> None:
    environment = {f"TAPEWIRE_{setting}": value, "TAPEWIRE_DATA": str(tmp_path / "data")}
    said = ""
    try:
        load(None, environment)
    except ConfigError as error:
        said = f"{error} {error!r}"
    shown = CliRunner().invoke(cli, ["config", "show"], env=environment)
    assert not leaks(SECRET, (said + shown.output + repr(shown.exception)).encode()), said + shown.output


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("what", ["redis", "kafka", "api cache", "replica", "relay"])
def test_a_service_that_knows_a_secret_and_finds_nobody_keeps_it(what: str, tmp_path: Path, password: Path) -> None:
    config = tmp_path / "tapewire.toml"
    config.write_text(
        f'env = "s"\ndata = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n[nats]\nurl = "nats://{NOBODY}"\n'
        f'[engine]\nproducers = [{{ name = "operator", role = "operator" }}, {{ name = "traders" }}]\n'
        f"{INSTRUMENT}{ACCOUNTS}"
    )
    secrets = [SECRET]
    settings: dict[str, str] = {}
    if what in ("redis", "kafka"):
        scheme = {"redis": f"redis://u@{NOBODY}/0", "kafka": f"kafka://u@{NOBODY}"}[what]
        settings = {f"SINKS__{what.upper()}__URL": scheme, f"SINKS__{what.upper()}__PASSWORD_FILE": str(password)}
        module = ["services.flusher.sinks", what]
    elif what == "api cache":
        settings = {"API__CACHE": f"redis://u@{NOBODY}/0", "API__CACHE_PASSWORD_FILE": str(password)}
        module = ["services.api"]
    else:
        keys.write(tmp_path / "keys", [("planted", Permissions((), ()))])
        (seed,) = (tmp_path / "keys").rglob("planted.nk")
        secrets.append(seed.read_text().strip())
        settings = {"NATS__KEYS": str(seed.parent), "NATS__USER": "planted"}
        settings |= {"replica": {"REPLICA__MIRROR": "orders.0"}, "relay": {"RELAY__OUT": "traders"}}[what]
        module = [f"services.{what}"]
    log = tmp_path / "log"
    environment = {**os.environ, **{f"TAPEWIRE_{name}": value for name, value in settings.items()}}
    with log.open("wb") as out:
        command = [sys.executable, "-m", *module, "--config", str(config)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
    try:
        until(lambda: log.stat().st_size > 100 or process.poll() is not None, log.read_text)
        seen = {"log": log.read_bytes()}
        if process.poll() is None:
            seen["command line"] = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    finally:
        process.kill()
        process.wait()
    seen |= {str(path): path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    assert {where for where, text in seen.items() for secret in secrets if leaks(secret, text)} == set()
