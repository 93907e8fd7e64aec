"""The other processes of bench/nats.py (`python -m bench._nats_peers ROLE PORT COUNT [RATE]`), and the bare client.

flood       publishes COUNT messages from one prebuilt block, as fast as the server takes them
send-bare   publishes COUNT messages at RATE a second, each with the time in it, through a bare socket
send        the same through our transport
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time

SUBJECT = "bench.house.trade.MSFT"
PAYLOAD_BYTES = 96
CLOCK = struct.Struct("<q")
_PAD = bytes(PAYLOAD_BYTES - CLOCK.size)
_CONNECT = b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nPING\r\n'


def stamped() -> bytes:
    """A payload that begins with the time of CLOCK_MONOTONIC, ns: the same clock in every process of a host."""
    return CLOCK.pack(time.monotonic_ns()) + _PAD


def connect(port: int) -> socket.socket:
    """A connection past its handshake."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(_CONNECT)
    seen = b""
    while b"PONG\r\n" not in seen:
        seen += connection.recv(1 << 16)
    return connection


def frame(payload: bytes) -> bytes:
    return b"PUB %b %d\r\n%b\r\n" % (SUBJECT.encode(), len(payload), payload)


def flush(connection: socket.socket) -> None:
    """Returns when the server has taken everything sent before."""
    connection.sendall(b"PING\r\n")
    seen = b""
    while b"PONG\r\n" not in seen:
        seen = seen[-8:] + connection.recv(1 << 16)


def flood(port: int, count: int) -> None:
    connection = connect(port)
    per_block = 500
    block = frame(bytes(PAYLOAD_BYTES)) * per_block
    for _ in range(count // per_block):
        connection.sendall(block)
    flush(connection)
    connection.close()


def send_bare(port: int, count: int, rate: int) -> None:
    connection = connect(port)
    began = time.monotonic()
    for n in range(count):
        _sleep_until(began + n / rate)
        connection.sendall(frame(stamped()))
    flush(connection)
    connection.close()


async def send(port: int, count: int, rate: int) -> None:
    from tapewire.config import Nats
    from tapewire.transports.nats import NatsTransport

    transport = NatsTransport(Nats(url=f"nats://127.0.0.1:{port}"))
    await transport.connect()
    began = time.monotonic()
    for n in range(count):
        wait = began + n / rate - time.monotonic()
        await asyncio.sleep(max(0.0, wait))
        transport.publish(SUBJECT, stamped())
    await transport.drain()


def _sleep_until(when: float) -> None:
    left = when - time.monotonic()
    if left > 0:
        time.sleep(left)


def receive_bare(connection: socket.socket, count: int) -> list[int]:
    """One-way times in ns of `count` messages, as a client that does nothing else sees them."""
    taken: list[int] = []
    line = b"MSG %b 1 %d\r\n" % (SUBJECT.encode(), PAYLOAD_BYTES)
    whole = len(line) + PAYLOAD_BYTES + 2
    pending = b""
    while len(taken) < count:
        pending += connection.recv(1 << 16)
        now = time.monotonic_ns()
        while len(pending) >= whole and pending.startswith(line):
            taken.append(now - CLOCK.unpack_from(pending, len(line))[0])
            pending = pending[whole:]
        if pending.startswith(b"PING\r\n"):
            connection.sendall(b"PONG\r\n")
            pending = pending[6:]
    return taken


def main(role: str, port: str, count: str, rate: str = "0") -> None:
    if role == "flood":
        flood(int(port), int(count))
    elif role == "send-bare":
        send_bare(int(port), int(count), int(rate))
    elif role == "send":
        from tapewire.lifecycle import run

        run(send(int(port), int(count), int(rate)))
    else:
        raise SystemExit(f"role {role!r}: expected flood, send-bare or send")


if __name__ == "__main__":
    main(*sys.argv[1:])
