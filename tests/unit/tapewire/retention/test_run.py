"""A run of retention: alone, by a clock that did not run ahead, whole after a kill; what is unknown stays."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from services.flusher.retention_agent import RetentionAgent
from tapewire import logs, retention
from tapewire import messages as m
from tapewire.believed_clock import HOUR_NS, Sight
from tapewire.config import Config, Keep, PostgresSink, Retention, Sinks
from tapewire.consumers import ConsumerPosition
from tapewire.errors import RetentionError
from tapewire.retention.run import _alone
from tapewire.store.query import query
from tapewire.tape import TapeWriter, inspect
from tests.unit.tapewire.test_retention import NOW, aged, config, made_archive, rows

DAY = 24 * HOUR_NS
LIMITS = "\n".join(f"[retention.{store}]\ndays = 10" for store in retention.STORES)


def at(days: float, ahead: float = 0.0) -> Sight:
    """So long after NOW, by a clock that is so many days ahead."""
    return Sight(NOW + int((days + ahead) * DAY), 10 * DAY + int(days * DAY), "boot")


def tape_of(data: Path, name: str = "orders.0", day: int = 19_995, per_day: int = 300, days: int = 10) -> Path:
    """One segment a day, or nearly."""
    path = data / "tapes" / name
    with TapeWriter(path, name=name, segment_bytes=1 << 16, durability="memory") as tape:
        for number in range(days * per_day):
            ts = (day + number // per_day) * DAY + number
            tape.append(bytes(m.Trade(seq=number + 1, ts=ts, instrument=1, ticker="X", trade_id=1, price=1, qty=1)))
            if number % 100 == 99:
                tape.commit()
    return path


def first_of(tape: Path) -> int:
    return inspect.segments(tape)[0].first_seq


class Lines:
    """A log that keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def _say(self, event: str, **what: object) -> None:
        self.said.append((event, what))

    info = warning = error = _say

    def take(self, event: str) -> list[dict[str, object]]:
        found = [what for said, what in self.said if said == event]
        self.said = []
        return found


def test_every_day_of_the_flusher_goes_by_the_clock_it_is_given(tmp_path: Path) -> None:
    """Tapes, archive, cuts and inputs over some days, with a consumer behind and a clock that jumps."""
    made_archive(tmp_path)  # of days 19,980, 85, 90 and 95: the limit lets two go
    tape = tape_of(tmp_path)  # of days 19,995 to 20,004
    runs = tmp_path / "strategies"
    runs.mkdir()
    (runs / "a.inputs").write_text("x")
    aged(runs / "a.inputs", -3)
    behind = ConsumerPosition(tape, "gateway.own")
    behind.store(1)
    log, now = Lines(), [at(0)]
    agent = RetentionAgent(config(tmp_path), log, lambda: now[0])  # type: ignore[arg-type]
    assert agent.do_work() == 2
    assert rows(tmp_path) == 200
    now[0] = at(0.9)
    assert agent.do_work() == 0, "not before the next day"
    now[0] = at(8)
    agent.do_work()
    assert {"store": "tapes", "name": "orders.0", "by": "consumer gateway.own has come to record 1 only"} in log.take(
        "retention_held_back"
    )
    assert first_of(tape) == 1
    assert list((tmp_path / "archive" / "trades" / "feed=feed").iterdir()) == []
    behind.store(3_000)
    behind.close()
    now[0] = at(9)
    assert agent.do_work() == 1
    kept = first_of(tape)
    assert 300 < kept <= 1_201, "records of day 19,999 stay"
    log.take("")

    now[0] = at(10, ahead=400)
    agent.do_work()
    assert "400.0 days ahead" in str(log.take("retention_clock")[0]["why"])
    assert kept <= first_of(tape) <= 1_501, "as of the time that has passed"
    assert (runs / "a.inputs").exists()
    now[0] = at(11)  # it was set right again
    agent.do_work()
    assert log.take("retention_clock") == []
    now[0] = at(14)
    agent.do_work()
    assert not (runs / "a.inputs").exists()


def test_a_store_without_a_limit_is_not_the_flushers(tmp_path: Path) -> None:
    assert RetentionAgent(config(tmp_path, Retention()), logs.get("t")).stores == ()
    assert RetentionAgent(config(tmp_path, Retention(cuts=Keep(mb=1))), logs.get("t")).stores == ("cuts",)


def test_a_look_changes_nothing_and_a_second_run_leaves_it_to_the_first(tmp_path: Path) -> None:
    made_archive(tmp_path)
    settings = config(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert len([one for store in retention.look(settings, sight=at(0)).planned for one in store.going]) >= 2
    assert sorted(tmp_path.rglob("*")) == before
    with (
        _alone(settings.folders.believed_clock.parent),
        pytest.raises(RetentionError, match=f"process {os.getpid()} runs retention here"),
    ):
        retention.run(settings, sight=at(0))
    assert rows(tmp_path) == 400
    assert len(retention.run(settings, ["archive"], at(0)).gone) == 2


def test_a_clock_ahead_is_believed_when_a_person_says_so(tmp_path: Path) -> None:
    made_archive(tmp_path)
    settings = config(tmp_path)
    retention.run(settings, ["archive"], at(0))
    ahead = at(1, ahead=400)
    doubted = retention.look(settings, ["archive"], ahead)
    assert doubted.planned[0].going == []
    assert "`tapewire retain --apply --clock-is-right`" in doubted.clock
    assert len(retention.look(settings, ["archive"], ahead, trust=True).planned[0].going) == 2
    assert len(retention.run(settings, ["archive"], ahead, trust=True).gone) == 2
    assert retention.look(settings, ["archive"], at(2, ahead=400)).clock == "", "from here on it is believed"


def test_a_sink_that_is_configured_and_never_began_holds_back_what_it_keeps(tmp_path: Path) -> None:
    tape = tape_of(tmp_path)
    keep = Retention(tapes=Keep(days=3))

    def held(sink: PostgresSink) -> tuple[list[str], int]:
        settings = Config(data=tmp_path, retention=keep, sinks=Sinks(postgres=sink))
        (planned,) = retention.look(settings, ["tapes"], at(5)).planned
        return [one.held_by for one in planned.held], sum(one.bytes for one in planned.going)

    url = "postgresql://t@127.0.0.1/t"
    assert held(PostgresSink())[0] == []
    why, going = held(PostgresSink(url=url, keep=0.0))
    assert why == [
        "sink postgres is configured and has taken nothing of it yet: start it, or take it out of the settings"
    ]
    assert going == 0
    why, some = held(PostgresSink(url=url, keep=7 * 86_400.0))
    assert (len(why), some > 0) == (1, True), "older than it keeps goes"
    assert held(PostgresSink(url=url, keep=0.0, tapes=("md.*",)))[0] == []
    began = ConsumerPosition(tape, "sink.postgres")
    began.store(3_000)
    began.close()
    assert held(PostgresSink(url=url, keep=0.0))[0] == []


def test_what_cannot_be_read_stays_is_said_and_holds_up_nothing_else(tmp_path: Path) -> None:
    tape_of(tmp_path)
    damaged = tmp_path / "tapes" / "venue.x"
    damaged.mkdir()
    (damaged / "control").write_bytes(b"no tape")
    made_archive(tmp_path)
    checkpoint = next((tmp_path / "archive").rglob("*md.feed*.json"), None) or next(
        path for path in (tmp_path / "archive").rglob("*") if path.is_file() and path.suffix != ".parquet"
    )
    checkpoint.write_bytes(b"{")
    done = retention.run(config(tmp_path), sight=at(20))
    by_store = {one.store: one for one in done.planned}
    assert [one.name for one in by_store["tapes"].held] == ["venue.x"]
    assert [one.store for one in done.gone] == ["tapes", "imported"]
    assert done.failed == [f"archive: {by_store['archive'].failed}"]
    assert by_store["archive"].pieces == ()


RUN = """
import sys, time
from pathlib import Path
from tapewire import retention
from tapewire.config import load
from tapewire.believed_clock import Sight

print("up", flush=True)
sys.stdin.readline()
retention.run(load(Path(sys.argv[1])), sight=Sight(int(sys.argv[2]), 1, "boot"))
"""


@pytest.mark.parametrize("kills", [2, pytest.param(60, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_leaves_whole_pieces_and_the_next_one_ends_it(tmp_path: Path, kills: int) -> None:
    chance = random.Random(11)
    (tmp_path / "tapewire.toml").write_text(f'data = "{tmp_path}/data"\nrings = "{tmp_path}/rings"\n{LIMITS}\n')
    data, now = tmp_path / "data", NOW + 3 * DAY
    tape = tape_of(data, "orders.0", day=19_980, days=20, per_day=400)
    made_archive(data)
    for number in range(30):
        cut = data / "tapes" / "orders.0" / f"cut-{number}"
        cut.mkdir()
        for name in range(20):
            (cut / f"{name}.seg").write_bytes(b"x" * 100)
            aged(cut / f"{name}.seg", 30)
        aged(cut, 30)
    for _ in range(kills):
        process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path / "tapewire.toml"), str(now)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(chance.uniform(0.0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        numbers = [one.first_seq for one in inspect.segments(tape)]
        assert inspect.check(tape).damage is None, "what is left of the tape has no hole"
        assert numbers == sorted(numbers)
        assert query(data, "trades", "X", feed="feed").num_rows % 100 == 0, "a day is there whole or not at all"
        assert all(len(list(cut.iterdir())) == 20 for cut in tape.glob("cut-*")), "so is what was cut off"
    from tapewire.config import load

    done = retention.run(load(tmp_path / "tapewire.toml"), sight=Sight(now, 2, "boot"))
    assert done.failed == []
    assert list(tape.glob("*cut-*")) == []
    assert query(data, "trades", "X", feed="feed").num_rows == 100
    assert 13 * 400 - 800 < first_of(tape) <= 13 * 400 + 1
