"""Every alert there is, with what it means and what to do: rules and docs/runbook.md are made from these tables."""

from __future__ import annotations

from typing import Final

from services.monitor.alerts.alert import Alert, AlertGroup
from services.monitor.alerts.market import FEEDS, RISK
from services.monitor.alerts.running import ENGINE, HOST, SERVICES
from services.monitor.alerts.tapes import REPLICAS, SINKS, TAPES

__all__ = ["ALERTS", "GROUPS", "Alert", "AlertGroup"]

GROUPS: Final = (SERVICES, ENGINE, TAPES, REPLICAS, SINKS, FEEDS, RISK, HOST)
ALERTS: Final[dict[str, Alert]] = {alert.name: alert for group in GROUPS for alert in group.alerts}
