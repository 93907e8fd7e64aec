"""Looking back: whatever picture it starts from, the past is the fold of the records up to there."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.hub import picture, render
from services.api.hub.errors import BeyondEnd, Superseded, TooOld
from services.api.hub.past import Past, begin
from services.api.hub.pictures import RESTARTS, Pictures, least_missed
from tapewire import consumers, logs, snapshots
from tapewire import messages as m
from tapewire.tape import TapeWriter, cut
from tapewire.views import Views
from tests.oracle.naive_market import NaiveMarket
from tests.tapes import in_memory_folder, segments

LOG = logs.get("api")
NEVER = bool
"""Nobody gives up waiting."""


def played(seed: int, steps: int) -> list[bytes]:
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    return market.records


def written(tape: Path, records: list[bytes], segment_bytes: int = 1 << 20) -> None:
    with TapeWriter(tape, "orders.0", segment_bytes, "disk") as writer:
        for raw in records:
            writer.append(raw)
        writer.commit()


def shown(views: Views) -> bytes:
    return msgspec.json.encode(picture.as_of(views, None, {1: "traders"}, ["house"]))


def folded(records: list[bytes], seq: int) -> Views:
    """The first `seq` of them; the books as they stand after their command, if it is whole."""
    views = Views("demo")
    for raw in records[:seq]:
        views.fold(raw)
    if all(not m.decode(raw).cause for raw in records[seq : seq + 1]):
        views.settle()
    return views


def past_of(tape: Path, every: int = 100, most: int = 64) -> Past:
    past = Past(tape, "demo", LOG, Pictures(tape, "demo", LOG, most), every)
    while past.keep_up():
        pass
    past.keep_up()  # stores the last picture, whose records are durable
    return past


@given(st.integers(0, 1 << 32), st.integers(3, 40), st.integers(20, 200))
@settings(max_examples=12, deadline=None)
def test_as_of_is_the_fold_of_the_records_up_to_there(seed: int, most: int, every: int) -> None:
    records, pick = played(seed, 400), random.Random(seed)
    with in_memory_folder() as folder:
        tape = folder / "orders.0"
        written(tape, records)
        past = past_of(tape, every, most)
        assert 0 < len(Pictures(tape, "demo", LOG).seqs()) <= most
        for _ in range(12):
            seq = pick.randint(1, len(records))
            views, expected = past.at(seq, NEVER), folded(records, seq)
            assert views.at_seq == seq
            assert shown(views) == shown(expected)
        past.close()
        # Without any picture it takes longer, and gives the same.
        for path in snapshots.folder(tape / "views").iterdir():
            path.unlink()
        past = Past(tape, "demo", LOG, Pictures(tape, "demo", LOG))
        assert shown(past.at(seq, NEVER)) == shown(expected)
        past.close()


def test_a_fold_begun_at_any_picture_ends_in_the_same_state(tmp_path: Path) -> None:
    records = played(5, 600)
    written(tmp_path, records)
    past_of(tmp_path).close()
    whole = folded(records, len(records))
    seqs = Pictures(tmp_path, "demo", LOG).seqs()
    assert len(seqs) > 5
    for _ in range(3):
        follower = begin(tmp_path, "demo", LOG)
        assert follower.views.at_seq == seqs.pop()
        while raws := follower.poll(1000):
            for raw in raws:
                follower.views.fold(raw)
            follower.last = raws[-1]
        follower.views.settle()
        assert follower.views.state() == whole.state()
        follower.close()
        (snapshots.folder(tmp_path / "views") / f"{Pictures(tmp_path, 'demo', LOG).seqs()[-1]:020d}.snap").unlink()


def test_a_damaged_picture_and_one_of_other_records_are_passed_over(tmp_path: Path) -> None:
    records = played(6, 500)
    written(tmp_path, records)
    past_of(tmp_path).close()
    pictures = Pictures(tmp_path, "demo", LOG)
    folder, seqs = snapshots.folder(tmp_path / "views"), pictures.seqs()
    (folder / f"{seqs[-1]:020d}.snap").write_bytes(b"torn")
    other = snapshots.load(folder / f"{seqs[0]:020d}.snap")
    snapshots.save(tmp_path / "views", snapshots.Snapshot(seqs[-2], other.state), keep=100)
    follower = begin(tmp_path, "demo", LOG)
    assert follower.views.at_seq == seqs[-3]
    follower.close()


def test_what_lies_beyond_either_end_is_told_with_what_can_be_asked_for(tmp_path: Path) -> None:
    records = played(7, 1500)
    written(tmp_path, records, segment_bytes=1 << 16)
    past = past_of(tmp_path)
    with pytest.raises(BeyondEnd, match=f"record 999999 is not on the tape yet. Its last is {len(records)}"):
        past.at(999_999, NEVER)
    with pytest.raises(TooOld, match="Ask for record 1 or a later one"):
        past.at(0, NEVER)
    past.close()
    first = segments(tmp_path)[0]
    first.unlink()
    begins = int(segments(tmp_path)[0].stem)
    past = past_of(tmp_path)
    oldest = Pictures(tmp_path, "demo", LOG).oldest(begins)
    assert begins - 1 <= oldest < begins + 200
    with pytest.raises(TooOld, match=f"Ask for record {oldest} or a later one") as caught:
        past.at(oldest - 1, NEVER)
    assert caught.value.oldest == oldest
    assert shown(past.at(oldest, NEVER)) == shown(folded(records, oldest))
    past.close()


def test_retention_leaves_what_the_newest_pictures_need(tmp_path: Path) -> None:
    records = played(8, 800)
    written(tmp_path, records)
    past_of(tmp_path).close()
    seqs = Pictures(tmp_path, "demo", LOG).seqs()
    assert consumers.positions(tmp_path)["api.views.restart"] == seqs[-RESTARTS]


def test_a_question_that_nobody_asks_any_longer_is_given_up(tmp_path: Path) -> None:
    written(tmp_path, played(9, 100))
    past = Past(tmp_path, "demo", LOG, Pictures(tmp_path, "demo", LOG))
    with pytest.raises(Superseded):
        past.at(50, lambda: True)
    assert past.at(50, NEVER).at_seq == 50
    past.close()


def test_a_tape_that_lost_its_tail_is_folded_anew(tmp_path: Path) -> None:
    one, other = played(10, 600), played(10, 300)
    other.append(bytes(m.EpochStarted(seq=len(other) + 1, epoch=2, resumed_seq=len(other))))
    written(tmp_path / "tape", one)
    past = past_of(tmp_path / "tape")
    assert past.at(len(one), NEVER).at_seq == len(one)
    cut(tmp_path / "tape", len(other), tmp_path / "backup")
    with TapeWriter(tmp_path / "tape", "orders.0") as writer:
        writer.append(other[-1])
        writer.commit()
        while past.keep_up():
            pass
        with pytest.raises(BeyondEnd):
            past.at(len(other) + 1, NEVER)
        assert shown(past.at(len(other), NEVER)) == shown(folded(other, len(other)))
    assert Pictures(tmp_path / "tape", "demo", LOG).seqs()[-1] < len(other)
    past.close()


def test_when_pictures_are_thinned_the_oldest_and_the_newest_stay() -> None:
    seqs: list[int] = []
    for seq in range(100, 100_000, 100):
        seqs.append(seq)
        if len(seqs) > 16:
            seqs.remove(least_missed(seqs))
    assert seqs[0] == 100
    assert seqs[-RESTARTS:] == [99_700, 99_800, 99_900]
    gaps = [after - before for before, after in pairwise(seqs)]
    assert max(gaps) < 20_000
    assert sum(gaps[:5]) > 2 * sum(gaps[-5:])


def test_an_average_price_is_rounded_half_up_to_a_thousandth_of_the_last_place() -> None:
    of = render.Terms("ACME", -2, 0)
    assert [of.average(*ratio) for ratio in ((1000, 3), (2000, 3), (1, 2000), (0, 0))] == [
        "3.33333",
        "6.66667",
        "0.00001",
        "0",
    ]
