"""Two pictures as one SVG: what was reached, and what things cost while the database grows."""

import math
from collections.abc import Sequence
from html import escape

from bench.figures import Figure
from bench.growth import Point

WIDTH, LEFT, RIGHT = 860, 300, 190
ROW, TOP = 26, 64
CHART = 260
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#6b7280")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.soft{fill:#6b7280}.line{stroke:#d1d5db}"
    ".title{font-size:15px;font-weight:600}.met{fill:#2563eb}.missed{fill:#dc2626}"
    ".paper{fill:#fff}.goal{stroke:#111827;stroke-width:2}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.soft{fill:#9ca3af}.line{stroke:#374151}"
    ".paper{fill:#111827}.goal{stroke:#f9fafb}}"
)


def plot(figures: Sequence[Figure], points: Sequence[Point]) -> str:
    """The whole picture."""
    bars = [figure for figure in figures if figure.target is not None]
    height = TOP + len(bars) * ROW + 30
    parts = _bars(bars)
    if len(points) > 1:
        parts += _growth(points, top=height + 30)
        height += CHART + 110
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        f' width="{WIDTH}" height="{height}" role="img"><title>Nextup, measured</title>'
        f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{height}"/>'
        f"{''.join(parts)}</svg>\n"
    )


def _bars(figures: Sequence[Figure]) -> list[str]:
    """Each figure as a share of its target; the mark is where the target is."""
    span = WIDTH - LEFT - RIGHT
    parts = [
        _text(20, 28, "What was reached, as a part of the target", kind="title"),
        _text(20, 46, "right of the mark is better", kind="soft"),
    ]
    for index, figure in enumerate(figures):
        assert figure.target is not None
        ratio = figure.ratio or 0.0
        reached = ratio / figure.target.ratio
        if figure.target.at_most:
            reached = 1 / reached if reached else 0.0
        y = TOP + index * ROW
        kind = "met" if reached >= 1 else "missed"
        width = span * min(reached, 3) / 3
        label = ", ".join(part for part in (figure.name, figure.configuration) if part)
        parts += [
            _text(LEFT - 10, y + 13, label, anchor="end"),
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="16" rx="2"/>',
            _text(LEFT + width + 6, y + 13, f"{ratio:.2f} x {figure.says}", kind="soft"),
        ]
    mark = LEFT + span / 3
    bottom = TOP + len(figures) * ROW
    parts.append(f'<line class="goal" x1="{mark}" x2="{mark}" y1="{TOP - 6}" y2="{bottom}"/>')
    return parts


def _growth(points: Sequence[Point], *, top: int) -> list[str]:
    """Milliseconds over bookings, both in powers of ten."""
    names = list(points[0].costs)
    values = [value for point in points for value in point.costs.values() if value > 0]
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    first, last = (math.log10(point.bookings) for point in (points[0], points[-1]))

    def x(bookings: int) -> float:
        return 70 + (WIDTH - 260) * (math.log10(bookings) - first) / (last - first)

    def y(value: float) -> float:
        return top + 40 + CHART * (high - math.log10(value)) / (high - low)

    parts = [_text(20, top, "Milliseconds, one at a time, while bookings grow", kind="title")]
    for power in range(low, high + 1):
        level = y(10**power)
        parts.append(
            f'<line class="line" x1="70" x2="{WIDTH - 190}" y1="{level:.1f}" y2="{level:.1f}"/>'
        )
        parts.append(_text(62, level + 4, f"{10**power:g}", kind="soft", anchor="end"))
    for point in points:
        label = f"{point.bookings:,}"
        parts.append(
            _text(x(point.bookings), top + CHART + 60, label, kind="soft", anchor="middle")
        )
    # Names whose lines end close to each other are moved apart.
    taken = -math.inf
    order = sorted(names, key=lambda name: -points[-1].costs[name])
    for name in order:
        colour = COLOURS[names.index(name) % len(COLOURS)]
        line = " ".join(
            f"{x(point.bookings):.1f},{y(max(point.costs[name], 10**low)):.1f}" for point in points
        )
        parts.append(
            f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>'
        )
        taken = max(y(points[-1].costs[name]) + 4, taken + 16)
        parts.append(
            f'<text x="{WIDTH - 180}" y="{taken:.1f}" style="fill:{colour}">{escape(name)}</text>'
        )
    return parts


def _text(x: float, y: float, words: str, *, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(words)}</text>"
    )
