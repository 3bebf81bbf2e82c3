"""A made-up panel with a known truth: recovery is logistic in its features, the share paid is gamma,
default is logistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from features.tables import NO_DAY
from models.lesson import Teaching
from models.money import MoneyScale

FIRST_NIGHT = 19_000  # 2022-01-08
SCALE = MoneyScale("EUR", {"EUR": 1.0, "JPY": 0.0061}, {"EUR": 2, "JPY": 0})
SETTINGS = {
    "num_leaves": 8,
    "learning_rate": 0.1,
    "n_estimators": 80,
    "min_child_samples": 40,
    "feature_fraction": 0.8,
    "lambda_l2": 5.0,
    "min_events": 50,
}


@dataclass(frozen=True)
class Column:
    """The part of a declaration that the models read."""

    name: str
    unit: str = "number"
    monotone: int = 0
    family: str = "payments"
    group: str = "payments"
    says: str | None = None
    says_missing: str | None = None


COLUMNS = (
    Column("balance", "money", family="balances", group="balance", says="{value:money} owed"),
    Column("arrears", "money", family="balances", group="balance", says="{value:money} overdue"),
    Column("days_past_due", "days", -1, "balances", "lateness", says="{value:days} past due"),
    Column("payments_count_30d", "count", 1, says="{value:count} payments in the last 30 days"),
    Column("payments_days_since_last", "days", -1, says="Last payment {value:days} ago", says_missing="No payment yet"),
    Column("promises_made_365d", "count", family="promises", group="promises"),
    Column(
        "promises_kept_365d",
        "count",
        1,
        "promises",
        "promises",
        "Kept {value:count} of {promises_made_365d:count} promises in the last year",
    ),
    Column("contacts_count_30d", "count", family="contacts", group="contacts"),
    Column("method_last", "class", group="payments", says="Last paid by {value:text}"),
    Column("noise", family="calendar", group="noise"),
)


@dataclass(frozen=True)
class MadePanel:
    matrix: pd.DataFrame
    labels: pd.DataFrame
    cohort: pd.DataFrame
    truth: pd.DataFrame
    counts: pd.DataFrame = field(default_factory=pd.DataFrame)
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    complete_through: int = 0
    versions: dict = field(default_factory=dict)
    landmarks: pd.DataFrame | None = None
    weekly: None = None
    cash: None = None
    sampled: None = None


def made_panel(
    debtors: int = 600, nights: Sequence[int] = tuple(range(0, 600, 30)), seed: int = 7, defaults: bool = True
) -> MadePanel:
    """Every debtor owns an account in one of two books (EUR, JPY) and is seen on most nights."""
    draw = np.random.default_rng(seed)
    will = draw.normal(size=debtors)
    book = draw.integers(0, 2, debtors)
    owed = np.exp(draw.normal(6.5, 1.0, debtors))  # in EUR
    frames = []
    for night in nights:
        seen = np.flatnonzero(draw.random(debtors) < 0.8)
        frames.append(pd.DataFrame({"who": seen, "as_of": FIRST_NIGHT + night}))
    rows = pd.concat(frames, ignore_index=True)
    who, n = rows["who"].to_numpy(), len(rows)
    yen = book[who] == 1
    unit = np.where(yen, 0.0061, 0.01)
    balance = np.maximum(np.round(owed[who] * np.exp(draw.normal(0, 0.2, n)) / unit), 2)
    late = np.round(np.exp(draw.normal(3.3, 1.0, n))).clip(0, 400)
    paid_30 = draw.poisson(np.exp(0.6 * will[who] - 0.8)).astype(float)
    since = np.where(draw.random(n) < 0.25, np.nan, np.round(np.exp(draw.normal(3.2, 0.8, n) - 0.3 * will[who])))
    made = draw.poisson(1.0, n).astype(float)
    kept = draw.binomial(made.astype(int), 1 / (1 + np.exp(-will[who]))).astype(float)
    method = np.where(np.isnan(since), None, np.array(["transfer", "card", "cash"])[draw.integers(0, 3, n)])
    by_method = np.select([method == "card", method == "cash"], [0.5, -0.5], 0.0)
    level = (
        -1.0
        + 0.6 * np.minimum(paid_30, 3)
        + 0.4 * kept
        - 0.9 * np.log1p(late / 30)
        + by_method
        - 0.3 * yen
        - 0.004 * np.nan_to_num(since, nan=90)
    )
    p_recovered = 1 / (1 + np.exp(-level))
    mean_share = np.clip(0.5 * np.exp(-0.25 * np.log(owed[who] / 660) + 0.15 * (kept - 0.5)), 0.05, 0.9)
    share = np.clip(draw.gamma(4.0, mean_share / 4.0), 1e-3, None)
    grid = draw.gamma(4.0, 0.25, 4000)
    capped = np.interp(
        mean_share,
        np.linspace(0.05, 0.9, 86),
        [np.minimum(grid * mean, 1).mean() for mean in np.linspace(0.05, 0.9, 86)],
    )
    recovered = (draw.random(n) < p_recovered).astype(float)
    amount = np.where(recovered == 1, np.maximum(np.round(np.minimum(share, 1.0) * balance), 1), 0.0)
    p_defaulted = 1 / (1 + np.exp(-(-3.0 + 0.03 * late - 0.3 * kept)))
    defaulted = np.where((late < 90) & defaults, (draw.random(n) < p_defaulted).astype(float), np.nan)
    cohort = pd.DataFrame(
        {
            "account_no": who.astype(np.int64),
            "account_id": [f"a{number:05d}" for number in who],
            "debtor_id": [f"d{number:05d}" for number in who],
            "as_of": rows["as_of"].astype("int32"),
            "portfolio": np.where(yen, "book_jp", "book_eu"),
            "product": "loan",
            "currency": np.where(yen, "JPY", "EUR"),
            "balance": balance.astype(np.int64),
            "arrears": (balance * 0.3).astype(np.int64),
            "days_past_due": late.astype(np.int32),
            "placed_on": np.where(late > 60, rows["as_of"] - (late - 60), NO_DAY).astype(np.int32),
            "opened_on": (rows["as_of"] - 500).astype(np.int32),
        }
    )
    matrix = pd.DataFrame(
        {
            "balance": balance,
            "arrears": np.floor(balance * 0.3),
            "days_past_due": late,
            "payments_count_30d": paid_30,
            "payments_days_since_last": since,
            "promises_made_365d": made,
            "promises_kept_365d": kept,
            "contacts_count_30d": draw.poisson(2.0, n).astype(float),
            "method_last": pd.Categorical(method, categories=["card", "cash", "transfer"]),
            "noise": draw.normal(size=n),
        }
    )
    labels = pd.DataFrame({"recovered": recovered, "recovered_amount": amount, "defaulted": defaulted})
    truth = pd.DataFrame(
        {"p_recovered": p_recovered, "expected": p_recovered * capped * balance, "p_defaulted": p_defaulted}
    )
    order = np.lexsort((cohort["account_no"], cohort["as_of"]))
    matrix, labels, cohort, truth = (
        frame.iloc[order].reset_index(drop=True) for frame in (matrix, labels, cohort, truth)
    )
    return MadePanel(matrix, labels, cohort, truth, complete_through=int(cohort["as_of"].max()) + 104)


def teaching(**changes) -> Teaching:
    plain = {
        "settings": SETTINGS,
        "seed": 5,
        "gap_days": 44,
        "default_gap_days": 104,
        "default_dpd": 90,
        "money": SCALE,
        "money_columns": tuple(column.name for column in COLUMNS if column.unit == "money"),
        "monotone": {column.name: column.monotone for column in COLUMNS},
    }
    return Teaching(**{**plain, **changes})
