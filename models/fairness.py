"""Is anyone treated differently? Calibration, list rate and contact burden by protected group,
and whether features can tell the group.

Groups come from `audit_*` columns of the accounts table. They are never features; here they are read, and nowhere else.
Figures of groups below LEAST_DEBTORS are not given: they say nothing, and might point at people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.boosting import FitWindow
from models.evaluate import Judged
from models.resampling import debtor_draws, interval, listed_shares, quality, ratios_of_sums

LEAST_DEBTORS = 30
BAND_VALUES = 12  # a number with more values than this is cut into quarters
FOUR_FIFTHS = 0.8  # the ratio of rates below which the trade looks closer (EEOC uniform guidelines, 29 CFR 1607.4)
TELLING_AUC = 0.6  # a proxy test above it says that the features know something of the group
PROXY_TREES = 40
PROXY_OBJECTIVE = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_child_samples": 20,
    "bagging_freq": 0,
}
NOT_STATED = "not stated"
VULNERABLE = "ever recorded"  # the group of people of whom hardship or vulnerability was ever recorded


def groups_of(column: pd.Series) -> np.ndarray:
    """The group of each row as text: the value itself, a quarter of the values for a number with many,
    "not stated" where missing.
    """
    missing = column.isna().to_numpy()
    if pd.api.types.is_numeric_dtype(column) and column.nunique() > BAND_VALUES:
        edges = np.unique(np.quantile(column[~missing], (0.25, 0.5, 0.75)))
        place = np.searchsorted(edges, column.fillna(0).to_numpy(dtype=np.float64), side="right")
        shown = [
            f"below {edges[0]:g}",
            *(f"{low:g} to below {high:g}" for low, high in zip(edges[:-1], edges[1:], strict=True)),
        ]
        names = np.array([*shown, f"{edges[-1]:g} and above"], dtype=object)[place]
    elif pd.api.types.is_numeric_dtype(column):
        names = np.array([f"{value:g}" for value in column.fillna(0)], dtype=object)
    else:
        names = column.astype("str").to_numpy(dtype=object)
    return np.where(missing, NOT_STATED, names)


def audit(
    judged: Judged,
    traits: Mapping[str, np.ndarray],
    attempts: np.ndarray | None,
    capacity: float,
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """One row per trait, group and figure, each with its interval by debtor: trait, group, rows, debtors, metric,
    value, low, high.

    traits: trait -> group of each judged row. attempts: our own contacts of each row's account in the days before its
    night, or None. Figures: rate and mean_p of recovery; level = recovered ÷ predicted accounts; money_ratio; list_rate
    = share of the group's accounts in the best `capacity` of their night; listed_attempts = attempts on listed accounts
    per account of the group, the burden of those whom the order picks; list_ratio = that ÷ the list rate of the
    other stated groups together; paying_list_rate = share of the group's paying accounts in the list; attempts and
    attempts_ratio = attempts per account and that ÷ the others'.
    """
    who, weights = debtor_draws(judged.cohort["debtor_id"], draws, seed)
    weights = weights.astype(np.float64)  # once, not in each of the many sums
    listed = listed_shares(judged.predicted, judged.cohort["as_of"].to_numpy(), capacity)
    chance = judged.scores["p_recovered"].to_numpy()
    found = []
    for trait, member in traits.items():
        for group in _large_groups(member, who):
            inside = member == group
            mine, others = inside.astype(np.float64), (~inside & (member != NOT_STATED)).astype(np.float64)
            figures = {
                "rate": (mine * judged.recovered, mine),
                "mean_p": (mine * chance, mine),
                "level": (mine * judged.recovered, mine * chance),
                "money_ratio": (mine * judged.money, mine * judged.predicted),
                "list_rate": (mine * listed, mine),
                "paying_list_rate": (mine * listed * judged.recovered, mine * judged.recovered),
            }
            if attempts is not None:
                figures["attempts"] = (mine * attempts, mine)
                figures["listed_attempts"] = (mine * listed * attempts, mine)
            drawn = {name: ratios_of_sums(*sums, who, weights) for name, sums in figures.items()}
            if group != NOT_STATED and others.any():
                drawn["list_ratio"] = _against(
                    drawn["list_rate"], ratios_of_sums(others * listed, others, who, weights)
                )
                if attempts is not None:
                    drawn["attempts_ratio"] = _against(
                        drawn["attempts"], ratios_of_sums(others * attempts, others, who, weights)
                    )
            about = {"trait": trait, "group": group, "rows": int(inside.sum()), "debtors": len(np.unique(who[inside]))}
            for name, figure in drawn.items():
                value, low, high = interval(figure)
                found.append({**about, "metric": name, "value": value, "low": low, "high": high})
    return pd.DataFrame(found)


def proxies(
    numbers: np.ndarray,
    names: Sequence[str],
    cohort: pd.DataFrame,
    traits: Mapping[str, np.ndarray],
    settings: Mapping[str, Any],
    draws: int,
    seed: int,
) -> pd.DataFrame:
    """Can the features tell the group? AUC of a booster taught to tell each group from the rest,
    on debtors it has not seen.

    numbers: encoded features [rows, columns]; one row per debtor is used, its newest. trait, group, debtors, auc, low,
    high, and the columns it looked at most. A column that tells a group is not wrong by itself; it is where a rule or a
    reviewer should look.
    """
    newest = (
        cohort.assign(row=np.arange(len(cohort)))
        .sort_values(["as_of", "account_no"], kind="stable")
        .groupby("debtor_id")["row"]
        .last()
    )
    rows = np.sort(newest.to_numpy())
    people = cohort.iloc[rows].reset_index(drop=True)
    window = FitWindow(
        numbers[rows], people, np.ones(len(rows)), {**settings, "n_estimators": PROXY_TREES}, seed, names
    )
    who, weights = debtor_draws(people["debtor_id"], draws, seed)
    found = []
    for trait, member in traits.items():
        known = member[rows] != NOT_STATED
        groups = _large_groups(member[rows], who)
        for group in [name for name in groups if name != NOT_STATED]:
            outcome = (member[rows] == group).astype(np.float64)
            if not known.any() or outcome[known].mean() in (0.0, 1.0):
                continue
            score, gained = window.out_of_fold(PROXY_OBJECTIVE, outcome, known, PROXY_TREES)
            nothing = np.zeros(int(known.sum()))
            drawn = quality(score[known], None, outcome[known], nothing, nothing, who[known], weights)
            value, low, high = interval(drawn[:, 0])
            gain = pd.Series(gained, index=list(names)).nlargest(3)
            told = ", ".join(gain.index[gain > 0])
            found.append(
                {
                    "trait": trait,
                    "group": group,
                    "debtors": int(outcome.sum()),
                    "auc": value,
                    "low": low,
                    "high": high,
                    "told_by": told,
                }
            )
            if len(groups) == 2:
                break  # the other group is the same question
    return pd.DataFrame(found)


def findings(table: pd.DataFrame, told: pd.DataFrame) -> list[str]:
    """What a reader must see, in sentences: levels that are off, lists that differ beyond four fifths,
    features that tell a group.
    """
    said = []
    if len(table):
        held = dict(list(table.groupby("metric", sort=False)))
        for row in held["level"].itertuples():
            if row.low > 1 or row.high < 1:
                side = "more" if row.value > 1 else "less"
                said.append(
                    f"{_of(row)}: recovered {side} often than predicted, "
                    f"{row.value:.2f} times [{row.low:.2f}, {row.high:.2f}]."
                )
        for metric, what in (("list_ratio", "listed"), ("attempts_ratio", "contacted")):
            for row in held[metric].itertuples() if metric in held else ():
                if (row.value < FOUR_FIFTHS and row.high < 1) or (row.value > 1 / FOUR_FIFTHS and row.low > 1):
                    said.append(
                        f"{_of(row)}: {what} {row.value:.2f} times as often "
                        f"as the other groups [{row.low:.2f}, {row.high:.2f}]."
                    )
    for row in told.itertuples():
        if row.low > TELLING_AUC:
            said.append(
                f"{_of(row)}: the features tell the group, "
                f"AUC {row.auc:.2f} [{row.low:.2f}, {row.high:.2f}], by {row.told_by}."
            )
    return said


def pushed_up(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """Sentences on vulnerable people whom a new order lists, or burdens, surely more than the former one did.

    before, after: of `audit`, of the same rows in either order. Surely: the new interval lies above the former figure.
    """
    said = []
    keys = ["trait", "group", "metric"]
    both = after[after["group"] == VULNERABLE].merge(before, on=keys, suffixes=("", "_before"))
    for metric, what in (("list_rate", "listed"), ("listed_attempts", "burdened with attempts")):
        for row in both[both["metric"] == metric].itertuples():
            if row.low > row.value_before:
                said.append(
                    f"{_of(row)}: the order by what working adds pushes them up, {what} "
                    f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}] against {row.value_before:.3f} by total value."
                )
    return said


def _against(mine: np.ndarray, others: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(others > 0, mine / others, np.nan)


def _of(row: Any) -> str:
    return f"{row.trait.removeprefix('audit_').replace('_', ' ')} {row.group}"


def _large_groups(member: np.ndarray, who: np.ndarray) -> list[str]:
    held = pd.DataFrame({"group": member, "who": who}).drop_duplicates()["group"].value_counts()
    return sorted(held.index[held >= LEAST_DEBTORS])
