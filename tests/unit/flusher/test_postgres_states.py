"""Which states the PostgreSQL sink counts on, and so what it holds of a tape."""

from __future__ import annotations

from services.flusher.sinks.postgres.target import _Tape, rows_of


def test_a_state_that_is_prepared_takes_no_stored_one_off() -> None:
    """The next batch is prepared, its state with it, while the one before is being stored."""
    tape = _Tape(1, rows_of(1, "orders.0"), [10])
    held = []
    for stored, prepared in ((10, 20), (20, 30), (30, 40)):
        tape.states.append(prepared)
        tape.kept(stored)
        held.append(tape.states[0])
    tape.kept(40)
    assert (held, tape.states) == ([10, 10, 20], [30, 40])
