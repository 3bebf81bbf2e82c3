"""The curves of fatigue as one drawing: odds of paying and of answering by days since the last message, by its number
and by how soon it came.
"""

from __future__ import annotations

import math
from html import escape

import pandas as pd

WIDE, HIGH, LEFT, TOP = 300, 200, 44, 34
HEADS = {
    "age": "days since the last message",
    "number": "number within 30 days",
    "spacing": "days after the one before",
}
OUTCOMES = {"pays": "Odds of paying", "answers": "Odds of answering"}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#17212e}.muted{fill:#55637a}.axis{stroke:#dde3eb}"
    ".one{stroke:#55637a;stroke-dasharray:4 3}.span{stroke:#0a5fb8;stroke-width:2}.point{fill:#0a5fb8}"
)


def drawing(curves: pd.DataFrame) -> str:
    """An SVG of models.fatigue.curves: a row per outcome, a panel per way of looking. Odds are against days without a
    message, 1 where it does nothing; bars are 95 % intervals. What nothing tells of is left out.
    """
    parts = [
        _panel(curves[(curves["outcome"] == outcome) & (curves["by"] == by)], f"{said}, by {head}", row, column)
        for row, (outcome, said) in enumerate(OUTCOMES.items())
        for column, (by, head) in enumerate(HEADS.items())
    ]
    width, height = len(HEADS) * (WIDE + LEFT), len(OUTCOMES) * (HIGH + 2 * TOP)
    title = "What another message does, against days without one"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{title}"><title>{title}</title><style>{STYLE}</style>'
        f'<rect width="{width}" height="{height}" fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _panel(rows: pd.DataFrame, title: str, row: int, column: int) -> str:
    known = rows.dropna(subset=["log_odds", "low", "high"])
    low = min(-0.25, *known["low"]) if len(known) else -0.25
    high = max(0.5, *known["high"]) if len(known) else 0.5

    def up(value: float) -> float:
        return round(TOP + HIGH * (high - value) / (high - low), 1)

    step = (WIDE - 30) / max(len(rows), 1)
    drawn = [f'<text x="0" y="14">{escape(title)}</text>']
    for odds in (0.25, 0.5, 0.8, 1, 1.25, 1.5, 2, 3, 5):
        at = math.log(odds)
        if low <= at <= high:
            kind = "one" if odds == 1 else "axis"
            drawn.append(f'<line class="{kind}" x1="0" x2="{WIDE - 20}" y1="{up(at)}" y2="{up(at)}"/>')
            drawn.append(f'<text class="muted" x="-6" y="{up(at) + 4}" text-anchor="end">{odds:g}</text>')
    for place, name in enumerate(rows["class"]):
        x = round(step * (place + 0.5), 1)
        drawn.append(
            f'<text class="muted" x="{x}" y="{TOP + HIGH + 16}" text-anchor="middle">{escape(str(name))}</text>'
        )
        own = known[known["class"] == name]
        if len(own):
            one = own.iloc[0]
            drawn.append(f'<line class="span" x1="{x}" x2="{x}" y1="{up(one["low"])}" y2="{up(one["high"])}"/>')
            drawn.append(f'<circle class="point" cx="{x}" cy="{up(one["log_odds"])}" r="4"/>')
    move = f"translate({LEFT + column * (WIDE + LEFT)},{row * (HIGH + 2 * TOP)})"
    return f'<g transform="{move}">{"".join(drawn)}</g>'
