"""Fitting and refitting: the model that is judged, on the fit nights alone, and the one that is released,
in the same way on everything.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from models.baseline import AGE_BAND_TABLE, AgeBandTable
from models.boosting import AT_ONCE
from models.effect import fit_effect
from models.encoding import MONEY
from models.forecast import CashForecast, fit_forecast
from models.lesson import Lesson, Teaching, rows_to_fit
from models.probability import debtors_with
from models.recovery import AnyModel, RecoveryModel
from models.timing import TimingHead, fit_timing
from pipeline.panel.panel import Panel, money_scale
from pipeline.params import Params
from pipeline.training.trial import Trial, TrialWindows

LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy")


def teaching_of(panel: Panel, params: Params, catalogue: Sequence[Any]) -> Teaching:
    return Teaching(
        settings=params.model.model_dump(),
        seed=params.seed,
        gap_days=params.label.gap_days,
        default_gap_days=params.label.default_gap_days,
        default_dpd=params.label.default_dpd,
        money=money_scale(panel, params),
        money_columns=tuple(entry.name for entry in catalogue if entry.unit == MONEY),
        monotone={entry.name: entry.monotone for entry in catalogue},
    )


def tried(panel: Panel, windows: TrialWindows, teaching: Teaching, params: Params, catalogue: Sequence[Any]) -> Trial:
    """The model of the fit nights, and all it is to be judged by."""
    model, lesson = taught(panel, windows.fit_labels(panel.labels), teaching, params)
    return Trial(panel, windows, model, lesson, teaching, params, catalogue)


def refitted(trial: Trial) -> AnyModel:
    """The same way taught on every mature night: numbers of trees and way of the amount as in the judged model."""
    return fit(trial.panel, trial.panel.labels, trial.teaching, trial.params, like=trial.model)


def fit(
    panel: Panel, labels: pd.DataFrame, teaching: Teaching, params: Params, like: AnyModel | None = None
) -> AnyModel:
    """The model of `taught`."""
    return taught(panel, labels, teaching, params, like)[0]


def taught(
    panel: Panel, labels: pd.DataFrame, teaching: Teaching, params: Params, like: AnyModel | None = None
) -> tuple[AnyModel, Lesson | None]:
    """All heads and what they were taught on, or the age-band table alone where fewer than model.min_events debtors
    paid.

    labels: NaN where a row takes no part.
    """
    facts = _facts(panel, labels, params)
    events = facts["debtors_recovered"]
    if events < params.model.min_events or (like is not None and like.kind == AGE_BAND_TABLE):
        used = (labels["recovered"].notna() | labels["defaulted"].notna()).to_numpy()
        terms = {"default_dpd": params.label.default_dpd, "horizon_days": params.label.horizon_days}
        table = AgeBandTable.fit(labels[used], panel.cohort[used], teaching.money, **terms)
        why = f"{events} debtors with a recovery, model.min_events is {params.model.min_events}"
        return replace(table, facts={**facts, "why": why}), None
    lesson = Lesson.of(panel.matrix, labels, panel.cohort, teaching)
    model, chance = RecoveryModel.taught_with_chance(lesson, teaching, like)
    timing, forecast = _timing(panel, labels, lesson, chance, model, params)
    effect = None if panel.landmarks is None else fit_effect(lesson, panel.landmarks, teaching)
    return replace(model, facts={**facts, **model.facts}, effect=effect, timing=timing, forecast=forecast), lesson


def _timing(
    panel: Panel, labels: pd.DataFrame, lesson: Lesson, chance: np.ndarray, model: RecoveryModel, params: Params
) -> tuple[TimingHead | None, CashForecast | None]:
    """Taught on the rows that teach recovery, by what was known when the newest of their labels was."""
    if panel.weekly is None or panel.cash is None:
        return None, None
    known, maturity_days = lesson.known, params.label.maturity_days
    cohort = lesson.window.cohort[known].reset_index(drop=True)
    as_of, chance = cohort["as_of"].to_numpy(), chance[known]
    through = int(as_of.max()) + params.label.gap_days
    weekly = panel.weekly.of(rows_to_fit(labels, panel.cohort)[known]).until(as_of, through, maturity_days)
    share = model.amount.share(lesson.window.numbers, cohort["portfolio"], np.flatnonzero(known))
    amount = share * cohort["balance"].to_numpy(dtype=np.float64)
    unit = np.asarray(money_scale(panel, params).per_minor(cohort["currency"]))
    head = fit_timing(weekly, cohort, chance, amount, lesson.window.weight[known], unit)
    if head is None:
        return None, None
    # As a night sums them: all that could be scored, also those whose label is not known. A row that taught has the
    # chance of the boosters that had not seen its debtor.
    nights = np.unique(as_of)
    rows = np.flatnonzero(panel.cohort["as_of"].isin(nights).to_numpy())
    scored, scores = panel.cohort.iloc[rows].reset_index(drop=True), _scores_at(model, panel, rows)
    keys = ["account_no", "as_of"]
    unseen = scored[keys].merge(cohort[keys].assign(chance=chance), on=keys, how="left")["chance"].to_numpy()
    chances = np.where(np.isnan(unseen), scores["p_recovered"].to_numpy(), unseen)
    sampled = scored["weight"].to_numpy() if "weight" in scored else np.ones(len(scored))
    money = head.cash(chances, scored, scores["amount_if_recovered"].to_numpy() * sampled)
    cash = panel.cash.only([int(night) for night in nights]).until(through, maturity_days)
    return head, fit_forecast(cash, cash.summed(scored, money))


def _scores_at(model: RecoveryModel, panel: Panel, rows: np.ndarray) -> pd.DataFrame:
    """`predict` of the panel's rows at these places, AT_ONCE: no second matrix of them stands in memory."""
    parts = [rows[first : first + AT_ONCE] for first in range(0, max(len(rows), 1), AT_ONCE)]
    cut = ((frame.iloc[places].reset_index(drop=True) for frame in (panel.matrix, panel.cohort)) for places in parts)
    return pd.concat([model.predict(*frames) for frames in cut], ignore_index=True)


def _facts(panel: Panel, labels: pd.DataFrame, params: Params) -> dict[str, Any]:
    """What the card says of the rows taught on: their nights and counts, the params, the libraries."""
    known = labels["recovered"].notna().to_numpy()
    as_of, debtors = (panel.cohort[name][known] for name in ("as_of", "debtor_id"))
    return {
        "fit_first": int(as_of.min()),
        "fit_last": int(as_of.max()),
        "gap_days": params.label.gap_days,
        "rows": int(known.sum()),
        "debtors": int(debtors.nunique()),
        "debtors_recovered": debtors_with(labels["recovered"], panel.cohort["debtor_id"]),
        "debtors_defaulted": debtors_with(labels["defaulted"], panel.cohort["debtor_id"]),
        "seed": params.seed,
        "label": params.label.model_dump(),
        "params_sha256": params.digest(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
