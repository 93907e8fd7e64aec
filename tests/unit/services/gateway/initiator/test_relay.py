"""Bytes go to the venue by TLS with its name, or nowhere."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.gateway.initiator.relay import Relay
from tapewire.config.venues import Venue
from tapewire.errors import ConfigError
from tests.fix.certificates import self_signed

PATIENCE_S = 30.0


@contextmanager
def echo(context: ssl.SSLContext | None) -> Iterator[int]:
    """A server that gives every byte back; its port."""
    loop = asyncio.new_event_loop()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last = b""
        while data := await reader.read(4096):
            writer.write(data)
            last = (last + data)[-3:]  # the word may come in two parts
            if last == b"end":
                break
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)


@contextmanager
def relay(port: int, **keys: object) -> Iterator[tuple[Relay, list[str]]]:
    troubles: list[str] = []
    venue = Venue(name="out", number=1, host="127.0.0.1", port=port, **keys)  # type: ignore[arg-type]
    made = Relay(venue, troubles.append)
    made.start()
    try:
        yield made, troubles
    finally:
        made.close()


def until_closed(sock: socket.socket) -> bytes:
    found = b""
    try:
        while data := sock.recv(65_536):
            found += data
    except ConnectionResetError:
        pass
    return found


def until_told(told: list[str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not told:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("tls", [True, False])
def test_bytes_go_both_ways_until_one_side_ends(tmp_path: Path, tls: bool) -> None:
    certificate, key = self_signed(tmp_path, "venue.example")
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.sni_callback = lambda _, name, __: names.append(name)
    keys = {"ca_file": certificate, "server_name": "venue.example"} if tls else {"tls": False}
    with echo(context if tls else None) as port, relay(port, **keys) as (made, troubles):
        for _ in range(2):  # it serves again and again
            with socket.create_connection(("127.0.0.1", made.port), PATIENCE_S) as sock:
                sent = bytes(range(256)) * 2000
                sending = threading.Thread(target=sock.sendall, args=(sent + b"end",))
                sending.start()
                assert until_closed(sock) == sent + b"end"
                sending.join()
    assert troubles == []
    assert names == (["venue.example"] * 2 if tls else [])


@pytest.mark.parametrize(("name", "trusted"), [("other.example", True), ("venue.example", False)])
def test_a_certificate_of_somebody_else_ends_it(tmp_path: Path, name: str, trusted: bool) -> None:
    certificate, key = self_signed(tmp_path, "venue.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    (tmp_path / "other").mkdir()
    other, _ = self_signed(tmp_path / "other", "venue.example")
    with (
        echo(context) as port,
        relay(port, ca_file=certificate if trusted else other, server_name=name) as (made, told),
    ):
        with socket.create_connection(("127.0.0.1", made.port), PATIENCE_S) as sock:
            assert until_closed(sock) == b""
        until_told(told)
    assert "certificate verify failed" in told[0]


def test_nobody_there_is_told() -> None:
    with socket.socket() as held:  # nobody else is given its port, and nobody listens there
        held.bind(("127.0.0.1", 0))
        with relay(held.getsockname()[1], tls=False) as (made, told):
            with socket.create_connection(("127.0.0.1", made.port), PATIENCE_S) as sock:
                assert until_closed(sock) == b""
            until_told(told)
    assert "cannot be reached" in told[0]


def test_an_authority_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="PEM"):
        Relay(Venue(name="out", number=1, ca_file=tmp_path / "ca.pem"), lambda _: None)
