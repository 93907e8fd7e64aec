"""What an installation says that it consists of."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools import sbom

ROOT = Path(__file__).resolve().parents[2]
NPM = json.loads((ROOT / "services/api/dashboard/package-lock.json").read_text())


def test_every_distribution_and_every_package_of_the_dashboard_is_in_it() -> None:
    made = sbom.document(NPM, "1.2.3")
    refs = [one["bom-ref"] for one in made["components"]]
    assert {"pkg:npm/preact@11.2.0", "pkg:npm/htm@3.1.1"} < set(refs)
    assert {ref for ref in refs if ref.startswith("pkg:pypi/")} == {
        f"pkg:pypi/{name}@{one.version}" for name, one in sbom.installed().items() if name != "tapewire"
    }
    assert made["dependencies"] == [{"ref": "pkg:pypi/tapewire@1.2.3", "dependsOn": refs}]
    assert len(set(refs)) == len(refs)


def test_it_is_cyclonedx_by_its_own_schema() -> None:
    found = JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(sbom.document(NPM, "1.2.3")))
    assert found is None, str(found)


def test_the_same_installation_gives_the_same_bytes() -> None:
    made = [json.dumps(sbom.document(NPM, "1.2.3")) for _ in range(2)]
    assert made[0] == made[1]
    assert json.loads(made[0])["serialNumber"] != sbom.document(NPM, "1.2.4")["serialNumber"]


def test_what_is_installed_otherwise_than_locked_is_told(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("click==0.0.1 \\\n    --hash=sha256:00\n")
    done = subprocess.run(
        [sys.executable, "-m", "tools.sbom", "--lock", tmp_path / "lock"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert any(line.startswith("click ") and "does not pin it so" in line for line in done.stderr.splitlines())
