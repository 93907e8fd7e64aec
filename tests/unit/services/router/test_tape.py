"""The router's tape: recovery by replay, a cut tail appended again, and sources that are taken exactly once."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.router.__main__ import recover
from services.router.clients import ClientRing
from services.router.core import Core
from services.router.positions import Positions
from services.router.tape import RouterTape
from services.router.venue_tapes import VenueTape
from tapewire import messages as m
from tapewire.config import Config
from tapewire.errors import EngineStopped
from tapewire.logs import configure
from tapewire.ring import RingProducer, create_ring
from tapewire.tape import TapeReader, TapeWriter, cut
from tests.router_parts import PARTS
from tests.router_stepped import LIMITS, START, Stepped

K = m.VenueReportKind


def recorded(folder: Path) -> list[bytes]:
    """A parent that two venues fill, on a real tape; its records."""
    s = Stepped()
    s.parent(150, limit_price=100)
    s.fill(1, 100, live=False, cum_qty=100)
    s.fill(2, 50, live=False, cum_qty=50)
    with TapeWriter(folder, "router.0", durability="memory", helper=False) as writer:
        writer.append_many(s.kept.raws)
        writer.commit()
    return s.kept.raws


def opened(folder: Path) -> tuple[TapeWriter, RouterTape, Core]:
    writer, core = TapeWriter(folder, "router.0", durability="memory", helper=False), Core(PARTS)
    return writer, RouterTape(writer, core, LIMITS, lambda: START), core


def read(folder: Path) -> list[bytes]:
    with TapeReader(folder) as reader:
        return list(reader)


@pytest.mark.parametrize("before", range(9, 16))
def test_events_that_were_cut_off_are_appended_again(tmp_path: Path, before: int) -> None:
    raws = recorded(tmp_path / "router.0")
    cut(tmp_path / "router.0", before, tmp_path / "backup")
    writer, tape, core = opened(tmp_path / "router.0")
    replayed, missing = tape.recover()
    writer.close()
    whole = read(tmp_path / "router.0")
    assert whole == raws[: len(whole)]
    assert len(whole) == before - 1 + missing == replayed.inputs + replayed.events + missing
    assert len(whole) == len(raws) or m.decode(raws[len(whole)]).cause == 0
    assert core.state.parents[1].cum in (0, 100, 150)


def test_a_tape_that_its_inputs_do_not_give_is_refused(tmp_path: Path) -> None:
    raws = recorded(tmp_path / "right")
    with TapeWriter(tmp_path / "wrong", "router.0", durability="memory", helper=False) as writer:
        for raw in raws:
            child = m.type_of(raw) == m.MessageType.new_child
            writer.append(bytes(m.NewChild.decode(raw).replace(price=101)) if child else raw)
        writer.commit()
    writer, tape, _ = opened(tmp_path / "wrong")
    with pytest.raises(EngineStopped, match=r"the tape has NewChild, its input gives another NewChild\..*price: 101"):
        tape.recover()
    writer.close()


def test_time_never_goes_back_on_the_tape(tmp_path: Path) -> None:
    recorded(tmp_path / "router.0")
    writer, core = TapeWriter(tmp_path / "router.0", durability="memory", helper=False), Core(PARTS)
    tape = RouterTape(writer, core, LIMITS, lambda: START - 10**9)
    tape.recover()
    tape.take(m.AdvanceClock())
    tape.commit()
    writer.close()
    assert m.decode(read(tmp_path / "router.0")[-1]).ts == START


def test_what_a_client_wrote_is_taken_once_though_it_was_not_released(tmp_path: Path) -> None:
    create_ring(tmp_path / "ring", 4096)
    with RingProducer(tmp_path / "ring") as ring:
        ring.write(bytes(m.CancelParent(parent_id=7, cl_ord_id=1)))
        ring.write(b"nonsense")
        ring.write(bytes(m.NewOrder(qty=1)))
    first: list[m.Message] = []
    taking = ClientRing(3, tmp_path / "ring", 0)
    assert taking.work(first.append) == 3
    taking.close()  # killed before it could release
    assert [type(one).__name__ for one in first] == ["CancelParent", "InputRefused", "InputRefused"]
    assert [one.source for one in first] == [3, 3, 3]
    reasons = [one.reason for one in first if isinstance(one, m.InputRefused)]
    assert reasons == [m.RefusalReason.malformed, m.RefusalReason.not_a_command]
    positions = Positions()
    for one in first[:2]:
        positions.fold(one)
    again: list[m.Message] = []
    taking = ClientRing(3, tmp_path / "ring", positions.rings[3])
    taking.work(again.append)
    taking.release()
    assert again == first[2:]
    assert taking.work(again.append) == 0
    taking.close()


def test_of_a_venues_tape_its_reports_are_copied_each_once(tmp_path: Path) -> None:
    path = tmp_path / "venue.acme"
    found: list[m.Message] = []
    assert VenueTape(4, path, 0, "router.0").work(found.append) == 0  # its session has not started yet
    with TapeWriter(path, "venue.acme", durability="memory", helper=False) as writer:
        records = [
            m.VenueChanged(seq=1, state=m.VenueState.ready),
            m.FixReceived(seq=2, raw="8=FIX"),
            m.VenueReported(seq=3, child_id=1, kind=K.accepted, live=True),
            m.VenueReported(seq=4, child_id=1, kind=K.executed),
        ]
        writer.append_many(bytes(one) for one in records)
        writer.commit()
        venue = VenueTape(4, path, 1, "router.0")
        assert venue.work(found.append) == 3
        assert [(one.origin_seq, one.source) for one in found] == [(3, 4), (4, 4)]
        assert {one.venue for one in found if isinstance(one, m.VenueReported)} == {4}
        venue.store()
        venue.close()
        again = VenueTape(4, path, 3, "router.0")
        assert again.work(found.append) == 0  # its file says more than a router's tape that was cut
        again.close()


class Looking(Positions):
    """What others can read while the tape is being folded."""

    def __init__(self, tape: Path) -> None:
        super().__init__()
        self._tape, self.released = tape, list[int]()

    def fold(self, record: m.Message) -> None:
        super().fold(record)
        with TapeReader(self._tape) as reader:
            self.released.append(reader.positions.released_seq)


@pytest.mark.parametrize("written", range(9, 17))
def test_nobody_reads_an_input_without_all_its_events_whatever_was_cut_off(tmp_path: Path, written: int) -> None:
    """A router was killed between writing and showing: what is whole is shown, the rest once it is."""
    raws = recorded(tmp_path / "whole")
    settings = Config(data=tmp_path / "data")
    path = settings.folders.router_tape(settings.router.number)
    writer = TapeWriter(path, path.name, durability="memory", helper=False)
    writer.append_many(raws[:8])
    writer.commit()
    writer.append_many(raws[8:written])
    writer.write()
    writer.abandon()
    looking = Looking(path)
    tape = recover(settings, Core(PARTS), looking, None, configure("test"))
    assert set(looking.released[:written]) <= {8}, "before what was cut off was completed"
    tape.close()
    found = read(path)
    inputs = [m.decode(raw).cause == 0 for raw in raws] + [True]
    end = next(at for at in range(written, len(raws) + 1) if inputs[at])
    assert found[:end] == raws[:end]
    assert [type(m.decode(raw)) for raw in found[end:]] == ([] if end > written else [m.AdvanceClock])
