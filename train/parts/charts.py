"""Charts as inline SVG, without any library: colours come from the page's style, so they follow its theme."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 26
Line = Sequence[tuple[float, float]]


def line_chart(title: str, lines: Mapping[str, Line], x_label: str = "epoch") -> str:
    """A figure with a curve for each name.

    Args:
        title: stands above it.
        lines: points (x, y) by the curve's name; names without points are left out.
        x_label: stands below.
    """
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    xs, ys = (np.array([point[axis] for points in lines.values() for point in points]) for axis in (0, 1))
    low, high, ticks = _ticks(float(ys.min()), float(ys.max()))
    first, last = float(xs.min()), float(max(xs.max(), xs.min() + 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - first) / (last - first) * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = []
    for tick in ticks:
        _, y = place(first, tick)
        marks.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        marks.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for x in sorted({first, last}):
        marks.append(f'<text x="{place(x, low)[0]:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{x:g}</text>')
    marks.append(f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
    for i, points in enumerate(lines.values()):
        at = [place(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        marks.append(f'<polyline class="c{i % 6}" points="{path}"/>')
        marks += [f'<circle class="c{i % 6}" cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in at if len(at) <= 30]
    legend = "".join(f'<span><i class="c{i % 6}"></i>{escape(name)}</span>' for i, name in enumerate(lines))
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(marks)}</svg>'
        f'<div class="legend">{legend}</div></figure>'
    )


def bar_chart(title: str, bars: Mapping[str, float]) -> str:
    """A figure with a bar for each name, from zero up or down.

    Args:
        title: stands above it.
        bars: heights by the names that stand below.
    """
    room = 1.15  # for the numbers at the bars' ends
    low, high, ticks = _ticks(room * min(0.0, *bars.values()), room * max(0.0, *bars.values()))
    each = (WIDTH - LEFT - RIGHT) / len(bars)

    def place(y: float) -> float:
        return HEIGHT - BOTTOM - (y - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    marks = []
    for tick in ticks:
        marks.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place(tick):.1f}" y2="{place(tick):.1f}"/>'
        )
        marks.append(f'<text x="{LEFT - 6}" y="{place(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for i, (name, value) in enumerate(bars.items()):
        left, top, bottom = LEFT + each * (i + 0.2), place(max(value, 0.0)), place(min(value, 0.0))
        marks.append(
            f'<rect class="c{i % 6}" x="{left:.1f}" y="{top:.1f}" width="{0.6 * each:.1f}" '
            f'height="{bottom - top:.1f}"/>'
        )
        middle = f'x="{left + 0.3 * each:.1f}" text-anchor="middle"'
        marks.append(f'<text {middle} y="{HEIGHT - 8}">{escape(name)}</text>')
        label = top - 4 if value >= 0 else bottom + 12
        marks.append(f'<text {middle} y="{label:.1f}">{value:.2f}</text>')
    return (
        f'<figure class="chart"><figcaption>{escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(marks)}</svg></figure>'
    )


def _ticks(low: float, high: float) -> tuple[float, float, list[float]]:
    """A range round the values, and about five round numbers in it."""
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** np.floor(np.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (factor * step) <= 5)
    start, stop = np.floor(low / step) * step, np.ceil(high / step) * step
    stop = max(stop, start + step)
    return float(start), float(stop), [round(float(tick), 10) for tick in np.arange(start, stop + step / 2, step)]
