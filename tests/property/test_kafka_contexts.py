"""To which trace a record of an orders tape belongs, in Kafka and in the tracer: the same, wherever a sink begins."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engine import Audit
from services.flusher.sinks.kafka.contexts import Contexts
from tapewire import messages as m
from tapewire.tape import TapeReader
from tapewire.tape.inspect import epoch_before, segments
from tapewire.traces import ids
from tapewire.traces.collector import Collector
from tapewire.traces.edges import Edges
from tapewire.traces.work import Work
from tests.exported_traces import expected, headers
from tests.oracle.order_flow import Flow
from tests.other_layouts import read, rewrite_tape, write
from tests.unit.services.engine.conftest import NOW, Market

ENV, SHARE = "test", 0.5
COMMANDS = (m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel)


def brought(command: bytes, pick: random.Random) -> bytes:
    """Some commands carry a trace, as the API or FIX fills it in."""
    made = m.decode(command)
    if not isinstance(made, COMMANDS) or pick.random() < 0.4:
        return command
    fields = {
        "trace_high": pick.getrandbits(64),
        "trace_low": pick.getrandbits(64),
        "trace_flags": pick.choice((0, 1, 3)),
    }
    return bytes(made.replace(**fields, span_is_ts_event=pick.random() < 0.5, ts_event=pick.choice((0, NOW, -5))))


def day(folder: Path, seed: int, commands: int = 150) -> Path:
    """Commands of all kinds with and without a trace, bytes that are none, and writers that take over."""
    pick = random.Random(seed)
    market = Market(folder, segment_bytes=1 << 14, ring_bytes=1 << 20)
    market.send(*(market.account(number) for number in range(1, 5)), *(market.instrument(i) for i in range(1, 3)))

    def apply(command: bytes) -> list[bytes]:
        if pick.random() < 0.03:
            market.reopen(NOW + market.engine.next_seq)
        if pick.random() < 0.03:
            market.send(b"no message at all")
        return [bytes(one) for one in market.send(brought(command, pick)) if one.cause]

    for _ in Flow(seed, instruments=2, accounts=4).play(apply, commands):
        pass
    market.engine.close()
    market.producer.close()
    return market.tape


def records_of(tape: Path) -> list[bytes]:
    with TapeReader(tape, None) as reader:
        reader.seek_seq(reader.first_seq)
        return list(reader)


def traced(records: list[m.Message]) -> dict[int, Work]:
    """By seq of the command, as the tracer has them who saw all of the tape."""
    collector = Collector(ENV, "orders.0", {}, Edges(1), lambda trace: ids.is_sampled(trace, SHARE), 1 << 20)
    for record in records:
        collector.fold(record)
    return {work.seq: work for work in collector.rest() if work.kind != "fill"}


@given(seed=st.integers(0, 2**32), starts=st.lists(st.floats(0, 1), min_size=3, max_size=3), gone=st.floats(0, 0.9))
@settings(max_examples=15, deadline=None)
def test_every_record_has_the_root_span_of_its_command_wherever_a_sink_begins(
    seed: int, starts: list[float], gone: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tape = day(Path(folder), seed)
        raws = records_of(tape)
        records = [m.decode(raw) for raw in raws]
        works = traced(records)
        right = [expected(one, works) for one in records]
        assert headers(tape, ENV, SHARE, raws) == right
        for at in (int(share * (len(raws) - 1)) for share in starts):
            assert headers(tape, ENV, SHARE, raws[at:]) == right[at:]
        held = segments(tape)
        for segment in held[: int(gone * len(held))]:
            segment.path.unlink()
        left = records_of(tape)
        first = m.decode(left[0]).seq
        lost = {one.seq for one in records if one.cause and one.cause < first}
        then = [None if seq in lost else one for seq, one in enumerate(right[first - 1 :], first)]
        assert headers(tape, ENV, SHARE, left) == then
        epoch = 0
        for record in records:
            if record.seq >= first and not isinstance(record, m.EpochStarted):
                assert record.cause or epoch_before(tape, record.seq) == epoch
            epoch = record.epoch if isinstance(record, m.EpochStarted) else epoch


@given(seed=st.integers(0, 2**32))
@settings(max_examples=8, deadline=None)
def test_what_a_command_carries_changes_nothing_that_is_derived_from_it(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        digests = list[str]()
        for name, carries in (("with", True), ("without", False)):
            pick = random.Random(seed)
            market = Market(Path(folder) / name, segment_bytes=1 << 20, ring_bytes=1 << 20)
            market.send(market.account(), market.account(2), market.instrument())
            for command in Flow(seed, instruments=1, accounts=2).commands(80):
                market.send(bytes(_without(brought(command, pick), carries)))
            market.engine.close()
            market.producer.close()
            audit = Audit(market.tape)
            audit.run()
            digests.append(audit.digest())
        assert digests[0] == digests[1]


def _without(command: bytes, carries: bool) -> m.Message:
    made = m.decode(command)
    if carries or not isinstance(made, COMMANDS):
        return made
    return made.replace(trace_high=0, trace_low=0, trace_flags=0, span_is_ts_event=False)


def test_a_command_of_an_older_layout_has_no_header_for_its_client_may_have_brought_one(tmp_path: Path) -> None:
    market = Market(tmp_path, segment_bytes=1 << 20)
    market.send(market.account(), market.instrument(), market.order(1, 100, 5), market.order(1, 101, 5))
    market.engine.close()
    market.producer.close()
    theirs = tmp_path / "theirs" / market.tape.name
    commands = [m.decode(raw).seq for raw in records_of(market.tape) if m.type_of(raw) == m.MessageType.new_order]

    def older(seq: int, raw: bytes) -> bytes:
        return write(read(raw).shrunk(2, 0)) if seq == commands[0] else raw

    rewrite_tape(market.tape, theirs, older)
    raws = records_of(theirs)
    found = headers(theirs, ENV, SHARE, raws)
    of = {m.decode(raw).seq: context for raw, context in zip(raws, found, strict=True)}
    assert of[commands[0]] is of[commands[0] + 1] is None
    assert of[commands[1]] == of[commands[1] + 1] is not None


def test_retention_keeps_the_command_of_a_batch_that_ends_within_it(tmp_path: Path) -> None:
    market = Market(tmp_path)
    market.send(market.account(), market.account(2), market.instrument())
    market.send(*(market.order(2, 100, 1) for _ in range(5)))
    records = market.send(market.order(1, 100, 5, account=2))
    command, last = records[0], records[-1]
    assert len(records) > 4
    assert {one.cause for one in records[1:]} == {command.seq}
    contexts = Contexts(market.tape, ENV, SHARE)
    assert contexts.held(bytes(records[2]), whole=False) == contexts.held_at(records[2].seq) == command.seq - 1
    assert contexts.held(bytes(last), whole=True) == last.seq
    assert contexts.held_at(0) == 0
    assert contexts.held_at(last.seq + 9) == last.seq + 9
    market.kill()


@pytest.mark.parametrize("tape", ["router.0", "venue.0", "api.0", "fix.gateway"])
def test_of_other_tapes_requests_alone_have_a_context(tape: str, tmp_path: Path) -> None:
    contexts = Contexts(tmp_path / tape, ENV, SHARE)
    order = m.NewOrder(seq=1, trace_high=1, trace_low=2, trace_flags=1)
    assert contexts.of(bytes(order), 1, 0, int(order.TYPE)) is None
    request = m.ApiReceived(seq=2, ts=9, trace_high=1, trace_low=2, trace_flags=1)
    header = ("traceparent", b"00-00000000000000010000000000000002-0000000000000009-01")
    assert contexts.of(bytes(request), 2, 0, int(request.TYPE)) == header
