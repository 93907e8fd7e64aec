"""The certification walk against our own gateway, with front and engine; and against one that does things wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.fix.auth import write_secret
from tapewire.fix.dictionary import load
from tapewire.fix.message import Message
from tapewire.fix.selftest import Report, Target, run
from tests.fix.processes import skip_reason
from tests.fix.stack import BEGINS, SECRET, Stack
from tests.fix.tampering import Tamper, Tampering, with_value, without
from tools.services.ports import free_port

pytestmark = pytest.mark.skipif(bool(skip_reason()), reason=skip_reason() or "-")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is late here is not the gateway's fault."""
    monkeypatch.setattr("tapewire.fix.selftest.TIMEOUT_S", 30.0)


def certify(stack: Stack, version: str, port: int = 0, *, slow: bool = False) -> Report:
    target = Target(
        "127.0.0.1", port or stack.port, stack.login(f"ORDERS-{version}"), "BTCUSDT", "100.00", "2", "1", slow=slow,
        drop_copy=stack.login(f"COPY-{version}"), market_data=stack.login(f"DATA-{version}"),
    )  # fmt: skip
    return run(target)


def failures(report: Report) -> dict[str, str]:
    return {one.name: one.detail for one in report.results if one.outcome == "failed"}


@pytest.mark.parametrize("version", ["42", "44", "50"])
def test_our_gateway_passes(stack: Stack, version: str) -> None:
    report = certify(stack, version)
    assert failures(report) == {}
    skipped = {one.name for one in report.results if one.outcome == "skipped"}
    assert skipped == {"a Heartbeat comes in silence"} | ({"parties and capacity are repeated"} & skipped)
    assert ("parties and capacity are repeated" in skipped) == (version == "42")


def test_every_message_of_the_rules_is_sent_or_came_but_news_of_a_shutdown(stack: Stack) -> None:
    report = certify(stack, "44")
    assert report.not_seen() == {"B": "News"}
    ours = {kind for kind in load(BEGINS["44"]).messages if report.sent[kind]}
    assert ours >= set("DFGHqVxeg") | {"AF", "XLQ"} | set("0125A")


def no_789(message: Message, body: str) -> str:
    return without(body, 789) if message.type == "5" else body


def same_exec_id(message: Message, body: str) -> str:
    return with_value(body, 17, "0-1") if message.type == "8" and message.get(150) == "0" else body


def wrong_leaves(message: Message, body: str) -> str:
    return with_value(body, 14, "0.001") if message.type == "8" and message.get(39) == "0" else body


def strange_tag(message: Message, body: str) -> str:
    return f"{body}4998=x\x01" if message.type == "9" else body


def silent_on_mass_cancels(message: Message, body: str) -> str:
    return with_value(body, 531, "0") if message.type == "r" else body


@pytest.mark.parametrize(
    ("tamper", "name", "detail"),
    [
        (no_789, "a number too low ends the session, with the expected one", "expected 789="),
        (wrong_leaves, "OrderQty = CumQty + LeavesQty", "expected 38 = 14 + 151"),
        (strange_tag, "every message that came is as the dictionary says", "tag 4998 is not in the dictionary"),
        (silent_on_mass_cancels, "a mass cancel of one instrument and side", "expected 531=1"),
    ],
)
def test_what_a_counterparty_does_wrong_is_found(stack: Stack, tamper: Tamper, name: str, detail: str) -> None:
    with Tampering(stack.port, tamper) as relay:
        found = failures(certify(stack, "44", relay.port))
    assert detail in found.pop(name)
    found.pop("a mass cancel, each order reported, then r", None)
    assert found == {}


def test_an_exec_id_that_comes_twice_is_found(stack: Stack) -> None:
    with Tampering(stack.port, same_exec_id) as relay:
        found = failures(certify(stack, "50", relay.port))
    assert "ExecIDs that came twice: 0-1" in found["no ExecID came twice"]


def command(stack: Stack, port: int, *more: str) -> list[str]:
    options = ["--sender", "ORDERS-44", "--auth", "hmac", "--secret-file", str(stack.folder / "secret")]
    trading = ["--symbol", "BTCUSDT", "--price", "100.00", "--qty", "2", "--half", "1"]
    return ["fix", "selftest", f"127.0.0.1:{port}", *options, *trading, *more]


def test_the_command_prints_a_report_and_says_by_its_status_whether_all_passed(stack: Stack) -> None:
    python = [sys.executable, "-m", "tapewire.cli"]
    data = ["--market-data", f"DATA-44={stack.folder / 'secret'}"]
    good = subprocess.run([*python, *command(stack, stack.port, *data)], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "FIX.4.4" in good.stdout
    assert "0 failed" in good.stdout
    with Tampering(stack.port, no_789) as relay:
        arguments = [*python, *command(stack, relay.port, "--json")]
        bad = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert bad.returncode == 1
    document = json.loads(bad.stdout)
    assert (document["ok"], document["begin"]) == (False, "FIX.4.4")
    assert sum(one["outcome"] == "failed" for one in document["results"]) == 1
    assert document["sent"]["D"] > 10
    assert f"1 of {len(document['results'])} checks failed" in bad.stderr


def test_who_has_no_session_for_market_data_is_told_how_to_check_it(stack: Stack) -> None:
    result = CliRunner().invoke(cli, command(stack, stack.port, "--json"))
    details = {one["name"]: (one["outcome"], one["detail"]) for one in json.loads(result.stdout)["results"]}
    told = ("skipped", "books are told on a session of their own here: --market-data")
    assert details["a snapshot"] == details["a book is followed, and an order shows in it"] == told


def test_where_nobody_listens_there_is_nobody_to_certify(tmp_path: Path) -> None:
    write_secret(tmp_path / "secret", SECRET)
    options = ["--sender", "A", "--auth", "hmac", "--secret-file", str(tmp_path / "secret")]
    trading = ["--symbol", "X", "--price", "1", "--qty", "2", "--half", "1"]
    result = CliRunner().invoke(cli, ["fix", "selftest", f"127.0.0.1:{free_port()}", *options, *trading])
    assert result.exit_code == 1
    assert "nobody to certify there" in result.output


@pytest.mark.slow
def test_heartbeats_come(stack: Stack) -> None:
    report = certify(stack, "44", slow=True)
    assert failures(report) == {}
    assert report.count("skipped") == 0


def test_a_client_that_is_back_at_once_is_let_in_when_the_session_layer_has_noticed(stack: Stack) -> None:
    with closing(stack.client("OTHER-44")) as client:
        for _ in range(30):
            client.send("0")
            client.close()
            assert client.logon().type == "A"
