"""`python -m services.monitor.generate [--check]`: dashboards, rules, runbook and tables of metrics."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from services.monitor import documents, grafana
from services.monitor.dashboards import DASHBOARDS

ROOT: Final = Path(__file__).resolve().parents[2]
OPERATOR: Final = ROOT / "deploy" / "k8s" / "components" / "service-monitor"
METRICS: Final = ROOT / "docs" / "metrics.md"


def outputs() -> dict[Path, str]:
    """Each generated file and what it must hold."""
    files = {ROOT / "deploy" / "grafana" / f"{one.slug}.json": grafana.render(one) for one in DASHBOARDS}
    files[ROOT / "deploy" / "prometheus" / "tapewire.rules.yaml"] = documents.rules()
    files[OPERATOR / "alerts.yaml"] = documents.prometheus_rule()
    files[ROOT / "docs" / "runbook.md"] = documents.runbook()
    files[METRICS] = documents.fill(METRICS.read_text(encoding="utf-8"))
    return files


def main(arguments: list[str]) -> int:
    stale = [path for path, text in outputs().items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path}: is not what services/monitor says; run `make generate`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in outputs().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
