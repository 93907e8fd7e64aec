"""What became of commands about parents, as the router's tape tells it."""

from __future__ import annotations

import pytest

from services.api.parent_answers import Asked, Command, ParentAnswers
from tapewire import messages as m

SOURCE, KEY = 3, 7
R = m.RejectReason
WRITTEN_BY_OTHERS = {
    *("seq", "cause", "ts", "ts_event", "ts_recv", "origin_seq", "source", "flags", "seed", "decision", "value"),
    *("limit", "cl_ord_id", "account", "session", "client_text", "trace_high", "trace_low", "trace_flags"),
}
"""Fields that may differ in what is the same request: stamps, what the router writes, what is the name's, its trace."""


def new(number: int, text: str, **fields: int) -> m.NewParent:
    given = {"account": 1, "instrument": 1, "qty": 10, "session": KEY, "source": SOURCE, **fields}
    return m.NewParent(cl_ord_id=number, client_text=text, **given)


def changed(number: int, parent_id: int) -> m.ParentChanged:
    return m.ParentChanged(source=SOURCE, cl_ord_id=number, parent_id=parent_id, account=1)


def none(number: int) -> int:
    return 0


@pytest.mark.parametrize("command", [m.NewParent(), m.ReplaceParent()])
def test_every_term_of_a_request_counts_and_nothing_else(command: Command) -> None:
    asked = Asked(command)
    terms = set(command.to_dict()) - {"type"}
    # The router gives a new parent its number; an amended one has its instrument already.
    without = WRITTEN_BY_OTHERS | {"parent_id" if isinstance(command, m.NewParent) else "instrument"}
    assert {name for name in terms if asked.same(_other(command, name))} == terms & without


def _other(command: Command, name: str) -> Command:
    value = command.to_dict()[name]
    return command.replace(**{name: "x" if isinstance(value, str) and name == "client_text" else 1})


def test_what_an_earlier_process_sent_is_known_by_its_name_and_answered() -> None:
    keys = {102: KEY}
    answers = ParentAnswers(10, lambda number: keys.get(number, 0))
    replaced = m.ReplaceParent(source=SOURCE, account=1, parent_id=1, qty=5, cl_ord_id=102, client_text="b")
    refused = m.ParentRefused(source=SOURCE, account=1, cl_ord_id=103, reason=R.invalid_qty, value=1, limit=2)
    for record in (
        *(new(101, "a"), changed(101, 1), replaced, changed(102, 1)),
        *(new(103, "c", decision=R.invalid_qty), refused, new(104, "d")),
        *(replaced.replace(cl_ord_id=105, client_text="of a request that nobody knows"), changed(105, 1)),
    ):
        answers.fold(record)
    found = {text: answers.find((SOURCE, KEY, 1, text)) for text in "abcd"}
    assert [one and one.answer and (one.answer.status, one.answer.order_id) for one in found.values()] == [
        *((201, 1), (201, 1), (422, 0)),
        None,  # the router has not said
    ]
    assert found["c"] is not None
    assert found["c"].answer is not None
    assert (found["c"].answer.reason, found["c"].answer.value, found["c"].answer.limit) == (R.invalid_qty, 1, 2)
    assert answers.find((SOURCE, KEY, 1, "of a request that nobody knows")) is None
    assert answers.find((SOURCE, KEY + 1, 1, "a")) is answers.find((SOURCE + 1, KEY, 1, "a")) is None


def test_the_last_so_many_are_remembered() -> None:
    answers = ParentAnswers(3, none)
    for number in range(1, 6):
        answers.fold(new(number, f"p-{number}"))
        answers.fold(changed(number, number))
    known = [bool(answers.find((SOURCE, KEY, 1, f"p-{number}"))) for number in range(1, 6)]
    assert known == [False, False, True, True, True]
