"""What an evaluation amounts to: whether it passes the gates, what is said of it in plain sentences,
what to know before believing it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.days import day_text
from models.drift import SHIFTED
from models.evaluate import BEST, CHAMPION, HINDSIGHT, MODEL, NEWEST, POOLED, SCOPES, SCORECARD, Evaluation

NOT_PLAIN = (MODEL, CHAMPION, SCORECARD, BEST, HINDSIGHT)  # orders that need a model, or the outcome
LEAK_AUC, CARRIED = 0.95, 0.6
SHORT_DAYS, YEAR_DAYS = 61, 365
COLLAPSE = 0.1
LEAST_KNOWN = 0.9  # share of the test nights' rows with a known outcome
FEW_DEBTORS = 100


def gates(evaluation: Evaluation, gate: Any) -> list[dict[str, Any]]:
    """The absolute gates of the params, each with its figure: money pooled and per bucket,
    and the slope of calibration.
    """
    found = [_gate("realised / predicted money", evaluation.figure("money_ratio"), gate.money_ratio)]
    table = evaluation.quality
    buckets = table[(table["scope"] == SCOPES[0]) & (table["metric"] == "money_ratio") & (table["head"] == "recovered")]
    for row in buckets.itertuples():
        if row.events >= gate.bucket_min_debtors:
            figure = (row.value, row.low, row.high)
            found.append(
                _gate(f"realised / predicted money, {row.group} days past due", figure, gate.bucket_money_ratio)
            )
    found.append(
        _gate("calibration slope of p_recovered", evaluation.figure("calibration_slope"), gate.calibration_slope)
    )
    return found


def too_small(evaluation: Evaluation, gate: Any) -> list[str]:
    """The arrears buckets of the test nights that no gate judges, each with why."""
    table = evaluation.quality
    rows = (
        table[(table["scope"] == SCOPES[0]) & (table["metric"] == "rate") & (table["head"] == "recovered")]
        if len(table)
        else table
    )
    few = [row for row in rows.itertuples() if row.events < gate.bucket_min_debtors]
    return [
        f"{row.group} days past due: {row.events} debtors paid, {gate.bucket_min_debtors} are needed" for row in few
    ]


def statements(evaluation: Evaluation, capacity: float) -> list[str]:
    """Plain sentences: what the model gains at this capacity over each other order, and whether that could be chance;
    then the arrears buckets in which a plain order reaches more.
    """
    said = []
    table = evaluation.money
    rows = table[(table["scope"] == POOLED) & (table["capacity"] == capacity)]
    for row in rows.itertuples():
        if row.ranking in (MODEL, BEST, HINDSIGHT):
            continue
        rival = f"{row.ranking} at {capacity:.0%} capacity"
        share = _compared(row.gain, row.money)
        if row.gain_low > 0:
            said.append(f"Beats {rival}: {share}.")
        elif row.gain_high < 0:
            said.append(f"Does not beat {rival}: {share}; it loses.")
        else:
            said.append(f"Does not show that it beats {rival}: {share}, which could be chance.")
    return said + _beaten(evaluation, capacity) + _against_truth(evaluation, capacity)


def _beaten(evaluation: Evaluation, capacity: float) -> list[str]:
    """Arrears buckets in which an order that needs no model reaches more of the bucket's money;
    the strongest of each.
    """
    table = evaluation.money
    rows = table[(table["scope"] == SCOPES[0]) & (table["capacity"] == capacity) & ~table["ranking"].isin(NOT_PLAIN)]
    said = []
    for name, held in rows[rows["gain"] < 0].groupby("group", sort=False):
        row = held.loc[held["gain"].idxmin()]
        more, low, high = (-row[part] / row["money"] for part in ("gain", "gain_high", "gain_low"))
        surely = "" if low > 0 else ", which could be chance"
        said.append(
            f"Among accounts {name} days past due, {row['ranking']} reaches more than the model at {capacity:.0%} "
            "of their number: "
            f"{more:.1%} more [{low:.1%}, {high:.1%}]{surely}."
        )
    return said


def _against_truth(evaluation: Evaluation, capacity: float) -> list[str]:
    """On made-up portfolios: how much of the best possible money, and whether the predicted chance is the true one,
    tenth by tenth.
    """
    best = evaluation.money_row(BEST, capacity)
    if best is None or "true_p" not in evaluation.tenths:
        return []
    share, low, high = (1 + best[name] / best["money"] for name in ("gain", "gain_low", "gain_high"))
    held = int(evaluation.tenths["true_held"].sum())
    return [
        f"Reaches {share:.1%} [{low:.1%}, {high:.1%}] of the best possible money at {capacity:.0%} capacity.",
        f"The predicted chance lies within its interval of the true one in {held} of {len(evaluation.tenths)} tenths.",
    ]


def _compared(gain: float, money: float) -> str:
    if money <= 0:
        return "money where it reached none"
    return f"{gain / money:+.1%} of its money" if gain < 3 * money else f"{1 + gain / money:.0f} times its money"


def warnings(
    evaluation: Evaluation,
    *,
    test_first: int,
    test_last: int,
    importance: pd.Series,
    drift: Mapping[str, float],
    fit_auc: float | None,
    capacity: float,
) -> list[str]:
    """What a reader must know before believing the figures. importance:
    share of the mean absolute contribution per column.
    """
    said = []
    why = evaluation.facts.get("fit", {}).get("why")
    if why is not None:
        said.append(
            f"No boosters were taught, the model is a table of recovery rates by days past due: {why}. "
            "Deliver a longer history or more books; or lower model.min_events, not under 20, "
            "and see that gates and intervals hold."
        )
    days = test_last - test_first + 1
    window = f"The test window, {day_text(test_first)} to {day_text(test_last)},"
    if days < SHORT_DAYS:
        said.append(f"{window} is under two months: one odd month decides every figure.")
    elif days < YEAR_DAYS:
        said.append(f"{window} covers part of a year: a season it does not hold is not judged.")
    known = evaluation.facts.get("label_coverage", 1.0)
    if known < LEAST_KNOWN:
        said.append(
            f"The outcome is known for {known:.0%} of the rows of the test nights. Where it is known more often of "
            "who paid, every figure "
            "here is of a selection."
        )
    row = evaluation.quality[(evaluation.quality["scope"] == POOLED) & (evaluation.quality["ranking"] == MODEL)]
    events = int(row["events"].iloc[0]) if len(row) else 0
    if events < FEW_DEBTORS:
        said.append(
            f"Only {events} debtors of the test window paid: the intervals are wide and the buckets say little."
        )
    auc = evaluation.figure("auc")[0]
    carriers = importance.sort_values(ascending=False, kind="stable")
    if auc >= LEAK_AUC:
        named = ", ".join(f"{name} ({share:.0%})" for name, share in carriers.head(3).items())
        said.append(f"AUC {auc:.3f} is too good for collections: look for a leak in {named}.")
    if len(carriers) and carriers.iloc[0] > CARRIED:
        said.append(
            f"{carriers.index[0]} carries {carriers.iloc[0]:.0%} of the model: "
            "if it is wrong or late one night, so is the list."
        )
    if fit_auc is not None and fit_auc - auc > COLLAPSE:
        said.append(
            f"AUC falls from {fit_auc:.3f} on unseen debtors of the fit window to {auc:.3f} out of time: "
            "something does not hold over time."
        )
    moved = sorted((name for name, value in drift.items() if value > SHIFTED), key=lambda name: (-drift[name], name))
    if moved:
        named = ", ".join(f"{name} ({drift[name]:.2f})" for name in moved[:5])
        more = " and more" if len(moved) > 5 else ""
        said.append(
            f"{len(moved)} columns have moved between fit and test (PSI above {SHIFTED}), furthest: {named}{more}."
        )
    held = evaluation.frames.get("listed", pd.DataFrame())
    for row in held[held["capacity"] == capacity].itertuples() if len(held) else ():
        if row.low > 1 or row.high < 1:
            side = "less" if row.ratio < 1 else "more"
            said.append(
                f"Of the accounts listed at {capacity:.0%} capacity {side} came in than predicted: {row.ratio:.2f} "
                "of it "
                f"[{row.low:.2f}, {row.high:.2f}]."
            )
    newest = evaluation.money_row(NEWEST, capacity)
    if newest is not None and not newest["gain_low"] > 0:
        said.append(
            f"At {capacity:.0%} capacity the model is not shown to beat newest placement first, which needs no model."
        )
    return said


def _gate(name: str, figure: tuple[float, float, float], band: Sequence[float]) -> dict[str, Any]:
    value, low, high = figure
    passed = bool(band[0] <= value <= band[1])
    return {"gate": name, "value": value, "low": low, "high": high, "from": band[0], "to": band[1], "passed": passed}
