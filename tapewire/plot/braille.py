"""Charts in a terminal: each character is a field of 2 x 4 dots (Unicode Braille), and has one colour.

dots of a character   1 4
                      2 5
                      3 6
                      7 8
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from tapewire.plot.chart import Axis, Chart, Heat, Panel, Series, Style
from tapewire.plot.words import written

BLANK: Final = 0x2800
DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
LABEL: Final = 11  # columns for the numbers at the left
COLOURS: Final = {"buy": 32, "sell": 31}
CYCLE: Final = (34, 33, 35, 36, 37, 32, 31, 90)
BLOCKS: Final = " ░▒▓█"


class Canvas:
    """Dots of `width` x `height` characters; (0, 0) is below at the left."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[0] * width for _ in range(height)]
        self._colours = [[0] * width for _ in range(height)]

    def dot(self, x: int, y: int, colour: int) -> None:
        """One dot of 2 x width, 4 x height; what lies outside is left out."""
        if 0 <= x < 2 * self.width and 0 <= y < 4 * self.height:
            row, column = self.height - 1 - y // 4, x // 2
            self._dots[row][column] |= DOTS[3 - y % 4][x % 2]
            self._colours[row][column] = colour

    def line(self, x0: int, y0: int, x1: int, y1: int, colour: int) -> None:
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            self.dot(x0 + (x1 - x0) * i // steps, y0 + (y1 - y0) * i // steps, colour)

    def rows(self, coloured: bool) -> Iterator[str]:
        for dots, colours in zip(self._dots, self._colours, strict=True):
            cells = []
            for dot, colour in zip(dots, colours, strict=True):
                text = chr(BLANK + dot) if dot else " "
                cells.append(f"\x1b[{colour}m{text}\x1b[0m" if coloured and dot else text)
            yield "".join(cells).rstrip()


def draw(chart: Chart, width: int, height: int, *, coloured: bool) -> str:
    """The chart in lines of at most `width` characters, `height` of them to a panel of height 1."""
    lines = [f"{chart.title}  ({chart.subtitle})"]
    for panel in chart.panels:
        lines.append("")
        rows = max(4, round(height * min(panel.height, 1.5)))
        if isinstance(panel, Heat):
            lines += _heat(panel, width, rows, coloured)
        else:
            lines += _panel(panel, width, rows, coloured)
    return "\n".join(lines) + "\n"


def _panel(panel: Panel, width: int, rows: int, coloured: bool) -> Iterator[str]:
    names = [
        f"\x1b[{_colour(one, number)}m{one.name}\x1b[0m" if coloured else one.name
        for number, one in enumerate(panel.series)
    ]
    yield f"{'':{LABEL}} {panel.title}: {'  '.join(names)}" if len(names) > 1 else f"{'':{LABEL}} {panel.title}"
    xs = [x for one in panel.series for x in one.x]
    ys = [y for one in panel.series for y in one.y if y > 0 or not panel.log]
    if not xs or not ys:
        yield f"{'':{LABEL}} nothing"
        return
    canvas = Canvas(max(10, width - LABEL - 1), rows)
    from_zero = not panel.log and all(one.style is not Style.points for one in panel.series)
    x_scale = _Scale(min(xs), max(xs), 2 * canvas.width, log=False)
    y_scale = _Scale(min([*ys, 0.0]) if from_zero else min(ys), max(ys), 4 * rows, log=panel.log)
    for number, one in enumerate(panel.series):
        _series(canvas, one, x_scale, y_scale, _colour(one, number))
    yield from _framed(canvas, y_scale, panel.y_axis, coloured)
    yield _under(canvas.width, x_scale, panel.x_axis)


class _Scale:
    """Values to dots."""

    def __init__(self, low: float, high: float, dots: int, *, log: bool) -> None:
        self.low, self.high, self._dots, self.log = low, high, dots, log
        self._from, self._to = (math.log(low), math.log(high)) if log else (low, high)

    def dot(self, value: float) -> int:
        at = math.log(value) if self.log else value
        return round((at - self._from) / ((self._to - self._from) or 1.0) * (self._dots - 1))

    def value(self, share: float) -> float:
        at = self._from + (self._to - self._from) * share
        return math.exp(at) if self.log else at


def _series(canvas: Canvas, series: Series, x_scale: _Scale, y_scale: _Scale, colour: int) -> None:
    points = [
        (x_scale.dot(x), y_scale.dot(y)) for x, y in zip(series.x, series.y, strict=True) if y > 0 or not y_scale.log
    ]
    if series.style is Style.points:
        for x, y in points:
            canvas.dot(x, y, colour)
    elif series.style is Style.bars:
        for x, y in points:
            canvas.line(x, 0, x, y, colour)
    else:
        for (x0, y0), (x1, y1) in pairwise(points):
            if series.style is Style.steps:
                canvas.line(x0, y0, x1, y0, colour)
                x0 = x1
            canvas.line(x0, y0, x1, y1, colour)
        if len(points) == 1:
            canvas.dot(*points[0], colour)


def _framed(canvas: Canvas, y_scale: _Scale, axis: Axis, coloured: bool) -> Iterator[str]:
    marks = {0: 1.0, canvas.height // 2: 0.5, canvas.height - 1: 0.0}
    for number, row in enumerate(canvas.rows(coloured)):
        label = written(y_scale.value(marks[number]), axis) if number in marks else ""
        yield f"{label[:LABEL]:>{LABEL}} {'┤' if number in marks else '│'}{row}"


def _under(width: int, x_scale: _Scale, axis: Axis) -> str:
    left, middle, right = (written(x_scale.value(share), axis) for share in (0.0, 0.5, 1.0))
    half = width // 2
    return f"{'':{LABEL}}  {left:<{half}}{middle:<{max(0, width - half - len(right))}}{right}"


def _heat(heat: Heat, width: int, rows: int, coloured: bool) -> Iterator[str]:
    yield f"{'':{LABEL}} {heat.title}"
    columns = max(10, width - LABEL - 1)
    deepest = max((abs(cell) for line in heat.cells for cell in line), default=0.0) or 1.0
    for row in range(rows):
        high, low = (round((rows - row - i) / rows * len(heat.cells)) for i in (0, 1))
        cells = []
        for column in range(columns):
            at = column * len(heat.x) // columns
            total = sum(heat.cells[level][at] for level in range(low, max(high, low + 1)) if level < len(heat.cells))
            block = BLOCKS[min(4, math.ceil(4 * (abs(total) / deepest) ** 0.4))] if total else " "
            colour = COLOURS["buy" if total > 0 else "sell"]
            cells.append(f"\x1b[{colour}m{block}\x1b[0m" if coloured and block != " " else block)
        marked = row in (0, rows // 2, rows - 1)
        price = heat.high - (heat.high - heat.low) * row / max(1, rows - 1)
        label = written(price, Axis.plain) if marked else ""
        yield f"{label[:LABEL]:>{LABEL}} {'┤' if marked else '│'}{''.join(cells).rstrip()}"
    yield _under(columns, _Scale(heat.x[0], heat.x[-1], 2, log=False), Axis.time)


def _colour(series: Series, number: int) -> int:
    return COLOURS.get(series.tone, CYCLE[number % len(CYCLE)])
