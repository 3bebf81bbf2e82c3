"""What the monitor said of the published nights, one after another, on one page: what tonight's chances foretold of
order and money, what early payments said, and what came once it was known, against the model's training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup, escape

from models.drift import SHIFTED
from pipeline.night.alarm import OK, SCORE_MOVED, STOP, UNKNOWN, WARN, stopped_nights
from pipeline.outcomes.drawings import WIDTH
from pipeline.pages.record import nights, read_manifest
from pipeline.pages.templating import policy_digest, template, verbatim
from pipeline.store.files import only_owner_reads, write_whole

PAGE = "monitor.html"
MOST_NIGHTS, ROWS_SHOWN = 120, 30
HIGH, LEFT, RIGHT, BELOW = 170, 44, 12, 22  # of a drawing
# Finding -> (title, what its dashed line is, the figure of that line or None, what else it says).
DRAWN = {
    "order foretold": ("Order, foretold by the chances of the night", "taught", "AUC, before any label has matured"),
    "order realised": ("Order, by what came", "taught", "AUC of matured nights, as known on the night"),
    "early payments": ("Payments within a week, of what matured nights showed", 1.0, "1: they pay as before"),
    "calibration in money": ("Money that came, of the money expected", 1.0, "1: as expected, over matured nights"),
    "drift of the score": ("Drift of the score beyond what is usual", SHIFTED, "PSI; above 0.25 another population"),
}
VALUES = {"drift of the score": "psi", "calibration in money": "ratio"}


def write_page(out: Path) -> Path | None:
    """OUT/monitor.html of the newest MOST_NIGHTS nights that were judged, published or kept from it; None where there
    is none. The same nights give the same bytes.
    """
    published = [_night(manifest) for folder in nights(out)[-MOST_NIGHTS:] if (manifest := read_manifest(folder))]
    stopped = [_night({"as_of": night, **found}, kept_back=True) for night, found in stopped_nights(out).items()]
    told = sorted((each for each in (*published, *stopped) if each is not None), key=lambda each: each["as_of"])
    told = told[-MOST_NIGHTS:]
    if not told:
        return None
    place, text = out / PAGE, page(told)
    if not place.is_file() or place.read_bytes() != text.encode():  # a finished night again changes nothing
        with only_owner_reads():
            write_whole(place, text)
    return place


def _night(manifest: Mapping[str, Any], kept_back: bool = False) -> dict[str, Any] | None:
    judged = manifest.get("monitor")
    if not isinstance(judged, dict):
        return None
    return {
        "as_of": str(manifest["as_of"]),
        "model": str(manifest.get("model", {}).get("version", "")),
        "verdict": judged["verdict"],
        "kept_back": kept_back,
        "by_name": {each["name"]: each for each in judged["findings"]},
    }


def page(told: list[dict[str, Any]]) -> str:
    """told: of each night, oldest first, as_of, model, verdict, whether it was kept back, and its findings by name."""
    style = verbatim("night_page.css") + verbatim("monitor.css")
    last = told[-1]
    return template(PAGE).render(
        policy=f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        last=last,
        first=told[0],
        findings=sorted(last["by_name"].values(), key=lambda each: (STOP, WARN, UNKNOWN, OK).index(each["verdict"])),
        drawings=[(title, note, _drawing(told, name, line, title)) for name, (title, line, note) in DRAWN.items()],
        nights=list(reversed(told[-ROWS_SHOWN:])),
        shown=list(DRAWN),
        cell=_cell,
    )


def _cell(night: Mapping[str, Any], name: str) -> str:
    """The figure of a finding with its interval; a dash where nothing can be said."""
    value, low, high = _of(night, name)
    if value is None:
        return "–"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _of(night: Mapping[str, Any], name: str) -> tuple[float | None, float | None, float | None]:
    figures = night["by_name"].get(name, {}).get("figures", {})
    value = figures.get(VALUES.get(name, "value"))
    low, high = figures.get("low"), figures.get("high")
    if value is None:
        return None, None, None
    return (max(float(value), 0.0) if name == SCORE_MOVED else float(value)), low, high


def _drawing(told: list[dict[str, Any]], name: str, line: float | str | None, label: str) -> Markup | None:
    """A point a night with its interval, and what it is held against as a dashed line; None where no night tells."""
    points = [(place, *_of(night, name)) for place, night in enumerate(told)]
    known = [(place, value, low, high) for place, value, low, high in points if value is not None]
    if not known:
        return None
    against = [
        (place, float(line) if isinstance(line, float) else night["by_name"].get(name, {}).get("figures", {}).get(line))
        for place, night in enumerate(told)
        if line is not None
    ]
    levels = [level for point in known for level in point[1:] if level is not None]
    levels += [level for _, level in against if level is not None]
    floor, top = min(levels), max(levels)
    floor, top = (floor - 0.05, top + 0.05) if top - floor < 0.05 else (floor, top)

    def x(place: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (place + 0.5) / len(told)

    def y(level: float) -> float:
        return 8 + (HIGH - BELOW - 8) * (top - level) / (top - floor)

    parts = []
    for level in (floor, (floor + top) / 2, top):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" y2="{y(level):.1f}" class="grid"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y(level) + 4:.1f}" text-anchor="end" class="name">{level:.2f}</text>')
    known_lines = [(place, y(level)) for place, level in against if level is not None]
    ends = [(x(place + side), at) for place, at in known_lines for side in (-0.5, 0.5)]  # seen for a single night, too
    steps = " ".join(f"{along:.1f},{at:.1f}" for along, at in ends)
    parts.append(f'<polyline points="{steps}" class="against"/>' if steps else "")
    for place, value, low, high in known:
        if low is not None and high is not None:
            parts.append(
                f'<line x1="{x(place):.1f}" x2="{x(place):.1f}" y1="{y(high):.1f}" y2="{y(low):.1f}" class="span"/>'
            )
        parts.append(f'<circle cx="{x(place):.1f}" cy="{y(value):.1f}" r="2.6" class="point"/>')
    for place in sorted({0, len(told) - 1}):
        anchor = "start" if place == 0 else "end"
        at = LEFT if place == 0 else WIDTH - RIGHT
        day = escape(told[place]["as_of"])
        parts.append(f'<text x="{at}" y="{HIGH - 5}" text-anchor="{anchor}" class="name">{day}</text>')
    inside = "".join(parts)
    return Markup(f'<svg viewBox="0 0 {WIDTH} {HIGH}" role="img" aria-label="{escape(label)}">{inside}</svg>')
