"""The header `traceparent` of a tape's records, in their order: to which trace each belongs.

orders.*         a command, and all that its command caused, have the command's root span: what it carries, or what
                 follows from where it stands (tapewire/traces/roots.py). What no such command caused has none: the
                 tracer makes no root of it either
api.* fix.*      a request has what it began, or what its client sent

It is made once for a command. It depends on the tape and two settings (`env`, `[monitor] sample`) alone, so a topic
that is built anew says the same. Who begins within a command reads the command back from the tape.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tapewire import messages as m
from tapewire.errors import TapeGone
from tapewire.tape import TapeReader
from tapewire.tape.inspect import epoch_before
from tapewire.trace_context import FIX_TAG, SAMPLED, TraceContext, parse
from tapewire.traces import ids, roots
from tapewire.traces.edges import field_of

Header = tuple[str, bytes]
_EPOCH_STARTED: Final = int(m.MessageType.epoch_started)
_CAUSE_AT, _WORDS_AT, _TYPE_AT = 24, 12, 64


def _words(raw: bytes) -> int:
    """Of a message's data section: fewer in an older layout."""
    return int.from_bytes(raw[_WORDS_AT : _WORDS_AT + 2], "little")


_WORDS: Final = {
    int(cls.TYPE): _words(bytes(cls()))
    for cls in (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel, m.InputRefused)
}


class Contexts:
    """Of one tape, whose records are asked for one after another."""

    def __init__(self, tape: Path, env: str, share: float) -> None:
        """`share`: of the traces of commands that carry none, how many are exported."""
        self._tape, self._env, self._share = tape, env, share
        self._name, self._is_orders = tape.name, tape.name.startswith("orders.")
        self._epoch: int | None = None  # not known yet
        self._command = 0
        self._header: Header | None = None

    def of(self, raw: bytes, seq: int, cause: int, kind: int) -> Header | None:
        """None: the record belongs to no trace, or it is not to be known to which."""
        if not self._is_orders:
            return _header(_REQUESTS[kind](m.decode(raw))) if kind in _REQUESTS else None
        if cause:
            if cause != self._command:
                self._read_back(cause)
        elif kind == _EPOCH_STARTED:  # a writer that took over may tell the rest of a command behind it
            self._epoch = m.EpochStarted.decode(raw).epoch
            return None
        else:
            if self._epoch is None:
                self._epoch = epoch_before(self._tape, seq)
            self._begin(raw, seq, kind, self._epoch)
        return self._header

    def held(self, raw: bytes, whole: bool) -> int:
        """Up to where nobody here needs the tape once the record `raw` is taken; `whole`: its command ends with it."""
        seq, cause = int.from_bytes(raw[16:24], "little"), int.from_bytes(raw[_CAUSE_AT : _CAUSE_AT + 8], "little")
        return seq if whole or not self._is_orders else (cause or seq) - 1

    def held_at(self, seq: int) -> int:
        """The same of record `seq`, where it is not known whether its command ends with it."""
        raw = self._record(seq) if seq and self._is_orders else None
        return seq if raw is None else self.held(raw, False)

    def _read_back(self, cause: int) -> None:
        raw = self._record(cause)
        if raw is None:
            self._command, self._header = cause, None
        else:
            self._begin(raw, cause, int.from_bytes(raw[_TYPE_AT : _TYPE_AT + 2], "little"))

    def _record(self, seq: int) -> bytes | None:
        """None: retention removed it, or the tape does not show it yet."""
        with TapeReader(self._tape, None) as reader:
            if not reader.first_seq <= seq <= reader.positions.released_seq:
                return None
            try:
                reader.seek_seq(seq)
            except TapeGone:  # just now
                return None
            return next(iter(reader.poll(1)), None)

    def _begin(self, raw: bytes, seq: int, kind: int, epoch: int | None = None) -> None:
        self._command, self._header = seq, None
        name = roots.KINDS.get(kind)
        # A command of an older layout does not say whether its client brought a context: its trace is not to be known.
        if name is None or _words(raw) < _WORDS[kind]:
            return
        own = roots.carried(m.decode(raw))
        if own is None:
            epoch = epoch_before(self._tape, seq) if epoch is None else epoch
            trace = ids.trace_text(self._env, self._name, epoch, seq)
            flags = SAMPLED if ids.is_sampled(int(trace, 16), self._share) else 0
        else:
            trace, flags = f"{own.trace_id:032x}", own.flags
        span = f"{own.span_id:016x}" if own is not None and own.span_id else ids.span_text(trace, name, seq)
        self._header = ("traceparent", f"00-{trace}-{span}-{flags:02x}".encode())


def _header(context: TraceContext | None) -> Header | None:
    return None if context is None else ("traceparent", context.traceparent().encode())


def _of_api(record: m.Message) -> TraceContext | None:
    """Of our own span, whose id is the record's ts, as the answer and the tracer say it."""
    assert isinstance(record, m.ApiReceived)
    trace = record.trace_high << 64 | record.trace_low
    return TraceContext(f"{trace:032x}", f"{record.ts:016x}", record.trace_flags) if trace else None


def _of_fix(record: m.Message) -> TraceContext | None:
    assert isinstance(record, m.FixReceived)
    return parse(field_of(record.raw, FIX_TAG))


_REQUESTS: Final[dict[int, Callable[[m.Message], TraceContext | None]]] = {
    int(m.MessageType.api_received): _of_api,
    int(m.MessageType.fix_received): _of_fix,
}
