"""All services of a host together: ready for the right reasons, TLS everywhere, no secret left lying about."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import nats
import nats.errors
import pytest

from tapewire import messages as m
from tapewire.config import Nats
from tapewire.errors import TransportError
from tapewire.transports.nats import NatsTransport
from tests.engine_process import ROOT
from tests.otlp_receiver import OtlpReceiver
from tests.platform_stack import Platform, until
from tests.stopped import stopped

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
SERVICES = ("engine", "journal", "flusher", "connector-binance", "gateway", "gateway-front", "api", "monitor")
ORDER = {"account": 1, "ticker": "ACME", "side": "buy", "type": "limit", "price": "10.00", "qty": "1"}


@pytest.fixture(scope="module")
def received(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, received: OtlpReceiver) -> Iterator[Platform]:
    with Platform(tmp_path_factory.mktemp("platform"), otlp=received.url) as running:
        running.ready(*SERVICES)
        yield running


def place(platform: Platform, name: str) -> int:
    client = platform.http()
    try:
        return client.call("POST", "/v1/orders", ORDER | {"cl_ord_id": name}).status
    finally:
        client.close()


def test_everybody_trades_over_tls(platform: Platform) -> None:
    assert place(platform, "tls-1") == 201
    signer = platform.fix()
    assert signer.logon(reset=True).type == "A"
    signer.logout()
    signer.close()


def test_plain_connections_are_refused_at_every_door(platform: Platform) -> None:
    async def plain() -> None:
        url = f"nats://127.0.0.1:{platform.ports['nats']}"
        with pytest.raises((nats.errors.Error, ssl.SSLError, OSError)):
            await nats.connect(url, allow_reconnect=False, connect_timeout=1)
        settings = platform.settings.nats
        nameless = Nats(url=settings.url, keys=settings.keys, ca=settings.ca, user="journal", connect_timeout=1.0)
        with pytest.raises(TransportError):  # a key, and no certificate of its own
            await NatsTransport(nameless).connect()

    asyncio.run(plain())
    logon = b"8=FIX.4.4\x019=5\x0135=A\x0110=000\x01"
    request = b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for door, said in (("fix", logon), ("api", request)):
        with socket.create_connection(("127.0.0.1", platform.ports[door]), timeout=10) as client:
            client.sendall(said)
            client.settimeout(10)
            try:
                answered = client.recv(4096)
            except ConnectionResetError:
                answered = b""
        assert b"FIX" not in answered
        assert b"HTTP/1.1 2" not in answered


def test_the_bus_hears_of_services_that_do_not_speak_there(platform: Platform) -> None:
    heard: dict[str, m.ServiceHealth] = {}

    async def listen() -> None:
        settings = platform.settings.nats
        operator = NatsTransport(
            Nats(
                **{name: getattr(settings, name) for name in ("url", "keys", "ca", "certificate", "private_key")},
                user="operator",
            )
        )
        await operator.connect()

        def hear(message: object) -> None:
            told = m.ServiceHealth.decode(message.data)  # type: ignore[attr-defined]
            heard[told.service] = told

        await operator.subscribe(f"{platform.env}.ops.health.*", hear)
        for _ in range(100):
            if heard.keys() >= {*SERVICES, "router"}:
                break
            await asyncio.sleep(0.1)
        await operator.drain()

    asyncio.run(listen())
    assert {name for name, told in heard.items() if told.state == m.HealthState.ready} >= set(SERVICES)
    client = platform.http()
    try:
        assert client.get("/v1/services")["services"].keys() >= set(SERVICES)
    finally:
        client.close()
    page = urllib.request.urlopen(f"http://127.0.0.1:{platform.ports['metrics']}/metrics", timeout=10).read().decode()
    assert 'tapewire_service_ready{service="engine"} 1.0' in page


def test_a_venue_that_refuses_us_and_a_router_without_venues_say_so(platform: Platform) -> None:
    platform.becomes("venue-away", "session for orders: down")
    platform.becomes("router", "no venue is ready: 2 are not")
    assert platform.ask("router", "/live").ok


def test_a_service_that_hangs_is_not_ready_for_whoever_watches_it(platform: Platform) -> None:
    with stopped(platform.processes["flusher"].pid):
        assert platform.ask("flusher").state == "unreachable"
        until(lambda: ready_by_metrics(platform, "flusher") == "0.0", lambda: "the monitor did not notice")
    platform.ready("flusher")


def ready_by_metrics(platform: Platform, service: str) -> str:
    page = urllib.request.urlopen(f"http://127.0.0.1:{platform.ports['metrics']}/metrics", timeout=10).read().decode()
    lines = [line for line in page.splitlines() if line.startswith(f'tapewire_service_ready{{service="{service}"}}')]
    return lines[0].split()[1] if lines else ""


def test_without_its_venue_a_connector_is_not_ready(platform: Platform) -> None:
    with stopped(platform.processes["simulator"].pid):
        platform.becomes("connector-binance", "not live")  # silent, and still connected
    platform.ready("connector-binance")


def test_without_the_engine_gateway_front_and_api_are_not_ready_and_come_back_with_it(platform: Platform) -> None:
    platform.kill("engine")
    assert "no engine takes commands" in platform.becomes("gateway", "no engine takes commands").reasons[0]
    platform.becomes("gateway-front", "the gateway behind is degraded: no engine takes commands")
    platform.becomes("api", "no engine takes commands")
    assert platform.ask("engine").state == "unreachable"
    platform.again("engine")
    platform.ready("engine", "gateway", "gateway-front", "api")
    assert place(platform, "after-engine") == 201


def test_without_the_bus_journal_and_monitor_are_not_ready_and_trading_goes_on(platform: Platform) -> None:
    platform.nats.stop()
    platform.becomes("journal", "the bus is away")
    platform.becomes("monitor", "the bus is away")
    assert place(platform, "without-bus") == 201
    platform.nats.start()
    platform.ready("journal", "monitor", "connector-binance")


def test_a_gateway_that_ends_says_that_it_drains(platform: Platform) -> None:
    signer = platform.fix()
    assert signer.logon(reset=True).type == "A"
    platform.processes["gateway"].send_signal(signal.SIGTERM)
    platform.becomes("gateway", "draining")
    assert platform.ask("gateway", "/live").ok
    signer.logout()
    signer.close()
    platform.processes["gateway"].wait(30)
    assert platform.ask("gateway").state == "unreachable"
    platform.again("gateway")
    platform.ready("gateway", "gateway-front")


def forms(secret: str) -> list[bytes]:
    """As it could stand somewhere: as it is, in a URL, in base64, in hex; and what it is the base64 of."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), base64.b64encode(raw), raw.hex().encode()}
    try:
        inner = base64.b64decode(secret, validate=True)
    except ValueError:
        return sorted(found)
    return sorted({*found, inner, inner.hex().encode(), base64.urlsafe_b64encode(inner)})


def test_no_secret_is_in_anything_that_the_services_leave(platform: Platform, received: OtlpReceiver) -> None:
    """Ordinary and failing work of all of them, then every byte that somebody else may come to see."""
    planted = dict(platform.planted)
    failing_work(platform, planted)
    seen = dict(left_by(platform))
    seen["traces"] = repr(received.wait(bool)).encode()
    assert any(name.endswith("engine.log") for name in seen)
    found = {(what, where) for what, secret in planted.items() for where, text in seen.items() if leaks(secret, text)}
    assert found == set()
    # The search itself finds what is there.
    assert leaks(planted["API password"], b"x" + planted["API password"].encode())


def leaks(secret: str, text: bytes) -> bool:
    return any(form in text for form in forms(secret))


def failing_work(platform: Platform, planted: dict[str, str]) -> None:
    signer = platform.fix()
    assert signer.logon(reset=True).type == "A"
    signer.logout()
    signer.close()
    for name, secret in (
        ("SPEAKER", None),
        ("SPEAKER", b"wrong-" + planted["FIX password"].encode()),
        ("SIGNER", b"x"),
    ):
        client = platform.fix(name, secret)
        try:
            client.logon(reset=True)
        finally:
            client.close()
    planted["front token"] = platform.settings.folders.front_token.read_text().strip()
    person = platform.http(key="")
    assert person.log_in("ann", platform.api_password).status == 200
    planted["cookie"], planted["csrf"] = person.cookie.partition("=")[2], person.csrf
    ticket = person.call("POST", "/v1/stream/ticket").body["ticket"]
    planted["ticket"] = ticket
    assert person.log_in("ann", planted["API password"] + "x").status == 401
    person.close()
    wrong = platform.http(secret=b"y" * 32)
    assert wrong.call("GET", "/v1/me").status == 401
    wrong.close()
    assert place(platform, "planted") == 201
    # A sink whose database is away; below, a password in its URL, where people write it and it is refused.
    planted["database"] = "Pl4nted-database-pass"
    (password := platform.folder / "database.password").write_text(planted["database"])
    password.chmod(0o600)
    sinks = {
        "TAPEWIRE_SINKS__POSTGRES__URL": "postgresql://tape@127.0.0.1:1/x",
        "TAPEWIRE_SINKS__POSTGRES__PASSWORD_FILE": str(password),
    }
    command = [sys.executable, "-m", "services.flusher.sinks", "postgres", "--config", str(platform.config)]
    with (platform.folder / "sink.log").open("wb") as log:
        sink = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ, **sinks})
        until(lambda: (platform.folder / "sink.log").stat().st_size > 300 or sink.poll() is not None, lambda: "silent")
        sink.kill()
        sink.wait()
    broken = platform.folder / "broken.toml"
    text = platform.config.read_text()
    for at, change in enumerate(
        (
            text.replace("[monitor]", f'[sinks.postgres]\nurl = "mysql://u:{planted["database"]}@h/x"\n[monitor]'),
            text.replace(platform.hashes["api_hash"], "scrypt$1$" + platform.hashes["api_hash"]),
            text.replace("tls://localhost", f"tls//tape:{planted['database']}@localhost"),
        )
    ):
        broken.write_text(change)
        for service in ("services.api", "tapewire.cli config show"):
            module, *arguments = service.split()
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments, "--config", str(broken)],
                cwd=ROOT, capture_output=True, timeout=60, check=False, env={**os.environ, "TAPEWIRE_API__PORT": "1"},
            )  # fmt: skip
            (platform.folder / f"broken.{at}.{module}.log").write_bytes(done.stdout + done.stderr)
            broken.unlink(missing_ok=True)
            broken.write_text(change)
    broken.unlink()
    shown = subprocess.run(
        [sys.executable, "-m", "tapewire.cli", "config", "show", "--config", str(platform.config)],
        cwd=ROOT, capture_output=True, check=True, env={**os.environ, **sinks},
    )  # fmt: skip
    (platform.folder / "shown.log").write_bytes(shown.stdout + shown.stderr)
    backup = [sys.executable, "-m", "tapewire.cli", "backup", str(platform.folder / "backup"), "--json"]
    told = subprocess.run(
        backup, cwd=ROOT, capture_output=True, check=True,
        env={**os.environ, "TAPEWIRE_CONFIG": str(platform.config)},
    )  # fmt: skip
    assert json.loads(told.stdout)["tapes"]
    platform.kill("api")
    platform.again("api")
    platform.ready("api")


def left_by(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """By where: logs, tapes, pages, rings, backup, command lines, metrics."""
    apart = {platform.settings.folders.front_token}
    for root in (platform.folder / "data", platform.folder / "rings", platform.folder / "backup"):
        for path in root.rglob("*"):
            if path.is_file() and path not in apart and "keys" not in path.parts:
                yield str(path), path.read_bytes()
    for path in platform.folder.glob("*.log"):
        yield str(path), path.read_bytes()
    for name, process in platform.processes.items():
        if process.poll() is None:
            yield f"command line of {name}", Path(f"/proc/{process.pid}/cmdline").read_bytes()
    with urllib.request.urlopen(f"http://127.0.0.1:{platform.ports['metrics']}/metrics", timeout=10) as page:
        yield "metrics", page.read()
