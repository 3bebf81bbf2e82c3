"""Studies around a judged model: earlier cut-offs, other seeds, without our own contacts, listed money, fairness,
importance, drift, the amount's interval, steady reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from models.amount import COVERAGE
from models.baseline import AGE_BAND_TABLE, plain_orders
from models.effect_evidence import AddedMoney, effect_by_fifth, foretold_and_true, log_evidence
from models.evaluate import MODEL, NEWEST, POOLED, Judged, Rival, Truth, evaluate, paired_money
from models.explain import BASE, checked_contributions, kept_reasons, reasons, same_first_reason
from models.fairness import VULNERABLE, audit, groups_of, proxies
from models.ladder import Rung
from models.probability import debtors_with
from models.recovery import RecoveryModel
from models.resampling import debtor_draws, interval, listed_shares, ratios_of_sums
from models.split import rolling_origin
from pipeline.training.run_evidence import RunEvidence
from pipeline.training.trial import Trial

IMPORTANCE_ROWS = 10_000  # of the test rows, evenly spaced
MANY_ROWS = 1_000  # from here on the fast contributions are the faster ones
STABILITY_ROWS = 300
SEEDS = 5
SWARM, SWARM_STEP = 14, 0.01  # columns of the beeswarm; width of its bins, log-odds
ATTEMPTS = "contacts_count_outbound_30d"  # the burden of contact an account has had
LISTED = ("list_rate", "list_ratio", "paying_list_rate", "listed_attempts")  # what an order alone decides of an audit
HARDSHIP = "hardship or vulnerable"
EPISODES = ("status_hardship_episodes", "status_vulnerable_episodes")  # ever recorded before the night
ADDED_CAPACITIES = (0.1, 0.25)  # of each night's queue
STRONGEST = 9  # columns whose action is drawn


def backtest(trial: Trial) -> pd.DataFrame:
    """The same way of fitting at earlier cut-offs: does the result hold, or was the headline's window lucky?"""
    panel, params = trial.panel, trial.params
    labelled = panel.labels["recovered"].notna().to_numpy()
    rows = []
    for split in rolling_origin(panel.cohort, params.split, params.label, labelled):
        labels = panel.labels[["recovered", "recovered_amount"]].assign(defaulted=np.nan)
        labels.loc[~split.fit, ["recovered", "recovered_amount"]] = np.nan
        if debtors_with(labels["recovered"], panel.cohort["debtor_id"]) < params.model.min_events:
            continue
        like = replace(trial.grown, defaulted=None)
        earlier = RecoveryModel.fit(panel.matrix, labels, panel.cohort, trial.teaching, like=like)
        rows.append({**split.dates(), **_headline(trial, split.test, earlier)})
    return pd.DataFrame(rows)


def _headline(trial: Trial, test: np.ndarray, model: RecoveryModel) -> dict[str, float]:
    cohort, matrix, labels = trial.rows(test)
    unit, capacity = trial.unit(cohort), trial.params.gate.capacity
    realised = labels["recovered_amount"].to_numpy(dtype=np.float64) * unit
    outcome, everyone = labels["recovered"].to_numpy(dtype=np.float64), np.ones(len(cohort), dtype=bool)
    judged = Judged(cohort, model.predict(matrix, cohort), outcome, realised, unit, everyone)
    rivals = {NEWEST: Rival(plain_orders(cohort, unit)[NEWEST])}
    found = evaluate(
        judged, rivals, (capacity,), trial.params.evaluate.bootstrap_draws, trial.params.seed, scopes=(POOLED,)
    )
    line: dict[str, float] = {}
    for metric in ("auc", "calibration_slope", "money_ratio"):
        line[metric], line[f"{metric}_low"], line[f"{metric}_high"] = found.figure(metric)
    ours, newest = found.money_row(MODEL, capacity), found.money_row(NEWEST, capacity)
    # pyrefly: ignore[unsupported-operation]
    shares = {name: ours[name] for name in ("share", "share_low", "share_high")}
    # pyrefly: ignore[unsupported-operation]
    return {**line, **shares, "share_newest": newest["share"]}


def without_contacts(trial: Trial, evidence: RunEvidence) -> pd.DataFrame:
    """The model without our own contacts: a gain that sits in past attempts vanishes when the
    list changes who is attempted.
    """
    model, params = trial.grown, trial.params
    ours = [entry.name for entry in trial.catalogue if entry.family == "contacts" and entry.name in model.columns]
    if not ours or len(ours) == len(model.columns):
        return pd.DataFrame()
    # pyrefly: ignore[missing-attribute]
    (bare,) = model.regrown(trial.lesson.without(ours, trial.teaching), trial.teaching)
    judged = evidence.judged()
    without = replace(judged, scores=bare.predict(evidence.matrix.drop(columns=ours), evidence.cohort))
    capacity, draws, seed = params.gate.capacity, params.evaluate.bootstrap_draws, params.seed
    gain = paired_money(evidence.cohort, judged.predicted, without.predicted, judged.money, capacity, draws, seed)
    rows = []
    for name, held, grown in (("with", judged, model), ("without", without, bare)):
        found = evaluate(held, {}, (capacity,), draws, seed, scopes=(POOLED,))
        auc, low, high = found.figure("auc")
        # pyrefly: ignore[unsupported-operation]
        share = found.money_row(MODEL, capacity)["share"]
        rows.append(
            {
                "our contacts": name,
                "columns": len(grown.columns),
                "auc": auc,
                "auc_low": low,
                "auc_high": high,
                "share": share,
            }
        )
    rows[0] |= {"gain": gain["gain"], "gain_low": gain["gain_low"], "gain_high": gain["gain_high"]}
    return pd.DataFrame(rows)


def other_seeds(trial: Trial, evidence: RunEvidence) -> pd.DataFrame:
    """AUC and money at capacity of the judged model and of the same way grown with SEEDS - 1 other seeds:
    is the result the seed's luck?
    """
    teaching, capacity = trial.teaching, trial.params.gate.capacity
    seeds = [
        teaching.seed + step * teaching.settings.get("seeds", 1) for step in range(1, SEEDS)
    ]  # none of them shared
    # pyrefly: ignore[bad-argument-type]
    models = [trial.grown, *trial.grown.regrown(trial.lesson, teaching, seeds)]
    judged = evidence.judged()
    rows = []
    for seed, grown in zip([teaching.seed, *seeds], models, strict=True):
        scores = judged.scores if grown is trial.model else grown.predict(evidence.matrix, evidence.cohort)
        found = evaluate(replace(judged, scores=scores), {}, (capacity,), 0, teaching.seed, scopes=(POOLED,))
        # pyrefly: ignore[unsupported-operation]
        share = found.money_row(MODEL, capacity)["share"]
        rows.append(
            {"seed": seed, "auc": found.figure("auc")[0], "log_loss": found.figure("log_loss")[0], "share": share}
        )
    return pd.DataFrame(rows)


def listed_money(judged: Judged, capacities: Sequence[float], draws: int, seed: int) -> pd.DataFrame:
    """Realised ÷ predicted money among the rows a list of each capacity would hold, with its interval by debtor.

    A list takes the highest scores, and among those are the ones that are high by mistake: a level right over all
    accounts can be wrong where the money is.
    """
    who, weights = debtor_draws(judged.cohort["debtor_id"], draws, seed)
    night = judged.cohort["as_of"].to_numpy()
    rows = []
    for capacity in capacities:
        listed = listed_shares(judged.predicted, night, capacity)
        ratio, low, high = interval(ratios_of_sums(listed * judged.money, listed * judged.predicted, who, weights))
        sums = {
            "rows": float(listed.sum()),
            "predicted": float(listed @ judged.predicted),
            "realised": float(listed @ judged.money),
        }
        rows.append({"capacity": capacity, **sums, "ratio": ratio, "low": low, "high": high})
    return pd.DataFrame(rows)


def fairness(trial: Trial, evidence: RunEvidence, traits: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """`fairness` and `proxies` frames of the audit_* columns on the test rows, and of people of whom hardship or
    vulnerability was ever recorded; `fairness_added`: the same of the order by added value. No frames where there are
    neither.
    """
    model, params, test = trial.model, trial.params, trial.windows.recovery.test
    groups = {name: groups_of(traits[name][test].reset_index(drop=True)) for name in traits.columns}
    proxied = dict(groups)
    if held := [evidence.matrix[name].to_numpy() > 0 for name in EPISODES if name in evidence.matrix]:
        groups[HARDSHIP] = np.where(np.any(held, axis=0), VULNERABLE, "never recorded")
    if not groups:
        return {}
    attempts = evidence.matrix[ATTEMPTS].to_numpy() if ATTEMPTS in evidence.matrix else None
    draws, seed = params.evaluate.bootstrap_draws, params.seed
    told = pd.DataFrame()
    if model.kind != AGE_BAND_TABLE:
        numbers = model.encoder.encode(evidence.matrix, evidence.cohort)
        told = proxies(numbers, model.encoder.names, evidence.cohort, proxied, params.model.model_dump(), draws, seed)
    found = {"fairness": audit(evidence.judged(), groups, attempts, params.gate.capacity, draws, seed), "proxies": told}
    if model.kind != AGE_BAND_TABLE and model.effect is not None:
        judged = evidence.judged()
        by_added = judged.scores.assign(expected_recovery=evidence.added())
        again = audit(replace(judged, scores=by_added), groups, attempts, params.gate.capacity, draws, seed)
        found["fairness_added"] = again[
            again["metric"].isin(LISTED)
        ]  # levels are of chance and amount, whatever the order
    return found


def effect_in_the_log(trial: Trial) -> dict[str, pd.DataFrame]:
    """`effect`: what the contact log says of the effect on debtors that taught none of it, one line a figure;
    `overlap`: whom collectors
    work how often. No frames where the model was taught no effect."""
    if trial.grown.effect is None or trial.panel.landmarks is None or trial.lesson is None:
        return {}
    found = log_evidence(trial.lesson, trial.panel.landmarks, trial.teaching)
    if found is None:
        return {}
    figures = {"slope": found.slope, "plain": found.plain, "robust": found.robust}
    figures |= {name: (getattr(found, name), np.nan, np.nan) for name in ("hidden_zero", "hidden_unsure")}
    lines = [{"figure": name, "value": value, "low": low, "high": high} for name, (value, low, high) in figures.items()]
    return {"effect": pd.DataFrame(lines), "overlap": found.overlap}


def in_the_draws(arms: pd.DataFrame, rung: Rung | None) -> dict[str, pd.DataFrame]:
    """`effect_draws`: what matured draws say of the effect, by fifths of what was foretold. No frame before both arms
    have payers."""
    told = arms[arms["theta"].notna() & arms["recovered"].notna()]
    if rung is None or "slope" not in rung.figures or told.empty:
        return {}
    return {"effect_draws": effect_by_fifth(told.reset_index(drop=True), rung.guard)}


def against_the_truth(evidence: RunEvidence, truth: Truth, draws: int, seed: int) -> dict[str, pd.DataFrame]:
    """On a made-up portfolio. `effect_true`: foretold and true effect by fifths; `added_money`: share of the best
    possible added money that
    each order of the test rows reaches, whatever the law says of them."""
    if truth.added is None or truth.effect is None:
        return {}
    judged, held = evidence.judged(), evidence.rankings
    chance, amount = (held[name].to_numpy(dtype=np.float64) for name in ("p_recovered", "amount_if_recovered"))
    added = evidence.added()
    doubt, balance = amount * chance * (1 - chance), judged.cohort["balance"].to_numpy(dtype=np.float64)
    by = {"added value": added, "total value": chance * amount, "amount x p(1 - p)": doubt, "balance first": balance}
    orders = {name: values * judged.unit for name, values in by.items()}
    places = judged.cohort[["debtor_id", "as_of"]].assign(queue=judged.cohort["portfolio"].astype("str"))
    money = AddedMoney.of(orders, truth.added, places, ADDED_CAPACITIES, draws, seed)
    foretold = np.divide(added, amount, out=np.zeros(len(added)), where=amount > 0)
    return {"effect_true": foretold_and_true(foretold, truth.effect), "added_money": money.shares()}


def importance(trial: Trial, evidence: RunEvidence) -> dict[str, pd.DataFrame]:
    """`importance`: share of the mean absolute exact contribution per column, on evenly spaced test rows; `effects`:
    how the strongest act over their values; `swarm`: how often each of them moves a score by how much,
    and at which values; `pulls`: see _pulls.
    """
    model = trial.grown
    step = -(-len(evidence.matrix) // IMPORTANCE_ROWS)
    rows = evidence.matrix[::step]
    found, base = checked_contributions(model, rows, evidence.cohort[::step], many=len(rows) >= MANY_ROWS)
    listed = listed_shares(
        evidence.judged().predicted, evidence.cohort["as_of"].to_numpy(), trial.params.gate.capacity
    )[::step]
    mean = found.abs().mean()
    families = {entry.name: entry.family for entry in trial.catalogue}
    share = mean / mean.sum() if mean.sum() > 0 else mean
    table = pd.DataFrame(
        {
            "feature": mean.index,
            "family": [families.get(name, "attributes") for name in mean.index],
            "share": share.to_numpy(),
        }
    )
    table = table.sort_values("share", ascending=False, kind="stable", ignore_index=True)
    numeric = [name for name in table["feature"] if rows[name].dtype == np.float64 and rows[name].nunique() > 2][
        :STRONGEST
    ]
    effects = [line for name in numeric for line in _effects(name, rows[name].to_numpy(), found[name].to_numpy())]
    numbers = model.encoder.encode(rows, evidence.cohort[::step])
    places = {name: place for place, name in enumerate(model.encoder.names)}
    swarm = [
        line
        for name in table["feature"][:SWARM]
        for line in _swarm(name, numbers[:, places[name]], found[name].to_numpy())
    ]
    return {
        "importance": table,
        "effects": pd.DataFrame(effects),
        "swarm": pd.DataFrame(swarm),
        "pulls": _pulls(found, base, listed),
    }


def _pulls(found: pd.DataFrame, base: np.ndarray, listed: np.ndarray) -> pd.DataFrame:
    """feature, contribution: the mean over the rows that a list would hold, strongest first, and the base last.
    Together they are the mean raw score of those rows. listed: share of each row that is on the list;
    no table where none is.
    """
    if not listed.sum():
        return pd.DataFrame()
    part = listed / listed.sum()
    means = (found * part[:, None]).sum().sort_values(key=lambda held: -held.abs(), kind="stable")
    table = pd.DataFrame({"feature": means.index, "contribution": means.to_numpy()})
    return pd.concat(
        [table, pd.DataFrame([{"feature": BASE, "contribution": float((base * part).sum())}])], ignore_index=True
    )


def _swarm(name: str, value: np.ndarray, effect: np.ndarray) -> list[dict[str, Any]]:
    """Rows per narrow bin of the contribution, split into low, middle, high third of the column's values, and missing:
    counts alone.
    """
    height = np.full(len(value), np.nan)
    known = ~np.isnan(value)
    height[known] = (rankdata(value[known]) - 0.5) / max(known.sum(), 1)
    bins = np.floor(effect / SWARM_STEP).astype(np.int64)
    part = np.where(known, np.minimum(np.nan_to_num(height) * 3, 2).astype(np.int64), -1)
    held = pd.DataFrame({"bin": bins, "part": part}).value_counts().sort_index()
    return [
        {
            "feature": name,
            "effect": (place + 0.5) * SWARM_STEP,
            "value": None if third < 0 else (third + 0.5) / 3,
            "rows": int(count),
        }
        for (place, third), count in held.items()
    ]


def _effects(name: str, value: np.ndarray, effect: np.ndarray) -> list[dict[str, Any]]:
    """Mean contribution and its middle 80 % per tenth of the value, the missing apart: counts of rows,
    no account's own row.
    """
    known = ~np.isnan(value)
    edges = np.unique(np.quantile(value[known], np.linspace(0, 1, 11)))
    tenth = np.clip(np.searchsorted(edges, value[known], side="right") - 1, 0, max(len(edges) - 2, 0))
    lines = []
    for part in np.unique(tenth):
        inside = tenth == part
        held = effect[known][inside]
        low, high = np.quantile(held, (0.1, 0.9))
        middle = float(np.median(value[known][inside]))
        lines.append(
            {"feature": name, "value": middle, "mean": held.mean(), "low": low, "high": high, "rows": int(inside.sum())}
        )
    if (~known).any():
        held = effect[~known]
        low, high = np.quantile(held, (0.1, 0.9))
        lines.append(
            {
                "feature": name,
                "value": np.nan,
                "mean": held.mean(),
                "low": low,
                "high": high,
                "rows": int((~known).sum()),
            }
        )
    return lines


def drift(trial: Trial, evidence: RunEvidence) -> pd.DataFrame:
    """feature, family, psi of the test rows against the bins of the fit; what moved furthest first,
    the score among them.
    """
    model = trial.grown
    numbers = model.encoder.encode(evidence.matrix, evidence.cohort)
    found = model.reference.psi(numbers, model.encoder.names, evidence.rankings["p_recovered"].to_numpy())
    families = {entry.name: entry.family for entry in trial.catalogue}
    table = pd.DataFrame(
        {"feature": list(found), "family": [families.get(name, "") for name in found], "psi": list(found.values())}
    )
    return table.sort_values("psi", ascending=False, kind="stable", ignore_index=True)


def interval_coverage(model: RecoveryModel, evidence: RunEvidence) -> pd.DataFrame:
    """Share of the realised amounts inside the interval the amount head gives, on recovered test rows."""
    won = (evidence.rankings["recovered"] == 1).to_numpy()
    if not won.any():
        return pd.DataFrame()
    band = model.amount_interval(evidence.matrix[won], evidence.cohort[won])
    unit, money = (evidence.rankings[name][won].to_numpy() for name in ("unit", "money"))
    inside = (band["amount_low"].to_numpy() * unit <= money * (1 + 1e-9)) & (
        money <= band["amount_high"].to_numpy() * unit * (1 + 1e-9)
    )
    return pd.DataFrame([{"recoveries": int(won.sum()), "wanted": COVERAGE, "inside": float(inside.mean())}])


def steady_reasons(trial: Trial, release: RecoveryModel, evidence: RunEvidence) -> dict[str, float]:
    """What the refit on everything leaves of the reasons, word for word: `first` of the first ones, `three` of all."""
    step = max(len(evidence.matrix) // STABILITY_ROWS, 1)
    rows, people = evidence.matrix[::step], evidence.cohort[::step]
    before, after = (reasons(model, rows, people, trial.catalogue) for model in (trial.model, release))
    return {"first": same_first_reason(before, after), "three": kept_reasons(before, after)}
