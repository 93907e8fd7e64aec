"""Messages and tapes of older and newer versions: what is the same value is read, compared and replayed as the same."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.engine import Audit, Engine
from services.engine.verify import verify_tape
from tapewire import messages as m
from tapewire import snapshots
from tapewire.errors import EngineStopped
from tapewire.tape import TapeReader
from tapewire.wire._wire import drops, is_flat
from tests.messages_by_example import CLASSES, example
from tests.oracle.order_flow import Flow
from tests.other_layouts import Elements, Pointed, Tree, known, lists_grown, other_version, read, rewrite_tape, write
from tests.unit.services.engine.conftest import NOW, Market
from tests.unit.tapewire.test_wire import GOLDEN, as_dict, struct_of

BIG = 1 << 20


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """With one segment, so that its tape can be written anew."""
    market = Market(tmp_path / "ours", segment_bytes=BIG)
    market.send(market.account(), market.instrument())
    yield market
    market.kill()


words = st.lists(st.sampled_from([0, 0, 1, 1 << 63]), max_size=4).map(tuple)
rows = st.lists(st.lists(st.sampled_from([0, 0, 5]), min_size=2, max_size=2).map(tuple), max_size=2)
pointers: st.SearchStrategy[tuple[Pointed, ...]] = st.lists(
    st.one_of(
        st.none(),
        st.sampled_from([b"\0", b"a\0", b"\0\0"]),
        rows.map(lambda found: Elements(2, tuple(found))),
    ),
    max_size=3,
).map(tuple)


def test_what_the_slow_reader_reads_the_slow_writer_writes() -> None:
    for cls in CLASSES:
        assert write(read(bytes(example(cls)))) == bytes(example(cls))


@given(cls=st.sampled_from(CLASSES), data=words, texts=pointers, header=words, row=words)
@settings(max_examples=800, deadline=None)
def test_a_longer_message_says_the_same_as_long_as_nothing_is_set_in_what_it_has_more(
    cls: type[m.Message],
    data: tuple[int, ...],
    texts: tuple[Pointed, ...],
    header: tuple[int, ...],
    row: tuple[int, ...],
) -> None:
    message = example(cls)
    tree = lists_grown(read(bytes(message)).grown(data, texts), row)
    raw = write(type(tree)(tree.header + header, tree.data, tree.pointers, tree.rooms))
    with struct_of(cls).from_bytes(raw) as theirs:
        assert theirs.to_dict(verbose=True) == as_dict(message)
    assert m.decode(raw) == message
    assert drops(raw) == (read(raw).value() != read(bytes(message)).value())


@given(cls=st.sampled_from(CLASSES), data=st.integers(0, 8), texts=st.integers(0, 3), kept=st.integers(0, 2**16))
@settings(max_examples=400, deadline=None)
def test_a_shorter_message_is_read_with_what_it_lacks_as_zero(
    cls: type[m.Message], data: int, texts: int, kept: int
) -> None:
    tree = read(bytes(example(cls)))
    cut = type(tree)(
        tree.header,
        tuple(0 if kept >> i & 1 else word for i, word in enumerate(tree.data))[: max(len(tree.data) - data, 0)],
        tree.pointers[: max(len(tree.pointers) - texts, 0)],
        tree.rooms[: max(len(tree.pointers) - texts, 0)],
    )
    raw = write(cut)
    with struct_of(cls).from_bytes(raw) as theirs:
        assert as_dict(m.decode(raw)) == theirs.to_dict(verbose=True)
    assert not drops(raw)
    assert is_flat(bytes(m.decode(raw)))


def day(folder: Path, seed: int, commands: int = 60) -> Path:
    """A tape of one segment, with all kinds of commands."""
    market = Market(folder, segment_bytes=BIG, ring_bytes=BIG)
    market.send(*(market.account(number) for number in range(1, 5)), *(market.instrument(i) for i in range(1, 3)))

    def apply(command: bytes) -> list[bytes]:
        return [bytes(one) for one in market.send(command) if one.cause]

    for _ in Flow(seed, instruments=2, accounts=4).play(apply, commands):
        pass
    market.send(m.MassCancel(account=1))
    market.engine.close()
    market.producer.close()
    return market.tape


@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, deadline=None)
def test_a_tape_of_another_version_replays_to_the_same_state(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tape, pick = day(Path(folder), seed), random.Random(seed)
        theirs = Path(folder) / "theirs" / tape.name
        rewrite_tape(tape, theirs, lambda _, raw: other_version(raw, pick) if pick.random() < 0.7 else raw)
        ours, other = Audit(tape), Audit(theirs)
        assert (ours.run(), ours.digest()) == (other.run(), other.digest())
        assert verify_tape(theirs).problems == []
        engine = Engine(theirs, segment_bytes=BIG, now=NOW)  # it goes on where that version stopped
        assert engine.recovery.records == ours.seq
        engine.close()
        assert verify_tape(theirs).problems == []


def as_golden(raw: bytes, golden: dict[type[m.Message], Tree]) -> bytes:
    """As the version of those golden bytes wrote it, if it could."""
    tree, then = read(raw), golden.get(type(m.decode(raw)))
    if then is None:
        return raw
    cut = tree.shrunk(len(tree.data) - len(then.data), len(tree.pointers) - len(then.pointers))
    return write(cut)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_tape_laid_out_as_a_version_that_was_replays_to_the_same_state(version: int, tmp_path: Path) -> None:
    written = [path for one in range(1, version + 1) for path in GOLDEN.glob(f"v{one}/*.bin")]
    golden = {getattr(m, path.stem): read(path.read_bytes()) for path in written}
    commands = {m.NewOrder, m.CancelOrder, m.ReplaceOrder, m.MassCancel}
    shorter = commands | ({m.OrderAccepted, m.AccountLimits, m.InstrumentDefinition} if version == 1 else set())
    tape = day(tmp_path, 11)
    theirs = tmp_path / "theirs" / tape.name
    rewrite_tape(tape, theirs, lambda _, raw: as_golden(raw, golden))
    with TapeReader(theirs, 1, "written") as reader:
        changed = {type(m.decode(raw)) for raw in reader if not is_flat(raw)}
    assert changed == shorter
    ours, other = Audit(tape), Audit(theirs)
    assert (ours.run(), ours.digest()) == (other.run(), other.digest())
    assert verify_tape(theirs).problems == []


def tampered(raw: bytes, pick: random.Random) -> bytes:
    """As another version wrote it, and then a bit of the data is not what it was."""
    tree = read(other_version(raw, pick))
    words_known = min(len(tree.data), len(known(type(m.decode(raw))).data))
    at = pick.randrange(words_known)
    data = tuple(word ^ 1 if i == at else word for i, word in enumerate(tree.data))
    return write(type(tree)(tree.header, data, tree.pointers, tree.rooms))


@given(seed=st.integers(0, 2**32))
@settings(max_examples=12, deadline=None)
def test_an_event_of_another_version_that_was_changed_is_found(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tape, pick = day(Path(folder), seed, 20), random.Random(seed)
        with TapeReader(tape, 1, "written") as reader:
            events = [one for one in map(m.decode, reader) if one.cause]
        # The two numbers of a refusal are part of a decision, and taken as they stand.
        at = pick.choice([one.seq for one in events if not isinstance(one, m.OrderRejected | m.CancelRejected)])
        theirs = Path(folder) / "theirs" / tape.name
        rewrite_tape(tape, theirs, lambda seq, raw: tampered(raw, pick) if seq == at else raw)
        with pytest.raises(EngineStopped, match=rf"record {at} does not replay"):
            Audit(theirs).run()


@pytest.mark.parametrize("place", ["data", "pointer"])
@pytest.mark.parametrize("kind", [m.NewOrder, m.OrderAccepted])
def test_a_record_with_a_field_set_that_is_not_known_here_is_refused_and_its_writer_named(
    market: Market, tmp_path: Path, kind: type[m.Message], place: str
) -> None:
    market.send(market.order(1, 90, 5))
    market.engine.close()
    more: dict[str, Any] = {"data": (0, 7)} if place == "data" else {"pointers": (None, b"note\0")}
    theirs = tmp_path / "theirs" / market.tape.name

    def change(_: int, raw: bytes) -> bytes:
        one = m.decode(raw)
        if isinstance(one, m.EpochStarted):
            return bytes(one.replace(version="7.1.0"))
        return write(read(raw).grown(**more)) if isinstance(one, kind) else raw

    rewrite_tape(market.tape, theirs, change)
    seq = next(one.seq for one in map(m.decode, TapeReader(theirs, 1, "written")) if isinstance(one, kind))
    says = rf"record {seq} does not replay: another version of Tapewire wrote it, .*\(written by version 7\.1\.0\)"
    with pytest.raises(EngineStopped, match=says):
        Audit(theirs).run()
    before = [path.read_bytes() for path in sorted(theirs.glob("*.seg"))]
    with pytest.raises(EngineStopped, match=says):
        Engine(theirs, segment_bytes=BIG, now=NOW)
    assert [path.read_bytes() for path in sorted(theirs.glob("*.seg"))] == before


@given(seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_an_engine_takes_commands_of_older_and_newer_producers_as_its_own(seed: int) -> None:
    pick = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        market = Market(Path(folder))
        commands = [market.account(), market.instrument(), *(market.order(1 + i % 2, 90 + i, 5) for i in range(4))]
        taken = market.send(*(other_version(bytes(one), pick) for one in commands))
        assert [type(one) for one in taken if not one.cause] == [type(one) for one in commands]
        assert all(is_flat(bytes(one)) for one in taken)
        market.kill()
        plain = Market(Path(folder) / "plain")
        again = plain.send(*commands)
        assert [one.replace(origin_seq=0) for one in taken] == [one.replace(origin_seq=0) for one in again]
        plain.kill()


def test_a_command_with_a_field_set_that_the_engine_does_not_know_is_refused_and_answered(market: Market) -> None:
    """Half of what a client asked for must not be carried out."""
    order = market.order(1, 90, 5)
    raw = write(read(bytes(order)).grown(data=(0, 1)))
    on_tape, answer = market.send(raw)
    assert isinstance(on_tape, m.NewOrder)
    assert isinstance(answer, m.OrderRejected)
    assert (on_tape.decision, answer.reason) == (m.RejectReason.invalid_field,) * 2
    assert (answer.value, answer.limit) == (len(raw), len(bytes(order)))
    assert (answer.cl_ord_id, answer.account) == (order.cl_ord_id, 1)
    market.engine.close()
    assert verify_tape(market.tape).problems == []


def laid_out_anew(state: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """An engine's state whose definitions are what `change` makes of them."""
    length = int.from_bytes(state[8:16], "little")
    section, rest = state[16 : 16 + length], state[16 + length :]
    made, at = section[:8], 8
    while at < length:
        size = 8 * int.from_bytes(section[at + 4 : at + 8], "little") + 8
        made += change(section[at : at + size])
        at += size
    return state[:8] + len(made).to_bytes(8, "little") + made + rest


def test_a_snapshot_of_another_version_is_taken_up_and_verified(market: Market) -> None:
    kept = market.engine.snapshot()
    state = laid_out_anew(kept.state, lambda raw: write(read(raw).grown((0, 0))))
    assert len(state) > len(kept.state)
    snapshots.save(market.tape, snapshots.Snapshot(kept.seq, state))
    market.send(market.order(1, 90, 5))
    market.kill()
    report = verify_tape(market.tape)
    assert (report.problems, report.snapshots_equal) == ([], 1)
    market.open()
    assert market.engine.recovery.snapshot_seq == kept.seq


def test_a_snapshot_in_which_a_field_is_set_that_is_not_known_here_is_passed_over(market: Market) -> None:
    """It would hide the record that set it."""
    kept = market.engine.snapshot()
    state = laid_out_anew(kept.state, lambda raw: write(read(raw).grown((0, 3))))
    market.kill()
    snapshots.save(market.tape, snapshots.Snapshot(kept.seq, state))
    market.open()
    assert market.engine.recovery.snapshot_seq == 0
    assert "not a state of this version of the core" in market.engine.recovery.refused_snapshots[0]
