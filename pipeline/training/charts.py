"""The report's pictures as inline SVG: the same bytes for the same numbers, no script, no link, no font from elsewhere."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

INK, MUTED, GRID, OURS, OTHER, BEST, BAND = "#17212e", "#55637a", "#dde3eb", "#0a5fb8", "#9fb0c6", "#0b7350", "#8fbcec"
STYLE = {
    "svg.hashsalt": "recoup",
    "svg.fonttype": "none",
    "text.parse_math": False,  # a portfolio may be called $x$
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def shares(money: pd.DataFrame, mine: str, best: Sequence[str]) -> str:
    """Share of all recovered money that each order's list holds, with its interval; the model's in colour."""
    rows = money.sort_values("share", kind="stable", ignore_index=True)
    with _figure(8.2, 0.42 * len(rows) + 0.7) as held:
        place = held.axes
        colours = [OURS if name == mine else BEST if name in best else OTHER for name in rows["ranking"]]
        place.barh(range(len(rows)), rows["share"], color=colours, height=0.62)
        reach = np.abs(np.nan_to_num(np.array([rows["share"] - rows["share_low"], rows["share_high"] - rows["share"]], dtype=float)))
        place.errorbar(rows["share"], range(len(rows)), xerr=reach, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        edge = np.nanmax([rows["share_high"].max(), rows["share"].max()])
        for row, value in enumerate(rows["share"]):
            top = rows["share_high"][row] if np.isfinite(rows["share_high"][row]) else value
            place.text(
                top + edge * 0.015, row, f"{value:.1%}", va="center", fontweight="bold" if rows["ranking"][row] == mine else "normal"
            )
        place.set_yticks(range(len(rows)), rows["ranking"])
        place.set_xlim(0, edge * 1.12)
        place.xaxis.set_major_formatter(_percent)
        return held.svg("Share of recovered money in each order's list")


def curve(points: pd.DataFrame, mine: str, best: Sequence[str]) -> str:
    """Share of money against share of accounts worked."""
    with _figure(8.4, 4.2) as held:
        place = held.axes
        dashes = iter(["-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1))] * 3)
        for ranking, rows in points.groupby("ranking", sort=False):
            colour = OURS if ranking == mine else BEST if ranking in best else MUTED
            line = "-" if ranking == mine else next(dashes)
            x, y = [0, *rows["capacity"]], [0, *rows["share"]]
            place.plot(x, y, color=colour, linestyle=line, linewidth=2.4 if ranking == mine else 1.2, label=ranking)
        place.set(xlabel="Accounts worked each night", ylabel="Money recovered from them", xlim=(0, 1), ylim=(0, 1.01))
        place.grid(color=GRID, linewidth=0.7)
        place.xaxis.set_major_formatter(_percent)
        place.yaxis.set_major_formatter(_percent)
        place.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0))
        return held.svg("Money reached as capacity grows")


def calibration(tenths: pd.DataFrame) -> str:
    """Predicted against realised rate by tenth, with intervals by debtor; on the line is honest."""
    with _figure(4.6, 4.2) as held:
        place = held.axes
        reach = np.abs(np.nan_to_num(np.array([tenths["rate"] - tenths["low"], tenths["high"] - tenths["rate"]], dtype=float)))
        edge = 1.08 * float(np.nanmax([tenths["mean_p"].max(), tenths["high"].max(), tenths["rate"].max()]))
        place.plot([0, edge], [0, edge], color=MUTED, linewidth=1, linestyle="--")
        place.errorbar(tenths["mean_p"], tenths["rate"], yerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3)
        place.set(xlabel="Predicted P(recovered)", ylabel="Share that recovered", xlim=(0, edge), ylim=(0, edge))
        place.grid(color=GRID, linewidth=0.7)
        place.xaxis.set_major_formatter(_percent)
        place.yaxis.set_major_formatter(_percent)
        return held.svg("Calibration by tenth")


def ratios(rows: pd.DataFrame, band: Sequence[float]) -> str:
    """Realised ÷ predicted money per group with intervals, and the band of the gate."""
    with _figure(5.2, 0.22 * len(rows) + 0.8) as held:
        place = held.axes
        place.axvspan(band[0], band[1], color="#e4effb", zorder=0)
        place.axvline(1, color=MUTED, linewidth=1, linestyle="--")
        reach = np.abs(np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float)))
        place.errorbar(rows["value"], range(len(rows)), xerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3)
        place.set_yticks(range(len(rows)), rows["group"])
        place.invert_yaxis()
        place.set_xscale("log")
        low, high = min(0.4, rows["value"].min() * 0.8), max(2.5, rows["value"].max() * 1.2)
        place.set_xlim(max(low, 0.05), min(high, 20))
        ticks = [tick for tick in (0.1, 0.2, 0.5, 0.7, 1, 1.4, 2, 5, 10) if max(low, 0.05) <= tick <= min(high, 20)]
        place.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        place.xaxis.set_minor_formatter(lambda _value, _place: "")
        place.set_xlabel("Realised ÷ predicted money")
        return held.svg("Realised over predicted money by group")


def importance(rows: pd.DataFrame) -> str:
    """The columns that move the scores most."""
    top = rows.head(15).iloc[::-1]
    with _figure(6.4, 0.3 * len(top) + 0.7) as held:
        held.axes.barh(range(len(top)), top["share"], color=OURS, height=0.66)
        held.axes.set_yticks(range(len(top)), top["feature"])
        held.axes.xaxis.set_major_formatter(_percent)
        held.axes.set_xlabel("Share of the mean absolute contribution")
        return held.svg("Importance by exact contributions")


def swarm(points: pd.DataFrame, step: float, most: int = 900) -> str:
    """A beeswarm: dots at the contribution accounts get from a column, piled up where many get the same; blue where its value is low, red
    where high, grey where missing. step: width of the contribution's bins. At most about `most` dots a column, each for as many rows."""
    names = list(dict.fromkeys(points["feature"]))[::-1]
    shades = {"lowest third of values": "#2a78c2", "middle": "#9a5fb0", "highest third": "#cf2f4a", "missing": OTHER}
    colours = list(shades.values())
    along, across, tints = [], [], []
    for place, name in enumerate(names):
        rows = points[points["feature"] == name].sort_values("effect", kind="stable")
        scale = max(rows["rows"].sum() / most, 1.0)
        third = pd.to_numeric(rows["value"]).mul(3).fillna(3).astype(int).to_numpy()
        dots = np.ceil(rows["rows"].to_numpy() / scale).astype(int)
        piles = rows.assign(dots=dots, third=third).groupby("effect", sort=True)
        tallest = max(int(piles["dots"].sum().max()), 1)
        for effect, pile in piles:
            tint = np.repeat(pile["third"].to_numpy(), pile["dots"].to_numpy())
            count, spread = len(tint), np.arange(len(tint))
            along.append(effect + step * ((spread * 0.618034) % 1.0 - 0.5))  # spread evenly over the bin, and the same every time
            reach = 0.42 * np.sqrt(count / tallest)
            across.append(place + (reach * (2 * (spread + 0.5) / count - 1)))
            tints.append(tint)
    with _figure(8.8, 0.36 * len(names) + 0.9) as held:
        place = held.axes
        place.axvline(0, color=MUTED, linewidth=0.8)
        inks = np.array(colours, dtype=object)[np.concatenate(tints)]
        place.scatter(np.concatenate(along), np.concatenate(across), c=list(inks), s=4, linewidths=0, rasterized=True)
        place.set_yticks(range(len(names)), names)
        place.set_ylim(-0.7, len(names) - 0.3)
        place.set_xlabel("Contribution to the log-odds of recovery")
        for text, colour in shades.items():
            place.scatter([], [], c=colour, s=22, label=text)
        place.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        return held.svg("Contributions of the strongest columns")


def liquidation(points: pd.DataFrame, most: int = 12) -> str:
    """Net cash as a share of the placed amount over the months since placement, one line a placement month, newer ones darker."""
    months = sorted(points["placed_in"].unique())[-most:]
    with _figure(8.4, 3.8) as held:
        place = held.axes
        for number, name in enumerate(months):
            rows = points[points["placed_in"] == name]
            shade = 0.25 + 0.75 * (number + 1) / len(months)
            place.plot([0, *rows["month"]], [0, *rows["rate"]], color=OURS, alpha=shade, linewidth=1.5, label=name)
        place.set(xlabel="Months of 30 days since placement", ylabel="Net cash ÷ placed amount")
        place.grid(color=GRID, linewidth=0.7)
        place.set_xlim(left=0)
        place.yaxis.set_major_formatter(_percent)
        place.legend(frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(1.0, 1.0), title="Placed in")
        return held.svg("Liquidation by placement month")


def groups(table: pd.DataFrame, metric: str) -> str:
    """One figure of the fairness audit per group with its interval; the line is everybody treated alike."""
    rows = table[table["metric"] == metric].reset_index(drop=True)
    names = [f"{row.trait.removeprefix('audit_').replace('_', ' ')}: {row.group}" for row in rows.itertuples()]
    with _figure(5.2, 0.26 * len(rows) + 0.8) as held:
        place = held.axes
        place.axvline(1, color=MUTED, linewidth=1, linestyle="--")
        reach = np.abs(np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float)))
        place.errorbar(rows["value"], range(len(rows)), xerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3)
        place.set_yticks(range(len(rows)), names)
        place.invert_yaxis()
        return held.svg(f"Fairness: {metric} by group")


def dependence(effects: pd.DataFrame) -> str:
    """How the strongest columns act: mean contribution (log-odds) over their values, with the middle 80 %."""
    names = list(dict.fromkeys(effects["feature"]))
    across = 3
    down = -(-len(names) // across)
    with _figure(9.0, 2.2 * down + 0.2, down, across) as held:
        for spot, name in zip(held.all_axes, names, strict=False):
            rows = effects[effects["feature"] == name]
            known = rows[rows["value"].notna()]
            spot.axhline(0, color=MUTED, linewidth=0.8)
            spot.fill_between(known["value"], known["low"], known["high"], color="#e4effb")
            spot.plot(known["value"], known["mean"], color=OURS, marker="o", markersize=3.5, linewidth=1.4)
            missing = rows[rows["value"].isna()]
            if len(missing):
                spot.set_title(f"{name}\nmissing: {missing['mean'].iloc[0]:+.2f}", fontsize=8.5)
            else:
                spot.set_title(name, fontsize=8.5)
            spot.tick_params(labelsize=8)
        for spot in held.all_axes[len(names) :]:
            spot.set_visible(False)
        return held.svg("Contribution over the value of the strongest columns")


def _percent(value: float, _: Any) -> str:
    return f"{value:.0%}"


class _figure:
    """A figure under our style, without pyplot: nothing global is left behind."""

    def __init__(self, width: float, height: float, down: int = 1, across: int = 1) -> None:
        self.size, self.grid = (width, height), (down, across)

    def __enter__(self) -> _figure:
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self._style = matplotlib.rc_context(STYLE)
        self._style.__enter__()
        self.figure = Figure(figsize=self.size, layout="constrained")
        FigureCanvasSVG(self.figure)
        self.all_axes = list(np.atleast_1d(self.figure.subplots(*self.grid)).ravel())
        self.axes = self.all_axes[0]
        return self

    def svg(self, label: str) -> str:
        out = io.StringIO()
        self.figure.savefig(out, format="svg", dpi=140, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        text = out.getvalue()
        return f'<div class="chart" role="img" aria-label="{label}">{text[text.index("<svg") :]}</div>'

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)
