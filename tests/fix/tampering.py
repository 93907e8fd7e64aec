"""A relay between a client and a counterparty that changes what the counterparty says: for tests of who must notice."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tapewire.fix.framing import Framer
from tapewire.fix.message import SOH, Message, fields_of, frame

Tamper = Callable[[Message, str], str]
"""The message and its body, `35=…␁…␁`; returns another body."""


class Tampering:
    """`with Tampering(port, tamper) as relay:` and connect to `relay.port` instead."""

    def __init__(self, port: int, tamper: Tamper) -> None:
        self._upstream, self._tamper = port, tamper
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._clients: list[tuple[socket.socket, threading.Thread]] = []
        """With the thread that passes on what they say."""

    def __enter__(self) -> Tampering:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._pass_on_what_ended()
            server = socket.create_connection(("127.0.0.1", self._upstream))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(one)
            for source, target, changes in ((client, server, False), (server, client, True)):
                thread = threading.Thread(target=self._carry, args=(source, target, changes))
                self._threads.append(thread)
                thread.start()
                if not changes:
                    self._clients.append((client, thread))

    def _pass_on_what_ended(self) -> None:
        """A client that is back had ended its connection before: its counterparty must hear that first, too."""
        for client, thread in self._clients:
            while thread.is_alive() and has_something(client):
                time.sleep(0.001)

    def _carry(self, source: socket.socket, target: socket.socket, changes: bool) -> None:
        framer = Framer(1 << 20)
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(b"".join(map(self._changed, framer.feed(data))) if changes else data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _changed(self, raw: bytes) -> bytes:
        message = fields_of(raw)
        body = raw[raw.index(b"\x0135=") + 1 : -7].decode("latin-1")
        return frame(message[8], self._tamper(message, body))


def has_something(one: socket.socket) -> bool:
    """Whether bytes, or the end, wait to be read."""
    try:
        one.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def without(body: str, tag: int) -> str:
    return "".join(part + SOH for part in body.split(SOH)[:-1] if not part.startswith(f"{tag}="))


def with_value(body: str, tag: int, value: str) -> str:
    return "".join((f"{tag}={value}" if part.startswith(f"{tag}=") else part) + SOH for part in body.split(SOH)[:-1])
