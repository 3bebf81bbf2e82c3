"""`recoup whatif`: the table and the curve of money, contacts and burden at other capacities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.currencies import DECIMALS
from models.whatif import ORDERS, what_if

COLOURS = ("#1b6ca8", "#8a8a8a", "#c08457", "#7a9e7e")


def table_of(rows: pd.DataFrame, capacities: Sequence[int], reporting_currency: str) -> pd.DataFrame:
    """`models.whatif.what_if` over a night's ranked rows, money in units of the reporting currency."""
    unit = 10.0 ** DECIMALS[reporting_currency] / 10.0 ** rows["currency"].astype("str").map(DECIMALS).to_numpy(dtype=float)
    found = what_if(rows.assign(unit=unit), sorted(set(capacities)))
    money = ["expected", "cost", "net"]
    found[money] = found[money] / 10 ** DECIMALS[reporting_currency]
    return found


def text_of(table: pd.DataFrame, reporting_currency: str) -> str:
    shown = table.copy()
    for name in ("expected", "cost", "net"):
        shown[name] = shown[name].map("{:,.2f}".format)
    for name in ("share_of_value", "burden"):
        shown[name] = shown[name].map("{:.1%}".format)
    head = (
        f"Expected from tonight's workable debtors, {reporting_currency}; capacity is debtors per queue. Expected is not added by working."
    )
    return f"{head}\n{shown.to_string(index=False)}"


def draw(table: pd.DataFrame, reporting_currency: str, path: Path) -> None:
    """The curve as a picture: net value over debtors worked, one line per order."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for order, colour in zip(ORDERS, COLOURS, strict=True):
        line = table[table["order"] == order].sort_values("debtors")
        axes.plot([0, *line["debtors"]], [0, *line["net"]], label=order, color=colour, marker="o", markersize=3)
    axes.set_xlabel("debtors contacted tonight")
    axes.set_ylabel(f"expected net value, {reporting_currency}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120, metadata={"Software": None})
