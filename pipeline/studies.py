"""Studies around a judged model: earlier cut-offs, without our own contacts, importance, drift, the amount's interval, steady reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from models.amount import COVERAGE
from models.baseline import plain_orders
from models.evaluate import MODEL, NEWEST, POOLED, Judged, Rival, evaluate, paired_money
from models.explain import reasons, same_first_reason
from models.money import MoneyScale
from models.recovery import RecoveryModel, Teaching, debtors_with
from models.split import rolling_origin
from pipeline.evidence import Evidence
from pipeline.params import Params
from pipeline.windows import Windows

if TYPE_CHECKING:
    from pipeline.dataset import Panel

IMPORTANCE_ROWS = 600  # exact contributions are 85 times dearer than scores
STABILITY_ROWS = 300
STRONGEST = 9  # columns whose action is drawn


def backtest(panel: Panel, windows: Windows, model: RecoveryModel, teaching: Teaching, params: Params) -> pd.DataFrame:
    """The same way of fitting at earlier cut-offs: does the result hold, or was the headline's window lucky?"""
    labelled = panel.labels["recovered"].notna().to_numpy()
    rows = []
    for split in rolling_origin(panel.cohort, params.split, params.label, labelled):
        labels = panel.labels[["recovered", "recovered_amount"]].assign(defaulted=np.nan)
        labels.loc[~split.fit, ["recovered", "recovered_amount"]] = np.nan
        if debtors_with(labels["recovered"], panel.cohort["debtor_id"]) < params.model.min_events:
            continue
        earlier = RecoveryModel.fit(panel.matrix, labels, panel.cohort, teaching, like=replace(model, defaulted=None))
        rows.append({**split.dates(), **_headline(panel, split.test, earlier, teaching.money, params)})
    return pd.DataFrame(rows)


def _headline(panel: Panel, test: np.ndarray, model: RecoveryModel, money: MoneyScale, params: Params) -> dict[str, float]:
    cohort, matrix, labels = (frame[test].reset_index(drop=True) for frame in (panel.cohort, panel.matrix, panel.labels))
    unit = money.per_minor(cohort["currency"])
    realised = labels["recovered_amount"].to_numpy(dtype=np.float64) * unit
    outcome, everyone = labels["recovered"].to_numpy(dtype=np.float64), np.ones(len(cohort), dtype=bool)
    judged = Judged(cohort, model.predict(matrix, cohort), outcome, realised, unit, everyone)
    capacity = params.gate.capacity
    rivals = {NEWEST: Rival(plain_orders(cohort, unit)[NEWEST])}
    found = evaluate(judged, rivals, (capacity,), params.evaluate.bootstrap_draws, params.seed, scopes=(POOLED,))
    line: dict[str, float] = {}
    for metric in ("auc", "calibration_slope", "money_ratio"):
        line[metric], line[f"{metric}_low"], line[f"{metric}_high"] = found.figure(metric)
    ours, newest = found.money_row(MODEL, capacity), found.money_row(NEWEST, capacity)
    return {
        **line,
        "share": ours["share"],
        "share_low": ours["share_low"],
        "share_high": ours["share_high"],
        "share_newest": newest["share"],
    }


def without_contacts(
    panel: Panel, windows: Windows, model: RecoveryModel, teaching: Teaching, params: Params, catalogue: Sequence[Any], evidence: Evidence
) -> pd.DataFrame:
    """The model without our own contacts: a gain that sits in past attempts vanishes when the list changes who is attempted."""
    ours = [entry.name for entry in catalogue if entry.family == "contacts" and entry.name in panel.matrix.columns]
    if not ours or len(ours) == len(panel.matrix.columns):
        return pd.DataFrame()
    labels = windows.fit_labels(panel.labels).assign(defaulted=np.nan)
    bare = model.regrown(panel.matrix.drop(columns=ours), labels, panel.cohort, teaching)
    judged = evidence.judged()
    scores = bare.predict(evidence.matrix.drop(columns=ours), evidence.cohort)
    without = replace(judged, scores=scores)
    capacity, draws, seed = params.gate.capacity, params.evaluate.bootstrap_draws, params.seed
    found = {}
    for name, held in (("with", judged), ("without", without)):
        found[name] = evaluate(held, {}, (capacity,), draws, seed, scopes=(POOLED,))
    gain = paired_money(evidence.cohort, judged.predicted, without.predicted, judged.money, capacity, draws, seed)
    rows = []
    for name, columns in (("with", len(model.columns)), ("without", len(bare.columns))):
        row = found[name].money_row(MODEL, capacity)
        auc, low, high = found[name].figure("auc")
        rows.append({"our contacts": name, "columns": columns, "auc": auc, "auc_low": low, "auc_high": high, "share": row["share"]})
    rows[0] |= {"gain": gain["gain"], "gain_low": gain["gain_low"], "gain_high": gain["gain_high"]}
    return pd.DataFrame(rows)


def importance(model: RecoveryModel, evidence: Evidence, catalogue: Sequence[Any]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(share of the mean absolute exact contribution per column, on evenly spaced test rows; how the strongest act over their values)."""
    step = max(len(evidence.matrix) // IMPORTANCE_ROWS, 1)
    rows = evidence.matrix[::step]
    found, _ = model.contributions(rows, evidence.cohort[::step])
    mean = found.abs().mean()
    families = {entry.name: entry.family for entry in catalogue}
    share = mean / mean.sum() if mean.sum() > 0 else mean
    table = pd.DataFrame(
        {"feature": mean.index, "family": [families.get(name, "attributes") for name in mean.index], "share": share.to_numpy()}
    )
    table = table.sort_values("share", ascending=False, kind="stable", ignore_index=True)
    numeric = [name for name in table["feature"] if rows[name].dtype == np.float64 and rows[name].nunique() > 1][:STRONGEST]
    effects = [line for name in numeric for line in _effects(name, rows[name].to_numpy(), found[name].to_numpy())]
    return table, pd.DataFrame(effects)


def _effects(name: str, value: np.ndarray, effect: np.ndarray) -> list[dict[str, Any]]:
    """Mean contribution and its middle 80 % per tenth of the value, the missing apart: counts of rows, no account's own row."""
    known = ~np.isnan(value)
    edges = np.unique(np.quantile(value[known], np.linspace(0, 1, 11)))
    tenth = np.clip(np.searchsorted(edges, value[known], side="right") - 1, 0, max(len(edges) - 2, 0))
    lines = []
    for part in np.unique(tenth):
        inside = tenth == part
        held = effect[known][inside]
        low, high = np.quantile(held, (0.1, 0.9))
        middle = float(np.median(value[known][inside]))
        lines.append({"feature": name, "value": middle, "mean": held.mean(), "low": low, "high": high, "rows": int(inside.sum())})
    if (~known).any():
        held = effect[~known]
        low, high = np.quantile(held, (0.1, 0.9))
        lines.append({"feature": name, "value": np.nan, "mean": held.mean(), "low": low, "high": high, "rows": int((~known).sum())})
    return lines


def drift(model: RecoveryModel, evidence: Evidence, catalogue: Sequence[Any]) -> pd.DataFrame:
    numbers = model.encoder.encode(evidence.matrix, evidence.cohort)
    found = model.reference.psi(numbers, model.encoder.names, evidence.rankings["p_recovered"].to_numpy())
    families = {entry.name: entry.family for entry in catalogue}
    table = pd.DataFrame({"feature": list(found), "family": [families.get(name, "") for name in found], "psi": list(found.values())})
    return table.sort_values("psi", ascending=False, kind="stable", ignore_index=True)


def interval_coverage(model: RecoveryModel, evidence: Evidence) -> pd.DataFrame:
    """Share of the realised amounts inside the interval the amount head gives, on recovered test rows."""
    won = (evidence.rankings["recovered"] == 1).to_numpy()
    if not won.any():
        return pd.DataFrame()
    band = model.amount_interval(evidence.matrix[won], evidence.cohort[won])
    unit, money = (evidence.rankings[name][won].to_numpy() for name in ("unit", "money"))
    inside = (band["amount_low"].to_numpy() * unit <= money * (1 + 1e-9)) & (money <= band["amount_high"].to_numpy() * unit * (1 + 1e-9))
    return pd.DataFrame([{"recoveries": int(won.sum()), "wanted": COVERAGE, "inside": float(inside.mean())}])


def steady_reasons(judged: RecoveryModel, release: RecoveryModel, evidence: Evidence, catalogue: Sequence[Any]) -> float:
    """Share of test rows whose first reason reads the same before and after the refit on everything."""
    step = max(len(evidence.matrix) // STABILITY_ROWS, 1)
    rows, people = evidence.matrix[::step], evidence.cohort[::step]
    return same_first_reason(reasons(judged, rows, people, catalogue), reasons(release, rows, people, catalogue))
