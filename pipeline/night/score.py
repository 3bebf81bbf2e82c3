"""One shard in, scores out: the function that a night maps over every shard, whatever engine runs it."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.days import date_of, day_number
from features.errors import InputMissing
from models.baseline import AgeBandTable
from models.continuation import WORTH_COLUMNS
from models.effect import added_scores
from models.ladder import Rung
from models.recovery import AnyModel, RecoveryModel, load_model
from pipeline.columns import PUBLISHED_SCORES
from pipeline.night.feeds import check_feeds
from pipeline.night.pins import READ_WHOLE
from pipeline.night.refusals import TaughtOnMore
from pipeline.night.stages import give_back
from pipeline.panel.dataset import write_parquet
from pipeline.panel.draws import standing_rung
from pipeline.panel.engines import map_shards
from pipeline.panel.panel import Panel, money_scale, panel
from pipeline.panel.view import View, view
from pipeline.params import Params
from pipeline.store.champion import Approved, champion, keep
from pipeline.store.store import Store
from pipeline.treatment.policy import policy_in

log = logging.getLogger("recoup")
MONEY_SCORES = ("amount_if_recovered", "expected_recovery", "added_recovery")  # published as whole minor units


@dataclass(frozen=True)
class Job:
    """All that a shard needs to be scored anywhere: places and pins, no open handles.

    rung        where the effect stands; unsettled: account_id, drawn_on of former draws whose outcome the night is to
                keep; said: account_id, channel, as_of of the messages that former nights published
    """

    store_path: Path
    versions: Mapping[str, int]
    as_of: int
    params: Params
    model: Approved
    rung: Rung
    unsettled: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"account_id": [], "drawn_on": []}))
    said: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"account_id": [], "channel": [], "as_of": []}))


def job_for(store: Store, as_of: dt.date, params: Params, approved: Approved | None = None) -> Job:
    """Pin the table versions and the model of a night: the one given, else the champion,
    else the age-band baseline taught on what had matured by then.
    """
    night = day_number(as_of)
    approved = champion(store.path) if approved is None else approved
    if approved is None:
        approved = age_band(store.path, lambda: panel(store, params, before=night, features=False), params)
    versions = {name: version for name, version in store.versions().items() if name in READ_WHOLE}
    has_effect = getattr(load_model(approved.folder, approved.sha256), "effect", None) is not None
    rung = standing_rung(store, night, params.label.gap_days, has_effect)
    return Job(store.path, versions, night, params, approved, rung)


def age_band(store_path: Path, panel: Callable[[], Panel], params: Params) -> Approved:
    """What scores without a champion: the age-band table of the matured panel,
    or the documented prior where nothing has matured.

    panel is called once and may raise InputMissing.
    """
    terms = {"default_dpd": params.label.default_dpd, "horizon_days": params.label.horizon_days}
    try:
        whole = panel()
    except InputMissing:
        whole = None
    if whole is None or not whole.labels["recovered"].notna().any():
        return keep(store_path, AgeBandTable.prior(**terms))
    table, rows = AgeBandTable.fit(whole.labels, whole.cohort, money_scale(whole, params), **terms), len(whole.labels)
    del whole
    give_back(rows)
    return keep(store_path, table)


def asked(model: Any, matrix: pd.DataFrame) -> pd.DataFrame:
    """The columns the model was taught on: a feature added to the catalogue since waits for the next model,
    and stops no night.

    Raises ContractError where the catalogue lacks a column the model needs. The age-band table asks for none and takes
    any matrix.
    """
    lacking = sorted(set(model.columns) - set(matrix.columns))
    if lacking:
        raise TaughtOnMore.lacking(lacking)
    known = set(model.columns)
    if not known or known.issuperset(matrix.columns):
        return matrix
    return matrix[[name for name in matrix.columns if name in known]]


def score_shard(job: Job, shard: int) -> tuple[View, pd.DataFrame, np.ndarray | None]:
    """The shard's view, its scores in the rows of the view's cohort, and what the model's encoder made of these: None
    of the age-band table.
    """
    seen = view(Store(job.store_path), shard, [job.as_of], job.params, job.versions)
    model = load_model(job.model.folder, job.model.sha256)
    matrix, cohort = asked(model, seen.matrix), seen.cohort.frame
    if isinstance(model, AgeBandTable):
        scores, theta, numbers = model.predict(matrix, cohort), None, None
    else:
        numbers = model.encoder.encode(matrix, cohort)
        scores, theta = model.predict_encoded(numbers, matrix, cohort)
    added = added_scores(
        scores["p_recovered"].to_numpy(), scores["amount_if_recovered"].to_numpy(), theta, job.rung.guard
    )
    scores = scores.assign(
        **{name: added[name].to_numpy() for name in added},
        theta=np.nan if theta is None else theta,
        own_days_to_pay=_days_to_pay(model, scores, cohort, job.params.label.horizon_days),
        **worth_of_going_on(model, matrix, cohort, job),
    )
    return seen, scores.assign(model_version=job.model.version), numbers


def _days_to_pay(model: AnyModel, scores: pd.DataFrame, cohort: pd.DataFrame, horizon_days: int) -> np.ndarray:
    """The account's own, NaN where the model was not taught when money comes."""
    if isinstance(model, AgeBandTable) or model.timing is None:
        return np.full(len(scores), np.nan)
    return model.timing.days_to_pay(scores["p_recovered"].to_numpy(), cohort, horizon_days)


def worth_of_going_on(model: AnyModel, matrix: pd.DataFrame, cohort: pd.DataFrame, job: Job) -> dict[str, np.ndarray]:
    """models.continuation.WORTH_COLUMNS; none where the params name no treatments, or the model was not taught them."""
    policy = policy_in(job.params, date_of(job.as_of))
    if policy is None or not isinstance(model, RecoveryModel) or model.continuation is None:
        return {}
    columns = matrix[list(model.continuation.columns)]
    found = model.continuation.worth(
        columns, cohort, policy.horizon_days, policy.annual_rate, job.params.worklist.costs
    )
    return {name: found[name].to_numpy() for name in WORTH_COLUMNS}


def write_scores(store_path: Path, as_of: dt.date, out: Path, params: Params) -> str:
    """OUT/scores.parquet, sorted by account_id; money in minor units of the account's currency.
    Raises InputMissing when a feed is late.
    """
    store = Store(store_path)
    for warning in check_feeds(store, as_of, params):
        log.warning(warning)
    job = job_for(store, as_of, params)
    scores = pd.concat(map_shards(partial(_scores_of, job), range(store.shards), params.engine), ignore_index=True)
    place = out / "scores.parquet"
    write_parquet(scores.sort_values("account_id", ignore_index=True), place)
    return f"{len(scores):,} accounts scored by {job.model.version} as of {as_of}: {place}"


def scores_frame(seen: View, scores: pd.DataFrame) -> pd.DataFrame:
    """The published score columns of a shard; amounts rounded half-even to minor units."""
    keys = seen.cohort.frame[["account_id", "as_of"]].reset_index(drop=True)
    keys["as_of"] = [date_of(day) for day in keys["as_of"]]
    amounts = {name: scores[name].round().astype("int64") for name in MONEY_SCORES}
    return pd.concat([keys, scores.reset_index(drop=True).assign(**amounts)], axis=1)[list(PUBLISHED_SCORES)]


def _scores_of(job: Job, shard: int) -> pd.DataFrame:
    seen, scores, _ = score_shard(job, shard)
    return scores_frame(seen, scores)
