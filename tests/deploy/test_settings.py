"""What the manifests say to Tapewire, Tapewire understands: settings, commands, users of the bus, ports, folders."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Final

import click
import pytest

from tapewire.cli import SERVICES, cli
from tests.deploy.needs import certificates_of, secrets_of, service_of, settings_of, with_settings
from tests.deploy.policies import selected
from tests.deploy.rendering import (
    OVERLAYS,
    command_of,
    containers,
    labels_of,
    named_ports,
    pod_of,
    rendered,
    services,
    workloads,
)

WRITABLE: Final = {"/data", "/dev/shm/tapewire", "/tmp", "/run/tapewire/keys"}
CASES: Final = [pytest.param(folder, id=folder) for folder in OVERLAYS]


@pytest.mark.parametrize("folder", CASES)
def test_every_container_reads_its_settings(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    for one in with_settings(documents):
        settings = settings_of(one, documents, tmp_path)
        assert (settings.data, settings.rings) == (Path("/data"), Path("/dev/shm/tapewire")), one.where


@pytest.mark.parametrize("folder", CASES)
def test_every_probe_asks_the_port_that_the_service_listens_on(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    for one in with_settings(documents):
        health = settings_of(one, documents, tmp_path).health
        assert health.address == "0.0.0.0", one.where
        ports = {port["name"]: port["containerPort"] for port in one.spec["ports"]}
        for probe, path in (("readinessProbe", "/ready"), ("livenessProbe", "/live")):
            asked = one.spec[probe]["httpGet"]
            assert (ports[asked["port"]], asked["path"]) == (health.port, path), one.where


@pytest.mark.parametrize("folder", CASES)
def test_every_port_that_is_named_is_the_one_in_the_settings(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    for one in with_settings(documents):
        settings, ports = settings_of(one, documents, tmp_path), named_ports({"containers": [one.spec]})
        expected = {f"live-{one.spec['name'].removeprefix('venue-')}": settings.health.port}
        name = service_of(one, documents)
        if name == "gateway.front":
            expected["fix"] = settings.gateway.port
            assert settings.gateway.host == "0.0.0.0"
        if name == "api":
            expected |= {"https": settings.api.port, "stream": settings.api.stream_address[1]}
            assert settings.api.host == "0.0.0.0"
        if name == "monitor":
            expected["metrics"] = settings.monitor.metrics_port
            assert settings.monitor.metrics_host == "0.0.0.0"
        assert ports == expected, one.where


def parse(command: list[str]) -> None:
    """Raises UsageError for what the command line does not know."""
    if command[:2] == ["python", "-m"]:
        importlib.import_module(f"{command[2]}.__main__").main.make_context(command[2], command[3:])
        return
    assert command[0] == "tapewire"
    name, arguments = command[1], command[2:]
    if name in SERVICES:
        importlib.import_module(f"services.{name}.__main__").main.make_context(name, arguments)
        return
    found = cli.get_command(click.Context(cli), name)
    assert found is not None, name
    found.make_context(name, arguments)


@pytest.mark.parametrize("folder", CASES)
def test_every_command_line_is_one_of_ours(folder: str) -> None:
    documents = rendered(folder)
    for one in services(documents):
        parse(command_of(one, documents))


def test_a_command_line_that_is_none_is_found() -> None:
    for wrong in (["tapewire", "engine", "--stand-by"], ["tapewire", "enginge"], ["tapewire", "connector"]):
        with pytest.raises((click.UsageError, AssertionError)):
            parse(wrong)


@pytest.mark.parametrize("folder", CASES)
def test_every_user_of_the_bus_has_its_key_where_it_looks_for_it(folder: str, tmp_path: Path) -> None:
    """`keys` copies exactly what the containers of the pod need, and each is a user that `tapewire bus keys` makes."""
    documents = rendered(folder)
    for workload in workloads(documents):
        copied: set[str] = set()
        needed: set[str] = set()
        of_pod = [one for one in with_settings(documents) if one.workload is workload]
        for one in containers([workload]):
            if one.kind == "init":
                command = command_of(one, documents)
                assert command[:5] == ["install", "-m", "0400", "-D", "-t"], one.where
                copied |= {f"{command[5]}/{Path(path).name}" for path in command[6:]}
        for one in of_pod:
            needed |= set(map(str, secrets_of(one, settings_of(one, documents, tmp_path), documents)))
        assert copied == needed, workload["metadata"]["name"]


@pytest.mark.parametrize("folder", CASES)
def test_what_is_copied_comes_from_the_secrets_and_nothing_is_there_in_vain(folder: str) -> None:
    """A Secret that is taken whole holds the keys of all pods of its workload; test_documents.py looks into those."""
    documents = rendered(folder)
    for workload in workloads(documents):
        volumes = {one["name"]: one for one in pod_of(workload)["spec"].get("volumes", ())}
        for one in containers([workload]):
            if one.kind == "init":
                [place] = [it["mountPath"] for it in one.spec["volumeMounts"] if it["name"] == "secrets"]
                sources = [source["secret"] for source in volumes["secrets"]["projected"]["sources"]]
                named = {f"{place}/{it['path']}" for source in sources for it in source.get("items", ())}
                copied = set(command_of(one, documents)[6:])
                assert named <= copied, one.where
                assert bool(copied - named) == any("items" not in source for source in sources), one.where


@pytest.mark.parametrize("folder", CASES)
def test_every_file_that_the_settings_name_is_mounted(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    for one in with_settings(documents):
        files = certificates_of(one, settings_of(one, documents, tmp_path), documents)
        mounts = {it["mountPath"]: it["name"] for it in one.spec["volumeMounts"]}
        volumes = {it["name"]: it for it in pod_of(one.workload)["spec"]["volumes"]}
        for file in files:
            items = volumes[mounts[str(file.parent)]]["secret"].get("items")
            assert items is None or file.name in {it["path"] for it in items}, (one.where, file)


@pytest.mark.parametrize("folder", CASES)
def test_a_service_writes_where_there_is_a_volume(folder: str) -> None:
    for one in with_settings(rendered(folder)):
        writable = {it["mountPath"] for it in one.spec["volumeMounts"] if not it.get("readOnly")}
        assert {"/data", "/dev/shm/tapewire", "/tmp"} <= writable <= WRITABLE, one.where


@pytest.mark.parametrize("folder", CASES)
def test_every_feed_has_its_connector_and_every_connector_its_feed(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    connectors = [one for one in with_settings(documents) if service_of(one, documents) == "connector"]
    settings = settings_of(connectors[0], documents, tmp_path)
    assert sorted(command_of(one, documents)[2] for one in connectors) == sorted(settings.feeds)
    assert {feed.url.startswith("ws://simulator:") for feed in settings.feeds.values()} == {folder == "overlays/dev"}


@pytest.mark.parametrize("folder", CASES)
def test_every_producer_of_the_engine_stands_somewhere(folder: str, tmp_path: Path) -> None:
    """Whose ring is carried to the engine of a shard, that engine knows and takes; the operator's is its own."""
    documents = rendered(folder)
    for engine in with_settings(documents):
        if engine.spec["name"] != "engine":
            continue
        settings, labels = settings_of(engine, documents, tmp_path), labels_of(engine.workload)
        shard = {"matchLabels": {"tapewire.io/shard": labels["tapewire.io/shard"]}}
        here = next(
            c for c in with_settings([*documents]) if c.workload is engine.workload and c.spec["name"] == "relay"
        )
        taken = set(settings_of(here, documents, tmp_path).relay.inward)
        assert taken == {one.name for one in settings.engine.producers} - {"operator"}
        sent = set()
        for one in with_settings(documents):
            if one.spec["name"] == "relay" and selected(shard, labels_of(one.workload)):
                out = settings_of(one, documents, tmp_path).relay.out
                sent |= {re.sub(r"\d+$", "0", name) for name in out if not name.startswith("router/")}
        assert {re.sub(r"\d+$", "0", name) for name in taken} == sent


@pytest.mark.parametrize("folder", CASES)
def test_only_one_overlay_has_an_engine_in_parts(folder: str, tmp_path: Path) -> None:
    documents = rendered(folder)
    there = {service_of(one, documents) for one in with_settings(documents)} & {"risk", "matcher"}
    topologies = {settings_of(one, documents, tmp_path).engine.topology for one in with_settings(documents)}
    assert (there, topologies) == (
        ({"risk", "matcher"}, {"split"}) if folder == "overlays/split" else (set(), {"fused"})
    )
