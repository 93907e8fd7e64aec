"""Recovery where the past is not what it was: tails that were lost, rules that changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import cast

import pytest

from services.engine import Audit, Engine
from services.engine.configured import HEADER
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire import snapshots
from tapewire.consumers import ConsumerPosition, positions
from tapewire.errors import EngineStopped
from tapewire.tape import TapeReader, TapeWriter
from tests.oracle.naive_tape import HEAD, HEADER_FRAME, crc32c
from tests.tapes import segments
from tests.unit.services.engine.conftest import NOW, Market

R = m.RejectReason


def lose_tail(market: Market, keep: int) -> None:
    """The tape as a power loss leaves one of durability memory: it ends with record `keep`."""
    raws = [bytes(record) for record in market.records()[:keep]]
    market.kill()
    for path in (*market.tape.glob("*.seg"), market.tape / "control"):
        path.unlink()
    with TapeWriter(market.tape, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many(raws)
        writer.commit()


def test_a_snapshot_of_a_tail_that_was_lost_is_never_restored_later(market: Market) -> None:
    kept = market.engine.next_seq - 1
    for price in range(90, 100):
        market.send(market.order(1, price, 5))
    stale = snapshots.save(market.tape, market.engine.snapshot())
    of_publisher = snapshots.save(_made(market.tape / "publisher"), snapshots.Snapshot(int(stale.stem), b"state"))
    ConsumerPosition(market.tape, "journal.publisher").store(int(stale.stem))
    lose_tail(market, kept)
    market.ring.unlink()
    market.open()
    for price in range(50, 65):
        market.send(market.order(1, price, 5, cl_ord_id=price))
    assert market.engine.next_seq - 1 > int(stale.stem)
    live = market.engine.digest()
    before = market.engine.next_seq - 1
    market.reopen()
    assert market.engine.recovery.snapshot_seq == 0
    audit = Audit(market.tape)
    audit.run(before)
    assert audit.digest() == live
    assert verify_tape(market.tape).ok
    assert not of_publisher.exists()
    assert positions(market.tape)["journal.publisher"] == kept


def test_what_was_forgotten_beyond_the_tapes_end_is_named(market: Market) -> None:
    kept = market.engine.next_seq - 1
    market.send(market.order(1, 90, 5))
    stale = snapshots.save(market.tape, market.engine.snapshot())
    lose_tail(market, kept)
    market.ring.unlink()
    market.open()
    assert any(str(stale) in reason for reason in market.engine.recovery.refused_snapshots)


def test_an_audit_from_a_snapshot_goes_no_further_than_it_is_told(market: Market) -> None:
    market.send(market.order(1, 90, 5))
    kept = market.engine.snapshot()
    market.send(market.order(1, 91, 5))
    audit = Audit(market.tape, kept)
    assert (audit.run(kept.seq), audit.run(kept.seq + 1), audit.run()) == (0, 1, 1)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def rewritten(market: Market, target: Path, *changed: m.Message) -> Path:
    """A tape like the market's, with some records replaced, as other rules would have written them."""
    by_seq = {record.seq: record for record in (*market.records(), *changed)}
    target.parent.mkdir()
    with TapeWriter(target, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many([bytes(by_seq[seq]) for seq in sorted(by_seq)])
        writer.commit()
    return target


@pytest.mark.parametrize("reason", [R.max_order_qty, R.max_notional])
def test_a_refusal_that_todays_rules_would_not_give_stands_with_its_numbers(
    market: Market, tmp_path: Path, reason: R
) -> None:
    market.send(market.account(max_order_qty=10))
    command, event = market.send(market.order(1, 100, 11))
    assert isinstance(command, m.NewOrder)
    assert isinstance(event, m.OrderRejected)
    other = rewritten(
        market,
        tmp_path / "other" / "orders.0",
        command.replace(decision=reason),
        event.replace(reason=reason, value=7, limit=5),
    )
    engine = Engine(other, segment_bytes=1 << 16, now=NOW)
    assert engine.recovery.redecided == 1
    engine.close()
    report = verify_tape(other)
    assert (report.ok, report.redecided, report.problems) == (True, 1, [])


def test_a_refusal_whose_other_fields_differ_is_a_difference(market: Market, tmp_path: Path) -> None:
    _, event = market.send(market.order(1, 100, 0))
    assert isinstance(event, m.OrderRejected)
    forged = rewritten(market, tmp_path / "forged" / "orders.0", event.replace(account=2, value=1))
    with pytest.raises(EngineStopped, match=rf"record {event.seq} does not replay"):
        Engine(forged, segment_bytes=1 << 16, now=NOW)
    shutil.rmtree(forged)
    forged.parent.rmdir()
    forged = rewritten(market, tmp_path / "forged" / "orders.0", event.replace(reason=R.off_tick))
    with pytest.raises(EngineStopped, match=rf"record {event.seq} does not replay"):
        Engine(forged, segment_bytes=1 << 16, now=NOW)


@pytest.mark.parametrize("limits", [{"max_notional": 100}, {"max_position": 1}, {"max_order_qty": 1}])
def test_a_market_order_refused_by_the_accounts_limits_replays(market: Market, limits: dict[str, int]) -> None:
    """The collar's edge is known by then; it must not stand on an order that was refused."""
    market.send(market.instrument(reference_price=100, collar_bps=500), market.account(**limits))
    command, event = market.send(market.order(1, 0, 5, ord_type=2, time_in_force=3))
    assert isinstance(command, m.NewOrder)
    assert isinstance(event, m.OrderRejected)
    assert (command.price, command.decision) == (0, event.reason)
    market.reopen()
    assert market.engine.recovery.redecided == 0


@pytest.mark.parametrize(
    "command",
    [
        m.KillSwitch(account=9, engaged=True),
        m.KillSwitch(account=2**32 - 1),
        m.AccountLimits(account=0),
        m.AccountLimits(account=2**32 - 1),
        m.InstrumentDefinition(instrument=0, ticker="A", tick_size=1, lot_size=1, status=m.InstrumentStatus.trading),
        m.InstrumentDefinition(instrument=2**32 - 1, ticker="A", tick_size=1, lot_size=1),
        m.BustTrade(match_id=1, price=1, qty=1),
        m.CorrectTrade(instrument=1, match_id=1, price=1, qty=1, new_price=1, new_qty=2**62),
    ],
    ids=str,
)
def test_a_command_that_nobody_can_have_taken_is_a_fault_of_the_tape(tmp_path: Path, command: m.Message) -> None:
    tape = tmp_path / "orders.0"
    with TapeWriter(tape, segment_bytes=1 << 16) as writer:
        writer.append(bytes(command.replace(seq=1, ts=NOW)))
    report = verify_tape(tape)
    assert not report.ok
    assert "record 1 does not replay: it stands as accepted and names an account or instrument" in report.problems[0]
    with pytest.raises(EngineStopped, match="record 1 does not replay"):
        Engine(tape)


def test_a_tape_of_the_first_layout_is_gone_on_with(market: Market, tmp_path: Path) -> None:
    """Its messages are shorter than today's: what they lack is 0, and nothing else is different."""
    began, limits = market.records()[:2]
    assert isinstance(limits, m.AccountLimits)
    tape = tmp_path / "old" / "orders.0"
    tape.parent.mkdir()
    with TapeWriter(tape, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many([bytes(began), bytes(limits)])
        writer.commit()
    (segment,) = segments(tape)
    segment.write_bytes(with_last_record(segment.read_bytes(), as_version_one(limits)))
    (tape / "control").unlink()  # it knows how long the record was
    TapeWriter(tape).close()
    with TapeReader(tape, 1, "written") as reader:
        assert m.decode(list(reader)[1]) == limits
    assert verify_tape(tape).problems == []
    engine = Engine(tape, segment_bytes=1 << 16, now=NOW)
    assert (engine.recovery.records, engine.recovery.missing_events) == (2, 1)
    engine.close()
    assert verify_tape(tape).problems == []
    with TapeReader(tape, 1, "written") as reader:
        _, _, completed, again = map(m.decode, reader)
    assert isinstance(completed, m.CommandCompleted)
    assert (completed.cause, completed.command, again.seq) == (2, m.MessageType.account_limits, 4)


def as_version_one(limits: m.AccountLimits) -> bytes:
    """With the header and the terms of `limits`, in the layout of the golden bytes."""
    golden = (Path(__file__).parents[3] / "golden" / "v1" / "AccountLimits.bin").read_bytes()
    assert m.AccountLimits(account=limits.account).replace(**{n: getattr(limits, n) for n in HEADER}) == limits
    data = bytes(24) + limits.account.to_bytes(4, "little") + bytes(len(golden) - 72 - 28 - 8)
    return golden[:16] + bytes(limits)[16:72] + data + golden[-8:]


def with_last_record(segment: bytes, raw: bytes) -> bytes:
    """The segment with its second and last record replaced by a shorter one."""
    at = HEADER_FRAME + 16 + int.from_bytes(segment[HEADER_FRAME : HEADER_FRAME + 4], "little")
    length, _, kind, flags, index = HEAD.unpack_from(segment, at)
    assert (kind, length) == (m.MessageType.account_limits, len(raw) + 8)
    rest = HEAD.pack(len(raw), 0, kind, flags, index)[8:] + raw
    crc = crc32c(len(raw).to_bytes(4, "little") + rest)
    frame = len(raw).to_bytes(4, "little") + crc.to_bytes(4, "little") + rest
    return segment[:at] + frame + bytes(len(segment) - at - len(frame))


def test_a_snapshot_that_says_it_is_of_another_record_is_refused(market: Market) -> None:
    """What it holds sizes tables by the records there were: that number must not be its own word alone."""
    market.send(market.order(1, 90, 5))
    kept = market.engine.snapshot()
    market.send(market.order(1, 91, 5))
    snapshots.save(market.tape, snapshots.Snapshot(kept.seq + 1, kept.state))
    market.reopen()
    assert market.engine.recovery.snapshot_seq == 0
    assert any(f"record {kept.seq + 1}" in why for why in market.engine.recovery.refused_snapshots)


class Looking:
    """A state at hand that the engine looks at once the tape is open, before it replays: what others can read then."""

    def __init__(self, tape: Path) -> None:
        self._tape, self.released, self.durable = tape, 0, 0

    @property
    def seq(self) -> int:
        with TapeReader(self._tape) as reader:
            marks = reader.positions
        self.released, self.durable = marks.released_seq, marks.durable_seq
        return 1 << 62  # later than the tape: it is not taken up


@pytest.mark.parametrize("durability", ["disk", "memory"])
def test_nobody_reads_a_command_without_all_its_events_whatever_was_cut_off(tmp_path: Path, durability: str) -> None:
    """The events that were missing stand right behind their command's others, before the next EpochStarted."""
    market = Market(tmp_path, durability=durability)
    market.send(market.account(), market.account(2), market.instrument(), market.order(1, 100, 5))
    shown = market.engine.next_seq - 1
    assert market.producer.write(bytes(market.order(2, 100, 5, account=2)))
    market.engine.drain()
    assert market.engine.write()  # and is killed before it is published
    last = market.engine.next_seq - 1
    market.kill()
    tear_last_record(market.tape)

    looking = Looking(market.tape)
    state = cast(snapshots.Snapshot, looking)
    engine = Engine(market.tape, now=NOW, segment_bytes=1 << 16, durability=durability, state=state)
    assert engine.recovery.missing_events == 1
    assert looking.released == shown
    assert looking.durable <= shown
    with TapeReader(market.tape, shown + 1) as reader:
        command, *events, epoch = map(m.decode, reader)
        assert (reader.positions.released_seq, engine.next_seq) == (last + 1, last + 2)
    engine.close()
    assert isinstance(command, m.NewOrder)
    assert [type(one) for one in events] == [m.OrderAccepted, m.OrderExecuted]
    assert {one.cause for one in events} == {command.seq}
    assert isinstance(epoch, m.EpochStarted)


def test_an_epoch_that_begins_within_a_command_does_not_replay(market: Market) -> None:
    """So who folds the tape may take a command for ended at the next record that it did not cause."""
    raws = [bytes(one) for one in market.send(market.order(1, 100, 5), market.order(2, 100, 5, account=2))]
    before = market.records()[: -len(raws)]
    market.kill()
    epoch = m.EpochStarted(seq=len(before) + len(raws), epoch=2)
    mixed = market.folder / "mixed" / "orders.0"
    mixed.parent.mkdir()
    with TapeWriter(mixed, name="orders.0", segment_bytes=1 << 16) as writer:
        writer.append_many([*map(bytes, before), *raws[:-1], bytes(epoch)])
        writer.commit()
    with pytest.raises(EngineStopped, match=f"record {epoch.seq} does not replay: a command where an event"):
        Engine(mixed, now=NOW)
    market.open()


def tear_last_record(tape: Path) -> None:
    """The last frame never reached the file."""
    (segment,) = segments(tape)
    raw = segment.read_bytes()
    at = end = HEADER_FRAME
    while length := int.from_bytes(raw[end : end + 4], "little"):
        at, end = end, end + 16 + length
    segment.write_bytes(raw[:at] + bytes(len(raw) - at))
