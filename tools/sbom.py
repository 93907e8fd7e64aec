"""Writes what an installation consists of, as CycloneDX 1.5 (JSON): run by the Python whose installation it is.

Every distribution that is installed beside tapewire, its version compared with the lock that it was installed by, and
the dashboard's JavaScript, by npm's lock. The same installation gives the same bytes: no time, no random number.
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
OURS = "tapewire"


def normal(name: str) -> str:
    """As package URLs and locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned(lock: str) -> set[tuple[str, str]]:
    """Names and versions: more than one of a name where they depend on the Python."""
    return {(normal(name), version) for name, version in PINNED.findall(lock)}


def installed() -> dict[str, importlib.metadata.Distribution]:
    found = {normal(one.metadata["Name"]): one for one in importlib.metadata.distributions()}
    return dict(sorted(found.items()))


def differences(lock: set[tuple[str, str]]) -> list[str]:
    """What is installed otherwise than locked, in words; empty if nothing is."""
    found = ((name, one.version) for name, one in installed().items() if name != OURS)
    return [
        f"{name} {version} is installed; the lock does not pin it so"
        for name, version in found
        if (name, version) not in lock
    ]


def _licences(metadata: Any) -> list[dict[str, Any]]:
    """The SPDX expression, else what the classifiers say, else the old field where it holds a name and not a text."""
    if expression := metadata.get("License-Expression"):
        return [{"expression": expression}]
    lines = (line for line in metadata.get_all("Classifier") or [] if line.startswith("License ::"))
    names = {line.rpartition(" :: ")[2] for line in lines} - {"OSI Approved"}
    if not names and (name := metadata.get("License") or "") and "\n" not in name:
        names = {name}
    return [{"license": {"name": name}} for name in sorted(names)]


def python_components() -> list[dict[str, Any]]:
    return [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{one.version}",
            "name": name,
            "version": one.version,
            "purl": f"pkg:pypi/{name}@{one.version}",
            "licenses": _licences(one.metadata),
        }
        for name, one in installed().items()
        if name != OURS
    ]


def npm_components(lock: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for path, one in sorted(lock["packages"].items()):
        if not path:
            continue
        name, version = path.removeprefix("node_modules/"), one["version"]
        algorithm, _, digest = one["integrity"].partition("-")
        if algorithm != "sha512":
            raise ValueError(f"{name}: integrity {algorithm}; expected sha512")
        purl = f"pkg:npm/{name.replace('@', '%40')}@{version}"
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "licenses": [{"expression": one["license"]}],
                "hashes": [{"alg": "SHA-512", "content": base64.b64decode(digest).hex()}],
            }
        )
    return found


def document(npm: dict[str, Any] | None, version: str) -> dict[str, Any]:
    components = python_components() + (npm_components(npm) if npm else [])
    root = f"pkg:pypi/{OURS}@{version}"
    refs = [one["bom-ref"] for one in components]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, ' '.join([root, *refs]))}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": OURS,
                "version": version,
                "purl": root,
                "licenses": [{"expression": "Apache-2.0"}],
            }
        },
        "components": components,
        "dependencies": [{"ref": root, "dependsOn": refs}],
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lock", type=Path, help="fail if anything is installed that this does not pin so")
    parser.add_argument("--npm", type=Path, help="package-lock.json of the JavaScript that is packed in")
    parser.add_argument("--release", help="tapewire's version, where it is not installed itself")
    given = parser.parse_args(arguments)
    if given.lock and (wrong := differences(pinned(given.lock.read_text()))):
        sys.exit("\n".join(wrong))
    npm = json.loads(given.npm.read_text()) if given.npm else None
    json.dump(document(npm, given.release or importlib.metadata.version(OURS)), sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main(sys.argv[1:])
