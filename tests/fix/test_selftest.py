"""The certification walk, through the front, against a QuickFIX acceptor that was written from the document alone."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.config import GatewaySession
from tapewire.fix.auth import write_secret
from tapewire.fix.client import Login
from tapewire.fix.selftest import Report, Target, run
from tests.fix.front_in_a_thread import SECRET, FrontInAThread

pytest.importorskip("quickfix", reason="the extra `fix` is not installed (CPython 3.13)")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def venue(folder: Path, begin: str, *wrong: str) -> Iterator[FrontInAThread]:
    """A front and the acceptor behind it."""
    write_secret(folder / "secret", SECRET)
    names = {"ACME": "orders", "COPY": "drop-copy"}
    sessions = tuple(
        GatewaySession(
            name=name.lower(), number=n, comp_id=name, username=name, auth="hmac", secret_file=folder / "secret",
            version=begin, kind=kind, accounts=(1,),  # type: ignore[arg-type]
        )
        for n, (name, kind) in enumerate(names.items(), 1)
    )  # fmt: skip
    port = free_port()
    front = FrontInAThread(folder, sessions, backend=port, refusal_delay=0.05, logon_attempts=100)
    command = [sys.executable, "-m", "tests.fix.scripted_acceptor", str(port), begin, str(folder / "front.token")]
    with subprocess.Popen([*command, str(folder), *wrong], stdout=subprocess.PIPE, text=True) as acceptor:
        try:
            assert acceptor.stdout is not None
            assert acceptor.stdout.readline() == "ready\n"
            with front:
                yield front
            assert acceptor.poll() is None, "the acceptor died"
        finally:
            acceptor.terminate()


def certify(front: FrontInAThread, begin: str, *, copies: bool = True) -> Report:
    def login(name: str) -> Login:
        return Login(name, "TAPEWIRE", name, "hmac", SECRET, begin)

    target = Target(
        "127.0.0.1", front.port, login("ACME"), "BTCUSDT", "100.00", "2", "1",
        drop_copy=login("COPY") if copies else None,
    )  # fmt: skip
    return run(target)


def failures(report: Report) -> dict[str, str]:
    return {one.name: one.detail for one in report.results if one.outcome == "failed"}


@pytest.mark.parametrize("begin", ["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def test_a_counterparty_that_follows_the_rules_passes(tmp_path: Path, begin: str) -> None:
    with venue(tmp_path, begin) as front:
        report = certify(front, begin, copies=begin != "FIX.4.2")
    assert failures(report) == {}
    skipped = [one.name for one in report.results if one.outcome == "skipped"]
    expected = ["a Heartbeat comes in silence"]
    if begin == "FIX.4.2":
        expected.append("a report is copied with 797=Y and its ExecID")
    assert skipped == expected


@pytest.mark.parametrize(
    ("wrong", "name", "detail"),
    [
        ("no-789", "a number too low ends the session, with the expected one", "expected 789="),
        ("same-exec-id", "no ExecID came twice", "ExecIDs that came twice: "),
        ("wrong-leaves", "OrderQty = CumQty + LeavesQty", "expected 38 = 14 + 151"),
        ("strange-tag", "every message that came is as the dictionary says", "tag 4998 is not in the dictionary"),
    ],
)
def test_what_a_counterparty_does_wrong_is_found(tmp_path: Path, wrong: str, name: str, detail: str) -> None:
    with venue(tmp_path, "FIX.4.4", wrong) as front:
        found = failures(certify(front, "FIX.4.4"))
    assert list(found) == [name]
    assert detail in found[name]


def test_the_command_prints_a_report_and_says_by_its_status_whether_all_passed(tmp_path: Path) -> None:
    with venue(tmp_path, "FIX.4.4", "no-789") as front:
        options = ["--sender", "ACME", "--auth", "hmac", "--secret-file", str(tmp_path / "secret")]
        trading = ["--symbol", "BTCUSDT", "--price", "100.00", "--qty", "2", "--half", "1", "--json"]
        command = [sys.executable, "-m", "tapewire.cli", "fix", "selftest", f"127.0.0.1:{front.port}"]
        result = subprocess.run([*command, *options, *trading], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    document = json.loads(result.stdout)
    assert (document["ok"], sum(one["outcome"] == "failed" for one in document["results"])) == (False, 1)
    assert f"1 of {len(document['results'])} checks failed" in result.stderr


def test_where_nobody_listens_there_is_nobody_to_certify(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", SECRET)
    options = ["--sender", "A", "--auth", "hmac", "--secret-file", str(tmp_path / "secret")]
    trading = ["--symbol", "X", "--price", "1", "--qty", "2", "--half", "1"]
    result = CliRunner().invoke(cli, ["fix", "selftest", f"127.0.0.1:{free_port()}", *options, *trading])
    assert result.exit_code == 1
    assert "nobody to certify there" in result.output
