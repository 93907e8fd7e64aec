"""Hosts with an engine and a replica each, joined by a real nats-server alone: for the tests that kill either."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from services.engine import Audit
from services.replica.stream import Stream
from tapewire import config as configuration
from tapewire import messages as m
from tapewire.client import OrderClient, RingFull
from tapewire.nats_server import NatsServer
from tapewire.replication import names, standing
from tapewire.replication import state as states
from tapewire.replication.host import host_of
from tapewire.replication.part import Part
from tapewire.replication.state import State
from tapewire.tape import TapeReader
from tapewire.transports.nats import NatsTransport
from tests.engine_process import ACCOUNTS, INSTRUMENT, PATIENCE_S, ROOT, EngineProcess, order
from tools.services.ports import free_port

TAPE = "orders.0"
SEND, MIRROR = f'send = ["{TAPE}"]', f'mirror = ["{TAPE}"]'
SYNCED = """\
listen: "127.0.0.1:0"
max_payload: 1MB
jetstream {{
  store_dir: "{store}"
  sync_interval: always
}}
"""


def server(folder: Path) -> NatsServer:
    """Whose acknowledgement means: on the disk. It may be restarted: the system gives its port to nobody meanwhile."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    config.write_text(SYNCED.format(store=folder))
    return NatsServer(folder, port=free_port(), config=config)


class Host:
    """One data folder and one rings folder, an engine and a replica."""

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        durability: str = "replicated",
        replica: str = "",
        segment_bytes: int = 1 << 20,
        engine: str = "",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.engine = EngineProcess(
            folder,
            engine=f'durability = "{durability}"\n{engine}',
            more=f'{INSTRUMENT}{ACCOUNTS}[nats]\nurl = "{url}"\n[replica]\n{replica}\n',
            segment_bytes=segment_bytes,
        )
        self.replica: subprocess.Popen[bytes] | None = None
        self.log = folder / "replica.log"

    @property
    def tape(self) -> Path:
        return self.engine.tape

    def set_replica(self, replica: str) -> None:
        """What `[replica]` says at its next start."""
        text = self.engine.config.read_text()
        self.engine.config.write_text(text[: text.index("[replica]")] + f"[replica]\n{replica}\n")

    def start_replica(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "services.replica", "--config", str(self.engine.config)]
        with self.log.open("ab") as log:
            self.replica = subprocess.Popen(command, cwd=ROOT, stderr=log)
        return self.replica

    def start_standby(self) -> None:
        command = [sys.executable, "-m", "services.engine", "--standby", "--config", str(self.engine.config)]
        with self.engine.log.open("ab") as log:
            self.engine.process = subprocess.Popen(command, cwd=ROOT, stderr=log)

    def end_replica(self, number: int = signal.SIGKILL) -> int:
        assert self.replica is not None
        self.replica.send_signal(number)
        return self.replica.wait(PATIENCE_S)

    def state(self) -> State | None:
        return states.read(self.tape)

    def released(self) -> int:
        try:
            with TapeReader(self.tape, from_seq=None) as reader:
                return reader.positions.released_seq
        except Exception:  # noqa: BLE001 - there may be no tape yet, or half of one
            return 0

    def logs(self) -> str:
        return "\n".join(
            f"== {path}\n{path.read_text()[-4000:]}" for path in (self.engine.log, self.log) if path.exists()
        )

    def close(self) -> None:
        for process in (self.engine.process, self.replica):
            if process is not None and process.poll() is None:
                os.kill(process.pid, signal.SIGCONT)
                process.kill()
                process.wait()


class Pair(NamedTuple):
    """Who writes the tape, and who mirrors it."""

    primary: Host
    standby: Host

    def start(self, *, mirror: bool = True, standing_by: bool = False) -> None:
        """The engine that writes and its sender; its mirror, and an engine that stands by over there."""
        self.primary.engine.start()
        self.primary.start_replica()
        if mirror:
            self.standby.start_replica()
        if standing_by:
            self.standby.start_standby()

    def trade(self, load: Load, orders: int) -> None:
        """Returns once all are answered."""
        load.send(orders)
        until(load.all_answered, *self)

    @contextmanager
    def trading(self, orders: int, *, mirror: bool = True, standing_by: bool = False) -> Iterator[Load]:
        """Starts them, and a client of the writer whose first orders are answered; its load is yielded."""
        self.start(mirror=mirror, standing_by=standing_by)
        with self.primary.engine.client() as client:
            load = Load(client)
            self.trade(load, orders)
            yield load

    def until_both_have_it(self) -> None:
        """All that one of them released, the other has."""
        until(lambda: self.standby.released() == self.primary.released(), *self)

    def have_the_same(self) -> None:
        """Once both have it: every byte."""
        self.until_both_have_it()
        same_bytes(self.primary.tape, self.standby.tape)


@contextmanager
def a_pair(folder: Path, url: str, *, more: str = "", mirror: str = "", **options: Any) -> Iterator[Pair]:
    """Two hosts of which nothing runs yet. `more`: settings of both replicas, `mirror`: of the second one's."""
    primary = Host(folder / "a", url, replica=f"{SEND}\n{more}", **options)
    standby = Host(folder / "b", url, replica=f"{MIRROR}\n{more}\n{mirror}", **options)
    try:
        yield Pair(primary, standby)
    finally:
        primary.close()
        standby.close()


class Load:
    """Orders of one client, and which of them were answered: each once, whatever happens."""

    def __init__(self, client: OrderClient) -> None:
        self.client = client
        self.sent: list[int] = []
        self.answers: Counter[int] = Counter()

    def send(self, orders: int, within_s: float = PATIENCE_S) -> None:
        """Puts them into the ring as there is room; reads what is answered meanwhile."""
        deadline = time.monotonic() + within_s
        while orders:
            try:
                side = m.Side.buy if orders % 2 else m.Side.sell
                self.sent.append(order(self.client, side, 10_000 + orders % 7))
                orders -= 1
            except RingFull:
                assert time.monotonic() < deadline, f"{orders} orders found no room"
                time.sleep(0.001)
                self.collect()

    def collect(self) -> int:
        """How many have been answered."""
        for answer in self.client.poll(4096):
            if isinstance(answer, m.OrderAccepted | m.OrderRejected):
                self.answers[answer.cl_ord_id] += 1
        return len(self.answers)

    def all_answered(self) -> bool:
        self.collect()
        return self.answers.keys() >= set(self.sent)


def on_tape(tape: Path) -> Counter[int]:
    """How often each ClOrdID stands there as a new order."""
    found: Counter[int] = Counter()
    with TapeReader(tape, from_seq=None) as reader:
        for raw in reader:
            record = m.decode(raw)
            if isinstance(record, m.NewOrder):
                found[record.cl_ord_id] += 1
    return found


def until(what: Callable[[], bool], *hosts: Host, within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "\n".join(host.logs() for host in hosts)
        time.sleep(0.01)


def same_bytes(one: Path, other: Path) -> None:
    """Every record of two tapes, and the files of their sealed segments."""
    with TapeReader(one, from_seq=None) as a, TapeReader(other, from_seq=None) as b:
        a.seek_seq(max(a.first_seq, b.first_seq))
        b.seek_seq(max(a.first_seq, b.first_seq))
        while True:
            left, right = a.poll(1000), b.poll(1000)
            assert left == right, f"records from {a.next_seq - len(left)} differ"
            if not left:
                break
    mine, theirs = ({path.name: path for path in tape.glob("*.seg")} for tape in (one, other))
    for name in sorted(mine.keys() & theirs.keys()):
        assert mine[name].read_bytes() == theirs[name].read_bytes(), name


def tell_replica(host: Host, *words: str) -> None:
    """`tapewire replica renew` or `afresh` of the tape, on that host."""
    command = [sys.executable, "-m", "tapewire.cli", "replica", *words, TAPE, "--yes"]
    subprocess.run([*command, "--data", str(host.engine.folders.data)], cwd=ROOT, check=True, capture_output=True)


def ended(process: subprocess.Popen[bytes] | None) -> int:
    """The exit status of one that ends by itself."""
    assert process is not None
    return process.wait(PATIENCE_S)


def stands_by(tape: Path) -> bool:
    """Whether an engine on its host could go on with it now."""
    state, steady = states.read(tape), time.monotonic_ns()
    return state is not None and not state.stale(time.time_ns()) and not standing.why_not(tape, state.seq, steady)


def promote(host: Host, within_s: float = PATIENCE_S) -> dict[str, Any]:
    """`tapewire promote` on that host, once an engine stands by there that could go on; what it says."""
    until(lambda: stands_by(host.tape), host)
    command = [sys.executable, "-m", "tapewire.cli", "promote", TAPE, "--data", str(host.engine.folders.data)]
    done = subprocess.run(
        [*command, "--json", "--within", str(within_s)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr + host.logs()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def verified(tape: Path) -> bool:
    """Replays the tape from its first record (or oldest snapshot) and compares every event."""
    audit = Audit(tape)
    while audit.run():
        pass
    return not audit.pending_events


def claim_for(host: Host) -> None:
    """The claim that its replica would have put into the stream, stored; its replica does not run."""

    async def claim() -> None:
        settings = configuration.load(host.engine.config)
        transport = NatsTransport(settings.nats)
        await transport.connect()
        stream = Stream(transport, settings.env, TAPE)
        await stream.open()
        last = await stream.last()
        assert last is not None
        end, before = last.part.end, last.part
        part = Part(
            kind="claim",
            mark=before.mark,
            holder=host_of(host.engine.folders.data),
            epoch=before.epoch + 1,
            position=end,
            end=end,
            last=before.last,
            durability=before.durability,
        )
        stored = asyncio.get_running_loop().create_future()
        stream.publish(part, b"", last.sequence, lambda sequence, why: stored.set_result(sequence))
        assert await asyncio.wait_for(stored, PATIENCE_S) == last.sequence + 1
        await transport.close()

    asyncio.run(claim())


def delete_stream(host: Host) -> None:
    """As somebody does who may."""

    async def delete() -> None:
        settings = configuration.load(host.engine.config)
        transport = NatsTransport(settings.nats)
        await transport.connect()
        await transport.request(f"$JS.API.STREAM.DELETE.{names.stream(settings.env, TAPE)}", b"", timeout=PATIENCE_S)
        await transport.close()

    asyncio.run(delete())
