"""What an alert is."""

from __future__ import annotations

from dataclasses import dataclass


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
