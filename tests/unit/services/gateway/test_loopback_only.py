"""A socket that listens everywhere, and is reached from loopback alone."""

from __future__ import annotations

import socket

import pytest

from services.gateway.loopback_only import keep_to_loopback


def test_only_loopback_reaches_a_socket_that_was_bound_everywhere() -> None:
    with socket.socket() as listener:
        listener.bind(("0.0.0.0", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.2", port), 10):  # the filter tells addresses apart by what they say
            listener.accept()[0].close()
        keep_to_loopback(port)
        with pytest.raises(TimeoutError), socket.create_connection(("127.0.0.2", port), 0.3):
            pass
        with socket.create_connection(("127.0.0.1", port), 10, ("127.9.9.9", 0)) as near:
            there, address = listener.accept()
            assert address[0] == "127.9.9.9"
            near.sendall(b"x" * 300_000)
            there.settimeout(10)
            assert sum(len(there.recv(1 << 20)) for _ in range(1)) > 0
            there.close()


def test_a_port_where_nobody_listens_is_said_so() -> None:
    with socket.socket() as idle:
        idle.bind(("127.0.0.1", 0))
        port = idle.getsockname()[1]
        with pytest.raises(OSError, match=f"port {port}: this process does not listen there"):
            keep_to_loopback(port)
