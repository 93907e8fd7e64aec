"""The client of the router: parent orders into a ring of its own, how they stand read off the router's tape.

client ──ring──▶ router ──▶ tape router.<n> ──▶ client
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from time import time_ns
from typing import TypedDict, Unpack

from tapewire import messages as m
from tapewire.client import RingFull
from tapewire.errors import RingError
from tapewire.folders import Folders
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader

KINDS = (m.ParentChanged, m.ParentRefused, m.ParentMeasured)
ParentEvent = m.ParentChanged | m.ParentRefused | m.ParentMeasured


class ParentTerms(TypedDict, total=False):
    """What a parent may say beyond side and quantity; docs/router.md tells which algorithm takes what."""

    limit_price: int
    """Never worse than this; 0: none. A mantissa."""
    time_in_force: m.TimeInForce
    """Of a sweep: ioc or day."""
    start_time: int
    end_time: int
    """UTC ns; 0: now, none."""
    participation: int
    max_participation: int
    """In 1/10,000 of the market's volume."""
    display_qty: int
    interval: int
    """ns between slices."""
    randomness: int
    urgency: int
    """In 1/10,000."""
    seed: int
    """Of its random numbers; left out: the parent's number."""
    venues: int
    """Bit n: venue number n may be used; 0: all."""
    session: int
    client_text: str
    trace_high: int
    trace_low: int
    trace_flags: int
    """Which trace it and its children belong to: `TraceContext.numbers()`. Left out: one of its own."""


class RouterClient:
    """One client of a router. Not shared between threads: open one each."""

    def __init__(self, ring: RingProducer, source: int, reader: TapeReader) -> None:
        self._ring, self.source, self._reader = ring, source, reader
        # Rising across restarts, as ClOrdIDs of one source and account must.
        self._cl_ord_id = time.time_ns()
        self._unread: list[ParentEvent] = []

    @classmethod
    def open(
        cls, data: Path | str, number: int = 0, *, client: str = "traders", from_seq: int | None = None
    ) -> RouterClient:
        """Takes the ring named `client` of router `number` at `data`, and reads its tape from now on (or `from_seq`).

        Raises RingError when no router made such a ring, or another living process has it.
        """
        folders = Folders(Path(data))
        found = folders.find_router_ring(number, client)
        if found is None:
            raise RingError(
                f"{folders.rings}: no ring of a client {client!r} for router {number}. "
                f"Start the router with this data folder, and name the client in [router] clients"
            )
        path, source = found
        ring = RingProducer(str(path), doorbell=Doorbell(str(folders.router_bell(number))))
        reader = TapeReader(str(folders.router_tape(number)), None)
        reader.seek_seq(from_seq if from_seq is not None else reader.positions.released_seq + 1)
        return cls(ring, source, reader)

    def instruments(self) -> dict[str, m.InstrumentDefinition]:
        """The router's instruments, by ticker."""
        found: dict[str, m.InstrumentDefinition] = {}
        with TapeReader(str(self._reader.path), None) as reader:
            while raws := reader.poll_type(m.MessageType.instrument_definition, 4096):
                for raw in raws:
                    definition = m.InstrumentDefinition.decode(raw)
                    found[definition.ticker] = definition
        return found

    def new(
        self,
        *,
        instrument: int,
        side: m.Side,
        qty: int,
        account: int,
        algorithm: m.Algorithm,
        **terms: Unpack[ParentTerms],
    ) -> int:
        """Sends a parent order; returns its ClOrdID. The ParentChanged that answers it tells its number (parent_id)."""
        self._cl_ord_id = cl_ord_id = self._cl_ord_id + 1
        now = time_ns()
        self._write(
            m.NewParent(
                ts_event=now,
                ts_recv=now,
                instrument=instrument,
                cl_ord_id=cl_ord_id,
                account=account,
                side=side,
                algorithm=algorithm,
                qty=qty,
                **terms,
            )
        )
        return cl_ord_id

    def replace(
        self,
        parent_id: int,
        account: int,
        *,
        qty: int = 0,
        limit_price: int = 0,
        end_time: int = 0,
        participation: int = 0,
        max_participation: int = 0,
    ) -> int:
        """Asks for other terms; 0 keeps one. Returns this request's ClOrdID."""
        self._cl_ord_id = cl_ord_id = self._cl_ord_id + 1
        now = time_ns()
        self._write(
            m.ReplaceParent(
                ts_event=now,
                ts_recv=now,
                parent_id=parent_id,
                cl_ord_id=cl_ord_id,
                account=account,
                qty=qty,
                limit_price=limit_price,
                end_time=end_time,
                participation=participation,
                max_participation=max_participation,
            )
        )
        return cl_ord_id

    def cancel(self, parent_id: int, account: int) -> int:
        """Asks for a parent to be cancelled, its children with it; returns this request's ClOrdID."""
        self._cl_ord_id = cl_ord_id = self._cl_ord_id + 1
        now = time_ns()
        self._write(
            m.CancelParent(ts_event=now, ts_recv=now, parent_id=parent_id, cl_ord_id=cl_ord_id, account=account)
        )
        return cl_ord_id

    def submit(self, command: m.NewParent | m.ReplaceParent | m.CancelParent) -> None:
        """Sends a command as it is; its ClOrdID must be above every earlier one's."""
        self._write(command)

    @property
    def router_listens(self) -> bool:
        """Whether a live router has this client's ring open. Costs a system call."""
        return self._ring.consumer_alive

    @property
    def sent(self) -> int:
        """Where the ring's last command ends, of earlier processes too; see `taken`."""
        return self._ring.tail

    @property
    def taken(self) -> int:
        """Up to where the router has taken commands: what became of them is on its tape."""
        return self._ring.head

    def kill(self, account: int = 0, *, engaged: bool = True, cancel_open: bool = True, reason: str = "") -> None:
        """No new parents, of one account or (0) of all, and their children pulled; or, not `engaged`, takes it back."""
        now = time_ns()
        self._write(
            m.KillSwitch(
                ts_event=now, ts_recv=now, account=account, engaged=engaged, cancel_open=cancel_open, reason=reason
            )
        )

    def poll(self, limit: int = 256) -> list[ParentEvent]:
        """What the tape has told of this client's parents since the last call: ParentChanged, Refused, Measured."""
        found, self._unread = self._unread, []
        for raw in self._reader.poll_answers(self.source, limit):
            event = m.decode(raw)
            if isinstance(event, KINDS):
                found.append(event)
                if isinstance(event, m.ParentRefused) and event.reason == m.RejectReason.stale_cl_ord_id:
                    # The clock was set back since an earlier client took its ClOrdIDs from it: go on behind that one's.
                    self._cl_ord_id = max(self._cl_ord_id, event.limit)
        return found

    def wait(self, timeout_s: float) -> bool:
        """Sleeps until the tape has moved; False after the time-out."""
        return self._reader.wait(timeout_s)

    def answers(self, cl_ord_id: int, timeout_s: float = 5.0) -> Iterator[ParentEvent]:
        """Yields events of this client's parents until the one that answers `cl_ord_id` has been yielded.

        Raises TimeoutError when that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            events = self.poll()
            for at, event in enumerate(events, start=1):
                yield event
                if not isinstance(event, m.ParentMeasured) and event.cl_ord_id == cl_ord_id:
                    self._unread = events[at:]
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer to ClOrdID {cl_ord_id} within {timeout_s} s: is the router running?")
            self.wait(min(left, 0.1))

    def answer(self, cl_ord_id: int, timeout_s: float = 5.0) -> m.ParentChanged | m.ParentRefused:
        """The event that answers a request. Raises TimeoutError."""
        *_, last = self.answers(cl_ord_id, timeout_s)
        assert not isinstance(last, m.ParentMeasured)
        return last

    def close(self) -> None:
        self._ring.close()
        self._reader.close()

    def __enter__(self) -> RouterClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, command: m.Message) -> None:
        if not self._ring.write(bytes(command)):
            raise RingFull(f"the ring of client {self.source} is full: the router is behind, or not running")
