"""A rolling upgrade, rehearsed with processes: the standby first, promoted by fence, the old engine as standby, then
the doors one by one; and back, as from a release that is found bad; under load through FIX and the API. Nothing
acknowledged is lost, nothing is there twice.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from tapewire import messages as m
from tapewire.client import RingFull
from tapewire.fix.auth import write_secret
from tapewire.health import ask_socket
from tapewire.tape import TapeReader
from tests.api.client import HttpClient, hmac_sign
from tests.engine_process import ACCOUNTS, INSTRUMENT, ROOT
from tests.fix.processes import SESSIONS, Client, skip_reason
from tests.hosts import Hosts, until
from tests.market_day import PRODUCERS, SECRET, api_order, enter, fix_order
from tests.next_version import copy_tree, make_next_version
from tests.replica_hosts import stands_by
from tools.services.ports import free_port

TAPE = "orders.0"
SEND, MIRROR = {"REPLICA__SEND": TAPE}, {"REPLICA__MIRROR": TAPE}
PATIENCE_S = 60.0


class Platform:
    """Engine hosts a and b; a gateway's and an API's host. `tree` is the version that starts from now on."""

    def __init__(self, hosts: Hosts, taken: str) -> None:
        self.hosts, self.tree = hosts, ROOT
        self.taken = {"RELAY__IN": taken}

    def start(self, service: str, host: str, *arguments: str, settings: dict[str, str]) -> None:
        self.hosts.start(service, host, *arguments, tree=self.tree, settings=settings)

    def start_primary(self, host: str) -> None:
        self.start("engine", host, settings={})
        self.start("replica", host, settings=SEND)
        self.start("relay", host, settings=self.taken)

    def start_standby(self, host: str) -> None:
        self.start("replica", host, settings=MIRROR)
        self.start("engine", host, "--standby", settings={})
        self.start("relay", host, settings=self.taken)

    def start_door(self, service: str, host: str, carried: str) -> None:
        """A producer of its own host; its process comes once the relay has made its ring."""
        self.start("replica", host, settings=MIRROR)
        self.start("relay", host, settings={"RELAY__OUT": carried})
        folders = self.hosts.folders(host)

        def made() -> bool:
            return all(folders.find_inbound_ring(0, name) for name in carried.split(","))

        until(made, self.hosts.logs, PATIENCE_S)
        if service:
            self.start(service, host, settings={})

    def end(self, host: str) -> None:
        """All of a host, the doors before what carries their commands."""
        order = ("gateway", "api", "relay", "engine", "replica")
        names = [name for name in self.hosts.processes if name.endswith(f"@{host}")]
        for name in sorted(names, key=lambda name: order.index(name.partition("@")[0])):
            self.hosts.end(name)

    def caught_up(self, host: str, other: str) -> None:
        def same() -> bool:
            return self.released(host) >= self.released(other) > 0

        until(same, self.hosts.logs, PATIENCE_S)

    def released(self, host: str) -> int:
        try:
            return len(self.hosts.records(host))
        except Exception:  # noqa: BLE001 - there may be no tape yet, or half of one
            return 0

    def ask_promotion(self, host: str) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "tapewire.cli",
            "promote",
            TAPE,
            "--data",
            str(self.hosts.data(host)),
            "--json",
        ]
        return subprocess.run(command, cwd=self.tree, capture_output=True, text=True, check=False)

    def promote(self, host: str) -> float:
        """Returns how long it took until the engine there takes orders, seconds."""
        until(lambda: stands_by(self.hosts.folders(host).tape(TAPE)), self.hosts.logs, PATIENCE_S)
        began, before = time.monotonic(), self.hosts.said(f"engine@{host}", '"recovered"')
        done = self.ask_promotion(host)
        assert done.returncode == 0, done.stderr + self.hosts.logs()
        until(lambda: self.hosts.said(f"engine@{host}", '"recovered"') > before, self.hosts.logs, PATIENCE_S)
        return time.monotonic() - began

    def upgrade_engines(self, tree: Path, old: str, new: str) -> float:
        self.end(new)
        self.tree = tree
        self.start_standby(new)
        self.caught_up(new, old)
        took = self.promote(new)
        for service in ("engine", "replica"):  # they find themselves fenced, and end
            self.hosts.processes[f"{service}@{old}"].wait(PATIENCE_S)
        self.end(old)
        self.start_standby(old)
        return took

    def restart_door(self, service: str, host: str, carried: str) -> None:
        self.end(host)
        self.start_door(service, host, carried)

    def verified(self, host: str, tree: Path | None = None) -> None:
        command = [sys.executable, "-m", "tapewire.cli", "verify", TAPE, "--data", str(self.hosts.data(host))]
        done = subprocess.run(command, cwd=tree or self.tree, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def in_background(work: object) -> Iterator[None]:
    """Calls `work` again and again meanwhile; raises what it raised."""
    assert callable(work)
    stop, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:  # noqa: BLE001 - raised below, on the test's thread
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failures:
        raise failures[0]


@pytest.mark.timeout(120)
def test_a_promotion_under_load_loses_no_order_of_another_host_and_takes_none_twice(tmp_path: Path) -> None:
    with Hosts(tmp_path, engine='durability = "replicated"') as hosts:
        platform = Platform(hosts, "traders")
        platform.start_primary("a")
        platform.start_standby("b")
        platform.start("journal", "b", settings={})
        platform.start_door("", "desk", "traders")
        sent: list[int] = []
        with hosts.client("desk") as client:

            def order() -> None:
                with suppress(RingFull):  # nobody takes orders while they are promoted, and that may last
                    sent.append(client.new_order(instrument=1, side=m.Side.buy, qty=1, account=1, price=1000))
                time.sleep(0.005)

            with in_background(order):
                until(lambda: len(sent) > 20, "orders are sent")
                platform.caught_up("b", "a")
                # What a cluster goes by: the pod of an engine that stands by is ready, all of its containers.
                for service in ("engine", "replica", "relay", "journal"):
                    until(partial(ready, hosts, "b", service), hosts.logs, PATIENCE_S)
                platform.promote("b")
                before = len(sent)
                until(lambda: len(sent) > before + 20, "orders are sent")
            until(lambda: len(hosts.orders(2, "b")) >= len(sent), hosts.logs, PATIENCE_S)
        assert hosts.orders(2, "b") == sent
        platform.verified("b")


def ready(hosts: Hosts, host: str, service: str) -> bool:
    return ask_socket(hosts.folders(host).health / service).ok


@pytest.mark.timeout(180)
def test_a_release_whose_engine_does_not_come_up_is_not_promoted_and_the_market_does_not_notice(tmp_path: Path) -> None:
    bad = copy_tree(tmp_path / "bad")
    program = bad / "services" / "engine" / "__main__.py"
    begins = "    told.check(ready=standby.reasons"
    assert begins in program.read_text()
    program.write_text(program.read_text().replace(begins, f"    os.abort()\n{begins}"))
    program.write_text(program.read_text().replace("import threading\n", "import os\nimport threading\n"))
    with Hosts(tmp_path / "hosts", engine='durability = "replicated"') as hosts:
        platform = Platform(hosts, "traders")
        platform.start_primary("a")
        platform.start_standby("b")
        platform.start_door("", "desk", "traders")
        answered: list[int] = []
        with hosts.client("desk") as client:

            def order() -> None:
                name = client.new_order(instrument=1, side=m.Side.buy, qty=1, account=1, price=1000)
                next(client.answers(name, PATIENCE_S))
                answered.append(name)

            with in_background(order):
                until(lambda: len(answered) > 20, hosts.logs, PATIENCE_S)
                platform.caught_up("b", "a")
                platform.end("b")
                platform.tree = bad
                platform.start_standby("b")
                assert hosts.processes["engine@b"].wait(PATIENCE_S) == -signal.SIGABRT
                refused = platform.ask_promotion("b")
                assert refused.returncode == 1
                assert (
                    "goes on: no engine stands by on this host: it does not run, or did not come up" in refused.stderr
                )
                before = len(answered)
                until(lambda: len(answered) > before + 20, hosts.logs, PATIENCE_S)
                assert hosts.processes["engine@a"].poll() is None
                platform.end("b")
                platform.tree = ROOT
                platform.start_standby("b")
                platform.caught_up("b", "a")
                platform.promote("b")
                before = len(answered)
                until(lambda: len(answered) > before + 20, hosts.logs, PATIENCE_S)
        assert hosts.orders(2, "b") == answered
        platform.verified("b")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(bool(skip_reason()), reason=skip_reason())
def test_every_service_goes_to_the_next_version_and_back_under_load(tmp_path: Path) -> None:
    tree = make_next_version(tmp_path / "next")
    fix_port, api_port = free_port(), free_port()
    write_secret(tmp_path / "desk.secret", SECRET)
    tables = (
        f"[api]\nport = {api_port}\nstream_port = {free_port()}\nbus = false\n"
        f'[[api.keys]]\nname = "desk"\nnumber = 1\nauth = "hmac"\nsecret_file = "{tmp_path}/desk.secret"\n'
        f'scopes = ["read", "trade"]\naccounts = [2]\nrate = 100000\nburst = 100000\n'
        f"[gateway]\nport = {free_port()}\nbackend_port = {fix_port}\ndrain_timeout = 1.0\n{SESSIONS}"
    )
    engine = f'{PRODUCERS}\ndurability = "replicated"'
    with Hosts(tmp_path / "hosts", engine=engine, more=tables + INSTRUMENT + ACCOUNTS) as hosts:
        platform = Platform(hosts, "gateway,api,api-operator")
        platform.start_primary("a")
        platform.start_standby("b")
        platform.start_door("gateway", "door", "gateway")
        platform.start_door("api", "web", "api,api-operator")
        until(lambda: hosts.said("gateway@door", '"listening"'), hosts.logs, PATIENCE_S)
        until(lambda: hosts.said("api@web", '"open"'), hosts.logs, PATIENCE_S)
        token = hosts.folders("door").front_token
        fix = Client(fix_port, "FIX.4.4", "ALICE", tmp_path / "store", token)
        api = HttpClient(api_port, "desk", hmac_sign(SECRET))
        acknowledged: list[str] = []
        asked: list[str] = []
        slowest = 0.0

        def by_api() -> None:
            nonlocal slowest
            name, began = f"api-{len(acknowledged)}", time.monotonic()
            enter(api, api_order(name, "buy" if len(acknowledged) % 2 else "sell", "10.00", 1))
            slowest = max(slowest, time.monotonic() - began)
            acknowledged.append(name)

        def by_fix(count: int) -> None:
            for _ in range(count):
                asked.append(f"fix-{len(asked)}")
                fix.send(fix_order(asked[-1], "1", "10.00", 1))

        try:
            fix.wait_for("logon")
            with in_background(by_api):
                by_fix(20)
                until(lambda: len(acknowledged) > 20, hosts.logs, PATIENCE_S)
                took = platform.upgrade_engines(tree, "a", "b")
                by_fix(20)
                more = len(acknowledged) + 20
                until(lambda: len(acknowledged) > more, hosts.logs, PATIENCE_S)
                platform.end("door")
                by_fix(5)  # while nobody listens: the session asks for them when it is back
                platform.start_door("gateway", "door", "gateway")
                fix.wait_for("logon", 2)
                by_fix(20)
                platform.restart_door("api", "web", "api,api-operator")
                last = len(acknowledged) + 20
                until(lambda: len(acknowledged) > last, hosts.logs, PATIENCE_S)
                found_bad = time.monotonic()
                took_back = platform.upgrade_engines(ROOT, "b", "a")
                platform.restart_door("gateway", "door", "gateway")
                fix.wait_for("logon", 3)
                by_fix(20)
                platform.restart_door("api", "web", "api,api-operator")
                last = len(acknowledged) + 20
                until(lambda: len(acknowledged) > last, hosts.logs, PATIENCE_S)
                took_all_back = time.monotonic() - found_bad
            accepted = collect(fix, len(asked))
            names = Counter(one.client_text for one in hosts.records("a") if isinstance(one, m.NewOrder))
            assert {name: names[name] for name in (*acknowledged, *asked) if names[name] != 1} == {}
            assert accepted == Counter(asked)
            platform.caught_up("b", "a")
            lengths = [len(raw) for raw in raws(hosts, "a") if m.type_of(raw) == m.MessageType.order_accepted]
            assert set(lengths) == {len(bytes(m.OrderAccepted())), len(bytes(m.OrderAccepted())) + 8}
            for host in ("a", "b"):
                platform.verified(host, ROOT)
                platform.verified(host, tree)
            print(
                json.dumps(
                    {
                        "api_orders": len(acknowledged),
                        "fix_orders": len(asked),
                        "promotion_s": round(took, 2),
                        "promotion_back_s": round(took_back, 2),
                        "all_back_s": round(took_all_back, 1),
                        "slowest_answer_s": round(slowest, 2),
                    }
                )
            )
        finally:
            fix.close()
            api.close()
            for name in list(hosts.processes):
                hosts.end(name, signal.SIGKILL)


def raws(hosts: Hosts, host: str) -> list[bytes]:
    with TapeReader(str(hosts.folders(host).tape(TAPE)), None, limit="written") as reader:
        return list(reader)


def collect(fix: Client, orders: int) -> Counter[str]:
    """How often each order was reported as new, repetitions marked as such aside."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = Counter(one[11] for one in fix.messages if one.get(150) == "0" and one.get(43) != "Y")
        if len(found) >= orders:
            return found
        assert fix.poll(0.2) or time.monotonic() < deadline, f"{len(found)} of {orders} were reported"
