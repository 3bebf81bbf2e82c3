"""What a training teaches of treatments: what going on is worth, judged on later nights and on debtors not seen, then
taught on all that is known; and what former offers, plans and placements say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.days import day_text
from features.errors import InputMissing
from features.terms import LabelTerms
from models.continuation import ContinuationHead, fit_continuation
from models.experience import Experience
from models.lesson import Teaching
from models.liquidation import BY_DEBTORS, BY_NIGHTS, HORIZONS, LEFT, LOOKS, Followed, vintages
from models.split import TimeSplit, split_by_time
from pipeline.panel.panel import Panel, money_scale
from pipeline.params import Params
from pipeline.store.store import Store
from pipeline.training.experience import experience_of


def nothing_foretold() -> pd.DataFrame:
    kinds = {"account_no": "int64", "as_of": "int64", "chance": "float64"}
    return pd.DataFrame({name: pd.Series([], dtype=kind) for name, kind in kinds.items()})


@dataclass(frozen=True)
class ContinuationTrial:
    """release: taught on everything; None where none was: facts["why"] then says why. frames: continuation
    (models.liquidation.vintages). foretold: account_no, as_of, chance: share of the balance that comes within the
    first of HORIZONS, by boosters that had not seen the debtor.
    """

    release: ContinuationHead | None
    facts: Mapping[str, Any]
    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    foretold: pd.DataFrame = field(default_factory=lambda: nothing_foretold())


@dataclass(frozen=True)
class TreatmentTaught:
    trial: ContinuationTrial
    experience: Experience | None

    def told(self) -> list[dict[str, Any]]:
        """One row a belief: what, source, cases, why."""
        return [] if self.experience is None else self.experience.rows()


def treatment_taught(store: Store, panel: Panel, params: Params, teaching: Teaching) -> TreatmentTaught:
    """panel: labelled under `horizons_of` too. Offers, plans and placements are read as they were known when the last
    payment of the panel was."""
    trial = continuation_trial(panel, params, teaching)
    day, money = panel.complete_through + 1, money_scale(panel, params)
    return TreatmentTaught(trial, experience_of(store, params, day, money, trial.foretold))


def horizons_of(params: Params) -> tuple[LabelTerms, ...]:
    """The terms under which a panel is labelled for it: one for each of LOOKS, each with its own maturity."""
    own = params.label_terms()
    return tuple(
        LabelTerms(days, own.maturity_days, own.default_dpd, own.default_horizon_days, own.min_amount, own.min_share)
        for days in LOOKS
    )


def continuation_trial(panel: Panel, params: Params, teaching: Teaching) -> ContinuationTrial:
    """panel: labelled under `horizons_of` too."""
    looks = [own.labels for own in panel.horizons]
    came = np.column_stack([labels["recovered_amount"].to_numpy(np.float64) for labels in looks])
    left = np.column_stack([labels["recovered_missing"].isin(LEFT).to_numpy() for labels in looks])
    followed = Followed(came, left)
    unit = money_scale(panel, params).per_minor(panel.cohort["currency"])
    before, later, about = _later(panel, params, teaching, followed, unit)
    whole = fit_continuation(panel.matrix, panel.cohort, followed, teaching, before)
    if whole.head is None:
        return ContinuationTrial(None, {"why": whole.why})
    rows = whole.rows
    cohort = panel.cohort.iloc[rows].reset_index(drop=True)
    told = vintages(cohort, whole.share, whole.low, whole.high, followed.only(rows), unit[rows], BY_DEBTORS)
    frames = {"continuation": pd.concat([told, *later], ignore_index=True)}
    foretold = cohort[["account_no", "as_of"]].assign(chance=whole.share[:, 0])
    return ContinuationTrial(whole.head, {**whole.head.facts, **about}, frames, foretold)


def _later(
    panel: Panel, params: Params, teaching: Teaching, followed: Followed, unit: np.ndarray
) -> tuple[ContinuationHead | None, list[pd.DataFrame], dict[str, str]]:
    """(the head that was taught on what was known before the test nights; their vintages by it; when they begin, or why
    there is none)."""
    try:
        split = _split(panel, params, followed.came[:, 0])
    except InputMissing as short:
        return None, [], {"not_judged": str(short)}
    as_of = panel.cohort["as_of"].to_numpy(np.int64)
    known = followed.known_by(as_of, split.test_first, params.label.maturity_days)
    before = fit_continuation(panel.matrix, panel.cohort, known, teaching)
    if before.head is None:
        return None, [], {"not_judged": before.why}
    cohort, matrix = (frame[split.test].reset_index(drop=True) for frame in (panel.cohort, panel.matrix))
    share, real = before.head.shares(matrix, cohort), followed.only(split.test)
    low, high = before.head.between(matrix, cohort, share)
    told = vintages(cohort, share, low, high, real, unit[split.test], BY_NIGHTS)
    return before.head, [told], {"test_first": day_text(split.test_first)}


def _split(panel: Panel, params: Params, came: np.ndarray) -> TimeSplit:
    gap_days = HORIZONS[0] + params.label.maturity_days
    return split_by_time(panel.cohort, params.split, params.label, ~np.isnan(came), gap_days=gap_days)
