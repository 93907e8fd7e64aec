"""What a FIX venue tells without faults is what its engine's tape says, whatever clients do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tapewire.fix.message import Message
from tests.fix_venue_world import MS, Pen, World
from tests.oracle.venue_told import Line, tape_lines

COLUMNS = (37, 150, 39, 14, 151, 32, 31)
ACTION = st.tuples(
    st.sampled_from(["order", "order", "order", "ioc", "market", "cancel", "amend", "mass", "fill", "bust", "correct"]),
    st.integers(0, 1),  # which client
    st.sampled_from([1, 2]),  # side
    st.integers(9990, 10010),  # price
    st.integers(1, 9),  # quantity
    st.integers(0, 5),  # which of its orders
    st.booleans(),  # whether the venue works at once
)


def told_lines(messages: list[Message]) -> list[Line]:
    return [tuple(one.get(tag) for tag in COLUMNS) for one in messages if one.type == "8"]


REST = ("order", 0, 1, 9990, 1, 0, False)
SELL = ("order", 0, 2, 9990, 2, 0, False)
NOBODY_THERE = ("market", 0, 1, 9990, 1, 0, False)


@settings(max_examples=15, deadline=None)
# The refusal of the last one comes at a record whose number is twice that of an acceptance.
@example(actions=[*[REST] * 6, ("order", 0, 2, 9990, 1, 0, False), SELL, NOBODY_THERE])
@given(actions=st.lists(ACTION, max_size=30))
def test_without_faults_each_client_is_told_what_the_tape_says_of_its_orders(actions: list[tuple]) -> None:  # type: ignore[type-arg]
    with TemporaryDirectory() as name:
        world = World(Path(name))
        pens = [Pen(world, "ONE"), Pen(world, "TWO")]
        heard: list[list[Message]] = [pen.logon() for pen in pens]
        names: list[list[str]] = [[], []]
        for kind, who, side, price, qty, which, at_once in actions:
            act(world, pens[who], names[who], kind, side, f"{price / 100:.2f}", qty, which)
            if at_once:
                world.run()
        world.run(50)
        records = world.house.records()
        for number, pen in enumerate(pens, 1):
            messages = heard[number - 1] + pen.heard()
            refused_here = [one for one in messages if one.get(150) == "8" and one.get(37) == "NONE"]
            told = told_lines([one for one in messages if one not in refused_here])
            mine = {line[0] for line in told}
            wanted = [line for line in tape_lines(records, number) if line[1] != "8" or line[0] in mine]
            assert told == wanted
            assert len({one[17] for one in messages if one.type == "8"}) == len(told) + len(refused_here)
            assert [one.seq for one in messages] == list(range(1, len(messages) + 1))
        world.close()


def act(
    world: World, pen: Pen, names: list[str], kind: str, side: int, price: str, qty: int, which: int
) -> None:  # one step of the property
    orig = names[-1 - which] if which < len(names) else "nobody"
    if kind == "order":
        names.append(pen.order(side, price, qty))
    elif kind == "ioc":
        names.append(pen.order(side, price, qty, (59, 3)))
    elif kind == "market":
        names.append(pen.order(side, price, qty, (40, 1)))
    elif kind == "cancel":
        names.append(pen.cancel(orig))
    elif kind == "amend":
        names.append(pen.amend(orig, qty, price))
    elif kind == "mass":
        pen.say("q", (11, pen.id()), (530, 7))
    else:
        world.run()
        live = any(order.live for order in world.venue.orders.orders.values())
        traded = bool(world.venue.orders.trades)
        if kind == "fill" and live:
            world.fault("fill", qty=1)
        elif kind in ("bust", "correct") and traded:
            # Another price each time: what stands already cannot be corrected to.
            price = f"{77 + world.now // (5 * MS) % 1000}.00"
            world.fault(kind, **({"price": price, "qty": which + 1} if kind == "correct" else {}))
