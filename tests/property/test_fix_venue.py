"""What a FIX venue tells without faults is what its engine's tape says, whatever clients do."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tapewire import messages as m
from tapewire.fix.message import Message
from tests.fix_venue_world import MS, Pen, World

Line = tuple[str, ...]
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


def tape_lines(records: list[m.Message], session: int) -> list[Line]:
    """What a client must be told of its orders, from the tape alone: nothing is kept but the list of its fills."""
    lines: list[Line] = []
    mine: dict[int, int] = {}  # order quantity
    leaves: dict[int, int] = {}
    fills: dict[int, dict[int, tuple[int, int]]] = {}  # by order and match: price, quantity

    def line(order: int, kind: str, status: str, qty: int = 0, price: int = 0) -> None:
        last = (str(qty), f"{price / 100:.2f}") if qty else ("", "")
        cum = sum(one[1] for one in fills[order].values())
        lines.append((str(order), kind, status, str(cum), str(leaves[order]), *last))

    def standing(order: int) -> str:
        filled = sum(one[1] for one in fills[order].values())
        return ("1" if filled else "0") if leaves[order] else ("2" if filled >= mine[order] else "4")

    for e in records:
        if isinstance(e, m.OrderAccepted) and e.session == session:
            mine[e.order_id], leaves[e.order_id], fills[e.order_id] = e.qty, e.qty, {}
            line(e.order_id, "0", "0")
        elif isinstance(e, m.OrderRejected):
            lines.append((str(e.order_id), "8", "8", "0", "0", "", ""))
        elif isinstance(e, m.OrderExecuted):
            for order, left in ((e.maker_order_id, e.maker_leaves_qty), (e.taker_order_id, e.taker_leaves_qty)):
                if order in mine:
                    leaves[order] = left
                    fills[order][e.match_id] = (e.price, e.qty)
                    line(order, "F", "1" if left else "2", e.qty, e.price)
        elif isinstance(e, m.OrderCancelled) and e.order_id in mine:
            leaves[e.order_id] = 0
            expired = e.reason in (m.CancelReason.immediate_or_cancel, m.CancelReason.expired)
            line(e.order_id, "C" if expired else "4", "C" if expired else "4")
        elif isinstance(e, m.OrderReplaced) and e.order_id in mine:
            mine[e.order_id], leaves[e.order_id] = e.qty, e.leaves_qty
            line(e.order_id, "5", standing(e.order_id))
        elif isinstance(e, m.TradeBusted | m.TradeCorrected):
            for order in (e.maker_order_id, e.taker_order_id):
                if order in mine:
                    was_done = lines_of(lines, order)[-1][2]
                    busted = isinstance(e, m.TradeBusted)
                    fills[order][e.match_id] = (0, 0) if busted else (e.price, e.qty)
                    status = standing(order) if leaves[order] or was_done == "2" else was_done
                    line(order, "H" if busted else "G", status, e.qty, e.price)
    return lines


def lines_of(lines: list[Line], order: int) -> list[Line]:
    return [line for line in lines if line[0] == str(order)]


def told_lines(messages: list[Message]) -> list[Line]:
    return [tuple(one.get(tag) for tag in COLUMNS) for one in messages if one.type == "8"]


@settings(max_examples=15, deadline=None)
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
