"""What a router's tape must add up to, worked out from its whole list of records in the slowest and plainest way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tapewire import messages as m

K = m.VenueReportKind
OVER = (K.rejected, K.cancelled, K.expired, K.unknown)


def of_child(records: Sequence[m.Message], child_id: int) -> list[m.Message]:
    return [record for record in records if getattr(record, "child_id", 0) == child_id]


def executions(records: Sequence[m.Message], child_id: int) -> dict[str, tuple[int, int]]:
    """Quantity and price by ExecID, as they stand: busts gone, corrections in."""
    found: dict[str, tuple[int, int]] = {}
    first: dict[str, str] = {}
    for r in of_child(records, child_id):
        if not isinstance(r, m.VenueReported):
            continue
        name = first.get(r.ref_exec_id, r.ref_exec_id)
        if r.kind == K.executed and r.exec_id not in first:
            first[r.exec_id] = r.exec_id
            found[r.exec_id] = (r.last_qty, r.last_price)
        elif r.kind == K.busted:
            found.pop(name, None)  # and it stays in `first`: told again, it is not counted again
        elif r.kind == K.corrected and name in found:
            first[r.exec_id] = name
            found[name] = (r.last_qty, r.last_price)
        elif r.kind == K.restated:
            found[f"restated {r.seq}"] = (r.last_qty, r.last_price)
    return found


def may_trade(records: Sequence[m.Message], child_id: int) -> int:
    """The most that may still be executed: what it was ever asked to be since the venue last said how it stands."""
    done = sum(qty for qty, _ in executions(records, child_id).values())
    asked, counted, live = 0, 0, True
    waiting = 0
    for r in of_child(records, child_id):
        if isinstance(r, m.NewChild):
            asked = r.qty
        elif isinstance(r, m.ReplaceChild):
            waiting = r.qty
        elif isinstance(r, m.VenueReported):
            if r.kind == K.replaced and waiting:
                asked, waiting = r.qty, 0
            elif r.kind == K.replace_rejected:
                waiting = 0
            if r.kind == K.executed:
                counted = max(counted, r.cum_qty)
            elif r.kind in (K.busted, K.corrected):
                counted = r.cum_qty
            elif r.kind == K.restated:
                counted, live = r.cum_qty, r.live
                asked = r.cum_qty + r.leaves_qty if r.live else asked
            if r.kind in OVER or (r.kind in (K.executed, K.replaced) and not r.live):
                live, waiting = False, 0
                counted = max(counted, r.cum_qty if r.kind in (K.cancelled, K.expired, K.executed, K.replaced) else 0)
    if not live:
        return max(counted - done, 0)
    return max(asked, waiting, done) - done


def outstanding(records: Sequence[m.Message], child_id: int) -> int:
    """Requests that the venue has not answered."""
    count = 0
    for r in of_child(records, child_id):
        if isinstance(r, m.NewChild | m.ReplaceChild | m.CancelChild):
            count += 1
        elif isinstance(r, m.VenueReported):
            answers = (K.accepted, K.replaced, K.cancel_rejected, K.replace_rejected)
            first = r.kind in (K.executed, K.restated) and count and not _answered(records, child_id, r.seq)
            if r.kind in OVER or (r.kind in (K.executed, K.replaced, K.restated) and not r.live):
                count = 0
            elif count and (r.kind in answers or first):
                count -= 1
    return count


def _answered(records: Sequence[m.Message], child_id: int, before: int) -> bool:
    """Whether the venue had said anything of the order before that record."""
    return any(
        isinstance(r, m.VenueReported) and r.seq < before and r.kind != K.pending for r in of_child(records, child_id)
    )


def children(records: Sequence[m.Message], parent_id: int) -> list[int]:
    return [r.child_id for r in records if isinstance(r, m.NewChild) and r.parent_id == parent_id]


def totals(records: Sequence[m.Message], parent_id: int) -> tuple[int, int, int]:
    """(executed, notional, may still trade) of a parent."""
    cum = notional = still = 0
    for child_id in children(records, parent_id):
        for qty, price in executions(records, child_id).values():
            cum += qty
            notional += qty * price
        still += may_trade(records, child_id)
    return cum, notional, still


def repeated(records: Sequence[m.Message]) -> list[int]:
    """Children, and requests, that were given out more than once."""
    counted: Counter[tuple[str, int]] = Counter()
    for r in records:
        if isinstance(r, m.NewChild):
            counted["child", r.child_id] += 1
        elif isinstance(r, m.ReplaceChild | m.CancelChild):
            counted["request", r.request] += 1
    return [number for (_, number), count in counted.items() if count > 1]
