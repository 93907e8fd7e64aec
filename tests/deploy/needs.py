"""What a container of ours reads when it starts: its settings, and the files that its pod takes from Secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tapewire.bus import permissions
from tapewire.config import Config, load
from tapewire.relay import name as rings
from tests.deploy.rendering import (
    Container,
    Document,
    command_of,
    environment_of,
    pod_of,
    services,
)

SETTINGS: Final = "/etc/tapewire/tapewire.toml"
NO_HEALTH: Final = {"simulator"}
"""Answers GET /_sim/status, on the ports of its venues."""


def with_settings(documents: list[Document]) -> list[Container]:
    return [one for one in services(documents) if one.spec["name"] not in NO_HEALTH]


def settings_text(container: Container, documents: list[Document]) -> str:
    """What stands in its tapewire.toml."""
    mount = next(one for one in container.spec["volumeMounts"] if one["mountPath"] == "/etc/tapewire")
    volume = next(one for one in pod_of(container.workload)["spec"]["volumes"] if one["name"] == mount["name"])
    source = next(one for one in documents if one["metadata"]["name"] == volume["configMap"]["name"])
    text: str = source["data"]["tapewire.toml"]
    return text


def settings_of(container: Container, documents: list[Document], folder: Path) -> Config:
    """As the process would read them. Raises ConfigError."""
    environment = environment_of(container, documents)
    assert environment.pop("TAPEWIRE_CONFIG") == SETTINGS
    path = folder / "tapewire.toml"
    path.write_text(settings_text(container, documents))
    return load(path, environment)


def service_of(container: Container, documents: list[Document]) -> str:
    """The module of `services` that it runs."""
    command = command_of(container, documents)
    if command[:2] == ["python", "-m"]:
        return command[2].removeprefix("services.")
    return {"venue": "gateway.initiator"}.get(command[1], command[1])


def users_of(container: Container, name: str, settings: Config, documents: list[Document]) -> set[str]:
    """Those of the bus as which a container speaks; each is one that `tapewire bus keys` makes."""
    if name == "connector":
        found = {f"connector-{environment_of(container, documents)['FEED']}"}
    elif name == "relay":
        found = {ring.user for ring in rings.names(settings, settings.relay.out)}
        found |= {"relay"} if settings.relay.inward else set()
    elif name == "engine":
        found = {"engine"} if settings.engine.topology == "split" else set()
    else:
        found = {settings.nats.user or name} if name in permissions.SERVICES else set()
    of_rings = [(ring.kind, f"{ring.number}-{ring.producer}") for ring in rings.names(settings, settings.relay.out)]
    assert found <= set(dict(permissions.users(settings.env, settings.feeds, (), of_rings)))
    return found


def secrets_of(container: Container, settings: Config, documents: list[Document]) -> set[Path]:
    """The files that nobody else may read: its keys of the bus, what its clients prove, what it proves to others."""
    name = service_of(container, documents)
    found = {settings.nats.keys / f"{user}.nk" for user in users_of(container, name, settings, documents)}
    if name == "gateway.front":
        found |= {one.secret_file for one in settings.gateway.sessions if one.auth == "hmac"}
    if name == "api":
        found |= {one.secret_file for one in settings.api.keys if one.auth == "hmac"}
    if name == "sink":
        store = command_of(container, documents)[3]
        assert settings.sinks.configured == [store]
        found |= {getattr(settings.sinks, store).password_file}
    if name == "gateway.initiator":
        found |= {one.secret_file for one in settings.venues if one.name == command_of(container, documents)[2]}
    return found


def certificates_of(container: Container, settings: Config, documents: list[Document]) -> set[Path]:
    """The PEM files of who speaks TLS: with the bus, with clients."""
    name = service_of(container, documents)
    found = {settings.nats.ca} if users_of(container, name, settings, documents) else set()
    if name == "gateway.front":
        found |= {settings.gateway.certificate, settings.gateway.private_key}
    if name == "api":
        found |= {settings.api.certificate, settings.api.private_key}
    return found
