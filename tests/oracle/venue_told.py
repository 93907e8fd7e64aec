"""What a FIX venue must tell a client, from its engine's tape alone; nothing is kept but each order's fills."""

from __future__ import annotations

from tapewire import messages as m

Line = tuple[str, ...]
"""OrderID, ExecType, OrdStatus, CumQty, LeavesQty, LastQty, LastPx (37 150 39 14 151 32 31)."""


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
        if isinstance(e, m.OrderAccepted) and e.session & 0xFFFF == session:
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
