"""How each venue speaks: its logon, its refusals, its reports, as its own description has them."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.simulator.fix_venue.binance import Binance, public_of
from services.simulator.fix_venue.coinbase import Coinbase
from services.simulator.fix_venue.dialect import Dialect
from services.simulator.fix_venue.dialects import DIALECTS
from services.simulator.fix_venue.kraken import Kraken
from services.simulator.fix_venue.terms import Client, Refused
from tapewire.errors import FixError
from tapewire.fix.message import SOH, Message, build, parse
from tapewire.fix.timestamps import to_ns
from tests.fix_venue_world import Pen, World

PRIVATE = base64.b64decode("MC4CAQAwBQYDK2VwBCIEIIJEYWtGBrhACmb9Dvy+qa8WEf0lQOl1s4CLIAB9m89u")[-32:]
SIGNATURE = "4MHXelVVcpkdwuLbl6n73HQUXUf1dse2PCgT1DYqW9w8AVZ1RACFGM+5UdlGPrQHrgtS3CvsRURC1oj73j8gCA=="
SIGNED_AT = "20240627-11:17:25.223"


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[dict[str, World]]:
    made: dict[str, World] = {}
    yield made
    for world in made.values():
        world.close()


def binance_logon(**changes: object) -> Message:
    """The example of the venue's documentation, field by field."""
    fields: dict[int, object] = {
        35: "A", 34: 1, 49: "EXAMPLE", 52: SIGNED_AT, 56: "SPOT", 95: 88, 96: SIGNATURE, 98: 0, 108: 30, 141: "Y",
        553: "sBRX", 25035: 2,
    }  # fmt: skip
    for tag, value in changes.items():
        fields[int(tag[1:])] = value
    return parse(build("FIX.4.4", [(tag, value) for tag, value in fields.items() if value != ""]))


def test_binance_takes_the_signature_of_its_documentation() -> None:
    client = Client("EXAMPLE", 1, 1, username="sBRX", secret=public_of(PRIVATE))
    now = to_ns(SIGNED_AT)
    venue = Binance()
    assert venue.check_logon(binance_logon(), client, now) == ""
    pem = b"-----BEGIN PUBLIC KEY-----\n%b\n-----END PUBLIC KEY-----\n"
    der = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + client.secret)
    for written in (der, pem % der, base64.b64encode(client.secret)):
        assert venue.check_logon(binance_logon(), Client("EXAMPLE", 1, 1, username="sBRX", secret=written), now) == ""
    assert venue.check_logon(binance_logon(t25000=60_000), client, now + 60 * 10**9) == ""
    refusals = {
        "t34": 2, "t141": "N", "t25035": 3, "t553": "other", "t25000": 60_001, "t52": "20240627-11:17:25.224",
        "t56": "SPOTS", "t49": "EXAMPLES",
    }  # fmt: skip
    for tag, value in refusals.items():
        assert venue.check_logon(binance_logon(**{tag: value}), client, now), tag
    assert "RecvWindow" in venue.check_logon(binance_logon(), client, now + 5_001_000_000)
    for tag in ("t141", "t25035", "t96"):
        given = {tag: "", **({"t95": ""} if tag == "t96" else {})}
        with pytest.raises(FixError, match="is missing"):
            venue.check_logon(binance_logon(**given), client, now)


def coinbase_logon(secret: bytes, **changes: object) -> Message:
    sent = "20261121-12:00:00.000"
    text = SOH.join((sent, "A", "1", "key", "Coinbase", "phrase"))
    proof = base64.b64encode(hmac.new(secret, text.encode(), hashlib.sha256).digest()).decode()
    fields: dict[int, object] = {
        35: "A", 34: 1, 49: "key", 52: sent, 56: "Coinbase", 98: 0, 108: 30, 553: "key", 554: "phrase",
        95: len(proof), 96: proof, 1137: 9,
    }  # fmt: skip
    fields |= {int(tag[1:]): value for tag, value in changes.items()}
    return parse(build("FIXT.1.1", fields.items()))


def test_coinbase_signs_six_fields_with_the_passphrase_last() -> None:
    client = Client("key", 1, 1, username="key", password="phrase", secret=base64.b64encode(b"secret"))
    now, venue = to_ns("20261121-12:00:00"), Coinbase()
    assert venue.check_logon(coinbase_logon(b"secret"), client, now) == ""
    assert venue.check_logon(coinbase_logon(b"secret", t8013="N"), client, now) == ""
    assert venue.check_logon(coinbase_logon(b"other"), client, now) == "invalid signature"
    wrong = {"t34": 2, "t1137": 7, "t52": "20261121-12:00:00", "t554": "guess", "t553": "me", "t8013": "X"}
    for tag, value in wrong.items():
        assert venue.check_logon(coinbase_logon(b"secret", **{tag: value}), client, now), tag
    assert venue.check_logon(coinbase_logon(b"secret"), client, now + 301 * 10**9)
    assert venue.cancels_on_disconnect(coinbase_logon(b"secret"))
    assert not venue.cancels_on_disconnect(coinbase_logon(b"secret", t8013="N"))


def test_kraken_signs_the_digest_of_five_fields_and_a_nonce() -> None:
    now, venue = to_ns("20261121-12:00:00"), Kraken()
    nonce = str(now // 1_000_000)
    text = f"35=A\x0134=3\x0149=FIRM\x0156=KRAKEN-TRD\x01553=key\x01{nonce}"
    proof = hmac.new(b"secret", hashlib.sha256(text.encode()).digest(), hashlib.sha512).digest()
    fields: dict[int, object] = {
        35: "A", 34: 3, 49: "FIRM", 52: "20261121-12:00:00", 56: "KRAKEN-TRD", 98: 0, 108: 60, 553: "key",
        554: base64.b64encode(proof).decode(), 5025: nonce,
    }  # fmt: skip
    client = Client("FIRM", 1, 1, username="key", secret=base64.b64encode(b"secret"))

    def check(at: int = now, **changes: object) -> str:
        given = {**fields, **{int(tag[1:]): value for tag, value in changes.items()}}
        return venue.check_logon(parse(build("FIX.4.4", given.items())), client, at)

    assert check() == ""
    assert check(t34=4) == "EAPI:Invalid key"
    assert check(t8674=2).startswith("CancelOrdersOnDisconnect")
    assert "five seconds" in check(now + 5_001_000_000)


def order(dialect: str, world: World, pen: Pen, **changes: object) -> list[str]:
    """Sends an order and returns what came, as `tag=value` of what an answer is known by."""
    fields: dict[int, object] = {11: "1001", 55: "ACME", 54: 1, 38: 5, 40: 2, 44: "99.00", 59: 1}
    fields |= {int(tag[1:]): value for tag, value in changes.items()}
    answers = pen.ask("D", *((tag, value) for tag, value in fields.items() if value != ""))
    return [short(one) for one in answers]


def short(message: Message, *more: int) -> str:
    tags = (35, 150, 39, 20, 380, 373, 371, 102, 103, 25016, *more)
    return " ".join(f"{tag}={message[tag]}" for tag in tags if tag in message)


def world_of(worlds: dict[str, World], folder: Path, dialect: str) -> tuple[World, Pen]:
    """A venue whose logon is taken as it is: what is tried is what comes behind it."""
    world = worlds[dialect] = World(folder / dialect, dialect)
    world.venue.dialect.check_logon = lambda logon, client, now: ""  # type: ignore[method-assign]
    pen = Pen(world, "ONE", world.venue.dialect.rules.begin)
    pen.logon()
    return world, pen


UNKNOWN_SYMBOL = {
    "fix44": ["35=8 150=8 39=8 103=1"],
    "fix42": ["35=8 150=8 39=8 20=0 103=1"],
    "binance": ["35=3 373=5 371=55 25016=-1121"],
    "kraken": ["35=j 380=2"],
}
ZERO_QUANTITY = {
    "fix44": ["35=8 150=8 39=8 103=13"],
    "fix42": ["35=8 150=8 39=8 20=0 103=13"],
    "binance": ["35=8 150=8 39=8 103=99 25016=-2010"],
    "kraken": ["35=j 380=0"],
}
UNKNOWN_CANCEL = {
    "fix44": ["35=9 39=8 102=1"],
    "fix42": ["35=9 39=8 102=1"],
    "binance": ["35=9 25016=-2011"],
    "kraken": ["35=j 380=101"],
}
MISSING_PRICE = {
    "fix44": ["35=3 373=1 371=44"],
    "fix42": ["35=3 373=1 371=44"],
    "binance": ["35=3 373=1 371=44 25016=-1102"],
    "kraken": ["35=3 373=1 371=44"],
}
UNKNOWN_STATUS = {
    "fix44": ["35=8 150=I 39=8 103=5"],
    "fix42": ["35=8 150=8 39=8 20=3 103=5"],
    "binance": ["35=3 373=11 371=35 25016=-1013"],
    "kraken": ["35=j 380=101"],
}


@pytest.mark.parametrize("dialect", list(UNKNOWN_SYMBOL))
def test_each_venue_refuses_in_its_own_way(worlds: dict[str, World], tmp_path: Path, dialect: str) -> None:
    world, pen = world_of(worlds, tmp_path, dialect)
    assert order(dialect, world, pen, t55="NONE") == UNKNOWN_SYMBOL[dialect]
    assert order(dialect, world, pen, t11="1002", t38=0) == ZERO_QUANTITY[dialect]
    assert order(dialect, world, pen, t11="1003", t44="") == MISSING_PRICE[dialect]
    cancel = pen.ask("F", (11, "1004"), (41, "999"), (55, "ACME"), (54, 1))
    assert [short(one) for one in cancel] == UNKNOWN_CANCEL[dialect]
    status = pen.ask("H", (11, "999"), (55, "ACME"), (54, 1))
    assert [short(one) for one in status] == UNKNOWN_STATUS[dialect]


def test_fills_busts_and_corrections_of_4_2_are_said_by_20(worlds: dict[str, World], tmp_path: Path) -> None:
    world, pen = world_of(worlds, tmp_path, "fix42")
    name = pen.order(1, "99.00", 5)
    world.run()
    world.fault("fill", qty=2)
    world.run()
    world.fault("correct", price="98.00")
    world.run()
    world.fault("bust")
    world.run()
    world.fault("fill", qty=5)
    world.run()
    pen.amend(name, 3)
    world.run()
    lines = [short(one, 32, 31, 19, 14, 151) for one in pen.heard()]
    exec_id = world.venue.orders.orders[1].executions[1].exec_id
    assert lines[1:] == [
        "35=8 150=1 39=1 20=0 32=2 31=99.00 14=2 151=3",
        f"35=8 150=1 39=1 20=2 32=2 31=98.00 19={exec_id} 14=2 151=3",
        f"35=8 150=0 39=0 20=1 32=2 31=98.00 19={world.venue.orders.orders[1].executions[2].exec_id} 14=0 151=3",
        "35=8 150=2 39=2 20=0 32=3 31=99.00 14=3 151=0",
        "35=9 39=2 102=0",
    ]


def test_binance_amends_in_place_cancels_and_renews_and_counts(worlds: dict[str, World], tmp_path: Path) -> None:
    world, pen = world_of(worlds, tmp_path, "binance")
    assert order("binance", world, pen) == ["35=8 150=0 39=0"]
    amended = pen.ask("XAK", (11, "2001"), (41, "1001"), (55, "ACME"), (38, 3))
    assert [short(one, 11, 41, 38, 151) for one in amended] == ["35=8 150=5 39=0 11=2001 41=1001 38=3 151=3"]
    more = pen.ask("XAK", (11, "2002"), (41, "2001"), (55, "ACME"), (38, 9))
    assert [short(one, 11, 38) for one in more] == ["35=XAR 25016=-2038 11=2002 38=9"]
    both = [(25033, 1), (25034, "2003"), (41, "2001"), (11, "2004"), (55, "ACME"), (54, 1), (38, 4), (40, 2)]
    renewed = pen.ask("XCN", *both, (44, "98.00"), (59, 1))
    assert [short(one, 11, 38) for one in renewed] == ["35=8 150=4 39=4 11=2003 38=3"]
    world.run()
    assert [short(one, 11, 38) for one in pen.heard()] == ["35=8 150=0 39=0 11=2004 38=4"]
    stopped = pen.ask("XCN", *({**dict(both), 41: "none", 11: "2005", 25034: "2006"}.items()), (44, "98.00"), (59, 1))
    assert [short(one, 11) for one in stopped] == ["35=9 25016=-2011 11=2006"]
    cancelled, answer = pen.ask("q", (11, "2007"), (55, "ACME"), (530, 1))
    assert [short(cancelled, 11), short(answer, 11, 531, 533)] == [
        "35=8 150=4 39=4 11=2004",
        "35=r 11=2007 531=1 533=1",
    ]
    (limits,) = pen.ask("XLQ", (6136, "q"))
    pairs = [(tag, value) for tag, value in limits.pairs() if tag >= 6136]
    assert pairs[:7] == [
        (6136, "q"), (25003, "2"), (25004, "2"), (25005, "7"), (25006, "10000"), (25007, "10"), (25008, "s"),
    ]  # fmt: skip
    assert pairs[7:] == [(25004, "1"), (25005, "2"), (25006, "200"), (25007, "10"), (25008, "s")]


def test_kraken_and_coinbase_cancel_what_a_lost_session_left(worlds: dict[str, World], tmp_path: Path) -> None:
    for dialect, keep, name in (
        ("kraken", (8674, 1), "7"),
        ("coinbase", (8013, "N"), f"{0:08x}-0000-0000-0000-{7:012x}"),
    ):
        world, pen = world_of(worlds, tmp_path, dialect)
        order(dialect, world, pen, t11=name)
        for kept in (False, True):
            assert pen.link is not None
            world.venue.lost(pen.link, world.now)
            world.run()
            assert [one.status for one in world.venue.orders.orders.values()][-1] == ("0" if kept else "4")
            pen.seq = 1
            pen.logon((141, "Y"), keep)
            order(dialect, world, pen, t11=name[:-1] + "8")


@pytest.mark.parametrize("dialect", [one for name, one in DIALECTS.items() if name != "binance"], ids=lambda d: d.name)
def test_an_order_is_read_with_all_its_terms(dialect: type[Dialect]) -> None:
    venue = dialect()
    name = f"{7:08x}-0000-0000-0000-{7:012x}"
    head = [(35, "D"), (34, 2), (49, "a"), (52, "20261121-12:00:00"), (56, "b")]
    terms = [
        (11, name),
        (55, "X"),
        (54, 2),
        (38, "1.5"),
        (40, 4),
        (44, "9"),
        (99, "8"),
        (59, 6),
        (126, "20270101-00:00:00"),
    ]
    read = venue.enter(parse(build("FIX.4.4", [*head, *terms, (111, "0.5"), (110, "1"), (18, venue.post_only)])))
    assert (read.qty, read.price, read.stop_px, read.display_qty, read.min_qty) == ("1.5", "9", "8", "0.5", "1")
    assert (read.side.name, read.ord_type.name, read.time_in_force.name) == ("sell", "stop_limit", "gtd")
    assert read.post_only
    assert read.expire_time == to_ns("20270101-00:00:00")
    for tag, value in ((54, 3), (40, "K"), (59, "5")):
        wrong = [(one, value if one == tag else known) for one, known in terms]
        with pytest.raises(Refused, match=f"tag {tag} is {value}"):
            venue.enter(parse(build("FIX.4.4", [*head, *wrong])))
