"""Which time age is measured by: a clock that ran ahead deletes nothing before it has stood so until the next day."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire import believed_clock as clock
from tapewire.believed_clock import HOUR_NS, SETTLED_NS, TOLERANCE_NS, Kept, Sight, judge
from tapewire.errors import RetentionError

DAY = 24 * HOUR_NS
START = 20_000 * DAY


def sight(hours: float, ahead: float = 0.0, boot: str = "a", up: float | None = None) -> Sight:
    """`hours` after the start, by a clock that is `ahead` hours wrong."""
    up_hours = 100 + hours if up is None else up
    return Sight(START + int((hours + ahead) * HOUR_NS), int(up_hours * HOUR_NS), boot)


def after(*sights: Sight) -> tuple[int, str]:
    kept: Kept | None = None
    for one in sights:
        now_ns, why, kept = judge(kept, one)
    return now_ns, why


def hours(now_ns: int) -> float:
    return (now_ns - START) / HOUR_NS


def test_the_first_run_and_daily_ones_believe_the_clock() -> None:
    assert after(sight(0)) == (START, "")
    assert after(sight(0), sight(24), sight(48.1)) == (sight(48.1).wall_ns, "")


def test_a_clock_that_jumps_a_day_ahead_is_not_believed_at_once_and_said() -> None:
    now_ns, why = after(sight(0), sight(24, ahead=24))
    assert hours(now_ns) == 24
    assert why == "the clock is 24.0 hours ahead of what has surely passed since the last run"


def test_one_that_has_stood_so_until_the_next_day_is() -> None:
    assert after(sight(0), sight(24, ahead=24), sight(48, ahead=24)) == (sight(48, ahead=24).wall_ns, "")


def test_one_that_is_set_back_again_is_believed_at_once() -> None:
    assert after(sight(0), sight(24, ahead=24), sight(30)) == (sight(30).wall_ns, "")


def test_one_that_goes_on_jumping_never_is() -> None:
    now_ns, why = after(sight(0), *(sight(24 * day, ahead=24 * day) for day in range(1, 9)))
    assert hours(now_ns) == 24 * 8
    assert "ahead" in why


def test_a_clock_that_is_behind_is_used_as_less_goes_by_it_and_said() -> None:
    now_ns, why = after(sight(0), sight(24, ahead=-72))
    assert (hours(now_ns), why) == (-48, "the clock is 3.0 days behind what has passed since the last run")


def test_a_host_that_was_off_for_days_is_believed_and_one_that_claims_a_year_is_not() -> None:
    assert after(sight(0), sight(100, boot="b", up=1)) == (sight(100).wall_ns, "")
    now_ns, why = after(sight(0), sight(24 * 365, boot="b", up=1))
    assert (hours(now_ns), "365.0 days ahead" in why) == (1, True)
    settled = sight(24 * 365 + 21, boot="b", up=22)
    assert after(sight(0), sight(24 * 365, boot="b", up=1), settled) == (settled.wall_ns, "")


JUMPS = st.sampled_from([0, 0, 0, 0.25, -5, 2, 30, 400, -400])


@given(st.lists(st.tuples(st.integers(1, 60), JUMPS), max_size=12))
def test_the_clocks_error_is_taken_over_only_once_it_has_stood(runs: list[tuple[int, float]]) -> None:
    """The oracle knows the true time, and so by how much the clock is wrong at each run."""
    kept: Kept | None = None
    passed = wrong = believed = 0.0
    doubted: tuple[float, float] | None = None
    for pause, jump in [(0, 0.0), *runs]:
        passed, wrong = passed + pause, wrong + jump
        if wrong > believed + TOLERANCE_NS / HOUR_NS:
            if doubted is None or abs(wrong - doubted[1]) > TOLERANCE_NS / HOUR_NS:
                doubted = passed, wrong
            if passed - doubted[0] >= SETTLED_NS / HOUR_NS:
                believed, doubted = wrong, None
        else:
            believed, doubted = wrong, None
        now_ns, why, kept = judge(kept, sight(passed, wrong))
        assert hours(now_ns) - passed == believed
        assert bool(why) or believed == wrong


def test_what_is_kept_is_read_again_and_what_is_torn_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clock"
    assert clock.read(path) is None
    kept = Kept(sight(0), sight(24, ahead=24))
    clock.write(path, kept)
    assert clock.read(path) == kept
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RetentionError, match=r"clock: what the last run knew of the clock cannot be read"):
        clock.read(path)
    with pytest.raises(RetentionError, match="Nothing was removed"):
        clock.write(tmp_path / "none" / "clock", kept)


def test_a_process_that_runs_on_counts_days_by_what_it_believes(tmp_path: Path) -> None:
    now = [sight(0)]
    believed = clock.Believed(tmp_path / "clock", lambda: now[0])
    days = []
    for hour, ahead in ((0, 0), (24, 0), (30, 24 * 400), (48, 24 * 400), (54, 24 * 400), (72, 0)):
        now[0] = sight(hour, ahead=ahead)
        days.append((believed.today() - date(1970, 1, 1)).days - 20_000)
    assert days == [0, 1, 1, 2, 402, 3]


def test_the_real_clocks_go_on() -> None:
    first, second = clock.look(), clock.look()
    assert second.up_ns >= first.up_ns > 0
    assert first.boot == second.boot
