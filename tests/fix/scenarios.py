"""QuickFIX's acceptance scenarios: read, and played against an acceptor over raw sockets.

iCONNECT, i2,CONNECT      a connection, the second one        eDISCONNECT   the acceptor ends it
I8=FIX.4.4␁35=A␁…         sent as it stands; <TIME±n> is now, 9 and 10 are filled in unless they are given
E8=FIX.4.4␁9=63␁35=A␁…    expected: every field but 9, 10 and the times, in any order within header and body
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tapewire.fix.message import SOH, checksum

TIMES = {"52", "60", "122"}
IGNORED = {"9", "10", *TIMES}
STEP = re.compile(r"([iIeE])(?:(\d+),)?(.*)", re.DOTALL)
PATIENCE_S = 12.0


class Disagrees(AssertionError):
    """The acceptor does not do what the scenario says."""


def steps(path: Path) -> Iterator[tuple[str, str, str]]:
    """Kind (i, I, e, E), connection and text of each line; comments left out."""
    for line in path.read_bytes().decode("latin-1").splitlines():
        if line[:1] in "iIeE" and line.strip():
            found = STEP.fullmatch(line.rstrip("\r"))
            assert found is not None, line
            yield found[1], found[2] or "1", found[3]


class Wire:
    """One connection; cuts what comes into messages."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(PATIENCE_S)
        self.rest = ""

    def message(self) -> str:
        """The next message; empty at the end of the connection."""
        while (end := re.search(r"\x0110=\d{3}\x01", self.rest)) is None:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise Disagrees(f"nothing came in {PATIENCE_S} s; had {self.rest!r}") from None
            except ConnectionResetError:
                data = b""
            if not data:
                return ""
            self.rest += data.decode("latin-1")
        message, self.rest = self.rest[: end.end()], self.rest[end.end() :]
        return message


def filled(text: str) -> bytes:
    """A message as it is sent."""

    def moment(found: re.Match[str]) -> str:
        at = time.gmtime(time.time() + int(found[1] or 0))
        return time.strftime("%Y%m%d-%H:%M:%S", at)

    text = re.sub(r"<TIME([+-]\d+)?>", moment, text)
    if not re.search(r"\x019=", text):
        head, _, body = text.partition(SOH)
        length = len(re.sub(r"(?<=\x01)10=[^\x01]*\x01\Z", "", body))
        text = f"{head}{SOH}9={length}{SOH}{body}"
    if not re.search(r"\x0110=", text):
        text += f"10={checksum(text.encode('latin-1')):03d}{SOH}"
    return text.encode("latin-1")


def comparable(text: str) -> list[str]:
    return sorted(part for part in text.split(SOH) if part and part.partition("=")[0] not in IGNORED)


def play(path: Path, port: int) -> None:
    """Raises Disagrees."""
    wires: dict[str, Wire] = {}
    opened: list[Wire] = []  # a scenario may connect again under one name
    try:
        for kind, name, text in steps(path):
            if kind == "i" and text == "CONNECT":
                if name in wires:
                    wires[name].socket.close()
                wires[name] = Wire(port)
                opened.append(wires[name])
            elif kind == "i":
                wires[name].socket.close()
            elif kind == "I":
                with suppress(BrokenPipeError, ConnectionResetError):
                    wires[name].socket.sendall(filled(text))
            elif kind == "e":
                if came := wires[name].message():
                    raise Disagrees(f"expected the end of the connection, got {came.replace(SOH, '|')}")
            else:
                came = wires[name].message()
                if comparable(came) != comparable(text):
                    raise Disagrees(f"expected {text.replace(SOH, '|')}, got {came.replace(SOH, '|')}")
    finally:
        for wire in opened:
            wire.socket.close()
