"""`make audit`: known vulnerabilities of what a user installs, by pip-audit, and of the dashboard's packages, by npm.

Both ask the registries. Where those cannot be asked nothing is known, and that is said: status 0 means that everything
was looked up and nothing found, 1 that something was found, 2 that something could not be looked up.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = {"runtime": "requirements.runtime.lock", "all": "requirements.lock"}
DASHBOARD = ROOT / "services" / "api" / "dashboard"
WITHIN_S = 600
SHOWN = 3
VERDICTS = {
    0: "clean: everything was looked up, and nothing is known against it",
    1: "status 1: something is known against what is locked; move to the versions named above (`make lock`)",
    2: "status 2: this says neither good nor bad of what was not looked up; its registry told nothing of it. Run it "
    "where the public registries of Python and npm answer: an index that mirrors packages alone has no advisories",
}
"""The last line of what is said, by status."""


@dataclass
class Findings:
    """`known`: what was found, a line each. `unknown`: what could not be looked up, with why."""

    looked_up: int = 0
    known: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def status(self) -> int:
        return 1 if self.known else 2 if self.unknown else 0


def of_pip_audit(report: dict[str, Any]) -> Findings:
    """What pip-audit's JSON says."""
    found = Findings()
    for one in report["dependencies"]:
        if reason := one.get("skip_reason"):
            found.unknown.append(f"{one['name']}: {reason}")
            continue
        found.looked_up += 1
        for vulnerability in one["vulns"]:
            mended = ", ".join(vulnerability["fix_versions"]) or "no version yet"
            found.known.append(f"{one['name']} {one['version']}: {vulnerability['id']}, mended in {mended}")
    return found


def of_npm(report: dict[str, Any]) -> Findings:
    """What npm's JSON says: a report, or an error."""
    if "vulnerabilities" not in report:
        said = report.get("message") or report.get("error", {}).get("summary") or "it said nothing more"
        return Findings(unknown=[f"the dashboard's packages: npm's registry gives no audit: {said}"])
    found = Findings(looked_up=report["metadata"]["dependencies"]["total"])
    found.known = [
        f"{name}: {one['severity']}, versions {one['range']}" for name, one in report["vulnerabilities"].items()
    ]
    return found


def python(lock: Path) -> Findings:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if not done.stdout:
        return Findings(unknown=[f"{lock.name}: pip-audit: {' '.join(done.stderr.split())[-300:]}"])
    return of_pip_audit(json.loads(done.stdout))


def dashboard() -> Findings:
    npm = shutil.which("npm")
    if npm is None:
        return Findings(unknown=["the dashboard's packages: no npm on this machine"])
    command = [npm, "audit", "--omit=dev", "--json"]
    done = subprocess.run(command, cwd=DASHBOARD, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if not done.stdout:
        return Findings(unknown=[f"the dashboard's packages: npm: {' '.join(done.stderr.split())[-300:]}"])
    return of_npm(json.loads(done.stdout))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make audit", description=__doc__)
    parser.add_argument(
        "--lock", choices=LOCKS, default="runtime", help="what a user installs, or developers' tools, too"
    )
    lock = LOCKS[parser.parse_args(arguments).lock]
    statuses = set()
    for name, found in ((lock, python(ROOT / lock)), ("dashboard", dashboard())):
        print(
            f"{name}: {found.looked_up} looked up, {len(found.known)} found, {len(found.unknown)} not to be looked up"
        )
        for line in found.known:
            print(f"  {line}")
        for line in found.unknown[:SHOWN]:
            print(f"  not looked up: {line}")
        if len(found.unknown) > SHOWN:
            print(f"  … and {len(found.unknown) - SHOWN} more, such as these")
        statuses.add(found.status)
    status = 1 if 1 in statuses else max(statuses)
    print(VERDICTS[status])
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
