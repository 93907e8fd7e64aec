"""Draws docs/schedules.svg: what each algorithm has asked for by when. `python -m tools.draw_schedules`.

Made by the schedules' own code, so that the picture cannot say something else. A test compares the file with it.
"""

from __future__ import annotations

from pathlib import Path

from services.router.algorithms.schedule import DAY, SECOND, Planned, Shape, by_profile, even, front_loaded, plan
from services.router.randomness import SplitMix64
from tapewire import messages as m

FILE = Path(__file__).resolve().parents[1] / "docs" / "schedules.svg"
HOUR = 3600 * SECOND
BEGIN, END, QTY = 9 * HOUR, 17 * HOUR, 10_000
LEFT, TOP, WIDTH, HEIGHT = 60, 20, 640, 320
U_SHAPE = (9, 6, 4, 3, 3, 4, 6, 9)
"""Volume of the eight hours from 9:00: much in the morning and at the end."""


def profile() -> m.VolumeProfile:
    hours = [0] * 9 + list(U_SHAPE) + [0] * 7
    buckets = [m.ProfileBucket(qty) for qty in hours]
    return m.VolumeProfile(bucket_ns=DAY // 24, days=1, ticker="X", buckets=buckets)


def curves() -> list[tuple[str, str, list[Planned]]]:
    """(name, colour, slices): 16 slices, twap once more with its draws."""

    def slices(shape: Shape, randomness: int = 0) -> list[Planned]:
        return plan(shape, QTY, BEGIN, END, HOUR // 2, 1, randomness, SplitMix64(1))

    return [
        ("twap", "#1f77b4", slices(even)),
        ("twap, randomness 10,000", "#9ecae1", slices(even, 10_000)),
        ("vwap", "#2ca02c", slices(by_profile(profile()))),
        ("shortfall, urgency 2,500", "#fdae6b", slices(front_loaded(2_500))),
        ("shortfall, urgency 5,000", "#ff7f0e", slices(front_loaded(5_000))),
        ("shortfall, urgency 9,000", "#a63603", slices(front_loaded(9_000))),
    ]


def x(time: int) -> int:
    return LEFT + (time - BEGIN) * WIDTH // (END - BEGIN)


def y(qty: int) -> int:
    return TOP + HEIGHT - qty * HEIGHT // QTY


def steps(slices: list[Planned]) -> str:
    """A staircase: it rises where a slice begins."""
    path, asked = f"M{x(BEGIN)} {y(0)}", 0
    for begin, total in slices:
        path += f" H{x(begin)} V{y(total)}"
        asked = total
    return f"{path} H{x(END)}" if asked else path


def render() -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + 20} {TOP + HEIGHT + 50}" '
        'font-family="sans-serif" font-size="13">',
        "<title>What each schedule has asked for by when</title>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
    ]
    for part in range(5):
        qty = QTY * part // 4
        lines.append(f'<path d="M{LEFT} {y(qty)} H{LEFT + WIDTH}" stroke="#dddddd"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{y(qty) + 4}" text-anchor="end">{qty:,}</text>')
    lines += [
        f'<text x="{x(hour * HOUR)}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{hour}:00</text>'
        for hour in range(9, 18)
    ]
    for number, (name, colour, slices) in enumerate(curves()):
        lines.append(f'<path d="{steps(slices)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        at = TOP + HEIGHT - 110 + 18 * number
        lines.append(f'<path d="M{LEFT + 430} {at - 4} h24" stroke="{colour}" stroke-width="3"/>')
        lines.append(f'<text x="{LEFT + 462}" y="{at}">{name}</text>')
    return "\n".join([*lines, "</svg>", ""])


if __name__ == "__main__":
    FILE.write_text(render())
    print(FILE)
