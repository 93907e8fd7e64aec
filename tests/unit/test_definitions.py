"""What stands defined on a tape: a fold, a part of the engine's state, and what a reader finds off a snapshot."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.engine import Engine
from tapewire import definitions, snapshots
from tapewire import messages as m
from tapewire.definitions import Definitions
from tapewire.errors import TapeGone
from tapewire.snapshots import Snapshot
from tests.sections import MAGIC, Sections, joined, sections
from tests.unit.services.engine.conftest import NOW, Market

R = m.RejectReason
S = m.InstrumentStatus
GOLDEN = Path(__file__).parents[1] / "golden"
TAKEN_AT = 40
"""In the sequencer's section: behind its magic, next seq, last time, next order id and source 0."""


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    market = Market(tmp_path)
    market.send(market.account(1, max_position=500), market.account(7), market.instrument(ticker="A"))
    market.send(market.instrument(4, ticker="B", price_exponent=-2, reference_price=90, collar_bps=500))
    yield market
    market.kill()


def refusal(market: Market, **fields: object) -> tuple[R, int, int] | None:
    """What the engine answers to a definition; None: it took it."""
    command, answer = market.send(market.instrument(**fields))  # type: ignore[arg-type]
    assert isinstance(command, m.InstrumentDefinition)
    if isinstance(answer, m.CommandCompleted):
        assert command.decision == R.unspecified
        return None
    assert isinstance(answer, m.OrderRejected)
    assert command.decision == answer.reason
    return answer.reason, answer.value, answer.limit


# An id, its ticker, its exponents


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"instrument": 4, "ticker": "B", "price_exponent": -3, "status": 0}, (-3, -2)),
        ({"instrument": 4, "ticker": "B", "price_exponent": -2, "qty_exponent": 1, "status": 0}, (1, 0)),
        ({"instrument": 4, "ticker": "C", "price_exponent": -2, "status": 0}, (4, 4)),
        ({"instrument": 5, "ticker": "B"}, (5, 4)),
        ({"instrument": 1, "ticker": "B", "status": 0}, (1, 1)),
        ({"instrument": 4, "ticker": "B", "price_exponent": -2, "status": 0, "max_qty": 5}, None),
        ({"instrument": 5, "ticker": "BB"}, None),
    ],
)
def test_an_id_keeps_ticker_and_exponents_and_no_two_listed_ones_share_a_ticker(
    market: Market, fields: dict[str, object], expected: tuple[int, int] | None
) -> None:
    before = market.engine.definitions().instruments
    found = refusal(market, **fields)
    assert found == (None if expected is None else (R.instrument_exists, *expected))
    assert (market.engine.definitions().instruments == before) == (expected is not None)


def test_a_delisted_ones_ticker_is_free_and_its_id_keeps_what_it_has(market: Market) -> None:
    market.send(m.SetInstrumentStatus(instrument=4, status=S.delisted))
    assert refusal(market, instrument=4, ticker="C", price_exponent=-2) == (R.instrument_exists, 4, 4)
    assert refusal(market, instrument=4, ticker="B", price_exponent=-4) == (R.instrument_exists, -4, -2)
    assert refusal(market, instrument=5, ticker="B", price_exponent=-4) is None
    assert refusal(market, instrument=4, ticker="B", price_exponent=-2) == (R.instrument_exists, 4, 5)
    market.send(m.SetInstrumentStatus(instrument=5, status=S.delisted))
    assert refusal(market, instrument=4, ticker="B", price_exponent=-2) is None


def test_a_ticker_that_was_delisted_with_other_exponents_gets_an_id_of_its_own(market: Market) -> None:
    def bearer(price_exponent: int) -> int:
        found = definitions.bearer(market.engine.definitions(), "B", price_exponent, 0)
        return found.instrument if found else 0

    assert (bearer(-2), bearer(-3)) == (4, 4)  # listed: the engine says that it may not change
    market.send(m.SetInstrumentStatus(instrument=4, status=S.delisted))
    assert (bearer(-2), bearer(-3)) == (4, 0)
    assert definitions.bearer(market.engine.definitions(), "Z", 0, 0) is None


# The fold


def naive(records: list[m.Message]) -> tuple[dict[int, m.Message], dict[int, m.Message]]:
    """The rules once more, in few words."""
    instruments: dict[int, m.InstrumentDefinition] = {}
    accounts: dict[int, m.AccountLimits] = {}
    for r in records:
        if isinstance(r, m.InstrumentDefinition) and not r.decision:
            was = instruments.get(r.instrument)
            listed = was is not None and was.status != S.delisted
            price = r.reference_price or (was.reference_price if was and listed else 0)
            status = r.status or (was.status if was and listed else S.unspecified)
            instruments[r.instrument] = r.replace(reference_price=price, status=status)
        elif isinstance(r, m.InstrumentStatusChanged) and r.instrument in instruments:
            instruments[r.instrument] = instruments[r.instrument].replace(status=r.status)
        elif isinstance(r, m.AccountLimits) and not r.decision:
            accounts[r.account] = r
    return dict(sorted(instruments.items())), dict(sorted(accounts.items()))


def random_command(market: Market, pick: random.Random) -> m.Message:
    number = pick.randint(1, 4)
    kind = pick.randrange(6)
    if kind == 0:
        return market.account(pick.randint(0, 5), max_position=pick.randint(0, 9))
    if kind <= 2:
        status = pick.choice((S.halted, S.trading, S.closed, S.delisted))
        return m.SetInstrumentStatus(instrument=number, status=status)
    return market.instrument(
        number,
        ticker=pick.choice("ABCDE"),
        reference_price=pick.choice((0, 0, 100, 120)),
        price_exponent=pick.choice((0, 0, 0, -1)),
        status=pick.choice((0, 0, 1, 2)),
        max_qty=pick.randint(0, 99),
    )


@pytest.mark.parametrize("seed", range(8))
def test_any_stream_folds_as_it_should_live_off_a_snapshot_and_off_the_tape(market: Market, seed: int) -> None:
    pick = random.Random(seed)
    for number in range(200):
        market.send(random_command(market, pick))
        if number == 120:
            snapshots.save(market.tape, market.engine.snapshot())
    records = market.records()
    expected = naive(records)
    folded = Definitions()
    for record in records:
        folded.fold(bytes(record))
    for found in (folded, market.engine.definitions(), definitions.read(market.tape)):
        assert (found.instruments, found.accounts) == expected
    listed = [d.ticker for d in expected[0].values() if d.status != S.delisted]  # type: ignore[attr-defined]
    assert len(listed) == len(set(listed))
    named = definitions.by_ticker(folded)
    assert {t: d.status != S.delisted for t, d in named.items()} == {t: t in listed for t in named}
    before = market.engine.next_seq
    market.reopen()  # folds from the snapshot
    assert market.engine.recovery.snapshot_seq > 0
    assert (market.engine.definitions().instruments, market.engine.definitions().accounts) == expected
    assert market.engine.next_seq == before + 1


# Off a tape


def prune(market: Market, before: int) -> None:
    for path in sorted(market.tape.glob("*.seg"))[:-1]:
        if int(path.stem) < before:
            path.unlink()


def test_a_tape_without_its_beginning_needs_a_snapshot(market: Market) -> None:
    while len(list(market.tape.glob("*.seg"))) < 3:
        market.send(*(market.order(1, 100 - i % 9, 5, instrument=4) for i in range(100)))
    kept = market.engine.snapshot()
    prune(market, kept.seq)
    with pytest.raises(TapeGone, match=r"no snapshot says what was defined before \(there is none\)"):
        definitions.read(market.tape)
    snapshots.save(market.tape, Snapshot(kept.seq, joined(sections(kept.state))[8:]))
    with pytest.raises(TapeGone, match=r"snapshot of record \d+: .*those begin b'TWSTATE2'"):
        definitions.read(market.tape)
    snapshots.save(market.tape, kept)
    assert definitions.read(market.tape).instruments[4].ticker == "B"


# Bytes


def golden(name: str) -> bytes:
    return bytes.fromhex((GOLDEN / name).read_text())


def test_the_state_has_the_bytes_it_always_had(market: Market) -> None:
    market.send(market.order(1, 90, 5, instrument=4), m.SetInstrumentStatus(instrument=1, status=S.halted))
    state = market.engine.snapshot().state
    always = sections(golden("engine_state_v2.hex"))
    # How far the producer's ring is taken, and that alone, goes with the length of today's commands.
    sequencer = bytearray(always.sequencer)
    struct.pack_into("<Q", sequencer, TAKEN_AT, market.producer.tail)
    assert state == joined(always._replace(sequencer=bytes(sequencer)))
    assert list(Definitions.of_state(state).instruments) == [1, 4]


def test_a_state_of_the_first_format_is_refused_by_name_and_the_tape_replayed(market: Market) -> None:
    first = golden("engine_state_v1.hex")
    market.send(market.order(1, 90, 5, instrument=4))
    now = market.engine.next_seq - 1
    snapshots.save(market.tape, Snapshot(now, first))
    market.reopen()
    assert market.engine.recovery.snapshot_seq == 0
    (why,) = market.engine.recovery.refused_snapshots
    assert why == (
        f"snapshot of record {now}: of the first format, which holds no definitions; the tape is replayed instead"
    )
    assert market.engine.recovery.records == now


def test_definitions_laid_out_by_an_older_schema_are_read(market: Market) -> None:
    """Of before the bands and the self-trade groups."""
    old = [of_version_1(m.InstrumentDefinition), of_version_1(m.AccountLimits)]
    assert len(old[0]) < len(bytes(m.InstrumentDefinition()))
    section = b"TWDEFS01" + b"".join(old)
    found = Definitions.of_state(MAGIC + struct.pack("<Q", len(section)) + section)
    expected = [m.decode(raw) for raw in old]
    assert [*found.instruments.values(), *found.accounts.values()] == expected


def of_version_1(kind: type[m.InstrumentDefinition | m.AccountLimits]) -> bytes:
    """The golden message, accepted."""
    raw = bytearray((GOLDEN / "v1" / f"{kind.__name__}.bin").read_bytes())
    raw[kind.decision.at : kind.decision.at + 2] = bytes(2)
    return bytes(raw)


def test_a_damaged_section_is_refused_or_harmless(market: Market) -> None:
    state = market.engine.snapshot().state
    parts = sections(state)
    for cut in range(0, len(parts.definitions), 7):
        short = joined(parts._replace(definitions=parts.definitions[:cut]))
        if cut % 8 == 0 and cut in whole_messages(parts):
            continue  # fewer, and whole
        with pytest.raises(ValueError, match="no state of an engine"):
            Definitions.of_state(short)
    pick = random.Random(1)
    for _ in range(2000):
        hurt = bytearray(state)
        hurt[pick.randrange(len(parts.definitions) + 16)] ^= 1 << pick.randrange(8)
        try:
            Definitions.of_state(bytes(hurt)).instruments  # noqa: B018 - that it can be read
        except ValueError:
            continue
    twice = parts._replace(definitions=parts.definitions + parts.definitions[8:])
    with pytest.raises(ValueError, match="no state of an engine"):
        Definitions.of_state(joined(twice))


def whole_messages(parts: Sections) -> set[int]:
    """Where a section may be cut and is still one, only shorter."""
    ends, at = {8}, 8
    while at < len(parts.definitions):
        at += (int.from_bytes(parts.definitions[at + 4 : at + 8], "little") + 1) * 8
        ends.add(at)
    return ends


def test_an_engine_that_never_heard_of_an_instrument_says_so(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "orders.0", now=NOW, segment_bytes=1 << 16)
    found = engine.definitions()
    assert (found.instruments, found.accounts) == ({}, {})
    engine.close()
