"""These bytes in, this command out: every field of D F G q. What cannot become a command: tests/fix/talks."""

from __future__ import annotations

from typing import Any

import pytest

from services.gateway import inbound
from services.gateway.inbound import Desk, Waits
from services.gateway.orders import Orders
from services.gateway.session import Sessions
from services.gateway.values import Refusal
from tapewire import messages as m
from tapewire.config import GatewaySession
from tapewire.errors import FixError
from tapewire.fix.message import Message, Reason, parse
from tests.fix.paper_venue import message_of

VERSIONS = ("FIX.4.2", "FIX.4.4", "FIXT.1.1")
NOON = 1_795_262_400 * 10**9
NOW = NOON + 5
TERMS = GatewaySession(name="s", number=9, comp_id="S", username="u", accounts=(7, 8))
COIN = m.InstrumentDefinition(
    seq=1, instrument=2, ticker="BTC-USD", tick_size=1, lot_size=1, price_exponent=-2, qty_exponent=-8,
    status=m.InstrumentStatus.trading,
)  # fmt: skip
LIMIT = "35=D|11=a|55=BTC-USD|54=1|60=20261121-12:00:00|38=1.5|40=2|44=64000.1|"
ORDER: dict[str, Any] = {
    "cl_ord_id": 40, "ts_event": NOON, "ts_recv": NOW, "instrument": 2, "account": 7, "side": m.Side.buy,
    "ord_type": m.OrdType.limit, "time_in_force": m.TimeInForce.day, "price": 6_400_010, "qty": 150_000_000,
    "session": 9, "client_text": "a",
}  # fmt: skip


def desk() -> Desk:
    """The instrument, order 5 of account 7 called `live`, a stop called `stop`, and a request that is on its way."""
    orders = Orders(0, 3)
    fields = {**ORDER, "client_text": "live"}
    stop = {**ORDER, "client_text": "stop", "cl_ord_id": 2, "ord_type": m.OrdType.stop_limit, "stop_px": 6_500_000}
    accepted = {"order_id": 5, "instrument": 2, "price": 6_400_010, "qty": 150_000_000, "account": 7, "session": 9}
    for record in (
        COIN,
        m.CommandCompleted(seq=2, cause=1),
        m.NewOrder(seq=3, source=3, order_id=5, **{**fields, "cl_ord_id": 1}),
        m.OrderAccepted(seq=4, cause=3, **accepted),
        m.NewOrder(seq=5, source=3, order_id=6, **stop),
        m.OrderAccepted(seq=6, cause=5, **{**accepted, "order_id": 6, "stop_px": 6_500_000, "waiting": True}),
    ):
        orders.fold(m.decode(bytes(record)))
    return Desk(orders, {(9, "sent"): 12})


def made(version: str, text: str) -> m.Message:
    return made_of(message_of(version, text))


def made_of(message: Message) -> m.Message:
    session = Sessions((TERMS,)).by_number[9]
    return m.decode(inbound.command(desk(), session, message, 40, NOW))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (LIMIT, {}),
        (LIMIT.replace("11=a", "11=A (b) #1"), {"client_text": "A (b) #1"}),
        (LIMIT.replace("54=1", "54=2"), {"side": m.Side.sell}),
        (LIMIT.replace("12:00:00", "12:00:00.000000001"), {"ts_event": NOON + 1}),
        (LIMIT.replace("38=1.5", "38=0.00000001"), {"qty": 1}),
        (LIMIT.replace("44=64000.1", "44=64000.10"), {}),
        (LIMIT + "1=7|", {}),
        (LIMIT + "1=8|", {"account": 8}),
        (LIMIT + "21=2|58=as it stands|", {}),
        (LIMIT + "59=0|", {}),
        (LIMIT + "59=1|", {"time_in_force": m.TimeInForce.gtc}),
        (LIMIT + "59=2|", {"time_in_force": m.TimeInForce.at_open}),
        (LIMIT + "59=3|", {"time_in_force": m.TimeInForce.ioc}),
        (LIMIT + "59=4|", {"time_in_force": m.TimeInForce.fok}),
        (LIMIT + "59=7|", {"time_in_force": m.TimeInForce.at_close}),
        (
            LIMIT + "59=6|126=20261121-12:00:01.5|",
            {"time_in_force": m.TimeInForce.gtd, "expire_time": NOON + 1_500_000_000},
        ),
        (LIMIT.replace("40=2|44=64000.1|", "40=1|"), {"ord_type": m.OrdType.market, "price": 0}),
        (LIMIT.replace("40=2|44=64000.1|", "40=1|44=0|"), {"ord_type": m.OrdType.market, "price": 0}),
        (
            LIMIT.replace("40=2|44=64000.1|", "40=3|99=65000|"),
            {"ord_type": m.OrdType.stop, "price": 0, "stop_px": 6_500_000},
        ),
        (LIMIT.replace("40=2", "40=4") + "99=65000|", {"ord_type": m.OrdType.stop_limit, "stop_px": 6_500_000}),
        (LIMIT + "18=6|", {"post_only": True}),
        (LIMIT + "18=6|8040=Y|", {"post_only": True, "slide": True}),
        (LIMIT + "18=6|8040=N|", {"post_only": True}),
        (LIMIT + "111=0.5|", {"display_qty": 50_000_000}),
        (LIMIT + "1138=0.5|", {"display_qty": 50_000_000}),
        (LIMIT + "1138=0.50|111=0.5|", {"display_qty": 50_000_000}),
        (LIMIT + "111=0|", {"hidden": True}),
        (LIMIT + "1138=0.0|", {"hidden": True}),
        (LIMIT + "110=0.25|", {"min_qty": 25_000_000}),
        (LIMIT + "7928=A|", {"self_trade": m.SelfTrade.allow}),
        (LIMIT + "7928=N|", {"self_trade": m.SelfTrade.cancel_newest}),
        (LIMIT + "7928=O|", {"self_trade": m.SelfTrade.cancel_oldest}),
        (LIMIT + "7928=B|", {"self_trade": m.SelfTrade.cancel_both}),
        (LIMIT + "7928=D|", {"self_trade": m.SelfTrade.decrement_and_cancel}),
    ],
)
def test_a_new_order(version: str, text: str, changes: dict[str, Any]) -> None:
    assert made(version, text) == m.NewOrder(**{**ORDER, **changes})


@pytest.mark.parametrize("version", ["FIX.4.4", "FIXT.1.1"])
def test_parties_and_capacity_are_no_part_of_the_command(version: str) -> None:
    more = "453=1|448=DESK|447=D|452=24|802=1|523=X|803=4|"
    assert made(version, LIMIT.replace("11=a|", "11=a|" + more) + "528=P|") == m.NewOrder(**ORDER)


OF_ORDER: dict[str, Any] = {
    "cl_ord_id": 40, "ts_event": NOON, "ts_recv": NOW, "instrument": 2, "order_id": 5, "account": 7, "client_text": "b",
}  # fmt: skip
REPEATED = "11=b|55=BTC-USD|54=1|60=20261121-12:00:00|"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "named", ["41=live|", "37=0-5|", "37=0-5|41=whatever|", "37=NONE|41=live|", "41=live|1=7|38=1|"]
)
def test_a_cancel(version: str, named: str) -> None:
    assert made(version, f"35=F|{REPEATED}{named}") == m.CancelOrder(**OF_ORDER)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("41=live|38=2|40=2|44=64000|", {}),
        ("37=0-5|38=2|40=2|44=64000|1=7|21=1|58=x|59=0|", {}),
        ("41=stop|38=2|40=4|44=64000|", {"order_id": 6}),
        ("41=stop|38=2|40=4|44=64000|99=65000|", {"order_id": 6, "stop_px": 6_500_000}),
        ("41=stop|38=2|40=4|44=64000|99=65001|", {"order_id": 6, "stop_px": 6_500_100}),
    ],
)
def test_a_replace(version: str, text: str, changes: dict[str, Any]) -> None:
    whole = {**OF_ORDER, "price": 6_400_000, "qty": 200_000_000}
    assert made(version, f"35=G|{REPEATED}{text}") == m.ReplaceOrder(**{**whole, **changes})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("530=7|", {}),
        ("530=7|1=8|", {"account": 8}),
        ("530=7|54=2|", {"side": m.Side.sell}),
        ("530=1|55=BTC-USD|", {"instrument": 2}),
        ("530=1|55=BTC-USD|54=1|58=x|", {"instrument": 2, "side": m.Side.buy}),
    ],
)
def test_a_mass_cancel(version: str, text: str, changes: dict[str, Any]) -> None:
    whole = {"cl_ord_id": 40, "ts_event": NOON, "ts_recv": NOW, "account": 7, "client_text": "b"}
    whole["reason"] = m.CancelReason.mass_cancel
    assert made(version, f"35=q|11=b|60=20261121-12:00:00|{text}") == m.MassCancel(**{**whole, **changes})


def test_a_lost_session_cancels_what_came_by_it_whatever_the_account() -> None:
    session = Sessions((TERMS,)).by_number[9]
    assert m.decode(inbound.cancel_session(session, 40, NOW)) == m.MassCancel(
        cl_ord_id=40, ts_event=NOW, ts_recv=NOW, session=9, reason=m.CancelReason.disconnected
    )


@pytest.mark.parametrize("kind", ["F", "G"])
def test_what_names_an_order_that_is_on_its_way_waits_for_it(kind: str) -> None:
    more = "38=1|40=2|44=1|" if kind == "G" else ""
    with pytest.raises(Waits, match="sent"):
        made("FIX.4.4", f"35={kind}|{REPEATED}41=sent|{more}")


@pytest.mark.parametrize("tag", [60, 126])
@pytest.mark.parametrize("time", ["99991231-23:59:59", "22620412-00:00:00", "16770101-00:00:00"])
def test_a_time_that_no_field_of_ours_holds_is_refused_and_ends_nothing(tag: int, time: str) -> None:
    """QuickFIX's validation lets it pass; as a number of ns it would not fit and end the gateway."""
    message = parse(message_of("FIX.4.4", LIMIT + "59=6|126=20261121-13:00:00|").raw)
    message.fields[tag] = time
    with pytest.raises(FixError, match="out of range") as refused:
        made_of(message)
    assert (refused.value.tag, refused.value.reason) == (tag, Reason.VALUE_OUT_OF_RANGE)


def test_parties_have_a_bound_as_every_report_repeats_them() -> None:
    parties = "453=16|" + 16 * f"448={'P' * 60}|447=D|452=24|"
    with pytest.raises(Refusal, match=r"parties \(453\) of 1255 bytes"):
        made("FIX.4.4", LIMIT.replace("11=a|", "11=a|" + parties))
