from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

class Positions(NamedTuple):
    """How far a tape has come. Positions are bytes since it began; seqs are the last record before each."""

    written: int
    durable: int
    released: int
    written_seq: int
    durable_seq: int
    released_seq: int

class Recovery(NamedTuple):
    """What a writer found at open: records in the last segment, and the torn tail it cut off (cut_bytes 0: none)."""

    created: bool
    records: int
    last_seq: int
    position: int
    cut_position: int
    cut_bytes: int
    cut_seq: int
    cut_found: str

class CutReport(NamedTuple):
    """What a tape ends with after a cut, and how many segments were moved to the backup."""

    last_seq: int
    position: int
    segments_moved: int

class Writer:
    """The one writer of a tape. TapeWriter adds the thread that works ahead of it.

    Opening creates the tape or recovers it (a torn tail is cut, `recovery` says so) and starts the next epoch.
    `segment_bytes`: of segments begun from now on, a multiple of 4096 up to 1 GiB; 0 = like the last one, 64 MiB at
    first. `hold`: what no reader was shown stays so until the first commit with a record in it, for who completes first
    what a crash cut off. The epoch is later than `epoch_above`. Raises TapeFenced (another writer), TapeDamaged,
    TapeFull, TapeMissing (with create=False), TapeError.
    """

    path: Path
    def __init__(
        self,
        path: str | PathLike[str],
        name: str = "",
        segment_bytes: int = 0,
        durability: str = "disk",
        *,
        create: bool = True,
        hold: bool = False,
        epoch_above: int = 0,
    ) -> None: ...
    def append(self, raw: bytes, /) -> int:
        """Puts one flat message whose header.seq is `next_seq` into the open batch; returns its seq.

        Raises TapeFull if the segment is full and the disk has no room for the next: the batch so far stays and may be
        committed, and append may be tried again. Raises TapeError on another seq, WireError on other bytes.
        """

    def append_many(self, records: Iterable[bytes], /) -> int:
        """Appends one after the other, returns the last seq. What was appended before an error stays in the batch."""

    def commit(self) -> None:
        """Writes the batch, syncs it if durability is disk, and lets readers see it. Raises TapeFull, TapeError."""

    def write(self) -> None: ...
    def sync_batch(self) -> None: ...
    def publish(self) -> None: ...
    def sync(self) -> None:
        """Makes what is published durable, from any thread (durability memory; with disk it already is)."""

    @property
    def wants_next(self) -> bool:
        """True when the segment is more than half full and the next one is not ready."""

    def prepare_next(self) -> None:
        """Makes the next segment ready, from any thread. Raises TapeFull."""

    def close(self) -> None:
        """Drops an open batch, and leaves everything published durable."""

    def abandon(self) -> None:
        """Lets go as a killed process would. For simulations."""

    @property
    def is_open(self) -> bool: ...
    @property
    def next_seq(self) -> int: ...
    @property
    def position(self) -> int:
        """Bytes since the tape began, the open batch included."""

    @property
    def batch_records(self) -> int: ...
    @property
    def max_message(self) -> int:
        """Bytes of the longest message that a segment takes; 0 when not open."""

    @property
    def epoch(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def durability(self) -> str: ...
    @property
    def positions(self) -> Positions: ...
    @property
    def recovery(self) -> Recovery: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class TapeReader:
    """Tails a tape from any process, whether its writer lives or not. Not for several threads at once.

    `from_seq`: the first record wanted; None = the first one the tape still has. `limit`: up to where it reads:
    written, durable, or released (what answers may be read up to). Raises TapeMissing, TapeGone (removed by
    retention; for record 1, the default, only once something is read), TapeError (beyond the end).
    """

    path: Path
    def __init__(
        self,
        path: str | PathLike[str],
        from_seq: int | None = 1,
        limit: str = "released",
        *,
        check_crc: bool = True,
    ) -> None: ...
    def poll(self, max_records: int = 256, /) -> list[bytes]:
        """The next records, at most `max_records`; empty at the limit. Raises TapeDamaged with the exact offset, and
        stays there: a damaged record is never skipped. Raises TapeGone if retention overtook the reader."""

    def poll_type(self, kind: int, max_records: int = 256, /) -> list[bytes]:
        """Like poll, but only records of one MessageType; empty only at the limit."""

    def poll_answers(self, source: int, max_records: int = 256, /) -> list[bytes]:
        """Like poll, but only what answers the producer `source`: events of its commands, InputRefused; no commands."""

    def poll_taken(self, kinds: Iterable[int], max_records: int = 1 << 16, /) -> tuple[int, dict[int, int]]:
        """Reads on without copying anything out; returns how many records, and by producer (1 to 63) the highest
        position of its ring that a command of these MessageTypes (below 256) among them was taken from."""

    def scan(self, max_records: int = 1 << 20, /) -> int:
        """Reads on without copying anything out; returns how many records. What `tapewire tape check` runs."""

    def __iter__(self) -> Iterator[bytes]:
        """All records up to the limit; then it ends."""

    def wait(self, timeout_s: float, /) -> bool:
        """Sleeps until there is something to read; False after `timeout_s` seconds."""

    def wait_past(self, position: int, timeout_s: float, /) -> bool:
        """Sleeps until the tape's limit lies behind `position` (bytes, as in `positions`), wherever the reader stands;
        False after `timeout_s` seconds. For a thread that only wakes another one, with a reader of its own."""

    def seek_seq(self, seq: int, /) -> None:
        """Stands before record `seq`; one past the last is allowed. Raises TapeGone, TapeError (beyond the end); the
        reader then stays where it was."""

    def seek_time(self, ts: int, /) -> None:
        """Stands before the first record whose ts (UTC ns) is `ts` or later, or at the end."""

    @property
    def positions(self) -> Positions: ...
    @property
    def next_seq(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def first_seq(self) -> int:
        """The first record the tape still has (or will have)."""

    @property
    def lag(self) -> int:
        """Bytes up to the limit that were not read yet."""

    @property
    def lag_records(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def settled(self) -> bool:
        """Whether it is known where the tape ends. False after a power loss or a reboot, until a writer has opened it:
        what it holds past the durable records is not shown, and may still be there."""

    @property
    def epoch(self) -> int: ...
    @property
    def durability(self) -> str: ...
    @property
    def mirror(self) -> bool:
        """Whether this is the copy of a tape that another host writes."""

    @property
    def fence(self) -> int:
        """The epoch with which another host has taken the tape; 0: none has."""

    @property
    def writer_pid(self) -> int | None:
        """The process that has the tape open for writing, None if there is none."""

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *exc: object) -> None: ...

class Stretch(NamedTuple):
    """Whole frames of a tape as `frames.hpp` reads them: from position to end, records first_seq to last_seq (0: none).

    `whole`, `whole_seq`: the last end of a batch that shows in it; 0: none does.
    """

    position: int
    end: int
    first_seq: int
    last_seq: int
    whole: int
    whole_seq: int
    frames: bytes

class TapeFrames:
    """The bytes of a tape by position, for its copy on another host; and, in the writer's place, what is released.

    Raises TapeMissing, TapeError.
    """

    path: Path
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def seek(self, position: int) -> None:
        """Stands before the frame that begins there; 0: before the first the tape has. Raises TapeGone, TapeError
        (beyond the end), TapeDamaged (no frame begins there), TapeMissing (no segment yet)."""

    def read(self, most: int, up_to: tuple[int, int] | None = None) -> Stretch | None:
        """About `most` bytes from here, up to a mark (position, seq); None: up to what is durable. None at the end."""

    def wait(self, timeout_s: float) -> bool:
        """Sleeps until more is durable than was read; False after `timeout_s` seconds."""

    def release(self, position: int, seq: int) -> None:
        """Lets readers see the records up to there, if the tape's durability is `replicated`; never goes back.

        Raises TapeFenced if somebody else does so, TapeError for what is not durable."""

    def set_fence(self, epoch: int) -> None:
        """Durably: another host has taken the tape with this epoch; no writer may open it here."""

    @property
    def positions(self) -> Positions: ...
    @property
    def position(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def grant(self) -> int:
        """Above `epoch`: this host has taken the tape, and its next writer will have this epoch."""

    @property
    def fence(self) -> int: ...
    @property
    def mirror(self) -> bool: ...
    @property
    def durability(self) -> str: ...
    @property
    def writer_alive(self) -> bool: ...
    def close(self) -> None: ...

class TapeMirror:
    """The copy of a tape that another host writes. Makes the folder; a torn tail is cut, as by a writer.

    Raises TapeFenced (a writer has it open), TapeDamaged, TapeFull, TapeError.
    """

    path: Path
    def __init__(self, path: str | PathLike[str], name: str) -> None: ...
    def apply(self, frames: bytes, /) -> None:
        """Puts frames behind `end`. Raises TapeDamaged for what cannot be there, TapeFull; what was before stays."""

    def commit(self, position: int, seq: int, epoch: int) -> None:
        """Makes all durable, and lets readers see the records up to the end of a batch (0: no further than now)."""

    def hand_over(self, epoch: int) -> None:
        """Durable, closed, and open to a writer of that epoch."""

    def close(self) -> None: ...
    def abandon(self) -> None:
        """Lets go as a killed process would. For simulations."""

    @property
    def is_open(self) -> bool: ...
    @property
    def empty(self) -> bool:
        """No segment yet: the first may begin anywhere."""

    @property
    def end(self) -> int:
        """The position where the next frame goes."""

    @property
    def last_seq(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def positions(self) -> Positions: ...
    @property
    def torn_bytes(self) -> int: ...

def cut(path: str | PathLike[str], before_seq: int, backup: str | PathLike[str]) -> CutReport:
    """Ends the tape before record `before_seq`; what follows is kept in the folder `backup`. No writer may run."""

def crc32c(data: bytes, /, *, hardware: bool | None = None) -> int:
    """CRC32C. `hardware`: True the instruction, False the table, None what the tape uses here."""
