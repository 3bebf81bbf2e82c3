"""What a panel's labels rest on, in tables and as one picture: which rows have one, at what rates,
how fast recoveries become known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.coverage import BY_BUCKET, BY_NIGHT, LABELLED, coverage, label_rates, maturity_curve
from features.labels import LABELS, WHY_MISSING
from features.terms import LabelTerms
from pipeline.store.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOUR_OF_LABELLED, COLOURS = "#0a5fb8", ("#9fb0c6", "#d98e04", "#a33b3b", "#6b4fa0", "#0b7350", "#55637a", "#c7a17a")
COLOUR_OF = dict(zip(LABELS, (COLOUR_OF_LABELLED, COLOURS[2]), strict=True))
MONTHS_NAMED = 18


@dataclass(frozen=True)
class Labelled:
    """The labels of a panel's rows under some terms, aligned to them,
    and the sums behind the maturity curve (features.coverage).
    """

    terms: LabelTerms
    labels: pd.DataFrame
    recoveries: pd.DataFrame

    @property
    def title(self) -> str:
        return f"Recovered within {self.terms.horizon_days} days, defaulted within {self.terms.default_horizon_days}"

    @property
    def curve(self) -> pd.DataFrame:
        return maturity_curve(self.recoveries)


def label_tables(cohort: pd.DataFrame, labelled: Sequence[Labelled]) -> list[tuple[str, pd.DataFrame]]:
    """(title, table): rows with a label and without, rates, coverage by month, maturity.
    Under several terms each row tells its horizon.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    for own in labelled:
        seen = coverage(cohort, own.labels)
        for title, table in {
            "Rows with a label, and without one by reason": _by_reason(seen),
            **label_rates(cohort, own.labels),
            "Label coverage by month": seen,
            "Maturity: share of eventual recoveries known after n days; above 1 where money went back later": own.curve,
        }.items():
            found.setdefault(title, []).append(table)
    if len(labelled) == 1:
        return [(title, table) for title, (table,) in found.items()]
    days = [own.terms.horizon_days for own in labelled]
    return [(title, _together(days, parts)) for title, parts in found.items()]


def _by_reason(seen: pd.DataFrame) -> pd.DataFrame:
    """label, reason, accounts, share of the label's rows; the rows that have one included."""
    found = seen.groupby(["label", "reason"])["accounts"].sum().reset_index()
    return found.assign(share=found["accounts"] / found.groupby("label")["accounts"].transform("sum"))


def _together(days: Sequence[int], parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The tables of several horizons as one: the same night, bucket, month or currency side by side."""
    for horizon_days, part in zip(days, parts, strict=True):
        part.insert(1, "horizon_days", horizon_days)
    return pd.concat(parts, ignore_index=True).sort_values(
        [parts[0].columns[0], "horizon_days"], kind="stable", ignore_index=True
    )


def draw(
    rates: Mapping[str, pd.DataFrame], coverage: pd.DataFrame, curve: pd.DataFrame, path: Path, title: str = ""
) -> None:
    """A PNG. rates, coverage and curve: of features.coverage.

    Rates by night and by days past due; per label a bar a month, by reason; below, a line a currency.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(coverage["label"]))
    figure = Figure(figsize=(9.6, 3.0 * (len(labels) + 2)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    rows: list[Any] = [["night", "bucket"], *([name, name] for name in (*labels, "curve"))]
    (by_night, by_bucket, *bars, last) = figure.subplot_mosaic(rows).values()
    _rate_lines(by_night, rates[BY_NIGHT])
    _rate_bars(by_bucket, rates[BY_BUCKET])
    for axes, label in zip(bars, labels, strict=True):
        _bars(axes, coverage[coverage["label"] == label])
        axes.set_ylabel(f"rows by whether {label}\nis known")
    for number, (currency, rows) in enumerate(curve.groupby("currency", sort=True)):
        colour = COLOUR_OF_LABELLED if number == 0 else COLOURS[(number - 1) % len(COLOURS)]
        last.plot(rows["days"], rows["money_share"], color=colour, marker="o", markersize=3, label=str(currency))
    last.axhline(1, color="#55637a", linewidth=0.8, linestyle="--")
    last.set(
        xlabel="days after as_of", ylabel="share of the recovered\nmoney known by then", xlim=(0, None), ylim=(0, None)
    )
    for axes in (by_night, by_bucket, *bars, last):
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.3)
        axes.set_axisbelow(True)
        if axes is not by_night and axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    with whole_file(path) as draft:
        figure.savefig(draft, format="png", dpi=120, metadata={"Software": None})


def _rate_lines(axes: Axes, rows: pd.DataFrame) -> None:
    for label in LABELS:
        axes.plot(
            range(len(rows)), rows[f"{label}_rate"], color=COLOUR_OF[label], marker="o", markersize=3, label=label
        )
    _name(axes, rows["as_of"].dt.strftime("%Y-%m-%d"), MONTHS_NAMED // 2)
    axes.set(ylabel="rate by night", ylim=(0, 1))


def _rate_bars(axes: Axes, rows: pd.DataFrame) -> None:
    for place, label in enumerate(LABELS):
        axes.bar(
            [x + 0.4 * place - 0.2 for x in range(len(rows))],
            rows[f"{label}_rate"],
            color=COLOUR_OF[label],
            width=0.4,
            label=label,
        )
    _name(axes, rows["bucket"].astype("str"), len(rows))
    axes.set(ylabel="rate by days past due", ylim=(0, 1))


def _name(axes: Axes, names: pd.Series, most: int) -> None:
    """At most so many names below the axis, evenly chosen."""
    step = max(1, -(-len(names) // max(most, 1)))
    axes.set_xticks(range(0, len(names), step), list(names[::step]), rotation=45, ha="right", fontsize=8)


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    shares = rows.pivot(index="month", columns="reason", values="share").fillna(0.0)
    reasons = [name for name in (LABELLED, *WHY_MISSING) if name in shares]
    bottom = np.zeros(len(shares))
    for reason in reasons:
        colour = (
            COLOUR_OF_LABELLED if reason == LABELLED else COLOURS[WHY_MISSING.index(reason)]
        )  # the same in every part of the picture
        axes.bar(
            range(len(shares)), shares[reason], bottom=bottom, color=colour, width=0.8, label=reason.replace("_", " ")
        )
        bottom += shares[reason].to_numpy()
    _name(axes, shares.index, MONTHS_NAMED)
    axes.set_ylim(0, 1)
