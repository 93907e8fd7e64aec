"""An API that starts for the first time where retention has been."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
import structlog

from services.api.hub import Hub, picture
from services.api.hub.errors import TooOld
from services.api.hub.past import Past, begin
from services.api.hub.pictures import Pictures
from tapewire import consumers, logs, snapshots
from tapewire import messages as m
from tapewire.config import load
from tapewire.errors import TapeGone
from tapewire.tape import TapeWriter, retention
from tests.engine_states import snapshot_of
from tests.oracle.naive_market import NaiveMarket
from tests.tapes import segments

LOG = logs.get("api")


def pruned(folder: Path, seed: int = 4, steps: int = 1500) -> tuple[NaiveMarket, int, int]:
    """A tape without its first segment, with the engine's snapshot of a later record: which begins it, and that one."""
    market = NaiveMarket(seed)
    for _ in range(steps):
        market.step()
    with TapeWriter(folder, "orders.0", 1 << 16, "disk") as writer:
        for raw in market.records:
            writer.append(raw)
        writer.commit()
    segments(folder)[0].unlink()
    first = int(segments(folder)[0].stem)
    at = next(end for end in market.ends if end > first + 300)
    snapshots.save(folder, snapshot_of(market.records[:at]))
    return market, first, at


async def test_a_pruned_tape_without_any_snapshot_is_refused_with_what_to_do(tmp_path: Path) -> None:
    settings = load(None, {"TAPEWIRE_DATA": str(tmp_path / "data"), "TAPEWIRE_RINGS": str(tmp_path / "rings")})
    settings.folders.prepare(settings.rings)
    tape = settings.folders.orders_tape(0)
    with TapeWriter(tape, tape.name, 1 << 16) as writer:
        for _ in range(2000):
            writer.append(bytes(m.AdvanceClock(seq=writer.next_seq)))
        writer.commit()
    consumers.restore(tape, "engine", 2000, 0)
    assert retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), 1 << 62))
    hub = Hub(settings, None, structlog.get_logger(), time.time_ns)
    with pytest.raises(TapeGone, match=r"Put `views` or `snapshots` of a backup below the tape's folder"):
        await hub.start()
    await hub.close()


async def test_it_begins_at_the_engines_snapshot_and_says_from_which_record_on_it_knows(tmp_path: Path) -> None:
    settings = load(None, {"TAPEWIRE_DATA": str(tmp_path / "data"), "TAPEWIRE_RINGS": str(tmp_path / "rings")})
    settings.folders.prepare(settings.rings)
    tape = settings.folders.orders_tape(0)
    market, first, at = pruned(tape)
    hub = Hub(settings, None, LOG, time.time_ns)
    await hub.start()
    try:
        state = hub.state()
        assert (state.first_seq, state.known_from, state.folded_seq) == (first, at, len(market.records))
        assert state.oldest_as_of == at
        assert hub.seq == len(market.records)
        ticker = sorted(hub.views.house.tickers)[0]
        pages = (hub.orders(None), hub.fills(None), hub.positions(None), hub.trades("house", ticker))
        assert [page.known_from for page in (*pages, hub.bars("house", ticker, "1m"))] == [at] * 5
        # Nobody is told that what he has heard is all there was.
        assert hub.kept_from("trades", "house", ticker) > at
        assert hub.kept_from("fills", "house", 1) > at
        # Pages go through all live orders, the ones of before first.
        found, after = list[int](), 0
        while True:
            page = hub.orders(None, after=after, limit=3)
            found += [one.order_id for one in page.orders]
            if page.next is msgspec.UNSET:
                break
            after = page.next
        assert sorted(found) == sorted(one for own in hub.views.orders.live.values() for one in own)
        with pytest.raises(LookupError, match=f"what ended up to record {at} is not known to this API"):
            hub.order(1 << 40)
    finally:
        await hub.close()


def test_looking_back_reaches_to_the_engines_snapshot_and_says_so(tmp_path: Path) -> None:
    market, first, at = pruned(tmp_path)
    past = Past(tmp_path, "demo", LOG, Pictures(tmp_path, "demo", LOG), 100)
    while past.keep_up():
        pass
    past.keep_up()
    with pytest.raises(TooOld, match=f"Ask for record {at} or a later one"):
        past.at(first, bool)
    seq = next(end for end in market.ends if end > at + 40)
    shown = picture.as_of(past.at(seq, bool), None, {}, ["house"])
    assert (shown.seq, shown.known_from) == (seq, at)
    # Its pictures say so, too, and so does whoever starts from them.
    assert Pictures(tmp_path, "demo", LOG).seqs()
    follower = begin(tmp_path, "demo", LOG)
    assert (follower.views.known_from, follower.views.at_seq > at) == (at, True)
    follower.close()
    past.close()


def test_a_picture_of_before_is_taken_rather_than_the_engines_snapshot(tmp_path: Path) -> None:
    market, _, at = pruned(tmp_path)
    whole = Pictures(tmp_path, "demo", LOG)
    follower = begin(tmp_path, "demo", LOG)
    views = type(follower.views)("demo")
    end = next(end for end in market.ends if end > at)
    for raw in market.records[:end]:
        views.fold(raw)
    views.settle()
    whole.save(end, market.records[end - 1], views.state(), 1)
    follower.close()
    follower = begin(tmp_path, "demo", LOG)
    assert (follower.views.known_from, follower.views.at_seq) == (0, end)
    follower.close()
