"""What is older than the stream, asked from the host that sends the tape: frames from a position on, and snapshots.

    {"position": 4711}                        answered by one message as the stream would hold it, bounded
    {"snapshots": true}                       [{"name": "…​.snap", "bytes": 81920}, …]
    {"folds": true}                           the same of the newest of each of FOLDS: "views/….snap"
    {"snapshot": "….snap", "offset": 0}       its bytes from there on, at most MAX_FRAMES

The engine's snapshots are what a pruned tape is folded from; those of the journal's and the API's folds know more of
what was before them. A host of an earlier version refuses to list these, which costs that knowledge alone.

A request is answered by what the stream holds, never by more: what a fenced host has beyond that is nobody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from services.replica.asked import Asked
from services.replica.context import Context
from tapewire import snapshots
from tapewire.durable import make_folder
from tapewire.errors import TapeError, TapeFull, TapeGone, TransportError
from tapewire.interfaces import Received
from tapewire.replication import names
from tapewire.replication.host import NO_ROOM
from tapewire.replication.part import HEADER, MAX_FRAMES, Part, decode, encode
from tapewire.replication.sender import Sender, State
from tapewire.tape import TapeFrames, inspect
from tapewire.transports import headers as header_blocks

WITHIN_S = 5.0
FOLDS = ("publisher", "views")
"""Folders below the tape's: the journal's fold, the API's."""
REFUSED = "Tapewire-Refused"
GONE = "Tapewire-Gone"
"""Beside a refusal: the first record of the sender's tape. Asking again is of no use."""


Position = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class Request(msgspec.Struct, forbid_unknown_fields=True):
    position: Position | None = None
    snapshots: bool = False
    folds: bool = False
    snapshot: str = ""
    offset: Position = 0
    roll: str = ""
    """A question of the roll call, which is answered there."""


class FetchServer(Asked):
    """Answers while this host sends the tape."""

    def __init__(self, context: Context, machine: Callable[[], Sender]) -> None:
        super().__init__(context)
        self._machine = machine

    async def _on_request(self, message: Received) -> None:
        machine = self._machine()
        if not message.reply or machine.state is not State.send:
            return
        try:
            asked = msgspec.json.decode(message.data, type=Request)
            if asked.roll:
                return
            headers, body = await asyncio.to_thread(self._answer, asked, machine.released)
        except (msgspec.DecodeError, msgspec.ValidationError, TapeError, OSError, ValueError) as error:
            headers, body = {REFUSED: " ".join(str(error).split())[:400]}, b""
        self._of.transport.publish(message.reply, body, header_blocks.block(headers) if headers else None)

    def _answer(self, asked: Request, stored: tuple[int, int]) -> tuple[dict[str, str], bytes]:
        if asked.snapshots:
            kept = [(path.name, path) for path in _kept(self._of.tape, stored[1])]
            return {}, _listed(kept)
        if asked.folds:
            newest = [(fold, path) for fold in FOLDS for path in _kept(self._of.tape / fold, stored[1])[-1:]]
            return {}, _listed([(f"{fold}/{path.name}", path) for fold, path in newest])
        if asked.snapshot:
            fold, _, name = asked.snapshot.rpartition("/")
            path = snapshots.folder(self._of.tape / fold) / name
            if fold not in ("", *FOLDS) or not 0 <= snapshots.seq_of(path) <= stored[1]:
                raise ValueError(f"{asked.snapshot!r} is no snapshot that is given away")
            with path.open("rb") as file:
                file.seek(asked.offset)
                return {}, file.read(MAX_FRAMES)
        return self._stretch(asked.position or 0, stored)

    def _stretch(self, position: int, stored: tuple[int, int]) -> tuple[dict[str, str], bytes]:
        frames = TapeFrames(self._of.tape)
        try:
            try:
                frames.seek(position)
            except TapeGone as error:
                first = inspect.segments(self._of.tape)[0].first_seq
                return {REFUSED: " ".join(str(error).split())[:400], GONE: str(first)}, b""
            stretch = frames.read(MAX_FRAMES, stored)
            if stretch is None:
                raise ValueError(f"position {position} is not stored yet")
            part = self._of.part(frames, stretch, self._machine().mark)
            return {HEADER: encode(part)}, stretch.frames
        finally:
            frames.close()


async def frames_from(context: Context, position: int) -> tuple[Part, bytes]:
    """Raises TransportError if nobody answers, or with the answer's reason; TapeGone if they are there no more."""
    answer = await _ask(context, Request(position=position))
    return decode((answer.headers or {})[HEADER]), answer.data


def _kept(tape: Path, up_to: int) -> list[Path]:
    """The snapshots of a fold that are given away, the oldest first."""
    return [path for path in sorted(snapshots.folder(tape).glob("*.snap")) if 0 <= snapshots.seq_of(path) <= up_to]


def _listed(kept: list[tuple[str, Path]]) -> bytes:
    return msgspec.json.encode([{"name": name, "bytes": path.stat().st_size} for name, path in kept])


def gone(context: Context, first: int | str) -> TapeGone:
    """The sender's tape begins with record `first`, behind our end."""
    return TapeGone(
        f"{context.tape}: this copy ends where its sender's tape has nothing any more: that one begins with record "
        f"{first}; retention removed what lies between while this host was away. This copy cannot be gone on with. "
        f"Stop what reads it, `tapewire replica afresh {context.name} --yes`, and start the replica: it begins with "
        "the sender's newest snapshot and what follows"
    )


async def fetch_snapshots(context: Context) -> int:
    """Puts the sender's snapshots beside the tape, durable and whole; returns their bytes.

    Raises TransportError, TapeFull where there is no room for them, TapeError.
    """
    total = await _fetch(context, Request(snapshots=True))
    try:
        return total + await _fetch(context, Request(folds=True))
    except TransportError as error:
        context.log.warning("folds_not_fetched", tape=context.name, reason=str(error))
        return total


async def _fetch(context: Context, which: Request) -> int:
    listed = msgspec.json.decode((await _ask(context, which)).data, type=list[dict[str, Any]])
    total = 0
    for entry in listed:
        name, size = str(entry["name"]), int(entry["bytes"])
        raw = bytearray()
        while len(raw) < size:
            piece = (await _ask(context, Request(snapshot=name, offset=len(raw)))).data
            if not piece:
                break  # a newer one took its place meanwhile
            raw += piece
        if len(raw) == size:
            fold, _, file = name.rpartition("/")
            if fold not in ("", *FOLDS):
                raise TransportError(f"{context.name}: {name!r} is no snapshot that was asked for")
            await asyncio.to_thread(_put, context.tape / fold, file, bytes(raw))
            total += size
    return total


def _put(tape: Path, file: str, raw: bytes) -> None:
    try:
        make_folder(tape)
        snapshots.put(tape, file, raw)
    except OSError as error:
        kind = TapeFull if error.errno in NO_ROOM else TapeError
        raise kind(f"{tape}: the sender's snapshot {file} cannot be written: {error.strerror}") from error
    except ValueError as error:
        raise TransportError(f"what the sender gave as its snapshot does not hold: {error}") from error


async def _ask(context: Context, request: Request) -> Received:
    subject = names.fetch(context.env, context.name)
    answer = await context.transport.request(subject, msgspec.json.encode(request), timeout=WITHIN_S)
    if first := (answer.headers or {}).get(GONE):
        raise gone(context, first)
    if why := (answer.headers or {}).get(REFUSED):
        raise TransportError(f"{subject}: {why}")
    return answer
