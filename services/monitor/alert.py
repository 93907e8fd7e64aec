"""What an alert is: the table of them is in alerts.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CHECKPOINTS: Final = r"archive|engine|gateway\\..*|venue\\..*|api\\..*|sink\\..*"
"""Consumers that store their position at snapshots or stretches, and so stand far behind by nature."""


@dataclass(frozen=True, slots=True)
class Alert:
    """`lasts` is how long it must hold before it fires. `summary` may use the labels of the result."""

    name: str
    expr: str
    lasts: str
    severity: str
    summary: str
    means: str
    look: tuple[str, ...]
    do: str

    @property
    def anchor(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class AlertGroup:
    name: str
    alerts: tuple[Alert, ...]
