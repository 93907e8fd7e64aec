"""Flat messages: what pycapnp reads of ours, what we read of pycapnp's, golden bytes, evolution, bad bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import capnp
import pytest

from tapewire import messages as m
from tapewire.errors import WireError
from tapewire.wire._wire import is_flat
from tests.messages_by_example import CLASSES, example, version_of

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"
SCHEMAS = {
    name: capnp.load(str(ROOT / "schemas" / f"{name}.capnp"))
    for name in ("market", "orders", "risk", "ops", "tape", "fix", "venue", "router", "api", "relay", "split")
}


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def struct_of(cls: type[m.Message]) -> Any:
    return next(getattr(module, cls.__name__) for module in SCHEMAS.values() if hasattr(module, cls.__name__))


def as_dict(message: m.Message) -> dict[str, Any]:
    """The message as pycapnp's to_dict() would give it."""
    header_names = ("seq", "cause", "ts", "ts_event", "ts_recv", "origin_seq", "type", "source", "instrument")
    out: dict[str, Any] = {"header": {}}
    for name in type(message).FIELDS:
        value = getattr(message, name)
        if isinstance(value, tuple):
            value = [
                {camel(k): camel(v.name) if hasattr(v, "name") else v for k, v in row._asdict().items()}
                for row in value
            ]
        elif hasattr(value, "name"):
            value = camel(value.name)
        (out["header"] if name in header_names else out)[camel(name)] = value
    return out


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_pycapnp_reads_every_field_of_what_we_write(cls: type[m.Message]) -> None:
    message = example(cls)
    with struct_of(cls).from_bytes(bytes(message)) as read:
        assert read.to_dict(verbose=True) == as_dict(message)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_we_read_every_field_of_what_pycapnp_writes(cls: type[m.Message]) -> None:
    message = example(cls)
    theirs = struct_of(cls).new_message(**as_dict(message)).to_bytes()
    assert m.decode(theirs) == message
    assert is_flat(bytes(m.decode(theirs)))


@pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
def test_golden_bytes_of_this_version_are_what_we_write_and_read(cls: type[m.Message]) -> None:
    """They were written once. A change of these bytes is a change of every tape that exists."""
    golden = (GOLDEN / f"v{version_of(cls)}" / f"{cls.__name__}.bin").read_bytes()
    assert bytes(example(cls)) == golden
    assert m.decode(golden) == example(cls)


OLDER = [
    path for path in sorted(GOLDEN.glob("v*/*.bin")) if int(path.parent.name[1:]) < version_of(getattr(m, path.stem))
]


@pytest.mark.parametrize("path", OLDER, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_golden_bytes_of_older_versions_are_read_with_what_was_appended_since_empty(path: Path) -> None:
    golden, cls = path.read_bytes(), getattr(m, path.stem)
    assert m.decode(golden) == example(cls, version=int(path.parent.name[1:]))
    # Written anew they are of today's layout; where nothing was appended, that is the same one.
    assert len(bytes(m.decode(golden))) >= len(golden)
    assert is_flat(bytes(m.decode(golden)))


NEWER = """
import capnp, json, sys
schema = capnp.load(sys.argv[1])
if sys.argv[2] == "write":
    trade = schema.Trade.new_message(**json.load(sys.stdin), venueFlags=77, note="new")
    trade.header.traceId = 5
    sys.stdout.buffer.write(trade.to_bytes())
else:
    with schema.Trade.from_bytes(sys.stdin.buffer.read()) as trade:
        json.dump(trade.to_dict(verbose=True), sys.stdout)
"""


def newer_version(tmp_path: Path, what: str, given: bytes) -> bytes:
    """Runs a process that knows the schemas of a version to come: two more fields in Trade, one in Header."""
    for name in ("common", "market"):
        text = (ROOT / "schemas" / f"{name}.capnp").read_text()
        last = "  quality @8 :Common.BookQuality;\n}"
        text = text.replace(last, last[:-1] + "  venueFlags @9 :UInt64;\n  note @10 :Text;\n}", 1)
        text = text.replace("  instrument @8 :UInt32;", "  instrument @8 :UInt32;\n  traceId @9 :UInt64;")
        (tmp_path / f"{name}.capnp").write_text(text)
    command = [sys.executable, "-c", NEWER, str(tmp_path / "market.capnp"), what]
    return subprocess.run(command, input=given, capture_output=True, check=True).stdout


def test_a_reader_of_version_one_reads_a_message_with_appended_fields(tmp_path: Path) -> None:
    message = example(m.Trade)
    newer = newer_version(tmp_path, "write", json.dumps(as_dict(message)).encode())
    assert len(newer) > len(bytes(message))
    assert m.decode(newer) == message


def test_a_newer_reader_reads_our_message_and_finds_its_new_fields_empty(tmp_path: Path) -> None:
    message = example(m.Trade)
    expected = as_dict(message)
    expected["header"]["traceId"] = 0
    assert json.loads(newer_version(tmp_path, "read", bytes(message))) == {**expected, "venueFlags": 0, "note": ""}


def test_a_snapshot_of_many_segments_is_read() -> None:
    theirs = SCHEMAS["market"].BookSnapshot.new_message(ticker="BTCUSDT", header={"type": "bookSnapshot"})
    for i, level in enumerate(theirs.init("levels", 5000)):
        level.price, level.qty = i, -i
    raw = theirs.to_bytes()
    assert int.from_bytes(raw[:4], "little") > 0
    decoded = m.BookSnapshot.decode(raw)
    assert [(level.price, level.qty) for level in decoded.levels] == [(i, -i) for i in range(5000)]


def test_an_encoder_writes_what_the_keywords_write() -> None:
    encode = m.Trade.encoder("seq", "price", "ticker", "aggressor", price_exponent=-2)
    assert encode(1, -5, "BRK.B", m.Side.sell) == bytes(
        m.Trade(seq=1, price=-5, ticker="BRK.B", aggressor=m.Side.sell, price_exponent=-2)
    )


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        m.Trade(price=1).price = 2


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: m.Trade(prize=1), TypeError, "no field 'prize'"),
        (lambda: m.Trade(price=2**63), OverflowError, "Trade.price"),
        (lambda: m.Trade(price_exponent=200), OverflowError, "does not fit 8 signed bits"),
        (lambda: m.Trade(price=1.5), TypeError, "Trade.price"),
        (lambda: m.Trade.encoder("price")(1.0), TypeError, "float"),  # type: ignore[arg-type]
        (lambda: m.Trade(ticker="x" * 32), ValueError, "at most 31 fit"),
        (lambda: m.BookDelta(levels=[(1,) * 4] * 50_000), ValueError, "at most 1048576"),
        (lambda: m.decode(b""), WireError, "shorter than it says"),
        (lambda: m.Quote.decode(bytes(m.Trade())), WireError, "expected a Quote, got a Trade"),
        (lambda: m.Trade.encoder("price")(1, 2), TypeError, "expected 1 values"),
        (lambda: m.Trade(ticker="\ud800"), ValueError, "Trade.ticker: .*surrogates"),
        (lambda: m.BookDelta(levels=[(1,) * 4, (1,) * 3]), ValueError, r"element 1 has 3 values; expected 4 \(price, "),
        (lambda: m.BookDelta(levels=[(1,) * 40]), ValueError, "BookDelta.levels: element 0 has 40 values"),
        (lambda: m.NewOrder.encoder("client_text", client_text="a"), TypeError, "client_text cannot be a value and"),
        (lambda: m.NewOrder.encoder("price", "price"), TypeError, "expected each field once"),
    ],
)
def test_bad_values_are_refused_by_name(make: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        make()


def test_generated_files_match_the_schemas() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "tapewire.wire.generate", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (check.returncode, check.stderr) == (0, "")


def test_an_encoder_takes_its_values_by_position_however_it_is_called() -> None:
    encoder = m.NewOrder.encoder("price", "side", "post_only", account=7)
    made = bytes(m.NewOrder(price=5, side=m.Side.sell, post_only=True, account=7))
    assert [encoder(5, m.Side.sell, True), encoder.__call__(5, 2, True), encoder(*[5, 2, 1])] == [made] * 3
    for wrong in ((), (5, 2), (5, 2, True, 1)):
        with pytest.raises(TypeError, match=f"expected 3 values .*, got {len(wrong)}"):
            encoder(*wrong)
    with pytest.raises(TypeError, match="by position"):
        encoder(price=5, side=2, post_only=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("field", ["price", "instrument", "side"])
def test_an_encoder_refuses_a_float_in_a_field_of_any_width(field: str) -> None:
    encoder = m.NewOrder.encoder(field)
    with pytest.raises(TypeError, match="float"):
        encoder(1.0)  # type: ignore[arg-type]
    assert m.NewOrder.decode(encoder(1)).replace(**{field: 0}) == m.NewOrder()


def test_a_list_that_grows_while_it_is_written_harms_nothing() -> None:
    levels: list[tuple[object, ...]] = []

    class Growing:
        def __index__(self) -> int:
            levels.extend([(9, 9, 9, m.Side.sell)] * 200_000)  # far beyond what a message holds
            return 5

    levels.append((Growing(), 1, 1, m.Side.buy))
    assert m.BookDelta(levels=levels).levels == (m.BookLevel(5, 1, 1, m.Side.buy),)
