"""The report's pictures as inline SVG: the same bytes for the same numbers, no script, no link,
no font from elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.store.files import whole_file

INK, MUTED, GRID, OURS, OTHER, BEST, BAND = "#17212e", "#55637a", "#dde3eb", "#0a5fb8", "#9fb0c6", "#0b7350", "#8fbcec"
WATERFALL = 14  # rows of a waterfall, the last of them for all other columns
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
        reach = np.abs(
            np.nan_to_num(
                np.array([rows["share"] - rows["share_low"], rows["share_high"] - rows["share"]], dtype=float)
            )
        )
        place.errorbar(rows["share"], range(len(rows)), xerr=reach, fmt="none", ecolor=INK, elinewidth=1, capsize=3)
        edge = np.nanmax([rows["share_high"].max(), rows["share"].max()])
        for row, value in enumerate(rows["share"]):
            top = rows["share_high"][row] if np.isfinite(rows["share_high"][row]) else value
            place.text(
                top + edge * 0.015,
                row,
                f"{value:.1%}",
                va="center",
                fontweight="bold" if rows["ranking"][row] == mine else "normal",
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
        reach = np.abs(
            np.nan_to_num(np.array([tenths["rate"] - tenths["low"], tenths["high"] - tenths["rate"]], dtype=float))
        )
        edge = 1.08 * float(np.nanmax([tenths["mean_p"].max(), tenths["high"].max(), tenths["rate"].max()]))
        place.plot([0, edge], [0, edge], color=MUTED, linewidth=1, linestyle="--")
        place.errorbar(
            tenths["mean_p"], tenths["rate"], yerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3
        )
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
        reach = np.abs(
            np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float))
        )
        place.errorbar(
            rows["value"], range(len(rows)), xerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3
        )
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
    """shap's beeswarm of the strongest columns, from counts of rows per bin of the contribution:
    no dot is an account's own.

    points: feature, effect (middle of its bin), value (0 lowest to 1 highest, missing where the column's is), rows;
    step: width of a bin. A column gets at most `most` dots, each for as many rows, spread evenly over its bin.
    """
    names = list(dict.fromkeys(points["feature"]))
    dots = [_dots(points[points["feature"] == name], step, most) for name in names]
    effects, values = (np.column_stack(held) for held in zip(*dots, strict=True))
    with _figure(8.8, 0.36 * len(names) + 0.9) as held:
        import shap

        explained = shap.Explanation(values=effects, data=values, feature_names=names)
        with _drawn_alike():
            shap.plots.beeswarm(
                explained, max_display=None, order=np.arange(len(names)), ax=held.axes, plot_size=None, show=False, s=6,
                color_bar_label="Value of the column", group_remaining_features=False,
            )  # fmt: skip
        held.axes.tick_params(axis="both", labelsize=10)
        held.axes.set_xlabel("Contribution to the log-odds of recovery", fontsize=10)
        return held.svg("Contributions of the strongest columns")


def _dots(rows: pd.DataFrame, step: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(contribution, value) of the dots of one column: every so-many-th row of its bins,
    from the lowest contribution on.
    """
    rows = rows.assign(value=pd.to_numeric(rows["value"])).sort_values(["effect", "value"], kind="stable")
    ends = rows["rows"].cumsum().to_numpy()
    count = min(int(ends[-1]), most)
    places = np.searchsorted(ends, (np.arange(count) + 0.5) / count * ends[-1], side="right")
    spread = step * ((np.arange(count) * 0.618034) % 1.0 - 0.5)
    return rows["effect"].to_numpy()[places] + spread, rows["value"].to_numpy(dtype=np.float64)[places]


def waterfall(pulls: pd.DataFrame, base: str, end: str, label: str) -> str:
    """shap's waterfall: from the base, contribution by contribution, to the raw score. See `_waterfall`."""
    with _figure(8.0, 6.0) as held:
        _waterfall(held, pulls, base, end)
        return held.svg(label, tight=True)


def draw_waterfall(pulls: pd.DataFrame, base: str, end: str, title: str, place: Path) -> None:
    """The same as a PNG file."""
    with _figure(8.0, 6.0) as held:
        _waterfall(held, pulls, base, end)
        held.figure.suptitle(title, x=0.125, y=0.97, ha="left", fontsize=11)
        with whole_file(place) as draft:
            held.figure.savefig(draft, format="png", dpi=140, bbox_inches="tight", metadata={"Software": None})


def _waterfall(held: _figure, pulls: pd.DataFrame, base: str, end: str) -> None:
    """pulls: feature, contribution and, where it is known, value (text), one row a column;
    the last row's contribution is the base.

    base, end: what stands at its two ends. The strongest WATERFALL columns are shown, the others as one.
    """
    import shap

    every, start = pulls.iloc[:-1], float(pulls["contribution"].iloc[-1])
    shown = every["value"].to_numpy(dtype=object) if "value" in every else None
    contributions = every["contribution"].to_numpy(dtype=np.float64)
    explained = shap.Explanation(
        values=contributions, base_values=start, display_data=shown, feature_names=list(every["feature"])
    )
    held.axes.remove()
    held.figure.set_layout_engine("none")  # shap measures its arrows where they stand
    with _current(held.figure):
        shap.plots.waterfall(explained, max_display=WATERFALL, show=False)
    place, below, above = held.figure.axes
    place.tick_params(labelsize=10)
    words = ((below, f"\n{base}: {start:+.2f} log-odds"), (above, f"{end}: {start + contributions.sum():+.2f}"))
    for axes, text in words:
        axes.set_xticklabels(["", text], fontsize=10)
        axes.get_xticklabels()[1].set_color(MUTED)


def liquidation(points: pd.DataFrame, most: int = 12) -> str:
    """Net cash as a share of the placed amount over the months since placement, one line a placement month,
    newer ones darker.
    """
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
        reach = np.abs(
            np.nan_to_num(np.array([rows["value"] - rows["low"], rows["high"] - rows["value"]], dtype=float))
        )
        place.errorbar(
            rows["value"], range(len(rows)), xerr=reach, fmt="o", color=OURS, ecolor=BAND, elinewidth=2, capsize=3
        )
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


@contextmanager
def _drawn_alike() -> Iterator[None]:
    """shap shuffles its dots by numpy's global draws: the same ones every time, and none of them spent."""
    before = np.random.get_state()  # noqa: NPY002  shap asks these draws and no others
    np.random.seed(0)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


@contextmanager
def _current(figure: Any) -> Iterator[None]:
    """shap's waterfall draws into pyplot's current figure: ours for as long as it draws,
    without waking a display or leaving a trace.
    """
    import matplotlib.pyplot as plt
    from matplotlib.backend_bases import FigureManagerBase

    interactive = plt.isinteractive()
    FigureManagerBase(figure.canvas, max(plt.get_fignums(), default=0) + 1)
    plt.figure(figure)
    try:
        yield
    finally:
        plt.close(figure)
        if interactive:
            plt.ion()


class _figure:
    """A figure under our style, without pyplot: nothing global is left behind."""

    def __init__(self, width: float, height: float, down: int = 1, across: int = 1) -> None:
        self.size, self.grid = (width, height), (down, across)

    def __enter__(self) -> _figure:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self._style = matplotlib.rc_context(STYLE)
        self._style.__enter__()
        self.figure = Figure(figsize=self.size, layout="constrained")
        FigureCanvasAgg(self.figure)
        self.all_axes = list(np.atleast_1d(self.figure.subplots(*self.grid)).ravel())
        self.axes = self.all_axes[0]
        return self

    def svg(self, label: str, tight: bool = False) -> str:
        """The picture for a page. tight: cut to what is drawn, instead of laid out anew."""
        out = io.StringIO()
        bare = {"Date": None, "Creator": None, "Format": None, "Type": None}
        self.figure.savefig(out, format="svg", dpi=140, bbox_inches="tight" if tight else None, metadata=bare)
        text = out.getvalue()
        return f'<div class="chart" role="img" aria-label="{label}">{text[text.index("<svg") :]}</div>'

    def __exit__(self, *error: Any) -> None:
        self._style.__exit__(*error)
