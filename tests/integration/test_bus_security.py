"""The shipped server's settings, with keys as `tapewire bus keys` makes them: TLS, nkeys or tokens, and for everybody
what must work and what must fail, tried on a real server."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import nats
import pytest
from click.testing import CliRunner

from tapewire import messages as m
from tapewire.cli import cli
from tapewire.client import Latest, LatestValue
from tapewire.config import Config
from tapewire.config.sections import Nats
from tapewire.errors import TransportError
from tapewire.interfaces import Received
from tapewire.nats_server import NatsServer
from tapewire.order_bus import frames
from tapewire.transports.nats import NatsTransport
from tapewire.transports.nats_line import NatsLine
from tests.engine_process import PATIENCE_S
from tests.fix.certificates import self_signed
from tests.integration.test_transport_contract import until

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "nats" / "nats-server.conf"
REFUSED_S = 4.0  # one that is refused tries again for so long
TRADE = bytes(m.Trade(seq=1, ticker="ACME", price=100, qty=1))


@dataclass
class Secured:
    server: NatsServer
    folder: Path
    ca: Path

    def settings(self, user: str = "", **more: object) -> Nats:
        settings = {"url": f"tls://localhost:{self.server.port}", "keys": self.folder / "keys", "ca": self.ca}
        patience = {"connect_timeout": PATIENCE_S, "drain_timeout": PATIENCE_S}
        return Nats(user=user, **(settings | patience | more))  # type: ignore[arg-type]

    def transport(self, user: str) -> NatsTransport:
        return NatsTransport(self.settings(user))


def shipped(folder: Path, certificate: Path, private: Path, tokens: bool) -> Path:
    """The shipped file in `folder`, beside the keys made there."""
    text = SHIPPED.read_text()
    for name, value in (("CERT", certificate), ("KEY", private), ("STORE", folder / "store")):
        text = text.replace(f"$TAPEWIRE_NATS_{name}", f'"{value}"')
    if tokens:
        text = text.replace("include users.conf", "include resolver.conf")
    config = folder / "nats-server.conf"
    config.write_text(text)
    return config


@pytest.fixture(scope="module", params=["nkeys", "jwt"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """The shipped file, in a folder with keys; what it takes from the environment stands in front of it."""
    folder = tmp_path_factory.mktemp("secured")
    certificate, private = self_signed(folder, "localhost")
    tokens = ["--jwt"] if request.param == "jwt" else []
    made = CliRunner().invoke(
        cli,
        ["bus", "keys", str(folder), "--env", "t", "--feed", "binance", "--account", "7", "--account", "8", *tokens],
    )
    assert made.exit_code == 0, made.output
    config = shipped(folder, certificate, private, bool(tokens))
    with NatsServer(folder / "data", port=0, config=config) as server:
        yield Secured(server, folder, certificate)


@pytest.mark.parametrize(
    ("speaker", "subject", "listener"),
    [
        ("connector-binance", "t.binance.trade.ACME", "subscriber"),
        ("journal", "t.house.trade.ACME", "account-7"),
        ("journal", "t.house.exec.7", "account-7"),
        ("journal", "t.orders.tape.0", "operator"),
        ("router", "t.router.parent.8", "account-8"),
        ("monitor", "t.ops.health.engine", "operator"),
    ],
)
async def test_what_is_allowed_arrives(secured: Secured, speaker: str, subject: str, listener: str) -> None:
    heard = asyncio.Event()
    one, other = secured.transport(speaker), secured.transport(listener)
    await one.connect()
    await other.connect()
    try:
        await other.subscribe(subject, lambda message: heard.set())
        one.publish(subject, TRADE)
        await asyncio.wait_for(heard.wait(), PATIENCE_S)
    finally:
        await one.close()
        await other.close()


@pytest.mark.parametrize(
    ("speaker", "subject"),
    [
        ("connector-binance", "t.house.trade.ACME"),
        ("connector-binance", "t.kraken.trade.ACME"),
        ("journal", "t.orders.command.7"),
        ("subscriber", "t.binance.trade.ACME"),
        ("subscriber", "t.orders.command.7"),
        ("latest", "t.house.trade.ACME"),
        ("latest", "t.orders.command.7"),
        ("latest", "t.ops.schema.layout"),
        ("account-7", "t.orders.command.8"),
        ("account-7", "t.house.exec.7"),
        ("operator", "t.house.trade.ACME"),
        ("api", "t.house.trade.ACME"),
        ("monitor", "t.orders.tape.0"),
    ],
)
async def test_what_is_not_allowed_is_not_published(secured: Secured, speaker: str, subject: str) -> None:
    heard, refused = list[Received](), asyncio.Event()
    one, watch = secured.transport(speaker), secured.transport("operator")
    await one.connect()
    await watch.connect()
    try:
        await watch.subscribe("t.>", heard.append)
        one.log = _Refusals(refused)  # type: ignore[assignment]
        one.publish(subject, TRADE)
        await asyncio.wait_for(refused.wait(), PATIENCE_S)
        await watch.flush()
        assert heard == []
    finally:
        await one.close()
        await watch.close()


@pytest.mark.parametrize(
    ("listener", "subject", "speaker"),
    [
        ("subscriber", "t.house.exec.7", "journal"),
        ("subscriber", "t.house.exec.*", "journal"),
        ("account-8", "t.house.exec.7", "journal"),
        ("subscriber", "t.orders.tape.0", "journal"),
        ("latest", "t.orders.tape.0", "journal"),
        ("latest", "t.house.exec.*", "journal"),
        ("latest", "_INBOX.subscriber.>", "journal"),
        ("account-7", "t.>", "journal"),
        ("account-7", "_INBOX.account-8.>", "journal"),
    ],
)
async def test_what_is_not_allowed_is_not_heard(secured: Secured, listener: str, subject: str, speaker: str) -> None:
    heard, refused = list[Received](), asyncio.Event()
    one, other = secured.transport(speaker), secured.transport(listener)
    await one.connect()
    await other.connect()
    try:
        other.log = _Refusals(refused)  # type: ignore[assignment]
        await other.subscribe(subject, heard.append)
        await asyncio.wait_for(refused.wait(), PATIENCE_S)
        for said in ("t.house.exec.7", "t.orders.tape.0", "t.house.trade.ACME"):
            one.publish(said, TRADE)
        await one.flush()
        await other.flush()
        assert heard == []
    finally:
        await one.close()
        await other.close()


async def test_latest_values_come_over_it_with_the_key_that_is_for_them(secured: Secured) -> None:
    """Of a venue, and of the house with what is asked of it."""
    journal, connector = secured.transport("journal"), secured.transport("connector-binance")
    await journal.connect()
    await connector.connect()
    terms = {"instrument": 1, "ticker": "ACME"}

    async def answer(asked: Received) -> None:
        """As the journal does: everything that stands."""
        what = bytes(asked.data)
        definition = bytes(m.InstrumentDefinition(seq=1, **terms))
        status = bytes(m.InstrumentStatusChanged(seq=2, status=m.InstrumentStatus.trading, **terms))
        book = bytes(m.BookSnapshot(seq=3, quality=m.BookQuality.live, **terms))
        journal.publish(asked.reply, {b"instruments": frames([definition]), b"status": status}.get(what, book))

    try:
        await journal.subscribe("t.house.snapshot.*", answer)
        await journal.flush()
        for feed, speaker in (("house", journal), ("binance", connector)):
            config = Config(env="t", nats=secured.settings())
            async with await Latest.remote(config=config, feed=feed) as store:
                changes: asyncio.Queue[LatestValue] = asyncio.Queue()
                store.subscribe("ACME", changes.put_nowait)
                speaker.publish(f"t.{feed}.trade.ACME", TRADE)
                async with asyncio.timeout(PATIENCE_S):
                    while not (await changes.get()).trade_seq:
                        pass  # the status may be told first
                # And the house's status, whichever of them comes first.
                if feed == "house":
                    await until(lambda store=store: store.latest("ACME").status is m.InstrumentStatus.trading)  # type: ignore[misc]
                else:
                    assert store.latest("ACME").status is not m.InstrumentStatus.trading
    finally:
        await journal.close()
        await connector.close()


async def test_who_has_no_key_is_told_so_and_does_not_get_in(secured: Secured, tmp_path: Path) -> None:
    with pytest.raises(TransportError, match=r"NATS server at .* does not let us in: .*Authorization Violation"):
        await NatsTransport(secured.settings(keys=Path(), connect_timeout=REFUSED_S)).connect()
    with pytest.raises(TransportError, match=r"no key of the user 'nobody'.*`tapewire bus keys` makes them"):
        await secured.transport("nobody").connect()
    (loose := tmp_path / "journal.nk").write_text("SUAB\n")
    loose.chmod(0o644)
    with pytest.raises(TransportError, match=r"mode 0600"):
        await NatsTransport(secured.settings("journal", keys=tmp_path)).connect()


async def test_a_server_that_nobody_vouches_for_is_not_talked_to(secured: Secured, tmp_path: Path) -> None:
    stranger, _ = self_signed(tmp_path, "localhost")
    with pytest.raises(TransportError, match=r"(?i)certificate"):
        await NatsTransport(secured.settings("journal", ca=stranger, connect_timeout=REFUSED_S)).connect()
    with pytest.raises(ssl.SSLError):
        # Without TLS there is no way in at all: this client is made to use it.
        await nats.connect(f"nats://127.0.0.1:{secured.server.port}", allow_reconnect=False, connect_timeout=30)


def test_keys_that_are_there_stay_when_an_account_comes(tmp_path: Path) -> None:
    run = CliRunner()
    arguments = ["bus", "keys", str(tmp_path), "--env", "t", "--account", "1"]
    assert run.invoke(cli, arguments).exit_code == 0
    before = {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
    more = run.invoke(cli, [*arguments, "--account", "2"])
    assert sorted(map(str.strip, more.output.splitlines())) == [
        str(tmp_path / "keys" / "account-2.nk"),
        str(tmp_path / "users.conf"),
    ]
    after = {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
    assert after.items() > before.items()
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "keys").iterdir())


@pytest.mark.parametrize("tokens", [[], ["--jwt"]])
async def test_a_user_that_is_not_named_any_more_has_no_key_and_a_copy_of_it_is_refused(
    tmp_path: Path, tokens: list[str]
) -> None:
    """Also after the next run, which does not know it any more."""
    certificate, private = self_signed(tmp_path, "localhost")
    arguments = ["bus", "keys", str(tmp_path), "--env", "t", *tokens]
    assert CliRunner().invoke(cli, [*arguments, "--account", "7", "--account", "8"]).exit_code == 0
    shutil.copytree(tmp_path / "keys", tmp_path / "copies")
    for _ in range(2):
        assert CliRunner().invoke(cli, [*arguments, "--account", "8"]).exit_code == 0
    left = {path.stem for path in (tmp_path / "keys").iterdir()}
    assert "account-8" in left
    assert "account-7" not in left
    with NatsServer(tmp_path / "data", port=0, config=shipped(tmp_path, certificate, private, bool(tokens))) as server:
        copied = Nats(url=f"tls://localhost:{server.port}", keys=tmp_path / "copies", ca=certificate, user="account-8")
        allowed = NatsTransport(copied)
        await allowed.connect()
        await allowed.drain()
        with pytest.raises(TransportError, match=r"Authorization Violation|(?i:revoked)"):
            await NatsTransport(msgspec.structs.replace(copied, user="account-7", connect_timeout=REFUSED_S)).connect()


def test_the_shipped_file_holds_for_the_server_as_it_is(tmp_path: Path) -> None:
    """nats-server's own check, with what the environment must give."""
    import subprocess

    from tapewire.nats_server import find_binary

    certificate, private = self_signed(tmp_path, "localhost")
    shutil.copy(SHIPPED, tmp_path)
    assert CliRunner().invoke(cli, ["bus", "keys", str(tmp_path), "--env", "t"]).exit_code == 0
    environ = {"TAPEWIRE_NATS_CERT": str(certificate), "TAPEWIRE_NATS_KEY": str(private)}
    done = subprocess.run(
        [str(find_binary()), "-t", "-c", SHIPPED.name],
        cwd=tmp_path,
        env=environ | {"TAPEWIRE_NATS_STORE": str(tmp_path / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class _Refusals:
    """A log that hears of the server's refusals."""

    def __init__(self, refused: asyncio.Event) -> None:
        self._refused = refused

    def warning(self, event: str, **what: object) -> None:
        assert event == "bus_error", (event, what)
        assert "permissions violation" in str(what["error"]).lower()
        self._refused.set()


def opened(secured: Secured, user: str, *patterns: str) -> NatsLine:
    line = NatsLine(secured.settings(user), user)
    for pattern in patterns:
        line.subscribe(pattern)
    line.connect()
    return line


@pytest.mark.parametrize("service", ["risk", "matcher"])
def test_an_engine_asks_risk_and_matcher_and_hears_them_alone(secured: Secured, service: str) -> None:
    answering = opened(secured, service, f"t.{service}.ask.*")
    engine = opened(secured, "engine", "_INBOX.engine.*")
    try:
        engine.publish(f"t.{service}.ask.0", b"ask", "_INBOX.engine.1")
        ask = answering.receive(PATIENCE_S)
        assert ask is not None
        assert (ask.subject, ask.data) == (f"t.{service}.ask.0", b"ask")
        answering.publish(ask.reply, b"answer")
        answer = engine.receive(PATIENCE_S)
        assert answer is not None
        assert answer.data == b"answer"
        # Once an ask, and nowhere else.
        answering.publish("_INBOX.engine.2", b"unasked")
        with pytest.raises(TransportError, match="Permissions Violation"):
            answering.receive(PATIENCE_S)
        assert engine.receive(0.2) is None
    finally:
        answering.close()
        engine.close()


@pytest.mark.parametrize(
    ("user", "subject"),
    [
        ("subscriber", "t.risk.ask.0"),
        ("account-7", "t.matcher.ask.0"),
        ("operator", "t.risk.ask.0"),
        ("journal", "t.matcher.ask.0"),
        ("risk", "t.matcher.ask.0"),
        ("engine", "t.orders.tape.0"),
        ("engine", "t.house.exec.7"),
    ],
)
def test_nobody_else_asks_and_an_engine_says_nothing_else(secured: Secured, user: str, subject: str) -> None:
    line = opened(secured, user)
    try:
        line.publish(subject, b"ask", f"_INBOX.{user}.1")
        with pytest.raises(TransportError, match="Permissions Violation"):
            line.receive(PATIENCE_S)
    finally:
        line.close()


@pytest.mark.parametrize(("user", "pattern"), [("matcher", "t.risk.ask.*"), ("engine", "t.risk.ask.0"), ("risk", ">")])
def test_nobody_else_hears_what_an_engine_asks(secured: Secured, user: str, pattern: str) -> None:
    with pytest.raises(TransportError, match="Permissions Violation"):
        opened(secured, user, pattern)


def test_a_server_that_cannot_show_who_it_is_gets_nothing(secured: Secured) -> None:
    with pytest.raises(TransportError, match="cannot reach"):
        NatsLine(secured.settings("engine", ca=Path()), "engine").connect()
