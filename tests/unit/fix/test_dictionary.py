from __future__ import annotations

import pytest

from tapewire.errors import FixError
from tapewire.fix import generate
from tapewire.fix.dictionary import FOLDER, load
from tapewire.fix.groups import Entry
from tapewire.fix.message import Message, Reason, frame, parse
from tapewire.fix.reasons import REASONS
from tapewire.fix.rules import FILES, Use, read, uses
from tapewire.messages import RejectReason

HEAD = "34=2|49=CLIENT|56=TAPEWIRE|52=20261121-09:00:00.000|"
ORDER = "11=a|55=BTCUSDT|54=1|60=20261121-09:00:00|38=1|40=2|44=64000.10|"


def message(body: str, begin: str = "FIX.4.4") -> Message:
    kind, _, rest = body.partition("|")
    return parse(frame(begin, f"35={kind}|{HEAD}{rest}".replace("|", "\x01")))


def test_the_dictionaries_and_the_document_are_what_the_rules_give() -> None:
    stale = [path.name for path, text in generate.outputs().items() if path.read_text("utf-8") != text]
    assert stale == [], "run `make generate`"


@pytest.mark.parametrize("begin", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_an_order_is_in_every_version(begin: str) -> None:
    entry = load(begin).check(message(f"D|{ORDER}", begin))
    assert entry.get(44) == "64000.10"


def test_groups_come_as_entries_with_their_own_groups() -> None:
    parties = "453=2|448=A|447=D|452=1|802=1|523=x|803=2|448=B|"
    entry = load("FIX.4.4").check(message(f"D|{ORDER}{parties}58=end|"))
    assert entry.group(453) == [
        Entry({448: "A", 447: "D", 452: "1", 802: "1"}, {802: [Entry({523: "x", 803: "2"}, {})]}),
        Entry({448: "B"}, {}),
    ]
    assert entry.get(58) == "end"


@pytest.mark.parametrize(
    ("body", "tag", "reason"),
    [
        (f"D|{ORDER.replace('55=BTCUSDT|', '')}", 55, Reason.REQUIRED_TAG_MISSING),
        (f"D|{ORDER}150=0|", 150, Reason.TAG_NOT_DEFINED_FOR_MESSAGE),
        (f"D|{ORDER}4999=0|", 4999, Reason.UNDEFINED_TAG),
        (f"D|{ORDER}55=X|", 55, Reason.TAG_APPEARS_TWICE),
        (f"D|{ORDER.replace('54=1', '54=9')}", 54, Reason.VALUE_OUT_OF_RANGE),
        (f"D|{ORDER.replace('54=1', '54=12')}", 54, Reason.INCORRECT_DATA_FORMAT),
        (f"D|{ORDER.replace('38=1', '38=1e3')}", 38, Reason.INCORRECT_DATA_FORMAT),
        (f"D|{ORDER.replace('38=1', '38=.')}", 38, Reason.INCORRECT_DATA_FORMAT),
        (f"D|{ORDER.replace('-09:00:00', '')}", 60, Reason.INCORRECT_DATA_FORMAT),
        (f"D|{ORDER}18=6 G|", 18, Reason.VALUE_OUT_OF_RANGE),
        (f"D|{ORDER}8040=yes|", 8040, Reason.INCORRECT_DATA_FORMAT),
        (f"D|{ORDER}453=2|448=A|", 453, Reason.GROUP_COUNT_WRONG),
        (f"D|{ORDER}453=1|448=A|448=B|", 453, Reason.GROUP_COUNT_WRONG),
        (f"D|{ORDER}453=1|447=D|448=A|", 447, Reason.GROUP_OUT_OF_ORDER),
        (f"D|{ORDER}453=-1|", 453, Reason.VALUE_OUT_OF_RANGE),
        (f"D|{ORDER}453=1|448=A|452=x|", 452, Reason.INCORRECT_DATA_FORMAT),
        ("ZZ|", 35, Reason.INVALID_MSG_TYPE),
        ("V|262=a|263=1|264=0|267=1|269=0|146=1|55=A|55=B|", 146, Reason.GROUP_COUNT_WRONG),
    ],
)
def test_what_the_dictionary_does_not_allow_is_named(body: str, tag: int, reason: Reason) -> None:
    with pytest.raises(FixError) as raised:
        load("FIX.4.4").check(message(body))
    assert (raised.value.tag, raised.value.reason) == (tag, reason)


def test_versions_differ_where_the_rules_say_so() -> None:
    old, new = load("FIX.4.2"), load("FIX.4.4")
    assert 20 in old.messages["8"].required
    assert 20 not in new.fields
    assert old.messages["8"].groups == {}
    assert (old.fields[150].values.get("F"), new.fields[150].values["F"]) == (None, "TRADE")
    assert 1137 in load("FIXT.1.1").messages["A"].required


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_quickfix_loads_every_dictionary(file: object) -> None:
    quickfix = pytest.importorskip("quickfix", reason="the extra `fix` is not installed (CPython 3.13)")
    name = getattr(file, "name", "")
    found = quickfix.DataDictionary(str(FOLDER / f"{name}.xml"))
    assert found.getVersion() == {"FIX42": "FIX.4.2", "FIX44": "FIX.4.4", "FIXT11": "FIXT.1.1"}.get(name, "FIX.5.0")


def test_every_reject_reason_has_its_fix_numbers_and_they_are_published() -> None:
    assert set(REASONS) == set(RejectReason) - {RejectReason.unspecified}
    fields = load("FIX.4.4").fields
    assert {str(one.ord_rej) for one in REASONS.values()} <= set(fields[103].values)
    assert {str(one.cxl_rej) for one in REASONS.values()} <= set(fields[102].values)


def test_the_notation_of_the_rules() -> None:
    assert uses("11! [453@44+: 448! [802: 523]] 20!@42") == (
        Use(11, True, ""),
        Use(453, False, "@44+", (Use(448, True, ""), Use(802, False, "", (Use(523, False, ""),)))),
        Use(20, True, "@42"),
    )
    for wrong in ("11 x", "[453: 448", "11;"):
        with pytest.raises(ValueError, match=r"not understood|not closed"):
            uses(wrong)


def test_every_field_of_the_rules_says_what_it_means() -> None:
    rules = read()
    assert [field.tag for field in rules.fields.values() if not field.doc] == []
    assert {one.way for one in rules.messages.values()} == {"in", "out", "both"}
