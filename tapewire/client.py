"""The order client: puts commands into a ring of its own and reads its answers off the tape.

    client ──ring──▶ engine ──▶ tape ──▶ client

Commands and answers never meet in this process: what poll() returns has been sequenced and is as durable as the engine
is configured to make it. A client that was away reads on from where it was: every answer stays on the tape.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from time import time_ns
from typing import TypedDict, Unpack

from tapewire import definitions
from tapewire import messages as m
from tapewire.errors import RingError, TapewireError
from tapewire.folders import Folders
from tapewire.latest import Latest, LatestValue
from tapewire.ring import Doorbell, RingProducer
from tapewire.tape import TapeReader
from tapewire.trace_context import TraceContext, TraceNumbers, numbers_of

__all__ = ["Latest", "LatestValue", "OrderClient", "OrderTerms", "RingFull"]

REJECTS = frozenset({m.OrderRejected, m.CancelRejected})
MASS = frozenset({m.CancelReason.mass_cancel, m.CancelReason.disconnected, m.CancelReason.kill_switch})


class OrderTerms(TypedDict, total=False):
    """What an order may say beyond price and quantity. Quantities and prices are mantissas, times UTC ns."""

    stop_px: int
    """Of a stop or stop-limit order: the trade price that sets it off."""
    display_qty: int
    """What an iceberg shows at a time."""
    min_qty: int
    """Refused unless at least this much trades at once."""
    expire_time: int
    """Of a gtd order."""
    session: int
    """The client session it comes by: mass_cancel can name it."""
    hidden: bool
    slide: bool
    """Of a post-only order that would cross: rest at the nearest price that does not."""
    self_trade: m.SelfTrade
    """What happens on meeting an order of the own group; left out: the account's choice."""
    client_text: str
    """What the client calls it, up to 39 bytes; only carried."""
    trace: TraceContext | None
    """Which trace it belongs to; left out: one of its own. The caller's span is not carried."""


class RingFull(TapewireError):
    """The engine has not yet taken what was sent before. Nothing was sent; try again, slow down, or give up."""


class OrderClient:
    """One producer of commands. Not shared between threads: open one each."""

    def __init__(self, ring: RingProducer, source: int, reader: TapeReader) -> None:
        self._ring, self.source, self._reader = ring, source, reader
        self._ring_write, self._poll_answers = ring.write, reader.poll_answers
        # Rising across restarts, as ClOrdIDs of one source and account must.
        self._cl_ord_id = time.time_ns()
        self._new = m.NewOrder.encoder(
            *("cl_ord_id", "ts_event", "ts_recv", "instrument", "account", "side", "ord_type", "time_in_force"),
            *("price", "qty", "post_only"),
        )
        self._new_with_terms = m.NewOrder.encoder(
            *("cl_ord_id", "ts_event", "ts_recv", "instrument", "account", "side", "ord_type", "time_in_force"),
            *("price", "qty", "post_only", "stop_px", "display_qty", "min_qty", "expire_time", "session"),
            *("hidden", "slide", "self_trade", "client_text", *TraceNumbers._fields),
        )
        self._cancel = m.CancelOrder.encoder(
            *("cl_ord_id", "ts_event", "ts_recv", "order_id", "account", *TraceNumbers._fields)
        )
        self._replace = m.ReplaceOrder.encoder(
            *("cl_ord_id", "ts_event", "ts_recv", "order_id", "account", "price", "qty", "stop_px"),
            *TraceNumbers._fields,
        )
        self._mass_cancel = m.MassCancel.encoder(
            *("cl_ord_id", "ts_event", "ts_recv", "account", "instrument", "side", "session", "reason"),
            *TraceNumbers._fields,
        )

    @classmethod
    def open(
        cls, data: Path | str, shard: int = 0, *, producer: str = "traders", from_seq: int | None = None
    ) -> OrderClient:
        """Takes the inbound ring named `producer` of the engine at `data`, and reads its tape from now on (or from
        `from_seq`).

        Raises RingError when no engine made such a ring, or another living process has it.
        """
        folders = Folders(Path(data))
        found = folders.find_inbound_ring(shard, producer)
        if found is None:
            raise RingError(
                f"{folders.rings}: no inbound ring of a producer {producer!r} for shard {shard}. "
                f"Start the engine with this data folder, and name the producer in [engine] producers"
            )
        path, source = found
        ring = RingProducer(str(path), doorbell=Doorbell(str(folders.doorbell(shard))))
        reader = TapeReader(str(folders.orders_tape(shard)), limit="released")
        reader.seek_seq(from_seq if from_seq is not None else reader.positions.released_seq + 1)
        return cls(ring, source, reader)

    def next_cl_ord_id(self) -> int:
        self._cl_ord_id += 1
        return self._cl_ord_id

    def new_order(
        self,
        *,
        instrument: int,
        side: m.Side,
        qty: int,
        account: int,
        price: int = 0,
        ord_type: m.OrdType = m.OrdType.limit,
        time_in_force: m.TimeInForce = m.TimeInForce.gtc,
        post_only: bool = False,
        **terms: Unpack[OrderTerms],
    ) -> int:
        """Sends an order; returns its ClOrdID. Price and qty are mantissas at the instrument's exponents.

        `terms`: stop_px, display_qty, min_qty, expire_time, session, hidden, slide, self_trade, client_text, trace;
        see OrderTerms.
        """
        # The one call that is in every round trip is written out: each Python call less is a thirtieth of it, and terms
        # with a default each would cost every order.
        self._cl_ord_id = cl_ord_id = self._cl_ord_id + 1
        now = time_ns()
        if terms:
            plain = (cl_ord_id, now, now, instrument, account, side, ord_type, time_in_force, price, qty, post_only)
            raw = self._with_terms(*plain, **terms)
        else:
            raw = self._new(
                cl_ord_id, now, now, instrument, account, side, ord_type, time_in_force, price, qty, post_only
            )
        if not self._ring_write(raw):
            raise self._full()
        return cl_ord_id

    def _with_terms(
        self,
        *plain: int,
        stop_px: int = 0,
        display_qty: int = 0,
        min_qty: int = 0,
        expire_time: int = 0,
        session: int = 0,
        hidden: bool = False,
        slide: bool = False,
        self_trade: m.SelfTrade = m.SelfTrade.unspecified,
        client_text: str = "",
        trace: TraceContext | None = None,
    ) -> bytes:
        terms = (stop_px, display_qty, min_qty, expire_time, session, hidden, slide, self_trade, client_text)
        return self._new_with_terms(*plain, *terms, *numbers_of(trace))

    def cancel(self, order_id: int, account: int, *, trace: TraceContext | None = None) -> int:
        """Asks for a live order to be cancelled; returns this request's ClOrdID."""
        cl_ord_id, now = self.next_cl_ord_id(), time_ns()
        self._write(self._cancel(cl_ord_id, now, now, order_id, account, *numbers_of(trace)))
        return cl_ord_id

    def replace(
        self,
        order_id: int,
        account: int,
        price: int,
        qty: int,
        stop_px: int = 0,
        *,
        trace: TraceContext | None = None,
    ) -> int:
        """Asks for a new price and total quantity (OrderQty); returns this request's ClOrdID.

        `stop_px`: of an order that waits for one, the new one; 0 keeps it. The price of a stop order is 0.
        """
        cl_ord_id, now = self.next_cl_ord_id(), time_ns()
        self._write(self._replace(cl_ord_id, now, now, order_id, account, price, qty, stop_px, *numbers_of(trace)))
        return cl_ord_id

    def mass_cancel(
        self,
        account: int,
        *,
        instrument: int = 0,
        side: m.Side = m.Side.unspecified,
        session: int = 0,
        reason: m.CancelReason = m.CancelReason.unspecified,
        trace: TraceContext | None = None,
    ) -> int:
        """Cancels all of an account's orders (0: everybody's), or those of an instrument, side or session.

        Returns this request's ClOrdID: that of each OrderCancelled, and of the CommandCompleted that counts them.
        `reason`: what they say; left out, massCancel.
        """
        cl_ord_id, now = self.next_cl_ord_id(), time_ns()
        terms = (account, instrument, side, session, reason)
        self._write(self._mass_cancel(cl_ord_id, now, now, *terms, *numbers_of(trace)))
        return cl_ord_id

    def submit(self, command: m.Message) -> None:
        """Sends any command as it is (its ts_recv is set to now if it is 0)."""
        self._write(bytes(command if command.ts_recv else command.replace(ts_recv=time.time_ns())))

    def poll(self, limit: int = 256) -> list[m.Message]:
        """What the tape answered this producer since the last call, at most `limit`: events, never commands."""
        raws = self._poll_answers(self.source, limit)
        if not raws:
            return []
        events = list(map(m.decode, raws))
        for event in events:
            if type(event) in REJECTS and event.reason == m.RejectReason.stale_cl_ord_id:  # type: ignore[attr-defined]
                # The clock was set back since an earlier client took its ClOrdIDs from it: go on behind that one's.
                self._cl_ord_id = max(self._cl_ord_id, event.limit)  # type: ignore[attr-defined]
        return events

    def wait(self, timeout_s: float) -> bool:
        """Sleeps until the tape has moved; False after the time-out."""
        return self._reader.wait(timeout_s)

    def answers(self, cl_ord_id: int, timeout_s: float = 5.0) -> Iterator[m.Message]:
        """Yields this producer's events until the one that answers `cl_ord_id` has been yielded.

        Raises TimeoutError when that takes longer than `timeout_s`.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            for event in self.poll():
                yield event
                if getattr(event, "cl_ord_id", 0) == cl_ord_id and not _one_of_many(event):
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no answer to ClOrdID {cl_ord_id} within {timeout_s} s: is the engine running?")
            self.wait(min(left, 0.1))

    def instruments(self) -> dict[str, m.InstrumentDefinition]:
        """The instruments as they stand on the tape by now, by ticker; those that were delisted included."""
        return definitions.by_ticker(definitions.read(self._reader.path))

    @property
    def tape(self) -> Path:
        """The orders tape that answers stand on."""
        return self._reader.path

    @property
    def lag(self) -> int:
        """Bytes of the tape that this client has not read yet."""
        return self._reader.lag

    def close(self) -> None:
        self._ring.close()
        self._reader.close()

    def __enter__(self) -> OrderClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, raw: bytes) -> None:
        if not self._ring_write(raw):
            raise self._full()

    def _full(self) -> RingFull:
        return RingFull(f"inbound ring {self.source} is full: the engine is behind, or not running")


def _one_of_many(event: m.Message) -> bool:
    """Whether it is of a mass cancel: CommandCompleted comes after it."""
    return isinstance(event, m.OrderCancelled) and event.reason in MASS
