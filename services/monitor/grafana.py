"""Dashboards as Grafana's JSON: rows of panels, one data source that the viewer chooses."""

from __future__ import annotations

import json
from typing import Any, Final

from services.monitor.dashboards import Dashboard, Panel

COLUMNS: Final = 24
HEIGHT: Final = 8
STAT_HEIGHT: Final = 4
SCHEMA: Final = 39  # of Grafana 10 and later
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def render(dashboard: Dashboard) -> str:
    """The file of one dashboard."""
    document = {
        "uid": f"tapewire-{dashboard.slug}",
        "title": dashboard.title,
        "tags": ["tapewire"],
        "schemaVersion": SCHEMA,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "time": {"from": "now-15m", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
        },
        "links": [
            {"type": "dashboards", "tags": ["tapewire"], "title": "Tapewire", "asDropdown": True, "keepTime": True}
        ],
        "panels": _placed(dashboard.panels),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _placed(panels: tuple[Panel, ...]) -> list[dict[str, Any]]:
    """From left to right, a new row when one is full."""
    found = []
    x = y = row = 0
    for number, panel in enumerate(panels, start=1):
        height = STAT_HEIGHT if panel.kind == "stat" else HEIGHT
        if x + panel.width > COLUMNS:
            x, y, row = 0, y + row, 0
        place = {"h": height, "w": panel.width, "x": x, "y": y}
        found.append({"id": number, "gridPos": place, **_panel(panel)})
        x, row = x + panel.width, max(row, height)
    return found


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    if panel.most is not None:
        defaults["max"] = panel.most
    options: dict[str, Any] = {}
    if panel.kind == "timeseries":
        defaults["custom"] = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
        options = {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    elif panel.kind == "stat":
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area"}
    elif panel.kind == "heatmap":
        options = {"calculate": False, "yAxis": {"unit": panel.unit}, "color": {"scheme": "Turbo"}}
    return {
        "type": panel.kind,
        "title": panel.title,
        **({"description": panel.help} if panel.help else {}),
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + i),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend or "__auto",
                "exemplar": panel.exemplars,
                **({"instant": True, "format": "table"} if panel.kind == "table" else {}),
                **({"format": "heatmap"} if panel.kind == "heatmap" else {}),
            }
            for i, query in enumerate(panel.queries)
        ],
    }
