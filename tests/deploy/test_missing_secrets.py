"""What a Secret should have held and did not: the pod does not start, and who needs it says which file, and what to do.

Three bars, one behind the other. The kubelet mounts no Secret that is not there, nor a key of one that is not in it:
no reference is optional. The init container `keys` ends where a file is missing in a Secret that is taken whole. And
the service itself, as a process, ends at once with one line; so it does on bare metal, where nobody mounts anything.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tapewire.bus import keys
from tapewire.bus.permissions import Permissions
from tests.deploy.needs import certificates_of, secrets_of, service_of, settings_of, with_settings
from tests.deploy.processes import below, copy_keys, put, run, run_nats
from tests.deploy.rendering import OVERLAYS, Container, Document, command_of, containers, pod_of, rendered
from tools.authority import Authority

KEY, CA, SECRET, CERTIFICATE, PRIVATE = "key of the bus", "authority of the bus", "secret", "certificate", "private key"
TO_DO: Final = {
    KEY: "`tapewire bus keys` makes them",
    CA: "nats.ca: {} cannot be read: No such file or directory; expected a PEM file",
    SECRET: "{}: the secret cannot be read: No such file or directory; expected a file of mode 0600 there",
    CERTIFICATE: "certificate: {} cannot be read: No such file or directory; expected a PEM file",
    PRIVATE: "private_key: {} cannot be read: No such file or directory; expected a PEM file",
}
ON_THE_BUS: Final = (
    "api",
    "connector",
    "engine",
    "journal",
    "matcher",
    "monitor",
    "relay",
    "replica",
    "risk",
    "router",
)
CASES: Final = (
    *((name, KEY) for name in ON_THE_BUS),
    *((name, CA) for name in ON_THE_BUS),
    *((name, what) for name in ("api", "gateway.front") for what in (SECRET, CERTIFICATE, PRIVATE)),
    *((name, SECRET) for name in ("gateway.initiator", "sink kafka", "sink postgres", "sink redis")),
)
NATS: Final = ("/etc/nats/users.conf", "/etc/nats-tls/tls.crt", "/etc/nats-tls/tls.key", "/etc/nats-tls/ca.crt")


def kind_of(path: Path) -> str:
    """Of a file that a service of ours reads."""
    return {"ca.crt": CA, "tls.crt": CERTIFICATE, "tls.key": PRIVATE}.get(
        path.name, KEY if path.suffix == ".nk" else SECRET
    )


def name_of(container: Container, documents: list[Document]) -> str:
    name = service_of(container, documents)
    return f"sink {command_of(container, documents)[3]}" if name == "sink" else name


def needs(container: Container, documents: list[Document], folder: Path) -> set[Path]:
    settings = settings_of(container, documents, folder)
    return secrets_of(container, settings, documents) | certificates_of(container, settings, documents)


@cache
def found() -> dict[tuple[str, str], tuple[str, Container, Path]]:
    """An overlay, a container of it and a file, for each service and kind of file that there is."""
    import tempfile

    cases: dict[tuple[str, str], tuple[str, Container, Path]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for overlay in OVERLAYS:
            documents = rendered(overlay)
            for one in with_settings(documents):
                for path in sorted(needs(one, documents, Path(folder))):
                    cases.setdefault((name_of(one, documents), kind_of(path)), (overlay, one, path))
    return cases


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What stands in a file of each name, or kind."""
    folder = tmp_path_factory.mktemp("made")
    authority = Authority(folder / "tls")
    chain, private = authority.issue("any", ("localhost",))
    keys.write(folder / "bus", [("any", Permissions((), ()))])
    return {
        CA: authority.file.read_text(),
        CERTIFICATE: chain.read_text(),
        PRIVATE: private.read_text(),
        KEY: (folder / "bus" / "keys" / "any.nk").read_text(),
        SECRET: base64.b64encode(bytes(32)).decode(),
        "users.conf": (folder / "bus" / "users.conf").read_text(),
    }


def test_every_file_of_a_secret_that_a_service_reads_is_tried_here() -> None:
    assert set(found()) == set(CASES)


@pytest.mark.parametrize(
    ("service", "what"),
    [
        pytest.param(*case, marks=[pytest.mark.slow] if case[1] == CA and case[0] != "relay" else [], id=" ".join(case))
        for case in CASES
    ],
)
def test_a_service_ends_and_says_what_is_missing(
    service: str, what: str, contents: dict[str, str], tmp_path: Path
) -> None:
    overlay, container, missing = found()[service, what]
    documents = rendered(overlay)
    for path in needs(container, documents, tmp_path) - {missing}:
        put(tmp_path, path, contents[kind_of(path)])
    done = run(container, documents, tmp_path)
    place = below(tmp_path, str(missing))
    assert done.returncode == 1, done.stderr
    said = done.stderr.strip().splitlines()[-1]
    assert place in said, done.stderr
    assert TO_DO[what].format(place) in said, done.stderr
    assert "Traceback" not in done.stderr


def nats_of(documents: list[Document]) -> Container:
    return next(one for one in containers(documents) if one.spec["name"] == "nats")


@pytest.mark.parametrize("missing", ["", *NATS])
def test_a_server_of_the_bus_ends_and_says_what_is_missing(
    missing: str, contents: dict[str, str], tmp_path: Path
) -> None:
    documents = rendered("base")
    for path in map(Path, set(NATS) - {missing}):
        put(tmp_path, path, contents["users.conf" if path.name == "users.conf" else kind_of(path)])
    done = run_nats(nats_of(documents), documents, tmp_path)
    assert done.returncode == bool(missing), done.stderr
    if missing:
        assert below(tmp_path, missing) in done.stderr, done.stderr
        assert "no such file or directory" in done.stderr


def references(workload: Document) -> Iterator[tuple[str, frozenset[str]]]:
    """(name, files) of every Secret that a pod takes; no files: taken whole."""
    for volume in pod_of(workload)["spec"].get("volumes", ()):
        for one in (volume, *volume.get("projected", {}).get("sources", ())):
            if "secret" in one:
                it = one["secret"]
                yield it.get("secretName") or it["name"], frozenset(item["path"] for item in it.get("items", ()))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_somebody_of_the_pod_misses_every_secret_that_it_takes(overlay: str, tmp_path: Path) -> None:
    """By one of the bars above: no Secret is named that a pod would do without."""
    documents = rendered(overlay)
    for workload in {one.where.partition(":")[0]: one.workload for one in containers(documents)}.values():
        mine = [one for one in containers(documents) if one.workload is workload]
        missed = {Path(path).name for path in NATS} if any(one.spec["name"] == "nats" for one in mine) else set()
        for one in with_settings(documents):
            if one.workload is workload:
                missed |= {path.name for path in needs(one, documents, tmp_path)}
        for name, paths in references(workload):
            assert paths <= missed, (workload["metadata"]["name"], name)
            assert paths or name in whole(mine, documents, missed), (workload["metadata"]["name"], name)


def whole(mine: list[Container], documents: list[Document], missed: set[str]) -> set[str]:
    """Secrets that are taken whole and of which something is missed: of certificates, of keys that `keys` copies."""
    found = {name for name in ("nats-tls", "gateway-tls", "api-tls") if {"tls.crt", "tls.key"} <= missed}
    for one in mine:
        if one.kind == "init":
            named = {path for _, paths in references(one.workload) for path in paths}
            copied = {Path(path).name for path in command_of(one, documents)[6:]} - named
            found |= {name for name, paths in references(one.workload) if not paths and copied <= missed and copied}
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_key_is_copied_without_the_others(overlay: str, tmp_path: Path) -> None:
    documents = rendered(overlay)
    for at, one in enumerate(one for one in containers(documents) if one.kind == "init"):
        paths = [Path(path) for path in command_of(one, documents)[6:]]
        for missing in (None, *paths):
            folder = tmp_path / f"{at}-{missing.name if missing else 'none'}"
            for path in paths:
                if path != missing:
                    put(folder, path, "x")
            done = copy_keys(one, documents, folder)
            assert done.returncode == bool(missing), done.stderr
            assert missing is None or below(folder, str(missing)) in done.stderr, one.where
