"""`recoup whatif`: the table and the curve of money, contacts and burden at other capacities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from features.currencies import DECIMALS
from features.days import date_of, day_text
from models.whatif import BEST_ADDED, BEST_ORDER, ORDERS, what_if
from pipeline.night.feeds import check_feeds
from pipeline.night.ranking import rank_night
from pipeline.night.refusals import NightMissing
from pipeline.night.score import job_for
from pipeline.night.shards import work_shards
from pipeline.params import Params
from pipeline.store.files import private_folder, whole_file
from pipeline.store.store import Store

COLOURS = ("#1b6ca8", "#2f9e8f", "#3f6fd8", "#b0568c", "#7b5ea7", "#8a8a8a", "#c08457", "#7a9e7e", "#222222", "#777722")
LINE_COLOURS = dict(zip((*ORDERS, BEST_ORDER, BEST_ADDED), COLOURS, strict=True))
MONEY_COLUMNS = ("expected", "adds", "cost", "net", "true", "added")
TRUE = ["expected_amount", "expected_amount_if_contacted", "expected_amount_if_left"]


def compare_capacities(
    store_path: Path,
    as_of: dt.date,
    capacities: Sequence[int],
    params: Params,
    picture: Path | None = None,
    truth: Path | None = None,
) -> str:
    """The night ranked, nothing published: money, contacts and burden at each capacity (debtors per queue),
    and the curve as a picture.

    truth: of a made-up portfolio; adds what the debtors taken really bring and what only contact brings, and the best
    order of each.
    """
    store = Store(store_path)
    check_feeds(store, as_of, params)
    job = job_for(store, as_of, params)
    with private_folder() as folder:
        rows = rank_night(store, job, work_shards(job, folder)).rows
    reporting = params.money.reporting_currency
    rows = rows if truth is None else with_truth(rows, job.as_of, truth)
    table = table_of(rows, capacities, reporting)
    if picture is not None:
        draw_curve(table, reporting, picture)
    return text_of(table, reporting)


def with_truth(rows: pd.DataFrame, as_of: int, truth: Path) -> pd.DataFrame:
    """The night's rows with what is true of them on a made-up portfolio (TRUE).
    Raises InputMissing where the night has no truth.
    """
    files = sorted(truth.glob("expectations*.parquet"))
    known = (
        pd.concat([pd.read_parquet(file) for file in files])
        if files
        else pd.DataFrame(columns=["account_id", "as_of", *TRUE])
    )
    tonight = known.loc[known["as_of"].astype("str") == day_text(as_of), ["account_id", *TRUE]]
    joined = rows.merge(tonight, on="account_id", how="left", validate="one_to_one")
    lacking = int(joined[TRUE[0]].isna().sum())
    if lacking:
        raise NightMissing.no_truth(lacking, date_of(as_of), str(truth))
    return joined


def table_of(rows: pd.DataFrame, capacities: Sequence[int], reporting_currency: str) -> pd.DataFrame:
    """`models.whatif.what_if` over a night's ranked rows, money in units of the reporting currency."""
    unit = 10.0 ** DECIMALS[reporting_currency] / 10.0 ** rows["currency"].astype("str").map(DECIMALS).to_numpy(
        dtype=float
    )
    found = what_if(rows.assign(unit=unit), sorted(set(capacities)))
    money = [name for name in MONEY_COLUMNS if name in found]
    found[money] = found[money] / 10 ** DECIMALS[reporting_currency]
    return found


def text_of(table: pd.DataFrame, reporting_currency: str) -> str:
    shown = table.copy()
    for name in (name for name in MONEY_COLUMNS if name in shown):
        shown[name] = shown[name].map("{:,.2f}".format)
    for name in ("share_of_value", "burden"):
        shown[name] = shown[name].map("{:.1%}".format)
    head = (
        f"Of tonight's workable debtors, {reporting_currency}; capacity is debtors per queue. "
        "Expected is all that is expected back, adds the part of it that working is foretold to add, "
        "net is expected less cost. "
        "They count the joined accounts' money too, which the page's net value does not."
    )
    if "true" in shown:
        head += " True is what they really bring on this made-up portfolio, added what contact really adds."
    return f"{head}\n{shown.to_string(index=False)}"


def draw_curve(table: pd.DataFrame, reporting_currency: str, path: Path) -> None:
    """The curve as a picture: net value over debtors worked, one line per order;
    what is true instead where it is known.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    measure, said = (
        ("added", "money that contact truly adds")
        if "true" in table
        else ("adds", "money that contact is foretold to add")
    )
    for order in table["order"].unique():
        line = table[table["order"] == order].sort_values("debtors")
        axes.plot(
            [0, *line["debtors"]], [0, *line[measure]], label=order, color=LINE_COLOURS[order], marker="o", markersize=3
        )
    axes.set_xlabel("debtors contacted tonight")
    axes.set_ylabel(f"{said}, {reporting_currency}")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(frameon=False)
    with whole_file(path) as draft:
        figure.savefig(draft, format=path.suffix[1:] or "png", dpi=120, metadata={"Software": None})
