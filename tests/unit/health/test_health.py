"""What a service says of itself, over a real socket: why it is not ready, that it stands still, and no more."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire import health
from tapewire.cli import cli
from tapewire.config import Config, load
from tapewire.errors import ConfigError
from tapewire.health import listener
from tapewire.health.served import REMEMBERED_S, Health
from tools.services.ports import free_port


def settings_in(folder: Path, **more: str) -> Config:
    return load(None, {"TAPEWIRE_DATA": str(folder), **more})


class Steered:
    """Seconds that stand still until somebody moves them."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def served_by(clock: Steered, settings: Config, service: str) -> Health:
    told = Health(service, settings.health.stalled_after, clock)
    told.check(ready=list)
    told.listener = listener.Listener(settings.folders.health / service, "", 0, told.answer)
    told.listener.start()
    return told


def test_it_starts_becomes_ready_degrades_and_drains(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    at, why = settings.folders.health / "engine", list[str]()
    with health.serve(settings, "engine") as told:
        first = health.ask_socket(at)
        assert (first.ok, first.state, first.pid) == (False, "starting", os.getpid())
        assert health.ask_socket(at, "/live").ok
        told.check(ready=lambda: why, detail=lambda: "next_seq=7")
        assert health.ask_socket(at) == health.Answer(
            service="engine", ok=True, state="ready", detail="next_seq=7", pid=os.getpid()
        )
        why.append("no room")
        time.sleep(REMEMBERED_S * 1.5)
        assert (health.ask_socket(at).state, health.ask_socket(at).reasons) == ("degraded", ("no room",))
        told.drain()
        assert health.ask_socket(at).state == "draining"
        assert health.ask_socket(at, "/live").ok
    assert health.ask_socket(at).state == "unreachable"
    assert list(settings.folders.health.iterdir()) == []


def test_what_does_not_turn_is_not_live(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, TAPEWIRE_HEALTH__STALLED_AFTER="1")
    at = settings.folders.health / "journal"
    clock = Steered()
    with served_by(clock, settings, "journal") as told:
        pulse = told.pulse("duty cycle")
        assert health.ask_socket(at, "/live").ok
        clock.now += 1.3
        found = health.ask_socket(at, "/live")
        assert (found.ok, found.state) == (False, "stalled")
        assert found.reasons == ("duty cycle: no turn for 1.3 s; expected one within 1 s",)
        assert not health.ask_socket(at).ok
        pulse.beat()
        clock.now += REMEMBERED_S * 1.5
        assert health.ask_socket(at, "/live").ok


async def test_a_loop_that_is_blocked_is_not_live(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, TAPEWIRE_HEALTH__STALLED_AFTER="1")
    at = settings.folders.health / "api"
    clock = Steered()
    with served_by(clock, settings, "api") as told, ThreadPoolExecutor(1) as beside:
        told.watch_loop(asyncio.Event())
        clock.now += 1.3
        async with asyncio.timeout(30):  # until the loop has turned once more
            while not (await asyncio.to_thread(health.ask_socket, at, "/live")).ok:
                clock.now += REMEMBERED_S * 1.5
                await asyncio.sleep(0.05)
        clock.now += 1.3
        # This is the fault: somebody blocks the loop.
        assert beside.submit(health.ask_socket, at, "/live").result(30).state == "stalled"


def test_a_check_that_fails_is_a_reason(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    def broken() -> list[str]:
        raise OSError("tape gone")

    with health.serve(settings, "journal", ready=broken):
        found = health.ask_socket(settings.folders.health / "journal")
        assert found.reasons == ("its own check failed: OSError: tape gone",)


def test_probes_from_outside_get_status_and_json(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_in(tmp_path, TAPEWIRE_HEALTH__PORT=str(port))

    def say(request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            client.sendall(request)
            return b"".join(iter(lambda: client.recv(4096), b""))

    with health.serve(settings, "engine", ready=lambda: ["why"]):
        assert say(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
        assert say(b"GET /ready?x HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 503 ")
        assert say(b"HEAD /ready HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")
        assert say(b"GET / HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 404 ")
        assert say(b"POST /ready HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 405 ")
        assert say(b"\x16\x03\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert say(b"x" * 5000).startswith((b"HTTP/1.1 400 ", b""))
        with pytest.raises(ConfigError, match=r"health\.port: cannot listen"):
            health.serve(settings, "journal")
        assert health.ask(f"http://127.0.0.1:{port}").reasons == ("why",)
        assert health.ask(f"http://127.0.0.1:{port}/live").ok


def test_a_flood_is_bounded_and_others_are_still_answered(tmp_path: Path) -> None:
    port = free_port()
    settings = settings_in(tmp_path, TAPEWIRE_HEALTH__PORT=str(port))
    looks = list[float]()

    def ready() -> list[str]:
        looks.append(time.monotonic())
        return []

    silent = list[socket.socket]()
    with health.serve(settings, "engine", ready=ready) as told:
        assert told.listener is not None
        files = len(os.listdir("/proc/self/fd"))
        spent, began = time.process_time(), time.monotonic()
        while time.monotonic() - began < 1.5:
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))  # says nothing
            silent.append(one)
            if len(silent) > 100:
                silent.pop(0).close()
            time.sleep(0.005)
        assert health.ask(f"http://127.0.0.1:{port}", timeout=10).ok
        assert health.ask_socket(settings.folders.health / "engine").ok
        assert time.process_time() - spent < 1.0
        assert len(os.listdir("/proc/self/fd")) - files - len(silent) <= listener.MOST_CONNECTIONS + 2
    for one in silent:
        one.close()
    assert len(looks) <= 3


def test_a_killed_process_leaves_no_trace_for_the_next(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    first = health.serve(settings, "engine", ready=list)
    with health.serve(settings, "engine", ready=lambda: ["second"]):  # the first is not gone yet
        assert health.ask_socket(settings.folders.health / "engine").reasons == ("second",)
        first.close()
        assert health.ask_socket(settings.folders.health / "engine").reasons == ("second",)


def test_the_command_says_who_is_not_ready_and_why(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with health.serve(settings, "engine", ready=list), health.serve(settings, "gateway", ready=lambda: ["tape behind"]):
        arguments = ["health", "--data", str(tmp_path)]
        done = CliRunner().invoke(cli, arguments)
        assert done.exit_code == 1
        assert [line.split() for line in done.output.splitlines()] == [
            ["engine", "ready"],
            ["gateway", "starting", "tape", "behind"],
        ]
        assert CliRunner().invoke(cli, [*arguments, "engine"]).exit_code == 0
        assert CliRunner().invoke(cli, [*arguments, "gateway", "--live", "--json"]).exit_code == 0
        assert CliRunner().invoke(cli, [*arguments, "router"]).exit_code == 1
    gone = CliRunner().invoke(cli, arguments)
    assert (gone.exit_code, "no service runs" in gone.output) == (1, True)
