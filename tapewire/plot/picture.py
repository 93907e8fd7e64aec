"""Charts as files: PNG, SVG or PDF, by matplotlib, which is imported only here."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from tapewire.plot.chart import Axis, Chart, Heat, Panel, Series, Style
from tapewire.plot.words import duration, percentile

TONES: Final = {"buy": "#1a9850", "sell": "#d73027"}
CYCLE: Final = ("#2166ac", "#e08214", "#7b3294", "#4d4d4d", "#35978f", "#c51b7d", "#8c510a", "#5aae61")
RESTING: Final = LinearSegmentedColormap.from_list("resting", ("#a50026", "#f4a582", "#ffffff", "#a6dba0", "#00682f"))
INK, GRID = "#222222", "#dddddd"
WIDTH, PANEL_HEIGHT, DPI = 11.0, 2.6, 120
POINT_MIN, POINT_MAX = 6.0, 90.0  # areas, in points squared


def draw(chart: Chart, path: Path) -> None:
    """Writes the picture; the ending of `path` says which format. Raises ValueError for one that is not known."""
    heights = [panel.height for panel in chart.panels]
    style: Any = {
        "font.size": 9,
        "axes.edgecolor": GRID,
        "axes.labelcolor": INK,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": GRID,
        "svg.fonttype": "none",
    }
    with plt.rc_context(style):
        figure, found = plt.subplots(
            len(chart.panels),
            1,
            figsize=(WIDTH, PANEL_HEIGHT * sum(heights) + 0.8),
            gridspec_kw={"height_ratios": heights},
            squeeze=False,
            layout="constrained",
        )
        figure.suptitle(f"{chart.title}   ", x=0.01, ha="left", fontsize=13, fontweight="bold")
        figure.text(0.99, 0.985, chart.subtitle, ha="right", va="top", fontsize=9, color="#666666")
        for panel, axes in zip(chart.panels, found[:, 0], strict=True):
            if isinstance(panel, Heat):
                _heat(axes, panel, figure)
            else:
                _panel(axes, panel)
        figure.savefig(path, dpi=DPI)
        plt.close(figure)


def _panel(axes: Any, panel: Panel) -> None:
    for number, series in enumerate(panel.series):
        _series(axes, series, panel, CYCLE[number % len(CYCLE)])
    axes.set_title(panel.title)
    axes.grid(visible=True, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
    elif panel.series and panel.x_axis is Axis.time and all(s.style in (Style.line, Style.steps) for s in panel.series):
        axes.set_ylim(bottom=0)
    if panel.y_axis is Axis.duration:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda ns, _: duration(ns)))
    elif not panel.log:
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    if panel.x_axis is Axis.time:
        _time(axes)
    elif panel.x_axis is Axis.percentile:
        axes.xaxis.set_major_locator(FixedLocator(list(range(7))))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda nines, _: percentile(nines)))
    else:
        axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    if len(panel.series) > 1 or (panel.series and panel.series[0].tone):
        axes.legend(loc="best", fontsize=8, framealpha=0.85, ncols=min(4, len(panel.series)), edgecolor=GRID)


def _series(axes: Any, series: Series, panel: Panel, colour: str) -> None:
    colour = TONES.get(series.tone, colour)
    x: Any = _times(series.x) if panel.x_axis is Axis.time else series.x
    if series.style is Style.points:
        areas = [POINT_MIN + (POINT_MAX - POINT_MIN) * one for one in series.sizes] or POINT_MIN
        axes.scatter(x, series.y, s=areas, color=colour, alpha=0.55, linewidths=0, label=series.name)
    elif series.style is Style.bars:
        sign = -1 if series.tone == "sell" else 1
        widths = _bar_width(series.x)
        axes.bar(x, [sign * y for y in series.y], width=widths, color=colour, alpha=0.8, label=series.name)
    else:
        where = "steps-post" if series.style is Style.steps else "default"
        axes.plot(x, series.y, color=colour, linewidth=1.3, drawstyle=where, label=series.name)


def _heat(axes: Any, heat: Heat, figure: Any) -> None:
    cells = np.array(heat.cells)
    shown = np.sign(cells) * np.log1p(np.abs(cells) / (np.abs(cells[cells != 0]).min() if cells.any() else 1.0))
    top = float(np.abs(shown).max()) or 1.0
    edges = _times([*heat.x, heat.x[-1] + max(1.0, (heat.x[-1] - heat.x[0]) / max(1, len(heat.x) - 1))])
    prices = np.linspace(heat.low, heat.high, cells.shape[0] + 1)
    mesh = axes.pcolormesh(
        edges, prices, shown, cmap=RESTING, norm=TwoSlopeNorm(0, -top, top), rasterized=True, alpha=0.9
    )
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, aspect=30)
    bar.set_ticks([-top, 0, top], labels=["asks", "0", "bids"])
    for line in heat.lines:
        if line.style is Style.points:
            axes.scatter(
                _times(line.x), line.y, s=9, color=TONES[line.tone], edgecolors="black", linewidths=0.4, label=line.name
            )
        else:
            axes.plot(_times(line.x), line.y, color=INK, linewidth=0.9, drawstyle="steps-post")
    axes.set_title(heat.title)
    axes.set_ylim(heat.low, heat.high)
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))
    _time(axes)
    if any(line.style is Style.points for line in heat.lines):
        axes.legend(loc="upper left", fontsize=8, framealpha=0.85, edgecolor=GRID)


def _times(found: list[float]) -> list[datetime]:
    return [datetime.fromtimestamp(ns / 1e9, UTC) for ns in found]


def _time(axes: Any) -> None:
    locator: Any = AutoDateLocator(tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]


def _bar_width(x: list[float]) -> float:
    """In days, as matplotlib counts: the least distance of two."""
    gaps = [b - a for a, b in pairwise(x) if b > a]
    return 0.9 * (min(gaps) if gaps else 1e9) / 86_400e9


def _plain(value: float, position: int | None = None) -> str:
    return f"{value:,.6g}" if abs(value) < 1e6 else f"{value:,.0f}"
