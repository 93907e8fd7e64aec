"""A very small HTTP listener on one thread: GET of a few paths, everything bounded.

A flood costs its service at most ANSWERS short looks every WINDOW_S: what comes faster waits in the kernel's queue.
Who holds a connection and says nothing is let go after TIMEOUT_S, or at once when MOST_CONNECTIONS are open and
another comes.
"""

from __future__ import annotations

import os
import selectors
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tapewire.errors import ConfigError

MOST_CONNECTIONS: Final = 16
TIMEOUT_S: Final = 2.0
REQUEST_BYTES_MAX: Final = 2048
ANSWERS: Final = 10
WINDOW_S: Final = 0.1
BACKLOG: Final = 32
LOOK_S: Final = 0.2
"""How late a connection that has timed out is let go."""

Answering = Callable[[str], tuple[int, bytes] | None]
"""From a path to status and JSON body; None: there is no such path."""

_STATUS: Final = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    503: "Service Unavailable",
}


class Listener:
    def __init__(self, path: Path, address: str, port: int, answering: Answering) -> None:
        """Listens on the socket `path`, and on `address`:`port` unless the port is 0. Raises ConfigError."""
        self._path, self._answering = path, answering
        self._listening = [_listen(address, port)] if port else []
        self._listening.append(_listen_local(path))
        self.port = port
        self._inode = path.lstat().st_ino
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, tuple[float, bytearray]] = {}
        self._stopping = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ)
        for one in self._listening:
            self._selector.register(one, selectors.EVENT_READ)
        self._window, self._answered = 0.0, 0
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, lets all connections go and removes the socket. May be called more than once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.send(b"x")
        self._thread.join()
        for one in (*self._clients, *self._listening, self._wake, self._woken):
            one.close()
        self._selector.close()
        try:
            if self._path.lstat().st_ino == self._inode:  # else it is our successor's
                self._path.unlink()
        except FileNotFoundError:
            return

    def _run(self) -> None:
        while not self._stopping.is_set():
            for key, _ in self._selector.select(LOOK_S if self._clients else None):
                one = key.fileobj
                assert isinstance(one, socket.socket)
                if one in self._listening:
                    self._accept(one)
                elif one is not self._woken and one in self._clients:
                    self._read(one)
            now = time.monotonic()
            for client in [one for one, (since, _) in self._clients.items() if now - since > TIMEOUT_S]:
                self._let_go(client)

    def _accept(self, listening: socket.socket) -> None:
        self._pace()
        try:
            client, _ = listening.accept()
        except OSError:
            # Who knocked is gone again, or this process has no files left: the next look tries again, at our pace.
            return
        client.setblocking(False)
        if len(self._clients) >= MOST_CONNECTIONS:
            self._let_go(next(iter(self._clients)))  # the oldest: it has had its time to speak
        self._clients[client] = (time.monotonic(), bytearray())
        self._selector.register(client, selectors.EVENT_READ)

    def _pace(self) -> None:
        now = time.monotonic()
        if now - self._window >= WINDOW_S:
            self._window, self._answered = now, 0
        self._answered += 1
        if self._answered > ANSWERS:
            self._stopping.wait(WINDOW_S - (now - self._window))
            self._window, self._answered = time.monotonic(), 1

    def _read(self, client: socket.socket) -> None:
        """One request, one answer: the connection ends with it."""
        try:
            got = client.recv(REQUEST_BYTES_MAX)
            held = self._clients[client][1]
            held += got
            whole = b"\r\n\r\n" in held
            if got and not whole and len(held) < REQUEST_BYTES_MAX:
                return
            if held:
                # The answer is far smaller than a socket's buffer: what does not fit at once has nobody who reads.
                client.send(self._response(bytes(held)) if whole else _response(400, b"{}"))
                client.shutdown(socket.SHUT_WR)
        except OSError:
            # Gone before the answer: there is nobody to tell.
            pass
        self._let_go(client)

    def _response(self, request: bytes) -> bytes:
        words = request.partition(b"\r\n")[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return _response(400, b'{"error":"expected an HTTP request"}')
        if words[0] not in (b"GET", b"HEAD"):
            return _response(405, b'{"error":"expected GET"}')
        found = self._answering(words[1].partition(b"?")[0].decode("ascii", "replace"))
        if found is None:
            return _response(404, b'{"error":"there are /live and /ready"}')
        return _response(*found, head=words[0] == b"HEAD")

    def _let_go(self, client: socket.socket) -> None:
        del self._clients[client]
        self._selector.unregister(client)
        client.close()


def _response(status: int, body: bytes, head: bool = False) -> bytes:
    lines = (
        f"HTTP/1.1 {status} {_STATUS[status]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return lines.encode() + (b"" if head else body)


def _listen(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((address, port))
        one.listen(BACKLOG)
    except OSError as error:
        one.close()
        raise ConfigError(
            f"health.address, health.port: cannot listen on {address}:{port}: {error.strerror}. Each service of a host "
            f"has a port of its own (TAPEWIRE_HEALTH__PORT), or none (0)"
        ) from error
    one.setblocking(False)
    return one


def _listen_local(path: Path) -> socket.socket:
    """The socket of a service, in the place of one that a process before it left or has not given up yet."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    own = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        own.unlink(missing_ok=True)
        with Reached(own) as reached:
            one.bind(reached)
        own.chmod(stat.S_IRUSR | stat.S_IWUSR)
        one.listen(BACKLOG)
        own.replace(path)
    except OSError as error:
        one.close()
        own.unlink(missing_ok=True)
        raise ConfigError(
            f"{path}: cannot listen there: {error.strerror}. Is the data folder ours to write?"
        ) from error
    one.setblocking(False)
    return one


class Reached:
    """The address of a socket file, by its folder's descriptor: the kernel takes no path above 107 bytes."""

    def __init__(self, path: Path) -> None:
        self._path, self._folder = path, -1

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *_: object) -> None:
        os.close(self._folder)
