"""`tapewire tape`: what it prints for people and for programs, and when it fails."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tapewire.cli import cli
from tapewire.cli.tape import command
from tapewire.tape import TapeReader, TapeWriter
from tests.tapes import SMALL, kill, segments, trade


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """md.test: 120 trades; orders.0: 3 records."""
    with TapeWriter(tmp_path / "tapes" / "md.test", segment_bytes=SMALL) as writer:
        writer.append_many(trade(seq) for seq in range(1, 121))
    with TapeWriter(tmp_path / "tapes" / "orders.0") as writer:
        writer.append_many(kill(seq) for seq in range(1, 4))
    return tmp_path


def run(data: Path, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(command, [*arguments, "--data", str(data)], input=answer)


def seqs(result: Result) -> list[int]:
    assert result.exit_code == 0, result.output
    return [json.loads(line)["seq"] for line in result.stdout.splitlines()]


def test_ls_shows_every_tape(data: Path) -> None:
    lines = run(data, "ls").stdout.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ["tape", "first", "last", "durable"],
        ["md.test", "1", "120", "120"],
        ["orders.0", "1", "3", "3"],
    ]
    found = json.loads(run(data, "ls", "--json").stdout)
    assert [(t["name"], t["records"], t["written_seq"], t["writer_pid"]) for t in found] == [
        ("md.test", 120, 120, None),
        ("orders.0", 3, 3, None),
    ]


def test_ls_of_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    result = run(tmp_path, "ls")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no tapes below" in result.stderr


def test_tail_begins_with_the_last_ten(data: Path) -> None:
    assert seqs(run(data, "tail", "md.test", "--no-follow", "--json")) == list(range(111, 121))
    assert seqs(run(data, "tail", "md.test", "--no-follow", "--json", "-n", "2")) == [119, 120]
    assert seqs(run(data, "tail", "orders.0", "--no-follow", "--json")) == [1, 2, 3]


def test_tail_begins_where_it_is_told(data: Path) -> None:
    assert seqs(run(data, "tail", "md.test", "--no-follow", "--json", "--from", "118")) == [118, 119, 120]
    assert seqs(
        run(data, "tail", "md.test", "--no-follow", "--json", "--from-time", "1970-01-01T00:00:00.000001195")
    ) == [120]
    in_the_year_2000 = ("--from-time", "2000-01-01T00:00:00")
    assert seqs(run(data, "tail", "md.test", "--no-follow", "--json", *in_the_year_2000)) == []
    assert "expected ISO" in run(data, "tail", "md.test", "--from-time", "noon").stderr


def test_tail_shows_prices_as_people_write_them(data: Path) -> None:
    line = run(data, "tail", "md.test", "--no-follow", "-n", "1").stdout
    assert line.startswith("00:00:00.000001200 md.test  trade seq=120 price=64001.20 qty=24")


def test_check_says_that_a_tape_holds(data: Path) -> None:
    result = run(data, "check")
    assert (result.exit_code, [line.split(":")[:2] for line in result.stdout.splitlines()]) == (
        0,
        [["md.test", " holds"], ["orders.0", " holds"]],
    )


def test_check_finds_the_exact_offset_of_damage(data: Path) -> None:
    path = segments(data / "tapes" / "md.test")[1]
    image = bytearray(path.read_bytes())
    image[216 + 168 + 20] ^= 4
    path.write_bytes(image)
    result = run(data, "check", "md.test", "--json")
    (report,) = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (report["ok"], report["damaged_path"], report["damaged_offset"], report["damaged_seq"]) == (
        False,
        str(path),
        216 + 168,
        int(path.stem) + 1,
    )
    assert "DAMAGED" in run(data, "check", "md.test").stdout


def test_cut_asks_and_keeps_a_copy(data: Path) -> None:
    tape = data / "tapes" / "md.test"
    declined = run(data, "cut", "md.test", "--before", "100", answer="n\n")
    assert (declined.exit_code, len(list(TapeReader(tape)))) == (1, 120)
    agreed = run(data, "cut", "md.test", "--before", "100", answer="y\n")
    assert agreed.exit_code == 0
    assert "md.test now ends with record 99" in agreed.stdout
    assert list(TapeReader(tape)) == [trade(seq) for seq in range(1, 100)]
    report = json.loads(run(data, "cut", "md.test", "--before", "50", "--yes", "--json").stdout)
    assert (report["last_seq"], Path(report["backup"]).is_dir()) == (49, True)


def test_retain_shows_before_it_deletes(data: Path) -> None:
    tape = data / "tapes" / "md.test"
    before = segments(tape)
    shown = run(data, "retain", "md.test", "--max-mb", "0.0082", "--dry-run", "--json")
    (plan,) = json.loads(shown.stdout)
    assert plan["delete"] == [path.name for path in before[:-2]]
    assert segments(tape) == before
    assert run(data, "retain", "--max-mb", "0.0082", answer="n\n").exit_code == 1
    assert segments(tape) == before
    assert run(data, "retain", "--max-mb", "0.0082", "--yes").exit_code == 0
    assert segments(tape) == before[-2:]
    assert "say what to keep" in run(data, "retain").stderr


def test_tail_follows_a_live_tape_and_ends_quietly_on_ctrl_c(data: Path) -> None:
    arguments = ["tape", "tail", "orders.0", "--json", "--data", str(data)]
    program = [sys.executable, "-c", "from tapewire.cli import main; main()", *arguments]
    with (
        TapeWriter(data / "tapes" / "orders.0") as writer,
        subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as following,
    ):
        assert following.stdout is not None
        assert following.stderr is not None
        first = [json.loads(following.stdout.readline())["seq"] for _ in range(3)]
        writer.append(kill(4))
        writer.commit()
        then = json.loads(following.stdout.readline())["seq"]
        following.send_signal(signal.SIGINT)
        assert (first, then, following.wait(30), following.stderr.read()) == ([1, 2, 3], 4, 0, "")


@pytest.mark.parametrize("arguments", [("tape", "ls"), ("verify", "md.test")])
def test_without_a_folder_it_looks_where_the_settings_say(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "tapewire.toml").write_text(f'data = "{data}"')
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, [*arguments, "--json"])
    assert '"md.test"' in result.stdout
