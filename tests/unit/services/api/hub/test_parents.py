"""Parents as the API shows them are what the router's tape says of each."""

from __future__ import annotations

from pathlib import Path

from msgspec import UNSET

from services.api import platform
from services.api.hub.parents import PARENTS_KEPT, Parents
from tapewire import messages as m
from tapewire.fixed import to_text
from tapewire.router_parents import ParentStories
from tapewire.tape import TapeWriter
from tests.router_day import Day


def write(tape: Path, raws: list[bytes]) -> None:
    with TapeWriter(tape, "router.0", durability="memory") as writer:
        for raw in raws:
            writer.append(raw)
        writer.commit()


def all_of(parents: Parents) -> list[platform.Parent]:
    told: dict[int, platform.Parent] = {}
    more = True
    while more:
        more, changed = parents.poll(100)
        told |= {one.parent_id: one for one in changed}
    assert sorted(told.values(), key=lambda one: one.parent_id)[-len(parents.all()) :] == parents.all()
    return parents.all()


def test_a_day_of_parents_is_shown_as_it_stands_on_the_tape(tmp_path: Path) -> None:
    raws = Day(1, 0.3).run().raws
    write(tmp_path, raws)
    stories = ParentStories(only=-1)
    stories.fold_all(raws)
    parents = Parents(tmp_path)
    shown = {one.parent_id: one for one in all_of(parents)}
    assert shown.keys() == stories.parents.keys()
    for number, story in stories.parents.items():
        one, terms = shown[number], stories.instruments[story.new.instrument]
        assert (one.state, one.algorithm, one.account) == (
            story.now.state.name,
            story.new.algorithm.name,
            story.new.account,
        )
        assert one.cum_qty == to_text(story.now.cum_qty, terms.qty_exponent)
        if story.now.cum_qty:
            thousandths = (2 * story.notional * 1000 + story.now.cum_qty) // (2 * story.now.cum_qty)
            assert one.avg_price == to_text(thousandths, terms.price_exponent - 3)
        if story.measured is not None and story.measured.arrival and story.measured.cum_qty:
            assert one.slippage_arrival == to_text(story.measured.versus_arrival, -2)
    parents.close()


def test_without_a_router_there_are_no_parents(tmp_path: Path) -> None:
    parents = Parents(tmp_path / "router.0")
    assert parents.poll(100) == (False, [])
    assert parents.all() == []


def test_of_those_that_have_ended_the_last_are_kept(tmp_path: Path) -> None:
    records: list[m.Message] = []
    for number in range(1, PARENTS_KEPT + 11):
        of = {"parent_id": number, "account": 1}
        seq = len(records) + 1
        records.append(m.NewParent(seq=seq, **of, qty=5, client_text=f"p{number}"))
        records.append(m.ParentChanged(seq=seq + 1, cause=seq, **of, qty=5, state=m.ParentState.cancelled))
    write(tmp_path, [bytes(one) for one in records])
    parents = Parents(tmp_path)
    shown = all_of(parents)
    assert [one.parent_id for one in shown] == list(range(11, PARENTS_KEPT + 11))
    assert (shown[0].cl_ord_id, shown[0].state, shown[0].slippage_vwap) == ("p11", "cancelled", UNSET)
    parents.close()
