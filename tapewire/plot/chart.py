"""What a picture shows, before anybody draws it. Floats are fine here: pictures are looked at, not reckoned with."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Style(Enum):
    line = "line"
    steps = "steps"
    points = "points"
    bars = "bars"


class Axis(Enum):
    """How numbers of an axis are written."""

    plain = "plain"
    duration = "duration"
    """ns"""
    time = "time"
    """UTC ns"""
    percentile = "percentile"
    """Number of nines: 1 is 90 %, 2 is 99 %."""


@dataclass(slots=True)
class Series:
    name: str
    x: list[float]
    y: list[float]
    style: Style = Style.line
    tone: str = ""
    """buy, sell, or "" for the next colour in turn."""
    sizes: list[float] = field(default_factory=list)
    """Of points, 0 to 1."""


@dataclass(slots=True)
class Panel:
    """Several series over one x axis."""

    title: str
    series: list[Series]
    x_axis: Axis = Axis.time
    y_axis: Axis = Axis.plain
    y_label: str = ""
    log: bool = False
    height: float = 1.0
    """As a share beside the other panels of its chart."""


@dataclass(slots=True)
class Heat:
    """`cells[row][column]`, the first row at the bottom; a negative cell is of the ask side. Lines lie over it."""

    title: str
    x: list[float]
    """Where the columns begin, UTC ns."""
    low: float
    high: float
    cells: list[list[float]]
    lines: list[Series]
    y_label: str = ""
    height: float = 1.0


@dataclass(slots=True)
class Chart:
    title: str
    subtitle: str
    panels: list[Panel | Heat]
