"""What a panel's labels rest on as one picture: which rows have one by month, and how fast recoveries become known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from features.coverage import LABELLED
from features.labels import MISSING

COLOUR_OF_LABELLED, COLOURS = "#0a5fb8", ("#9fb0c6", "#d98e04", "#a33b3b", "#6b4fa0", "#0b7350", "#55637a", "#c7a17a")
MONTHS_NAMED = 18


def draw(coverage: pd.DataFrame, curve: pd.DataFrame, path: Path) -> None:
    """A PNG. coverage and curve: of features.coverage. Per label a bar a month, by reason; below, a line a currency."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(coverage["label"]))
    figure = Figure(figsize=(9.6, 3.0 * (len(labels) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    *bars, last = np.atleast_1d(figure.subplots(len(labels) + 1, 1))
    for axes, label in zip(bars, labels, strict=True):
        _bars(axes, coverage[coverage["label"] == label])
        axes.set_ylabel(f"rows by {label}")
    for number, (currency, rows) in enumerate(curve.groupby("currency", sort=True)):
        colour = COLOUR_OF_LABELLED if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
        last.plot(rows["days"], rows["money_share"], color=colour, marker="o", markersize=3, label=str(currency))
    last.axhline(1, color="#55637a", linewidth=0.8, linestyle="--")
    last.set(xlabel="days after as_of", ylabel="share of the recovered\nmoney known by then", xlim=(0, None), ylim=(0, None))
    for axes in (*bars, last):
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120, metadata={"Software": None})


def _bars(axes, rows: pd.DataFrame) -> None:
    shares = rows.pivot(index="month", columns="reason", values="share").fillna(0.0)
    reasons = [name for name in (LABELLED, *MISSING) if name in shares]
    bottom = np.zeros(len(shares))
    for reason in reasons:
        colour = COLOUR_OF_LABELLED if reason == LABELLED else COLOURS[MISSING.index(reason)]  # the same in every part of the picture
        axes.bar(range(len(shares)), shares[reason], bottom=bottom, color=colour, width=0.8, label=reason.replace("_", " "))
        bottom += shares[reason].to_numpy()
    step = max(1, -(-len(shares) // MONTHS_NAMED))
    axes.set_xticks(range(0, len(shares), step), shares.index[::step], rotation=45, ha="right", fontsize=8)
    axes.set_ylim(0, 1)
