"""How an order stands: what reports other than executions make of it. Pure.

       D sent            150=0               150=4, C, 3
(none) ──────▶ entered ─────────▶ acknowledged ─────────▶ closed        150=F counts in every state, closed too
                  │ 150=8              │ 9, 150=5              ▲
                  └────────────────────┴── unknown ────────────┘        unknown, and then accepted: it stands again
"""

from __future__ import annotations

from services.gateway.initiator.child import CLOSING, Child
from services.gateway.initiator.words import Kind, Report, Request, Told
from tapewire import messages as m


def pending(child: Child, report: Report) -> list[Told]:
    """Received, not accepted yet (150=A), or a request pending (6, E)."""
    if child.closed or report.name in child.pended or (child.acknowledged and report.name == child.name):
        return []
    child.pended.add(report.name)
    return [child.told(Kind.pending, report)]


def accepted(child: Child, report: Report) -> list[Told]:
    if child.moving is not None and report.name == child.moving.name:
        return _moved(child, child.moving, report)
    if child.closed == Kind.unknown:
        child.closed, child.acknowledged = Kind.unspecified, False
    if child.acknowledged or child.closed:
        # A fill came before it: the fill has said as much.
        return []
    child.acknowledged = True
    return [child.told(Kind.accepted, report)]


def _moved(child: Child, request: Request, report: Report) -> list[Told]:
    """The new order of an amendment by cancel and new order stands."""
    child.moving, child.between, child.closed = None, False, Kind.unspecified
    return replaced(child, report, request)


def replaced(child: Child, report: Report, request: Request | None) -> list[Told]:
    """An amendment was carried out; `request`: ours that it answers, if it still waits."""
    if request is None:
        if report.name in child.bases or report.name == child.name or report.exec_id in child.seen:
            return []
        return restated(child, report)
    child.requests.pop(request.name, None)
    if request.number <= child.applied:
        return []
    child.applied, child.acknowledged = request.number, True
    base = child.base_of(report)
    child.bases.setdefault(request.name, base)
    child.name = request.name
    market = child.market
    child.price = market.to_px(report.price) or request.price or child.price
    told = market.to_qty(report.qty)
    child.qty = base + told if told else request.qty or child.qty
    child.terms_ts = max(child.terms_ts, report.ts)
    if report.order_id:
        child.order_id = report.order_id
    return [child.told(Kind.replaced, report)]


def closed(child: Child, report: Report) -> list[Told]:
    """Cancelled, expired, done for the day."""
    if child.moving is not None and not child.entering and report.of == child.name:
        if child.between:
            return []
        # The first half of an amendment: what is left is entered under the new terms next.
        if child.moving.qty > child.told_cum:
            child.between = True
            return []
        child.requests.pop(child.moving.name, None)
        child.moving = None
    if child.closed or (report.name in child.bases and report.name != child.name):
        return []
    child.closed, child.acknowledged = report.kind, True
    child.requests.clear()
    return [child.told(report.kind, report)]


def rejected(child: Child, report: Report) -> list[Told]:
    """150=8, or a new order that was refused as a whole."""
    if child.moving is not None and report.name == child.moving.name:
        child.requests.pop(child.moving.name, None)
        child.moving, child.between, child.closed = None, False, Kind.cancelled
        return [
            child.told(Kind.replace_rejected, report),
            child.told(Kind.cancelled, report, reason="cancelled to be amended; the new order was refused"),
        ]
    if child.closed or report.name not in ("", child.name):
        return []
    child.closed = Kind.rejected
    child.requests.clear()
    return [child.told(Kind.rejected, report)]


def refused(child: Child, report: Report, request: Request | None) -> list[Told]:
    """A cancel or an amendment that the venue did not carry out."""
    if (
        child.moving is not None
        and not (child.between or child.entering)
        and request is None
        and report.of in ("", child.name)
    ):
        request = child.moving
    if request is None or request.number <= child.applied:
        return []
    child.requests.pop(request.name, None)
    if request is child.moving:
        child.moving = None
    kind = Kind.replace_rejected if request.amends else Kind.cancel_rejected
    return [child.told(kind, report)]


def restated(child: Child, report: Report) -> list[Told]:
    """The venue changed it by itself (150=D)."""
    if report.exec_id in child.seen or report.ts < child.terms_ts or child.closed:
        return []
    child.seen.add(report.exec_id)
    child.terms_ts, child.acknowledged = report.ts, True
    market, base = child.market, child.base_of(report)
    child.price = market.to_px(report.price) or child.price
    child.qty = base + market.to_qty(report.qty) if report.qty else child.qty
    child.closed = CLOSING.get(report.status, Kind.unspecified)
    return [child.told(Kind.restated, report)]


def unknown(child: Child, report: Report) -> list[Told]:
    """The venue does not know it."""
    if child.closed:
        return []
    if child.moving is not None:
        child.moving, child.between = None, False
    child.closed = Kind.unknown
    child.requests.clear()
    reason = report.reason or "the venue does not know this order"
    return [child.told(Kind.unknown, report, reason=reason, exec_id="", origin=m.ReportOrigin.reconciled)]


def status(child: Child, report: Report, request: Request | None) -> list[Told]:
    """An answer to our question. What it adds is believed at once, what it takes back when it is repeated: an answer
    may have been overtaken by what happened since."""
    market = child.market
    out = replaced(child, report, request) if request is not None and request.amends else []
    ended = CLOSING.get(report.status, Kind.unspecified)
    cum = child.base_of(report) + market.to_qty(report.cum) if report.cum else child.cum
    takes_back = cum < child.cum or (bool(child.closed) and not ended and report.status in ("0", "1"))
    if takes_back and child.doubt != (cum, not ended):
        child.doubt = (cum, not ended)
        return out
    child.doubt = None
    if takes_back and not ended:
        child.closed = Kind.unspecified
    new = not child.acknowledged and ended != Kind.rejected
    child.acknowledged = child.acknowledged or new
    if new and not ended:
        out.append(child.told(Kind.accepted, report, exec_id=""))
    change = cum - child.cum
    changed = bool(change) or takes_back or _other_terms(child, report)
    child.cum += change
    child.unexplained += change
    child.told_cum = child.cum
    before = child.closed
    child.closed = before or ended
    if child.closed:
        child.requests.clear()
        child.moving, child.between = None, False
    if changed:
        out.append(child.told(Kind.restated, report, last_qty=change, exec_id=""))
    if ended in (Kind.cancelled, Kind.expired, Kind.rejected) and not before:
        out.append(child.told(ended, report, exec_id=""))
    return out


def _other_terms(child: Child, report: Report) -> bool:
    """Takes price and quantity as the venue has them, unless an amendment of ours is on its way."""
    if child.requests or child.moving is not None:
        return False
    market, before = child.market, (child.price, child.qty)
    if child.ord_type == m.OrdType.limit:
        child.price = market.to_px(report.price) or child.price
    told = market.to_qty(report.qty)
    child.qty = child.base_of(report) + told if told else child.qty
    return (child.price, child.qty) != before
