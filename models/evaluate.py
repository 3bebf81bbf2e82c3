"""Is the model good for the money? Per arrears bucket, portfolio and month first, pooled last,
each figure with its interval by debtor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from features.cohort import BUCKETS, bucket
from features.days import month_texts
from models.boosting import side_by_side
from models.resampling import METRICS, captured, debtor_draws, interval, quality

MODEL = "model"
NEWEST = "newest placement first"
BEST, HINDSIGHT = "best possible (true expectation)", "perfect hindsight"
CHAMPION, SCORECARD = "current champion", "logistic scorecard x balance"
POOLED = "all"
SCOPES = (
    "arrears bucket",
    "portfolio",
    "currency",
    "month",
    "debtors",
    POOLED,
)  # pooled last: a pooled figure hides its parts
SEEN, UNSEEN = "seen in the fit window", "never seen before"


@dataclass(frozen=True)
class Rival:
    """Another way to order the same rows. order: larger is worked first; chance: its P(recovered), if it has one;
    predicted: its money.
    """

    order: np.ndarray
    chance: np.ndarray | None = None
    predicted: np.ndarray | None = None


@dataclass(frozen=True)
class Truth:
    """What a made-up portfolio knows of each row: expected money (reporting units) and chance of recovery, and what
    contact adds to
    either; None where the order by added value is not judged."""

    money: np.ndarray
    chance: np.ndarray
    added: np.ndarray | None = None
    effect: np.ndarray | None = None


@dataclass(frozen=True)
class Judged:
    """Labelled rows of a test window and what a model said of them; all arrays and frames aligned by position.

    cohort    account_no, debtor_id, as_of, portfolio, currency, days_past_due, balance
    scores    the columns of RecoveryModel.predict
    recovered, money   outcome 0/1; recovered money in reporting units
    unit      reporting units per minor unit, row by row
    seen      whether the debtor had rows in the fit window
    """

    cohort: pd.DataFrame
    scores: pd.DataFrame
    recovered: np.ndarray
    money: np.ndarray
    unit: np.ndarray
    seen: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.scores["expected_recovery"].to_numpy() * self.unit

    def groups(self, scopes: Sequence[str] = SCOPES) -> list[tuple[str, str, np.ndarray]]:
        """(scope, group, rows) of every table, pooled last; the group of all rows where a scope
        has one group only is left out.
        """
        late = np.asarray(bucket(self.cohort["days_past_due"]), dtype=object)
        month = month_texts(self.cohort["as_of"])
        by_scope = {
            SCOPES[0]: (late, [name for name in BUCKETS if (late == name).any()]),
            SCOPES[1]: _sorted_groups(self.cohort["portfolio"]),
            SCOPES[2]: _sorted_groups(self.cohort["currency"]),
            SCOPES[3]: _sorted_groups(pd.Series(month)),
            SCOPES[4]: (np.where(self.seen, SEEN, UNSEEN), [SEEN, UNSEEN]),
        }
        wanted = {scope: held for scope, held in by_scope.items() if scope in scopes and len(held[1]) > 1}
        found = [(scope, name, member == name) for scope, (member, names) in wanted.items() for name in names]
        everyone = np.ones(len(self.cohort), dtype=bool)
        return [*((scope, name, rows) for scope, name, rows in found if rows.any()), (POOLED, POOLED, everyone)]


@dataclass(frozen=True)
class Evaluation:
    """The evidence about one model, as frames; `to_dict` is the same numbers for JSON.

    quality   scope, group, head, ranking, rows, debtors, events, metric, value, low, high
    money     scope, group, capacity, ranking, listed, money, low, high, share, share_low, share_high, gain, gain_low,
              gain_high (gain = the model's money minus this ranking's, paired draw by draw, reporting units)
    tenths    tenth of p_recovered: rows, mean_p, rate, low, high, predicted, realised
    further frames: backtest, ablation, importance, drift, interval; facts: dates, counts, definitions
    """

    quality: pd.DataFrame
    money: pd.DataFrame
    tenths: pd.DataFrame
    facts: dict[str, Any]
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    statements: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gates: list[dict[str, Any]] = field(default_factory=list)

    def figure(
        self, metric: str, *, scope: str = POOLED, group: str = POOLED, head: str = "recovered", ranking: str = MODEL
    ) -> tuple[float, float, float]:
        """(value, low, high) of one metric; NaN where it was not computed."""
        table = self.quality
        rows = table[
            (table["scope"] == scope)
            & (table["group"] == group)
            & (table["head"] == head)
            & (table["ranking"] == ranking)
            & (table["metric"] == metric)
        ]
        return tuple(rows.iloc[0][["value", "low", "high"]]) if len(rows) else (math.nan, math.nan, math.nan)

    def money_row(self, ranking: str, capacity: float, *, scope: str = POOLED, group: str = POOLED) -> pd.Series | None:
        table = self.money
        rows = table[
            (table["scope"] == scope)
            & (table["group"] == group)
            & (table["ranking"] == ranking)
            & (table["capacity"] == capacity)
        ]
        return rows.iloc[0] if len(rows) else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values: frames as lists of rows, NaN as null."""
        frames = {"quality": self.quality, "money": self.money, "tenths": self.tenths, **self.frames}
        plain = {
            name: [{key: _plain(value) for key, value in row.items()} for row in frame.to_dict("records")]
            for name, frame in frames.items()
        }
        rest = {"facts": self.facts, "statements": self.statements, "warnings": self.warnings, "gates": self.gates}
        return {**plain, **_plain(rest)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Evaluation:
        known = ("facts", "statements", "warnings", "gates")
        frames = {name: pd.DataFrame(rows) for name, rows in plain.items() if name not in known}
        own = {name: frames.pop(name) for name in ("quality", "money", "tenths")}
        return cls(**own, frames=frames, **{name: plain[name] for name in known})


def evaluate(
    judged: Judged,
    rivals: Mapping[str, Rival],
    capacities: Sequence[float],
    draws: int,
    seed: int,
    truth: Truth | None = None,
    scopes: Sequence[str] = SCOPES,
) -> Evaluation:
    """Judge a model on rows it never saw.

    rivals: other orders of the same rows, by name. capacities: shares of each night's accounts that can be worked.
    truth: on made-up portfolios; adds the best possible order, and the true chance to the tenths.
    scopes: the tables to make; all by default.
    """
    capacities = tuple(sorted(capacities))
    who, weights = debtor_draws(judged.cohort["debtor_id"], draws, seed)
    p = judged.scores["p_recovered"].to_numpy()
    orders = {MODEL: Rival(judged.predicted, p, judged.predicted), **rivals}
    if truth is not None:
        orders[BEST] = Rival(truth.money)
    orders[HINDSIGHT] = Rival(judged.money)
    quality_of, money_of = [], []  # what is to be computed, in the order of the tables
    for scope, name, rows in judged.groups(scopes):
        local, drawn = _compact(who[rows], weights)
        counts = {
            "rows": int(rows.sum()),
            "debtors": int(drawn.shape[1]),
            "events": len(np.unique(local[judged.recovered[rows] == 1])),
        }
        for ranking, rival in orders.items():
            if ranking in (BEST, HINDSIGHT) or (scope != POOLED and ranking != MODEL):
                continue
            about = {"scope": scope, "group": name, "head": "recovered", "ranking": ranking, **counts}
            quality_of.append(partial(_quality_rows, judged, rival, rows, local, drawn, about))
        money_of.append(
            partial(_money_rows, judged, orders, rows, local, drawn, capacities, {"scope": scope, "group": name})
        )
    found = side_by_side(*quality_of, *money_of)
    return Evaluation(
        pd.DataFrame([row for part in found[: len(quality_of)] for row in part]),
        pd.DataFrame([row for part in found[len(quality_of) :] for row in part]),
        _tenths_table(judged, p, who, weights, truth),
        {"capacities": list(capacities), "draws": draws},
    )


def gains_curve(judged: Judged, rivals: Mapping[str, Rival], steps: int = 20) -> pd.DataFrame:
    """Share of all recovered money reached by each order as the capacity grows from nothing to everyone: capacity,
    ranking, share.
    """
    capacities = tuple((step + 1) / steps for step in range(steps))
    who, weights = debtor_draws(judged.cohort["debtor_id"], 0, 0)
    night = judged.cohort["as_of"].to_numpy()
    rows = []
    for ranking, rival in {MODEL: Rival(judged.predicted), **rivals, HINDSIGHT: Rival(judged.money)}.items():
        (reached,), whole = captured((rival.order,), judged.money, night, who, weights, capacities)
        if whole[0] > 0:
            shares = reached[0] / whole[0]
            rows += [
                {"capacity": held, "ranking": ranking, "share": float(share)}
                for held, share in zip(capacities, shares, strict=True)
            ]
    return pd.DataFrame(rows)


def judge_default(
    cohort: pd.DataFrame, p_defaulted: np.ndarray, defaulted: np.ndarray, draws: int, seed: int
) -> pd.DataFrame:
    """Quality rows of the p_defaulted head: pooled, by bucket and by portfolio,
    on the rows whose label and score are known.
    """
    known = ~np.isnan(defaulted) & ~np.isnan(p_defaulted)
    if not known.any():
        return pd.DataFrame()
    cohort, p, outcome = cohort[known].reset_index(drop=True), p_defaulted[known], defaulted[known]
    nothing = np.zeros(len(p))
    judged = Judged(
        cohort, pd.DataFrame({"expected_recovery": nothing}), outcome, nothing, nothing, np.ones(len(p), dtype=bool)
    )
    who, weights = debtor_draws(cohort["debtor_id"], draws, seed)
    found = []
    for scope, name, rows in judged.groups((SCOPES[0], SCOPES[1])):
        local, drawn = _compact(who[rows], weights)
        counts = {
            "rows": int(rows.sum()),
            "debtors": int(drawn.shape[1]),
            "events": len(np.unique(local[outcome[rows] == 1])),
        }
        table = quality(p[rows], p[rows], outcome[rows], nothing[rows], nothing[rows], local, drawn)
        found += _metric_rows(table, {"scope": scope, "group": name, "head": "defaulted", "ranking": MODEL, **counts})
    return pd.DataFrame(found)


def paired_money(
    cohort: pd.DataFrame,
    first: np.ndarray,
    second: np.ndarray,
    money: np.ndarray,
    capacity: float,
    draws: int,
    seed: int,
) -> dict[str, float]:
    """Money two orders reach at a capacity on the same rows, and the share of the second's that the first gains,
    with its interval.
    """
    who, weights = debtor_draws(cohort["debtor_id"], draws, seed)
    night = cohort["as_of"].to_numpy()
    (one, other), _ = captured((first, second), money, night, who, weights, (capacity,))
    with np.errstate(divide="ignore", invalid="ignore"):
        gain, low, high = interval(one[:, 0] / other[:, 0] - 1)
    return {
        "money": float(one[0, 0]),
        "other_money": float(other[0, 0]),
        "gain": gain,
        "gain_low": low,
        "gain_high": high,
    }


def _quality_rows(
    judged: Judged, rival: Rival, rows: np.ndarray, who: np.ndarray, weights: np.ndarray, about: dict[str, Any]
) -> list[dict[str, Any]]:
    ranked = rival.chance if rival.chance is not None else rival.order
    predicted = rival.predicted[rows] if rival.predicted is not None else np.zeros(int(rows.sum()))
    chance = None if rival.chance is None else rival.chance[rows]
    return _metric_rows(
        quality(ranked[rows], chance, judged.recovered[rows], judged.money[rows], predicted, who, weights), about
    )


def _metric_rows(table: np.ndarray, about: dict[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for position, metric in enumerate(METRICS):
        value, low, high = interval(table[:, position])
        if not math.isnan(value):
            rows.append({**about, "metric": metric, "value": value, "low": low, "high": high})
    return rows


def _money_rows(
    judged: Judged,
    orders: Mapping[str, Rival],
    rows: np.ndarray,
    who: np.ndarray,
    weights: np.ndarray,
    capacities: tuple[float, ...],
    about: dict[str, Any],
) -> list[dict[str, Any]]:
    night, money = judged.cohort["as_of"].to_numpy()[rows], judged.money[rows]
    tables, whole = captured([rival.order[rows] for rival in orders.values()], money, night, who, weights, capacities)
    reached = dict(zip(orders, tables, strict=True))
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        for position, capacity in enumerate(capacities):
            for ranking, table in reached.items():
                value, low, high = interval(table[:, position])
                share, share_low, share_high = interval(table[:, position] / whole)
                gain, gain_low, gain_high = interval(reached[MODEL][:, position] - table[:, position])
                found.append(
                    {
                        **about,
                        "capacity": capacity,
                        "ranking": ranking,
                        "money": value,
                        "low": low,
                        "high": high,
                        "share": share,
                        "share_low": share_low,
                        "share_high": share_high,
                        "gain": gain,
                        "gain_low": gain_low,
                        "gain_high": gain_high,
                    }  # fmt: skip
                )
    return found


def _tenths_table(
    judged: Judged, p: np.ndarray, who: np.ndarray, weights: np.ndarray, truth: Truth | None
) -> pd.DataFrame:
    """Calibration by tenth of p_recovered, counts of rows equal; the interval of the rate by debtor."""
    place = np.argsort(p, kind="stable")
    tenth = np.empty(len(p), dtype=np.int64)
    tenth[place] = np.minimum(np.arange(len(p)) * 10 // max(len(p), 1), 9)
    found = []
    for number in range(10):
        rows = tenth == number
        if not rows.any():
            continue
        local, drawn = _compact(who[rows], weights)
        won = np.bincount(local, weights=judged.recovered[rows], minlength=drawn.shape[1])
        held = np.bincount(local, minlength=drawn.shape[1])
        with np.errstate(divide="ignore", invalid="ignore"):
            rate, low, high = interval((drawn * won).sum(axis=1) / (drawn * held).sum(axis=1))
        found.append(
            {
                "tenth": number + 1,
                "rows": int(rows.sum()),
                "mean_p": float(p[rows].mean()),
                "rate": rate,
                "low": low,
                "high": high,
                "predicted": float(judged.predicted[rows].sum()),
                "realised": float(judged.money[rows].sum()),
            }
        )
        if (
            truth is not None
        ):  # held: off by no more than the realised rate itself may be by chance, as its interval says
            true, mean = float(truth.chance[rows].mean()), found[-1]["mean_p"]
            found[-1] |= {"true_p": true, "true_held": bool(low - rate <= mean - true <= high - rate)}
    return pd.DataFrame(found)


def _sorted_groups(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    member = column.astype("str").to_numpy(dtype=object)
    return member, sorted(set(member))


def _compact(who: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    present, local = np.unique(who, return_inverse=True)
    return local, np.ascontiguousarray(weights[:, present])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):  # pyrefly: ignore[implicit-any-type-argument]: of anything
        return [_plain(held) for held in value]
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) or math.isinf(value) else float(value)
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    return value
