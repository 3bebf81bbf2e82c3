"""Plots of the reports as inline SVG: attributes and classes only,
so that a strict content policy and a dark screen both hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

from markupsafe import Markup, escape

WIDTH = 520
LINE = 14  # height of a line of text
TEXT_WIDTH = 7.0  # of a character, roughly, at the size the style sets


def bars(rows: Sequence[tuple[str, float, str]], label: str, kind: str = "bar") -> Markup:
    """Lying bars: (name, value, its figure in words)."""
    most = max((value for _, value, _ in rows), default=0) or 1
    names = min(200, 14 + TEXT_WIDTH * max((len(name) for name, _, _ in rows), default=0))
    figures = 10 + TEXT_WIDTH * max((len(text) for _, _, text in rows), default=0)
    room, step, parts = WIDTH - names - figures, 24, []
    for place, (name, value, text) in enumerate(rows):
        y, width = place * step, max(value / most * room, 1 if value else 0)
        parts.append(f'<text x="{names - 8:.0f}" y="{y + 15}" text-anchor="end" class="name">{escape(name)}</text>')
        parts.append(f'<rect x="{names:.1f}" y="{y + 4}" width="{width:.1f}" height="14" rx="2" class="{kind}"/>')
        parts.append(f'<text x="{names + width + 6:.1f}" y="{y + 15}" class="figure">{escape(text)}</text>')
    return _svg(parts, step * len(rows), label)


def columns(
    points: Sequence[tuple[str, float, str]], label: str, kinds: Sequence[str] = (), height: int = 150
) -> Markup:
    """Standing bars: (name below, value, figure above, "" for none). kinds: the class of each, `bar` by default.

    A figure wider than its bar stands above every bar that it reaches over, and a line above a figure that it would
    touch.
    """
    most, parts = max((value for _, value, _ in points), default=0) or 1, []
    step, base = WIDTH / max(len(points), 1), height - 20
    spans = {
        place: _within((place + 0.5) * step, len(text) * TEXT_WIDTH) for place, (*_, text) in enumerate(points) if text
    }
    touching = any(_overlap(one, other) for one, other in combinations(spans.values(), 2))
    heights = [value / most * (base - (20 + LINE if touching else 20)) for _, value, _ in points]
    written: list[tuple[tuple[float, float], float]] = []
    for place, (name, _, text) in enumerate(points):
        tall = heights[place]
        x, kind = place * step, kinds[place] if kinds else "bar"
        parts.append(
            f'<rect x="{x + step * 0.14:.1f}" y="{base - tall:.1f}" '
            f'width="{step * 0.72:.1f}" height="{tall:.1f}" rx="2" class="{kind}"/>'
        )
        parts.append(
            f'<text x="{x + step / 2:.1f}" y="{height - 5}" text-anchor="middle" class="name">{escape(name)}</text>'
        )
        if text:
            span = spans[place]
            y = (
                base
                - 5
                - max(
                    heights[bar]
                    for bar in range(len(points))
                    if _overlap(span, ((bar + 0.14) * step, (bar + 0.86) * step))
                )
            )
            for other, line in written:
                if _overlap(span, other) and abs(y - line) < LINE:
                    y = line - LINE
            written.append((span, y))
            x, anchor = (
                (0, "start") if span[0] == 0 else (WIDTH, "end") if span[1] == WIDTH else (x + step / 2, "middle")
            )
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="figure">{escape(text)}</text>')
    parts.append(f'<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}" class="axis"/>')
    return _svg(parts, height, label)


def _within(middle: float, wide: float) -> tuple[float, float]:
    """Where a text of that width begins and ends, kept inside the drawing."""
    if middle + wide / 2 > WIDTH:
        return WIDTH - wide, WIDTH
    return (0, wide) if middle < wide / 2 else (middle - wide / 2, middle + wide / 2)


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def pairs(points: Sequence[tuple[str, float, float, str, str]], label: str, height: int = 150) -> Markup:
    """Two standing bars beside each other: (name below, first, second, figure of the first, of the second)."""
    most, parts = max((max(first, second) for _, first, second, _, _ in points), default=0) or 1, []
    step, base = WIDTH / max(len(points), 1), height - 20
    wide = min(step * 0.3, 70)
    for place, (name, *values, first_text, second_text) in enumerate(points):
        middle = (place + 0.5) * step
        for side, value, text, kind in ((-1, values[0], first_text, "expected"), (0, values[1], second_text, "bar")):
            tall, x = value / most * (base - 20), middle + side * (wide + 2) + (2 if side == 0 else 0)
            parts.append(
                f'<rect x="{x:.1f}" y="{base - tall:.1f}" width="{wide:.1f}" '
                f'height="{tall:.1f}" rx="2" class="{kind}"/>'
            )
            parts.append(
                f'<text x="{x + wide / 2:.1f}" y="{base - tall - 5:.1f}" '
                f'text-anchor="middle" class="figure">{escape(text)}</text>'
            )
        parts.append(f'<text x="{middle:.1f}" y="{height - 5}" text-anchor="middle" class="name">{escape(name)}</text>')
    parts.append(f'<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}" class="axis"/>')
    return _svg(parts, height, label)


def spans(points: Sequence[tuple[str, float, float, float]], label: str, height: int = 150) -> Markup:
    """Standing bars, each with a line from its low to its high: (name below, "" for none, value, low, high)."""
    most = max((max(value, high) for _, value, _, high in points), default=0) or 1
    step, base, parts = WIDTH / max(len(points), 1), height - 20, []
    for place, (name, value, low, high) in enumerate(points):
        tall, top, bottom = ((base - 10) * of / most for of in (value, high, low))
        x, middle = place * step, (place + 0.5) * step
        parts.append(
            f'<rect x="{x + step * 0.14:.1f}" y="{base - tall:.1f}" '
            f'width="{step * 0.72:.1f}" height="{tall:.1f}" rx="2" class="past"/>'
        )
        parts.append(
            f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{base - bottom:.1f}" y2="{base - top:.1f}" class="span"/>'
        )
        if name:
            parts.append(f'<text x="{x:.1f}" y="{height - 5}" class="name">{escape(name)}</text>')
    parts.append(f'<line x1="0" x2="{WIDTH}" y1="{base}" y2="{base}" class="axis"/>')
    return _svg(parts, height, label)


def odds(groups: Sequence[tuple[str, Sequence[tuple[str, float, float, float]]]], label: str) -> Markup:
    """Points with lines from low to high on a scale of ratios, 1 drawn across: (name of the group, its points as (name
    below, odds, low, high)); NaN for a point of which nothing is known.
    """
    known = [cell for _, points in groups for _, *cells in points for cell in cells if math.isfinite(cell) and cell > 0]
    least, most = (math.log(end) for end in (min([0.8, *known]), max([1.25, *known])))
    height, base, left, gap = 204, 150, 34, 14
    many = sum(len(points) for _, points in groups)
    step, parts, x = (WIDTH - left - gap * len(groups)) / max(many, 1), [], float(left)

    def y(value: float) -> float:
        return 8 + (base - 16) * (most - math.log(value)) / (most - least)

    for tick in (0.125, 0.25, 0.5, 1, 2, 4, 8):
        if least <= math.log(tick) <= most:
            kind = "axis" if tick == 1 else "grid"
            parts.append(f'<line x1="{left}" x2="{WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" class="{kind}"/>')
            parts.append(f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end" class="name">{tick:g}</text>')
    for place, (title, points) in enumerate(groups):
        wide, line = len(title) * TEXT_WIDTH, height - 6 - LINE * (1 - place % 2)  # neighbours on lines of their own
        begins = min(x, WIDTH - wide)
        parts.append(f'<text x="{begins:.1f}" y="{line}" class="name">{escape(title)}</text>')
        for name, *cells in points:
            middle = x + step / 2
            parts.append(
                f'<text x="{middle:.1f}" y="{base + 14}" text-anchor="middle" class="name">{escape(name)}</text>'
            )
            if all(math.isfinite(cell) and cell > 0 for cell in cells):
                value, low, high = map(y, cells)
                parts.append(f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{low:.1f}" y2="{high:.1f}" class="span"/>')
                parts.append(f'<circle cx="{middle:.1f}" cy="{value:.1f}" r="4" class="bar"/>')
            x += step
        x += gap
    return _svg(parts, height, label)


def stack(shares: Sequence[tuple[str, float]], label: str) -> Markup:
    """One lying bar cut into parts: (class, value)."""
    total, x, parts = sum(value for _, value in shares) or 1, 0.0, []
    for kind, value in shares:
        width = value / total * WIDTH
        if value:
            parts.append(f'<rect x="{x:.1f}" y="0" width="{max(width - 1, 1):.1f}" height="16" rx="2" class="{kind}"/>')
        x += width
    return _svg(parts, 16, label)


def lines(
    series: Sequence[Sequence[float | None]],
    ticks: Sequence[tuple[float, str]],
    below: Sequence[str],
    label: str,
    height: int = 190,
) -> Markup:
    """Lines from zero, the last of the series in full colour, older ones paler; a line ends where its figures do.

    ticks: height (same unit as the series) and its words; below: words under every step.
    """
    left, base, right = 44, height - 22, WIDTH - 16
    top = max((value for value, _ in ticks), default=0) or 1
    steps = max((len(one) for one in series), default=1)

    def x(step: int) -> float:
        return left + (right - left) * step / steps

    def y(value: float) -> float:
        return base - value / top * (base - 10)

    parts = []
    for value, text in ticks:
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}" class="grid"/>')
        parts.append(
            f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end" class="name">{escape(text)}</text>'
        )
    for step, text in enumerate(below, start=1):
        if text:
            parts.append(
                f'<text x="{x(step):.1f}" y="{height - 5}" text-anchor="middle" class="name">{escape(text)}</text>'
            )
    for place, one in enumerate(series):
        known = [value for value in one if value is not None]
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in enumerate([0.0, *known]))
        age = min(5, len(series) - 1 - place)
        parts.append(f'<polyline points="{path}" class="line age{age}"/>')
    return _svg(parts, height, label)


def _svg(parts: Sequence[str], height: float, label: str) -> Markup:
    inside = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(label)}">{inside}</svg>')
