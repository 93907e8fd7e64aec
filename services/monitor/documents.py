"""What is written from the tables: alert rules for Prometheus, docs/runbook.md, the tables of docs/metrics.md."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from services.monitor.alerts import GROUPS, Alert
from tapewire.metrics import definitions

BEGIN: Final = "<!-- generated: metrics -->"
END: Final = "<!-- end -->"


def rules() -> str:
    """Prometheus's rule file. Texts are quoted as JSON, which is YAML, too."""
    return "\n".join(_rules()) + "\n"


def prometheus_rule() -> str:
    """The same rules as the kind that the Prometheus operator knows."""
    comment, *lines = _rules()
    head = [
        comment,
        "apiVersion: monitoring.coreos.com/v1",
        "kind: PrometheusRule",
        "metadata:",
        "  name: tapewire",
        "  labels:",
        "    app.kubernetes.io/part-of: tapewire",
        "spec:",
    ]
    return "\n".join([*head, *(f"  {line}" for line in lines)]) + "\n"


def _rules() -> Iterator[str]:
    yield "# Made from services/monitor/alerts by `make generate`."
    yield "groups:"
    for group in GROUPS:
        yield f"  - name: tapewire-{group.name}"
        yield "    rules:"
        for alert in group.alerts:
            yield f"      - alert: {alert.name}"
            yield f"        expr: {_quoted(alert.expr)}"
            yield f"        for: {alert.lasts}"
            yield "        labels:"
            yield f"          severity: {alert.severity}"
            yield "        annotations:"
            yield f"          summary: {_quoted(alert.summary)}"
            yield f"          description: {_quoted(alert.means)}"
            yield f"          runbook: {_quoted(f'docs/runbook.md#{alert.anchor}')}"


def runbook() -> str:
    """What to do when an alert fires, a heading each."""
    return "\n".join(_runbook()) + "\n"


def _runbook() -> Iterator[str]:
    yield "# Runbook"
    yield ""
    yield "What each alert means, what to look at, what to do. Rules and this page come from one table,"
    yield "`services/monitor/alerts`; `make generate` writes them."
    for group in GROUPS:
        yield ""
        yield f"## {group.name.capitalize()}"
        for alert in group.alerts:
            yield from _entry(alert)


def _entry(alert: Alert) -> Iterator[str]:
    lasts = "at once" if alert.lasts == "0s" else f"after {alert.lasts}"
    yield ""
    yield f"### {alert.name}"
    yield ""
    yield f"{alert.severity.capitalize()}, {lasts}: `{alert.expr}`"
    yield ""
    yield alert.means
    yield ""
    yield "Look at:"
    yield ""
    for place in alert.look:
        yield f"- {place}"
    yield ""
    yield f"Do: {alert.do}"


def fill(document: str) -> str:
    """The page on metrics with its tables as definitions.py has them. ValueError: the page has no place for them."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/metrics.md: lacks {BEGIN} or {END}, between which the tables go")
    return f"{before}{BEGIN}\n{tables()}{END}{after}"


def tables() -> str:
    return "".join(f"{line}\n" for line in _tables())


def _tables() -> Iterator[str]:
    for group in definitions.GROUPS:
        yield ""
        yield f"### {group.title}"
        yield ""
        yield group.source
        yield ""
        yield "| metric | kind | labels | what |"
        yield "|---|---|---|---|"
        for metric in group.metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            yield f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |"
    yield ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
