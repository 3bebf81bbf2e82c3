"""The watch head of a training: taught on what had matured, judged on later nights, refitted on everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import WATCH
from features.currencies import DECIMALS
from features.errors import InputMissing
from models.encoding import MONEY
from models.lesson import Teaching
from models.money import MoneyScale
from models.probability import debtors_with
from models.split import TimeSplit, split_by_time
from models.watch import MODEL, WatchHead, judge_watch, meaning_of
from pipeline.panel.watch import WatchPanel, watch_panel
from pipeline.params import Params
from pipeline.store.store import Store


@dataclass(frozen=True)
class WatchTrial:
    """What a training found of the watch cohort.

    release  the head taught on everything, None where none was: facts["why"] then says why
    frames   watch_quality, watch_top (models.watch.judge_watch) of the head that the fit nights taught
    """

    release: WatchHead | None
    facts: Mapping[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def watch_trial(store: Store, params: Params) -> WatchTrial | None:
    """None where the params watch nothing."""
    return None if params.watch is None else tried_watch(watch_panel(store, params), params)


def tried_watch(panel: WatchPanel, params: Params) -> WatchTrial:
    """Taught where model.min_events debtors were late in the fit window, and history holds a later one to judge by."""
    cohort, late = panel.cohort, panel.labels["late"].to_numpy(np.float64)
    known = ~np.isnan(late)
    if not len(cohort):
        return WatchTrial(None, {"why": "nothing falls due on accounts that are not overdue"})
    try:
        split = split_by_time(cohort, params.split, params.watch_terms(), known)
    except InputMissing as short:
        return WatchTrial(None, {"why": str(short)})
    events = debtors_with(panel.labels["late"].where(split.fit), cohort["debtor_id"])
    if events < params.model.min_events or not (late[split.fit] == 0).any():
        why = f"{events} debtors were late in the fit window, model.min_events is {params.model.min_events}"
        return WatchTrial(None, {"why": why})
    return _judged(panel, split, late, watch_teaching(panel, params), params)


def _judged(panel: WatchPanel, split: TimeSplit, late: np.ndarray, teaching: Teaching, params: Params) -> WatchTrial:
    fit_labels = panel.labels.assign(late=panel.labels["late"].where(split.fit))
    judged = WatchHead.fit(panel.matrix, fit_labels, panel.cohort, teaching)
    cohort, matrix = (frame[split.test].reset_index(drop=True) for frame in (panel.cohort, panel.matrix))
    chances = {MODEL: judged.predict(matrix, cohort)["p_late"].to_numpy()}
    chances |= {name: table.chance(matrix) for name, table in judged.rhythms.items()}
    quality, top = judge_watch(
        cohort, late[split.test], chances, teaching.money, params.evaluate.bootstrap_draws, params.seed
    )
    terms = params.watch_terms()
    release = WatchHead.fit(panel.matrix, panel.labels, panel.cohort, teaching, like=judged).taught_for(terms)
    facts = {
        **judged.facts,
        "window": split.dates(),
        **meaning_of(terms),
        "calibration": judged.late.calibrator.card(),
    }
    return WatchTrial(release, facts, {"watch_quality": quality, "watch_top": top})


def watch_teaching(panel: WatchPanel, params: Params) -> Teaching:
    """No directions: the catalogue's are of P(recovered)."""
    gap_days = params.watch_terms().gap_days
    present = panel.cohort["currency"].astype("str").unique()
    return Teaching(
        settings=params.model.model_dump(),
        seed=params.seed,
        gap_days=gap_days,
        default_gap_days=gap_days,
        default_dpd=params.label.default_dpd,
        money=MoneyScale.resolve(present, params.money.rates, DECIMALS, params.money.reporting_currency),
        money_columns=tuple(entry.name for entry in WATCH if entry.unit == MONEY),
    )
