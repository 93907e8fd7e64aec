"""Executions of an order, their busts and corrections: each counts once, in whatever order and however often they come.

    cum = sum of what was executed and not busted, as corrected last, + what was restated and nothing explains yet

A restatement says how much was filled and not at which prices. When the execution it stood for comes after all, it is
taken back, and the execution counts: both are told, so that sums are right and the price is known.
"""

from __future__ import annotations

from services.gateway.initiator.child import EARLY_KEPT, Child, Execution
from services.gateway.initiator.words import Differs, Kind, Report, Said, Told, VenueError
from tapewire.errors import FixedError
from tapewire.fixed import to_mantissa


def executed(child: Child, report: Report) -> list[Said]:
    if not report.exec_id:
        raise VenueError(f"an execution of order {report.name} without ExecID (17): it could not be told from others")
    if report.exec_id in child.executions:
        return _again(child, child.executions[report.exec_id], report)
    market = child.market
    qty, price = market.to_qty(report.last_qty), market.to_px(report.last_price)
    if qty <= 0:
        raise VenueError(f"execution {report.exec_id} of order {report.name}: LastQty (32) is {report.last_qty!r}")
    child.acknowledged = True
    out: list[Said] = []
    known = bool(report.cum) and child.base_of(report) + market.to_qty(report.cum) <= child.cum
    if child.unexplained >= qty and known:
        out.append(_take_back(child, report, -qty))
    child.executions[report.exec_id] = Execution(price, qty)
    child.cum += qty
    if report.status == "2" and not child.closed and report.name in ("", child.name):
        child.closed = Kind.executed
    fee, exponent = fee_of(report.fee)
    reason = report.reason
    if report.last_price and not price:
        reason = f"LastPx {report.last_price} does not fit the instrument's exponent {market.price_exponent}"
    told = child.told(Kind.executed, report, last_price=price, last_qty=qty, liquidity=report.liquidity, reason=reason)
    told.fee, told.fee_exponent, told.fee_currency = fee, exponent, report.fee_currency if fee else ""
    out.append(told)
    return out + _early(child, report.exec_id)


def _again(child: Child, held: Execution, report: Report) -> list[Said]:
    """An execution that is known. What is told otherwise than before changes nothing, and is recorded once."""
    qty, price = child.market.to_qty(report.last_qty), child.market.to_px(report.last_price)
    if (price, qty) == (held.price, held.qty) or held.busted or held.as_of != (0, "") or held.differs:
        return []
    held.differs = True
    return [
        Differs(
            child.child_id, child.market.instrument, held.price, held.qty, price, qty, child.order_id, report.exec_id,
            "the same execution was told otherwise before", report.ts,
        )
    ]  # fmt: skip


def amended(child: Child, report: Report) -> list[Told]:
    """A bust or correction."""
    root = child.roots.get(report.ref, report.ref)
    found = child.executions.get(root)
    if found is None:
        if report.ref and sum(map(len, child.early.values())) < EARLY_KEPT:
            child.early.setdefault(report.ref, []).append(report)
        return []
    if report.exec_id in child.seen:
        return []
    child.seen.add(report.exec_id)
    if report.exec_id and report.kind == Kind.corrected:
        child.roots[report.exec_id] = root
    out = _bust(child, root, found, report) if report.kind == Kind.busted else _correct(child, root, found, report)
    return out + _early(child, report.exec_id)


def _early(child: Child, exec_id: str) -> list[Told]:
    waiting = sorted(child.early.pop(exec_id, []), key=lambda one: (one.ts, one.exec_id))
    return [told for one in waiting for told in amended(child, one)]


def _bust(child: Child, root: str, found: Execution, report: Report) -> list[Told]:
    if found.busted:
        return []
    out = []
    if child.unexplained <= -found.qty:
        out.append(_take_back(child, report, found.qty))
    found.busted = True
    child.cum -= found.qty
    if child.closed == Kind.executed and report.status in ("0", "1"):
        child.closed = Kind.unspecified
    out.append(child.told(Kind.busted, report, last_price=found.price, last_qty=found.qty, ref_exec_id=root))
    return out


def _correct(child: Child, root: str, found: Execution, report: Report) -> list[Told]:
    if found.busted or (report.ts, report.exec_id) <= found.as_of:
        return []
    market = child.market
    found.as_of = (report.ts, report.exec_id)
    qty = market.to_qty(report.last_qty) or found.qty
    child.cum += qty - found.qty
    found.price, found.qty = market.to_px(report.last_price) or found.price, qty
    return [child.told(Kind.corrected, report, last_price=found.price, last_qty=found.qty, ref_exec_id=root)]


def _take_back(child: Child, report: Report, qty: int) -> Told:
    child.unexplained += qty
    child.cum += qty
    return child.told(Kind.restated, report, last_qty=qty, exec_id="", reason="what it stood for follows")


def fee_of(text: str) -> tuple[int, int]:
    """A fee as mantissa and exponent, every place kept; (0, 0) of none."""
    places = len(text.partition(".")[2])
    try:
        mantissa = to_mantissa(text, -places) if text else 0
    except FixedError:
        return 0, 0
    return (mantissa, -places) if mantissa else (0, 0)
