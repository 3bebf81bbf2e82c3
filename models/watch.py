"""The watch head: P(late) of what falls due, and what it is judged against, the debtor's own payment rhythm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from features.terms import WatchTerms
from features.vocabulary import LATE_ITEM_DAYS
from models.boosting import FitWindow, exact_contributions, raw_scores, row_weights
from models.calibration import later_slope, with_recent_levels, with_slope
from models.drift import Reference
from models.encoding import Encoder
from models.folder import LATE_FILE
from models.lesson import Teaching, withheld_of
from models.money import MoneyScale
from models.probability import BINARY, Head
from models.resampling import METRICS, captured, debtor_draws, interval, quality

WATCH_SCORES = ("p_late", "money_at_risk")
TOP = 0.2  # of each night's accounts, in whose money at risk the orders are compared
MODEL = "model"
# What receivables tools show of a debtor: ranking -> the column of the matrix, from late down to punctual.
RHYTHMS = {
    "late last time": "last_item_days_late",
    "share late in the last year": "items_late_share_365d",
    "days late on average": "days_after_due_mean_365d",
}
AMOUNT_FROM = (0.0, 50.0, 200.0, 1000.0)  # reporting units: buckets of what falls due
RHYTHM_BANDS = 10
PRIOR_ROWS = 20.0  # rows of the overall rate mixed into a band's
LEVEL_SD = 0.1  # log-odds: how far a book's level is believed to have moved; its newest nights are a season as well
QUALITY = ("auc", "rate", "mean_p", "calibration_slope", "calibration_error", "money_ratio")


@dataclass(frozen=True)
class RhythmTable:
    """The rate of being late by bands of one column of the payment rhythm; the last rate is of rows without it."""

    column: str
    edges: tuple[float, ...]
    rates: tuple[float, ...]

    @classmethod
    def fit(cls, column: str, values: np.ndarray, late: np.ndarray) -> RhythmTable:
        """late: 0 or 1 per row. `last_item_days_late` has two bands: late last time, or not."""
        known = values[~np.isnan(values)]
        edges = (LATE_ITEM_DAYS + 1.0,) if column == RHYTHMS["late last time"] else _edges(known)
        band, overall = cls(column, edges, ()).bands(values), float(late.mean())
        rows = np.bincount(band, minlength=len(edges) + 2)
        events = np.bincount(band, weights=late, minlength=len(edges) + 2)
        rates = (events + PRIOR_ROWS * overall) / (rows + PRIOR_ROWS)
        return cls(column, edges, tuple(float(rate) for rate in rates))

    def bands(self, values: np.ndarray) -> np.ndarray:
        found = np.searchsorted(np.array(self.edges), np.nan_to_num(values, nan=-np.inf), side="right")
        return np.where(np.isnan(values), len(self.edges) + 1, found)

    def chance(self, matrix: pd.DataFrame) -> np.ndarray:
        values = matrix[self.column].to_numpy(np.float64)
        return np.array(self.rates)[self.bands(values)]


def _edges(known: np.ndarray) -> tuple[float, ...]:
    """Around every quantile half-way to the next value, so that what many share (no day late, say) is a band alone."""
    values = np.unique(known)
    if len(values) < 2:
        return ()
    between = (values[1:] + values[:-1]) / 2
    steps = np.linspace(0, 1, RHYTHM_BANDS + 1)[1:-1]
    at = np.searchsorted(values, np.quantile(known, steps, method="lower"))
    beside = np.concatenate([at - 1, at])
    return tuple(float(edge) for edge in np.unique(between[beside[(beside >= 0) & (beside < len(between))]]))


def meaning_of(terms: WatchTerms) -> dict[str, Any]:
    """What p_late hangs on: days_ahead and late_days."""
    return {"days_ahead": terms.days_ahead, "late_days": dict(terms.late_days)}


@dataclass(frozen=True)
class WatchHead:
    """P(late) of the watch cohort, with the tables of the debtor's rhythm that it is judged against.

    reference: columns and P(late) as the rows taught showed them, for the monitor; None in a head of an earlier
    version.
    """

    encoder: Encoder
    late: Head
    rhythms: Mapping[str, RhythmTable]
    facts: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None

    @classmethod
    def fit(
        cls,
        matrix: pd.DataFrame,
        labels: pd.DataFrame,
        cohort: pd.DataFrame,
        teaching: Teaching,
        like: WatchHead | None = None,
        rhythms: Mapping[str, str] = RHYTHMS,
    ) -> WatchHead:
        """Taught on the rows whose `late` is known. teaching.gap_days: days until it is; like: an earlier fit whose
        number of trees and slope are kept; rhythms: name -> column it is judged against. The order of rows is free.
        """
        rows = np.flatnonzero(labels["late"].notna().to_numpy())
        rows = rows[np.lexsort((cohort["account_no"].to_numpy()[rows], cohort["as_of"].to_numpy()[rows]))]
        matrix, labels, cohort = (frame.iloc[rows].reset_index(drop=True) for frame in (matrix, labels, cohort))
        late = labels["late"].to_numpy(np.float64)
        encoder, numbers = Encoder.learn(matrix, cohort, late, teaching.money_columns, teaching.money, teaching.seed)
        withheld = withheld_of(numbers, encoder.names, cohort["as_of"].nunique())
        numbers[:, [encoder.names.index(name) for name in withheld]] = 0.0
        weight = row_weights(cohort, teaching.settings.get("recency_half_life_days"))
        window = FitWindow(numbers, cohort, weight, teaching.settings, teaching.seed, encoder.names)
        head, chance = _carried(window, late, teaching.gap_days, like.late if like else None)
        tables = {
            name: RhythmTable.fit(column, matrix[column].to_numpy(np.float64), late) for name, column in rhythms.items()
        }
        facts = {
            "rows": len(late),
            "debtors": int(cohort["debtor_id"].nunique()),
            "debtors_late": int(cohort["debtor_id"][late == 1].nunique()),
            "fit_first": int(cohort["as_of"].min()),
            "fit_last": int(cohort["as_of"].max()),
            "gap_days": teaching.gap_days,
            "withheld": dict(withheld),
        }
        reference = Reference.learn(numbers, encoder.names, chance, window.as_of, encoder.classes(matrix))
        return cls(encoder, head, tables, facts, reference)

    def predict(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
        """p_late, and money_at_risk = due_amount x p_late (minor units); rows as in the matrix. Columns are matched by
        name; ContractError where one is missing, unknown or of another type, or a currency has no rate.
        """
        chance = self.chance(self.encoder.encode(matrix, cohort), cohort)
        due = cohort["due_amount"].to_numpy(np.float64)
        return pd.DataFrame({"p_late": chance, "money_at_risk": chance * due}, index=matrix.index)

    def chance(self, numbers: np.ndarray, cohort: pd.DataFrame) -> np.ndarray:
        """P(late) of rows that are encoded already."""
        return self.late.probability(numbers, cohort["portfolio"])

    @property
    def columns(self) -> tuple[str, ...]:
        return self.encoder.names

    def raw(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> np.ndarray:
        """The raw log-odds of P(late) that contributions add up to."""
        return raw_scores(self.late.booster, self.encoder.encode(matrix, cohort))

    def contributions(self, matrix: pd.DataFrame, cohort: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        """Exact contributions (TreeSHAP) of every column to `raw`, and the base of each row; they add up to it."""
        numbers, names = self.encoder.encode(matrix, cohort), list(self.encoder.names)
        if not len(numbers):
            return pd.DataFrame(columns=names, dtype=np.float64), np.zeros(0)
        found = exact_contributions(self.late.booster, numbers)
        return pd.DataFrame(found[:, :-1], columns=names, index=matrix.index), found[:, -1]

    def taught_for(self, terms: WatchTerms) -> WatchHead:
        """The head with the terms kept that its labels were made by."""
        return replace(self, facts={**self.facts, **meaning_of(terms)})

    def fits(self, terms: WatchTerms) -> bool:
        """Whether p_late is the chance of what these terms call late; a head that does not say is taken for another."""
        return {name: self.facts.get(name) for name in meaning_of(terms)} == meaning_of(terms)

    def files(self) -> dict[str, bytes]:
        return {LATE_FILE: self.late.booster.model_to_string().encode()}

    def card(self) -> dict[str, Any]:
        tables = {name: [table.column, list(table.edges), list(table.rates)] for name, table in self.rhythms.items()}
        return {
            "encoder": self.encoder.card(),
            "late": self.late.card(),
            "rhythms": tables,
            "facts": dict(self.facts),
            **({} if self.reference is None else {"reference": self.reference.card()}),
        }

    @classmethod
    def from_card(cls, card: Mapping[str, Any], files: Mapping[str, bytes]) -> WatchHead:
        return cls(
            Encoder.from_card(card["encoder"]),
            Head.from_card(card["late"], files[LATE_FILE].decode()),
            {
                name: RhythmTable(column, tuple(edges), tuple(rates))
                for name, (column, edges, rates) in card["rhythms"].items()
            },
            card["facts"],
            Reference.from_card(card["reference"]) if "reference" in card else None,
        )


def _carried(window: FitWindow, late: np.ndarray, gap_days: int, like: Head | None) -> tuple[Head, np.ndarray]:
    """The booster behind a sigmoid whose slope is that of later nights and whose level that of all, book by book; and
    P(late) of each row out of fold.
    """
    known, portfolio = np.ones(len(late), bool), window.cohort["portfolio"]
    if like is None:
        early, later = window.early_and_later(known, late == 1, gap_days)
        trees, before = window.count_trees(BINARY, late, early, later)
        slope = later_slope(raw_scores(before, window.numbers[later]), late[later], window.weight[later])
    else:
        trees, slope = like.trees, like.calibrator.slopes[0]
    booster, raw = window.grow_and_score(BINARY, late, known, trees)
    rows, newest = (raw, late, window.weight), int(window.cohort["as_of"].max())
    calibrator = with_recent_levels(with_slope(slope, *rows), *rows, window.cohort, newest, LEVEL_SD)
    return Head(booster, calibrator, trees), calibrator.probability(raw, portfolio)


def judge_watch(
    cohort: pd.DataFrame,
    late: np.ndarray,
    chances: Mapping[str, np.ndarray],
    money: MoneyScale,
    draws: int,
    seed: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How well each ranking tells who is late, on rows that taught none of them.

    chances: ranking -> P(late) per row, the model under MODEL. Returns
    quality  scope (all, book, amount), group, ranking, rows, debtors, late, metric of QUALITY, value, low, high; books
             and buckets of amount of the model alone
    top      ranking, share, low, high of the money that was late lying in the TOP share of each night by
             due_amount x P(late); gain, gain_low, gain_high: the model's share less this ranking's, draw by draw
    Intervals by debtor.
    """
    who, weights = debtor_draws(cohort["debtor_id"], draws, seed)
    due = cohort["due_amount"].to_numpy(np.float64) * money.per_minor(cohort["currency"])
    bucket = bucket_of(due)
    parts = [("all", "all", np.ones(len(cohort), bool), list(chances))]
    parts += [
        (scope, str(group), groups == group, [MODEL])
        for scope, groups in (("book", cohort["portfolio"].astype("str").to_numpy()), ("amount", bucket))
        for group in np.unique(groups)
    ]
    rows = []
    for scope, group, held, rankings in parts:
        about = {"scope": scope, "group": group, "rows": int(held.sum()), "late": int(late[held].sum())}
        about["debtors"] = int(cohort["debtor_id"][held].nunique())
        own, codes = np.unique(who[held], return_inverse=True)
        for name in rankings:
            p = chances[name][held]
            found = quality(p, p, late[held], due[held] * late[held], due[held] * p, codes, weights[:, own])
            for metric in QUALITY:
                value, low, high = interval(found[:, METRICS.index(metric)])
                rows.append({**about, "ranking": name, "metric": metric, "value": value, "low": low, "high": high})
    return pd.DataFrame(rows), _top(cohort, late * due, {name: p * due for name, p in chances.items()}, who, weights)


def _top(
    cohort: pd.DataFrame, lost: np.ndarray, orders: Mapping[str, np.ndarray], who: np.ndarray, weights: np.ndarray
) -> pd.DataFrame:
    reached, whole = captured(list(orders.values()), lost, cohort["as_of"].to_numpy(), who, weights, (TOP,))
    shares = [np.divide(one[:, 0], whole, out=np.full(len(whole), np.nan), where=whole > 0) for one in reached]
    mine, rows = shares[list(orders).index(MODEL)], []
    for name, share in zip(orders, shares, strict=True):
        value, low, high = interval(share)
        gain, gain_low, gain_high = interval(mine - share)
        told = {"gain": gain, "gain_low": gain_low, "gain_high": gain_high}
        rows.append({"ranking": name, "share": value, "low": low, "high": high, **told})
    return pd.DataFrame(rows)


def bucket_of(due: np.ndarray) -> np.ndarray:
    """Its bucket, by what falls due in reporting units."""
    return np.array([f"from {edge:,.0f}" for edge in AMOUNT_FROM])[np.searchsorted(AMOUNT_FROM, due, "right") - 1]


def beaten(top: pd.DataFrame) -> Sequence[str]:
    """The rankings that the model does not beat in money at risk: the interval of the gain is not above 0."""
    return [row["ranking"] for row in top.to_dict("records") if row["ranking"] != MODEL and not row["gain_low"] > 0]
