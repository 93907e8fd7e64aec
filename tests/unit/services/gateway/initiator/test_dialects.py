"""What each dialect writes and reads, next to what its venue's specification shows."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from services.gateway.initiator.dialects.base import Head, Secrets
from services.gateway.initiator.dialects.binance import Binance
from services.gateway.initiator.names import Named, Names
from services.gateway.initiator.words import Kind, Market, Order, Request
from tapewire import messages as m
from tapewire.config.venues import Venue
from tapewire.errors import CredentialError, FixError
from tapewire.fix.message import build, parse
from tests.unit.services.gateway.initiator.desk import BINANCE_KEY, NOW, dialect_of

HEAD = Head("1", "EXAMPLE", "SPOT", "20240627-11:17:25.223", 1_719_487_045_223)
ALL = ("broker", "binance", "coinbase", "kraken")
MARKET = Market(7, "BTC-USD", "BTCUSD", -2, -5)


def order(name: str, **more: object) -> Order:
    fields: dict[str, object] = {
        "child_id": 15, "market": MARKET, "side": m.Side.buy, "ord_type": m.OrdType.limit,
        "time_in_force": m.TimeInForce.gtc, "post_only": False, "price": 64_000_50, "qty": 12_000,
        "display_qty": 0, "name": dialect_of(name).names.make("c", 15, 417), "order_id": "",
    }  # fmt: skip
    return Order(**(fields | more))  # type: ignore[arg-type]


def shown(body: str) -> str:
    return body.replace("\x01", "|")


def test_binance_signs_as_its_documentation_shows() -> None:
    """Key, fields and signature are those of the example in fix-api.md."""
    fields = dict(Binance(Venue(name="b", number=1, dialect="binance"), Secrets(BINANCE_KEY)).logon(HEAD))
    assert fields[96] == "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
    assert fields[95] == "88"
    assert (fields[25035], fields[25036]) == ("2", "1")


def test_coinbase_signs_with_its_passphrase() -> None:
    dialect = dialect_of("coinbase", cancel_on_disconnect=True)
    fields = dict(dialect.logon(HEAD))
    text = "20240627-11:17:25.223\x01A\x011\x01EXAMPLE\x01SPOT\x01a passphrase"
    proof = base64.b64encode(hmac.digest(b"coinbase's secret", text.encode(), "sha256")).decode()
    assert fields == {95: str(len(proof)), 96: proof, 553: "key", 554: "a passphrase", 8013: "S"}
    assert dict(dialect_of("coinbase").logon(HEAD))[8013] == "N"


def test_kraken_signs_a_nonce_that_only_rises() -> None:
    dialect = dialect_of("kraken")
    fields = dict(dialect.logon(HEAD))
    text = "35=A\x0134=1\x0149=EXAMPLE\x0156=SPOT\x01553=key\x011719487045223"
    digest = hashlib.sha256(text.encode()).digest()
    assert fields[554] == base64.b64encode(hmac.digest(b"kraken's secret", digest, "sha512")).decode()
    assert (fields[5025], fields[8674]) == ("1719487045223", "1")
    assert dict(dialect.logon(HEAD))[5025] == "1719487045224"


def test_a_broker_is_told_user_and_password_or_nothing() -> None:
    assert dialect_of("broker").logon(HEAD) == [(553, "key"), (554, "open sesame")]
    assert dialect_of("broker", username="").logon(HEAD) == []


@pytest.mark.parametrize("name", ["binance", "coinbase", "kraken"])
def test_a_secret_that_is_none_is_refused_without_showing_it(name: str) -> None:
    from services.gateway.initiator import dialects

    with pytest.raises(CredentialError) as caught:
        dialects.make(Venue(name="x", number=1, dialect=name, secret_file="/a/file"), Secrets("not base64!"))  # type: ignore[arg-type]
    assert "not base64!" not in str(caught.value)
    assert "not base64!" not in repr(Secrets("not base64!"))


NEW = {
    "broker": "35=D|11=tw-c15|55=BTCUSD|54=1|38=0.12000|40=2|44=64000.50|59=1|18=6|60=20251121-16:00:00.000|",
    "binance": "35=D|11=tw-c15|55=BTCUSD|54=1|38=0.12000|40=2|44=64000.50|59=1|18=6|",
    "coinbase": "35=D|11={name}|55=BTCUSD|54=1|38=0.12000|40=2|44=64000.50|59=1|18=A|60=20251121-16:00:00.000|",
    "kraken": "35=D|11=1000000000417|55=BTCUSD|54=1|38=0.12000|40=2|44=64000.50|59=1|18=6|60=20251121-16:00:00.000|",
}


@pytest.mark.parametrize("name", ALL)
def test_a_post_only_order(name: str) -> None:
    one = order(name, post_only=True)
    assert shown(dialect_of(name).new(one, NOW)) == NEW[name].format(name=one.name)


def test_other_kinds_of_orders() -> None:
    broker, old = dialect_of("broker", account="A1"), dialect_of("broker", version="FIX.4.2")
    market = order("broker", ord_type=m.OrdType.market, time_in_force=m.TimeInForce.ioc, price=0)
    assert shown(broker.new(market, NOW)).startswith("35=D|11=tw-c15|1=A1|55=BTCUSD|54=1|38=0.12000|40=1|59=3|60=")
    iceberg = order("broker", display_qty=1000, time_in_force=m.TimeInForce.day)
    assert "|59=0|1138=0.01000|" in shown(broker.new(iceberg, NOW))
    assert "|59=0|111=0.01000|" in shown(old.new(iceberg, NOW))
    assert "|21=1|" in shown(old.new(iceberg, NOW))
    assert "|59=1|111=0.01000|" in shown(dialect_of("binance").new(iceberg, NOW))
    stop = m.NewChild(ord_type=m.OrdType.stop, time_in_force=m.TimeInForce.gtc)
    assert "stop" in broker.refuses(stop)
    shown_part = m.NewChild(ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtc, display_qty=5)
    assert dialect_of("coinbase").refuses(shown_part)
    assert dialect_of("kraken").refuses(shown_part)
    assert not broker.refuses(shown_part)
    assert broker.refuses(m.NewChild(ord_type=m.OrdType.limit, time_in_force=m.TimeInForce.gtd))


def test_cancels_amendments_and_questions() -> None:
    one = order("broker", order_id="V1")
    broker = dialect_of("broker")
    request = Request(15, 3, "tw-r3", True, 64_001_00, 11_000)
    assert shown(broker.cancel(one, "tw-r2", NOW)) == (
        "35=F|11=tw-r2|41=tw-c15|37=V1|55=BTCUSD|54=1|38=0.12000|60=20251121-16:00:00.000|"
    )
    assert shown(broker.replace(one, request, NOW)) == (
        "35=G|11=tw-r3|41=tw-c15|37=V1|55=BTCUSD|54=1|38=0.11000|40=2|44=64001.00|59=1|60=20251121-16:00:00.000|"
    )
    assert shown(broker.status(one, 88, NOW)) == "35=H|11=tw-c15|37=V1|55=BTCUSD|54=1|790=tw-q88|"
    assert shown(dialect_of("broker", version="FIX.4.2").status(one, 88, NOW)) == "35=H|11=tw-c15|37=V1|55=BTCUSD|54=1|"
    assert shown(broker.mass_status(88)) == "35=AF|584=tw-q88|585=7|"
    binance = dialect_of("binance")
    assert shown(binance.cancel(one, "tw-q9", NOW)) == "35=F|11=tw-q9|41=tw-c15|37=V1|55=BTCUSD|54=1|"
    assert not binance.replaces(one, request)
    less = request._replace(price=one.price)
    assert binance.replaces(one, less)
    assert shown(binance.replace(one, less, NOW)) == "35=XAK|11=tw-r3|41=tw-c15|37=V1|55=BTCUSD|38=0.11000|"
    assert binance.header("D") == [(25000, "5000")]
    assert binance.header("0") == []


def read(name: str, *pairs: tuple[int, object], kind: str = "8", **venue: object) -> object:
    dialect = dialect_of(name, **venue)
    head = [(35, kind), (34, 9), (49, "V"), (52, "20261121-12:00:00"), (56, "T")]
    return dialect.read(parse(build(dialect.version, [*head, *pairs])))


def test_each_reads_its_own_fields() -> None:
    trade = [(17, "e1"), (11, "n"), (37, "5"), (39, "1"), (54, "2"), (14, "1"), (31, "2.5"), (32, "1"), (55, "S")]
    found = read("binance", (150, "F"), *trade, (1057, "Y"), (136, 1), (137, "0.01"), (138, "BNB"), (139, 4))
    assert (found.kind, found.liquidity, found.fee, found.fee_currency) == (  # type: ignore[attr-defined]
        Kind.executed, m.Liquidity.removed, "0.01", "BNB",
    )  # fmt: skip
    found = read("binance", (11, "r"), (41, "o"), (25016, "-2011"), (58, "Unknown order sent."), kind="9")
    assert (found.kind, found.code) == (Kind.cancel_rejected, 2011)  # type: ignore[attr-defined]
    found = read("binance", (11, "r"), (41, "o"), (25016, "-2038"), kind="XAR")
    assert (found.kind, found.code) == (Kind.replace_rejected, 2038)  # type: ignore[attr-defined]
    old = {"version": "FIX.4.2"}
    assert read("broker", (150, "1"), (20, "0"), *trade, **old).kind == Kind.executed  # type: ignore[attr-defined]
    assert read("broker", (150, "4"), (20, "0"), *trade, **old).kind == Kind.executed  # type: ignore[attr-defined]
    assert read("broker", (150, "1"), (20, "1"), (19, "e0"), *trade, **old).kind == Kind.busted  # type: ignore[attr-defined]
    assert read("broker", (150, "0"), (20, "3"), *trade, **old).kind == Kind.unspecified  # type: ignore[attr-defined]
    unknown = [(17, "0"), (11, "n"), (37, "NONE"), (150, "I"), (39, "8"), (14, "0"), (151, "0")]
    assert read("coinbase", *unknown).kind == Kind.unknown  # type: ignore[attr-defined]
    assert read("kraken", (45, "5"), (372, "H"), (380, "101"), kind="j").code == 101  # type: ignore[attr-defined]
    assert read("broker", (148, "Good morning"), kind="B") is None
    with pytest.raises(FixError, match="150"):
        read("broker", (150, "Z"), *trade)


@pytest.mark.parametrize("form", ["plain", "uuid", "rising"])
def test_names_come_back(form: str) -> None:
    names, others = Names(form, "12"), Names(form, "13")  # type: ignore[arg-type]
    for what, number in (("c", 1), ("r", 1), ("q", 417), ("c", 281_474_976_710_655)):
        text = names.make(what, number, 417)  # type: ignore[arg-type]
        assert len(text) <= 36
        assert names.read(text) == (Named("s", 417) if form == "rising" else Named(what, number))
        assert others.read(text) is None
    for stranger in ("", "x", "12-c0", "12-c01", "tw-c1", "1" * 50, "00000000-0000-4000-8000-000000000001"):
        assert names.read(stranger) is None
