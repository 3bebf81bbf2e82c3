"""Late before the due day, on published sets: python -m benchmarks.watch PATH [--work DIR] [--only NAME ...];
on made-up books: python -m benchmarks.watch --worlds [SEED ...] [--debtors N].

P(late) against the debtor's own payment rhythm on later nights, with intervals by debtor; a table comes last. Each set
is converted and ingested as `benchmarks.real` does it. Of made-up worlds also how many were late against how many were
expected to be, by tenth of P(late), book, amount and day of the month; the worlds are those of `benchmarks.forecast`,
and what their heads are judged on is every third night of the judged months, whichever nights taught them (--every).
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

from benchmarks.forecast import stored
from benchmarks.public import cash_advances, credit_cards_taiwan, mobile_loans, receivables
from benchmarks.real import PROJECT_PARAMS, params_of
from features.catalogue import WATCH
from features.days import date_of, dates, day_number
from features.errors import InputMissing
from models.resampling import Z95, debtor_draws, interval, ratio_by_debtor
from models.split import TimeSplit, split_by_time
from models.watch import MODEL, RHYTHMS, WatchHead, bucket_of, judge_watch
from pipeline.intake.ingest import ingest
from pipeline.panel.view import features_of
from pipeline.panel.watch import WatchPanel, watch_panel
from pipeline.params import Params, load
from pipeline.store.store import Store
from pipeline.training.watch import watch_teaching

# What a set needs beyond its adapter's params: which nights, what is late, and trees for books of a few thousand rows.
SMALL = {"num_leaves": 4, "learning_rate": 0.05, "min_child_samples": 40, "lambda_l2": 50.0, "min_events": 20}
HOUSE_MODEL = load(PROJECT_PARAMS).model.model_dump()
ASKED = {
    cash_advances: {
        "model": HOUSE_MODEL,  # the adapter's is for a panel of a thousand debtors seen on many nights
        "cohort": {"first": "2020-06-01", "last": None, "sample_debtors": None},
        "watch": {"days_ahead": 14, "every": "week"},
        "split": {"test_days": 35},
    },
    # Loans are listed once repaid: of later ones those still open at the end of the extract are not there.
    mobile_loans: {
        "cohort": {"first": "2016-08-01", "last": "2017-05-01", "sample_debtors": None},
        "watch": {"days_ahead": 30, "every": "week"},
        "split": {"test_days": 90},
    },
    receivables: {
        "cohort": {"first": "2012-04-02", "last": "2013-10-28", "sample_debtors": None},
        "watch": {"days_ahead": 30, "late_days": {"commercial": 15}, "every": "week"},
        "split": {"test_days": 180},
        "model": SMALL,
    },
    credit_cards_taiwan: {"watch": {"days_ahead": 31}, "split": {"test_days": 1}},
}
# Cards are told by monthly statements: there is no charge, and no rhythm of items. What statements tell stands for it.
STATED = {
    "late last time": "days_past_due_max_90d",
    "share late in the last year": "days_overdue_ever",
    "days late on average": "statements_max_days_past_due_180d",
}
DRAWS, LEAST_EXPECTED = 500, 20
SEEDS = (9701, 9702, 9703, 9704, 9705, 9706, 9707, 9708)  # worlds of five books; 9601 and 9602 chose watch.every
JUDGED_EVERY = 3  # days between the nights on which made-up worlds are judged: on every day of month and week
DAY_FROM = (1, 8, 15, 22)  # of the month
CARD_NIGHTS = tuple(f"2005-{month:02d}-01" for month in range(6, 11))


@dataclass(frozen=True)
class Judgement:
    """models.watch.judge_watch on the test nights of a set, and what was taught and judged."""

    name: str
    taught: int
    rows: int
    debtors: int
    late_taught: float
    late: float
    quality: pd.DataFrame
    top: pd.DataFrame
    judged: pd.DataFrame  # world, debtor, book, amount (bucket), day (bucket), p, late: a row per account and night


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path, nargs="?", help="folder that holds the published sets, one folder each")
    parser.add_argument("--worlds", type=int, nargs="*", help="seeds of made-up worlds, five books each")
    parser.add_argument("--debtors", type=int, default=6_000, help="of each made-up world")
    parser.add_argument("--every", help="watch.every of the nights that teach on made-up worlds: month, week or days")
    parser.add_argument("--work", type=Path, default=Path("work/watch"))
    parser.add_argument("--place", type=Path, default=Path("work/forecast"), help="where the made-up worlds are kept")
    parser.add_argument("--only", nargs="*", default=[adapter.NAME for adapter in ASKED])
    chosen = parser.parse_args(arguments)
    logging.getLogger("recoup").setLevel(logging.WARNING)
    if chosen.worlds is not None:
        chosen.place.mkdir(parents=True, exist_ok=True)
        every = chosen.every if chosen.every in ("month", "week", None) else int(chosen.every)
        found = [simulated(seed, chosen.debtors, chosen.place, every) for seed in chosen.worlds or SEEDS]
        print(table_of(found))
        rows = pd.concat([each.judged for each in found], ignore_index=True)
        print(f"\n{calibration_of(rows)}\n\n{worlds_apart(rows)}")
        return
    if chosen.path is None:
        parser.error("give the folder of the published sets, or --worlds")
    wanted = [each for each in ASKED if each.NAME in chosen.only and (chosen.path / each.NAME).is_dir()]
    if not wanted:
        raise InputMissing(f"None of the sets lies in {str(chosen.path)!r}. Give the folder that holds them.")
    found = [judged(adapter, chosen.path / adapter.NAME, chosen.work / adapter.NAME) for adapter in wanted]
    print(table_of(found))


def judged(adapter: ModuleType, raw: Path, work: Path) -> Judgement:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    params = with_sections(params_of(adapter, work), ASKED[adapter])
    adapter.convert(raw, params.paths.source)
    ingest(params.paths.source, params.paths.store, params)
    store = Store(params.paths.store)
    if adapter is credit_cards_taiwan:
        return judgement(adapter.NAME, cards(store, params), params, 31, STATED)
    panel = watch_panel(store, params)
    return judgement(adapter.NAME, panel, params, params.watch_terms().gap_days, RHYTHMS)


def simulated(seed: int, debtors: int, place: Path, every: str | int | None) -> Judgement:
    params = with_sections(load(PROJECT_PARAMS), {"watch": {} if every is None else {"every": every}})
    store = stored(seed, debtors, place, params)

    def later(split: TimeSplit) -> WatchPanel:
        nights = {"first": date_of(split.test_first), "last": date_of(split.test_last)}
        return watch_panel(store, with_sections(params, {"cohort": nights, "watch": {"every": JUDGED_EVERY}}))

    panel = watch_panel(store, params)
    return judgement(f"world {seed}", panel, params, params.watch_terms().gap_days, RHYTHMS, later)


def with_sections(params: Params, changes: Mapping[str, Mapping[str, object]]) -> Params:
    whole = params.model_dump()
    for section, values in changes.items():
        whole[section] = {**(whole[section] or {}), **values}
    return Params.model_validate(whole)


def cards(store: Store, params: Params) -> WatchPanel:
    """Cards that owe and are not overdue on the night after a statement; late: overdue by the next one."""
    nights = [day_number(pd.Timestamp(text).date()) for text in CARD_NIGHTS]
    cohort, matrix = features_of(store, nights, params, WATCH, everyone=True)
    past_due = matrix["days_past_due"].to_numpy()
    following = dict(zip(nights, nights[1:], strict=False))
    at = pd.Series(past_due, index=pd.MultiIndex.from_frame(cohort[["account_no", "as_of"]]))
    then = pd.MultiIndex.from_arrays([cohort["account_no"], cohort["as_of"].map(following)])
    late = (at.reindex(then).to_numpy() > 0).astype(float)
    keep = (past_due == 0) & (matrix["balance"].to_numpy() > 0) & cohort["as_of"].isin(list(following)).to_numpy()
    cohort = cohort.assign(
        debtor_id=cohort["account_id"],
        portfolio=credit_cards_taiwan.NAME,
        currency=credit_cards_taiwan.CURRENCY,
        due_amount=matrix["balance"].to_numpy().astype(np.int64),
    )
    cohort, matrix, late = cohort[keep].reset_index(drop=True), matrix[keep].reset_index(drop=True), late[keep]
    order = np.lexsort((cohort["account_no"], cohort["as_of"]))
    cohort, matrix = (frame.iloc[order].reset_index(drop=True) for frame in (cohort, matrix))
    return WatchPanel(cohort, matrix, pd.DataFrame({"late": late[order]}), pd.DataFrame(), {}, {})


def judgement(
    name: str,
    panel: WatchPanel,
    params: Params,
    gap_days: int,
    rhythms: Mapping[str, str],
    later: Callable[[TimeSplit], WatchPanel] | None = None,
) -> Judgement:
    """Of the head that the fit nights teach on the test nights of the panel, or on those of `later`."""
    late = panel.labels["late"].to_numpy(np.float64)
    split = split_by_time(panel.cohort, params.split, params.watch_terms(), ~np.isnan(late), gap_days=gap_days)
    teaching = watch_teaching(panel, params)
    labels = panel.labels.assign(late=panel.labels["late"].where(split.fit))
    head = WatchHead.fit(panel.matrix, labels, panel.cohort, teaching, rhythms=rhythms)
    shares, taught = [float(late[split.fit].mean())], int(split.fit.sum())
    if later is None:
        held = split.test
    else:
        panel = later(split)
        late = panel.labels["late"].to_numpy(np.float64)
        held = ~np.isnan(late)
    cohort, matrix = (frame[held].reset_index(drop=True) for frame in (panel.cohort, panel.matrix))
    chances = {MODEL: head.predict(matrix, cohort)["p_late"].to_numpy()}
    chances |= {rhythm: table.chance(matrix) for rhythm, table in head.rhythms.items()}
    test = late[held]
    quality, top = judge_watch(cohort, test, chances, teaching.money, params.evaluate.bootstrap_draws, params.seed)
    due = cohort["due_amount"].to_numpy(np.float64) * teaching.money.per_minor(cohort["currency"])
    rows = pd.DataFrame(
        {
            "world": name,
            "debtor": name + " " + cohort["debtor_id"].astype("str"),
            "book": cohort["portfolio"].astype("str"),
            "amount": bucket_of(due),
            "day": day_of_month(cohort["as_of"]),
            "p": chances[MODEL],
            "late": test,
        }
    )
    debtors = int(cohort["debtor_id"].nunique())
    shares.append(float(test.mean()))
    return Judgement(name, taught, len(cohort), debtors, *shares, quality, top, rows)


def day_of_month(as_of: pd.Series) -> np.ndarray:
    """Its bucket of each night, by DAY_FROM."""
    day = pd.DatetimeIndex(dates(as_of)).day.to_numpy()
    return np.array([f"from {first}" for first in DAY_FROM])[np.searchsorted(DAY_FROM, day, "right") - 1]


def calibration_of(rows: pd.DataFrame) -> str:
    """As Markdown: how many of what was judged were late, and were expected to be; 95 % intervals by debtor."""
    tenths = pd.qcut(rows["p"], 10, labels=[f"tenth {number}" for number in range(1, 11)]).astype("str")
    groups = [("all", pd.Series("all", index=rows.index)), ("P(late)", tenths), ("book", rows["book"])]
    groups += [("due", rows["amount"]), ("day of the month", rows["day"])]
    groups += [("book and due", rows["book"] + ", " + rows["amount"])]
    who, weights = debtor_draws(rows["debtor"], DRAWS, 1)
    lines = ["| | | rows | debtors | late | expected | late / expected |", "|---|---|---|---|---|---|---|"]
    for scope, names in groups:
        for group in sorted(names.unique(), key=_in_order):
            own = (names == group).to_numpy()
            sums = [np.bincount(who[own], rows[name].to_numpy()[own], weights.shape[1]) for name in ("late", "p")]
            late, expected = (weights @ of for of in sums)
            ratio = np.divide(late, expected, out=np.full(len(late), np.nan), where=expected > 0)
            counts = [f"{int(own.sum()):,}", f"{rows.loc[own, 'debtor'].nunique():,}"]
            shares = [f"{of[0] / own.sum():.1%}" for of in (late, expected)]
            lines.append("| " + " | ".join([scope, group, *counts, *shares, span(*interval(ratio), ".2f")]) + " |")
    return "\n".join(lines)


def worlds_apart(rows: pd.DataFrame) -> str:
    """How far books of single worlds lie from what was expected of them, beyond what chance makes."""
    ratios, apart = [], []
    for _, own in rows.groupby(["world", "book"], sort=True):
        if own["p"].sum() < LEAST_EXPECTED:
            continue
        ratio, low, high = ratio_by_debtor(own["debtor"], own["late"], own["p"])
        ratios.append(ratio)
        apart.append((ratio - 1) * 2 * Z95 / (high - low))
    return (
        f"{len(ratios)} books of single worlds of which at least {LEAST_EXPECTED} were expected: late / expected from "
        f"{min(ratios):.2f} to {max(ratios):.2f}; mean square of how many standard errors by debtor it lies from 1, "
        f"where chance alone makes 1: {np.mean(np.square(apart)):.2f}"
    )


def _in_order(name: str) -> tuple[str, int]:
    """Names that end in a number in its order."""
    head, _, number = name.rpartition(" ")
    return (head, int(number.replace(",", ""))) if number.replace(",", "").isdigit() else (name, 0)


def table_of(found: list[Judgement]) -> str:
    """As Markdown: AUC of every order, then money found in the top fifth; 95 % intervals by debtor."""
    lines = [
        "| set | rows taught / judged | debtors | late, taught / judged | order | AUC | calibration slope "
        "| late / expected | late money in the top fifth | the model finds more by |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for each in found:
        overall = each.quality[each.quality["scope"] == "all"].set_index(["ranking", "metric"])
        for place, row in enumerate(each.top.to_dict("records")):
            about = [
                each.name,
                f"{each.taught:,} / {each.rows:,}",
                f"{each.debtors:,}",
                f"{each.late_taught:.1%} / {each.late:.1%}",
            ]
            cells = about if place == 0 else [""] * 4
            auc, slope = (overall.loc[(row["ranking"], metric)] for metric in ("auc", "calibration_slope"))
            cells += [row["ranking"], span(auc["value"], auc["low"], auc["high"], ".3f")]
            cells += [span(slope["value"], slope["low"], slope["high"], ".2f")]
            cells += [_late_expected(each.judged) if row["ranking"] == MODEL else ""]
            cells += [span(row["share"], row["low"], row["high"], ".1%")]
            gain = span(row["gain"], row["gain_low"], row["gain_high"], "+.1%")
            cells += ["" if row["ranking"] == MODEL else gain]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _late_expected(rows: pd.DataFrame) -> str:
    who, weights = debtor_draws(rows["debtor"], DRAWS, 1)
    sums = [np.bincount(who, rows[name].to_numpy(), weights.shape[1]) for name in ("late", "p")]
    return span(*interval((weights @ sums[0]) / (weights @ sums[1])), ".2f")


def span(value: float, low: float, high: float, form: str) -> str:
    return f"{value:{form}}" + ("" if np.isnan(low) else f" ({low:{form}} to {high:{form}})")


if __name__ == "__main__":
    main()
