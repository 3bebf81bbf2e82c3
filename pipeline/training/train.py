"""Fit a challenger on matured history, judge it on later nights, refit it on everything, record it.
Promotion is a separate act.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.catalogue import CATALOGUE, with_treatments
from features.days import day_of_text, day_text
from features.tables import DELIVERED, NEVER
from models.baseline import AGE_BAND_TABLE
from models.boosting import side_by_side
from models.evaluate import Evaluation, gains_curve, judge_default
from models.folder import digest
from models.ladder import Rung
from models.recovery import AnyModel, RecoveryModel
from models.trade import roll_rates
from models.tuning import tune
from models.verdict import gates, statements, too_small, warnings
from pipeline.panel.draws import arms, kept_rungs
from pipeline.panel.panel import Panel, check_panel, money_scale
from pipeline.panel.panel import panel as panel_of
from pipeline.params import Params
from pipeline.store.address import called
from pipeline.store.champion import model_folder
from pipeline.store.files import write_model, write_whole
from pipeline.store.origin import code_sha256, commit, versions_of
from pipeline.store.store import Store
from pipeline.training import registry, report
from pipeline.training.books import Books, books_of
from pipeline.training.fit import refitted, teaching_of, tried
from pipeline.training.landmarks import landmarks_of
from pipeline.training.run_evidence import (
    CARD,
    EVALUATION,
    REPORT,
    RUNS,
    RunEvidence,
    assess,
    evaluation_text,
    load_evaluation,
    load_evidence,
    rank_test_rows,
    run_folder,
    save_evidence,
    truth_of,
)
from pipeline.training.studies import (
    against_the_truth,
    backtest,
    drift,
    effect_in_the_log,
    fairness,
    importance,
    in_the_draws,
    interval_coverage,
    listed_money,
    other_seeds,
    steady_reasons,
    without_contacts,
)
from pipeline.training.treatment import TreatmentTaught, horizons_of, treatment_taught
from pipeline.training.trial import Trial, check_thresholds, windows_of
from pipeline.training.watch import WatchTrial, watch_trial
from pipeline.training.worklists import as_worked, workable_rows

log = logging.getLogger("recoup")
LIBRARIES = (
    *("lightgbm", "numpy", "numba", "pandas", "pyarrow", "deltalake", "duckdb", "scikit-learn", "scipy", "shap"),
    *("optuna", "mlflow"),
)


@dataclass(frozen=True)
class Run:
    """What a training left behind."""

    run_id: str
    version: str
    evaluation: Evaluation
    seconds: Mapping[str, float]
    report: Path

    def text(self) -> str:
        """For the terminal: the dates, money at capacity against the other orders, what was found."""
        return report.terminal_text(self.evaluation, self.version, self.report)


def train_from_store(store_path: Path, params: Params, tune_trials: int = 0) -> Run:
    """`train` on the panel of a store, with its protected groups and placements for the report."""
    registry.ready(params)
    store = Store(store_path)
    treats = params.treatments is not None
    whole = panel_of(store, params, further=horizons_of(params) if treats else (), weekly=True)
    whole = replace(whole, landmarks=landmarks_of(store, whole, params))
    test = windows_of(whole, params).recovery.test
    books = replace(
        books_of(store, whole, money_scale(whole, params), params.engine),
        workable=workable_rows(store, whole, test, params),
    )
    proof, watch = proof_of(store, params), watch_trial(store, params)
    catalogue = with_treatments(CATALOGUE, whole.versions)
    taught = treatment_taught(store, whole, params, teaching_of(whole, params, catalogue)) if treats else None
    origin = origin_of(store, whole)
    return train(whole, params, catalogue, store_path, tune_trials, books, proof, watch, taught, origin)


def origin_of(store: Store, panel: Panel) -> dict[str, Any]:
    """What a report says it was made from: the newest delivery and its files, the code, the libraries."""
    newest = store.newest(panel.versions)
    return {
        "delivery": newest.ingest_id,
        "files": dict(newest.files),
        "code": {"sha256": code_sha256(), "commit": commit()},
        "libraries": versions_of(LIBRARIES),
    }


@dataclass(frozen=True)
class Proof:
    """What the draws of all nights say of the effect: models.ladder's arms, and the rung of the newest night; None
    before any."""

    arms: pd.DataFrame
    rung: Rung | None


def proof_of(store: Store, params: Params) -> Proof:
    kept = kept_rungs(store, NEVER)
    return Proof(arms(store, NEVER, params.label.gap_days), kept[-1] if kept else None)


def train(
    panel: Panel,
    params: Params,
    catalogue: Sequence[Any],
    store_path: Path,
    tune_trials: int = 0,
    books: Books | None = None,
    proof: Proof | None = None,
    watch: WatchTrial | None = None,
    treatment: TreatmentTaught | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Run:
    """Fit, judge, refit, record.

    Raises, before any work, RegistryAway, ContractError (a panel that breaks its form, see check_panel) and UsageError
    (thresholds of the label that drop too much of the money); InputMissing when history is too short or shows one
    outcome only.
    tune_trials: settings tried inside the fit window first; 0 teaches with the params' own.
    """
    registry.ready(params)
    check_panel(panel)
    check_thresholds(panel, params.label)
    if panel.sampled is not None:
        log.info("train: %s", panel.sampled.sentence())
    clock = _Clock()
    windows, teaching, tuned = windows_of(panel, params), teaching_of(panel, params, catalogue), None
    if tune_trials:
        tuned = tune(panel.matrix, windows.fit_labels(panel.labels), panel.cohort, teaching, tune_trials)
        teaching = replace(teaching, settings=tuned.settings)
        clock.mark("tune")
    trial = tried(panel, windows, teaching, params, catalogue)
    clock.mark("fit")
    evidence = rank_test_rows(trial, registry.standing_champion(store_path))
    evaluation = _with_default_head(assess(evidence, params), trial)
    clock.mark("evaluate")
    evaluation = _with_studies(evaluation, trial, evidence, books)
    if proof is not None:
        frames = {**evaluation.frames, **in_the_draws(proof.arms, proof.rung)}
        evaluation = _with_facts(replace(evaluation, frames=frames), rung=proof.rung.card() if proof.rung else None)
    evaluation = _with_facts(evaluation, tuned=tuned.facts() if tuned else None, settings=dict(teaching.settings))
    if origin is not None:
        evaluation = _with_facts(evaluation, origin=dict(origin))
    if watch is not None:
        frames = {**evaluation.frames, **watch.frames}
        evaluation = _with_facts(replace(evaluation, frames=frames), watch=dict(watch.facts))
    if treatment is not None:
        evaluation = replace(evaluation, frames={**evaluation.frames, **treatment.trial.frames})
        evaluation = _with_facts(evaluation, continuation=dict(treatment.trial.facts), beliefs=treatment.told())
    if panel.sampled is not None:
        evaluation = replace(evaluation, frames={**evaluation.frames, "sampled": panel.sampled.lost})
        evaluation = _with_facts(evaluation, sampled=panel.sampled.facts(), sample_said=panel.sampled.sentence())
    trial = replace(trial, lesson=None)
    clock.mark("studies")
    release, drawn = side_by_side(lambda: refitted(trial), lambda: report.pictures(evaluation))
    clock.mark("refit")
    if isinstance(release, RecoveryModel):
        evaluation = _with_facts(evaluation, reasons_after_refit=steady_reasons(trial, release, evidence))
        release = replace(release, watch=watch.release if watch else None)
        if treatment is not None:
            release = replace(release, continuation=treatment.trial.release, experience=treatment.experience)
    release = replace(release, facts={**release.facts, **_release_facts(trial, evaluation)})
    run_id = _recorded(trial, release, evidence, evaluation, drawn, store_path)
    clock.mark("record")
    return Run(run_id, release.version, evaluation, clock.seconds, store_path / RUNS / run_id / REPORT)


def evaluate_again(
    store_path: Path, run_id: str, params: Params, truth: Path | None = None, out: Path | None = None
) -> str:
    """The report of a run again, from its own test rows; with the truth of a made-up portfolio,
    the best possible too.
    """
    folder = run_folder(store_path, run_id)
    known = registry.recorded(params, run_id)
    evidence, before = load_evidence(folder, known.evidence_sha256), load_evaluation(folder)
    known_truth = truth_of(truth, evidence) if truth else None
    fresh = assess(evidence, params, known_truth)
    shown = (
        against_the_truth(evidence, known_truth, params.evaluate.bootstrap_draws, params.seed) if known_truth else {}
    )
    default_rows = before.quality[before.quality["head"] == "defaulted"]
    again = replace(
        fresh,
        quality=pd.concat([fresh.quality, default_rows], ignore_index=True),
        facts={**before.facts, **fresh.facts},
        frames={**before.frames, **shown},
    )
    again = _concluded(again, params, before.facts["fit_auc"])
    html = report.render(again, known.version, run_id)
    place = out or folder / REPORT
    write_whole(place, html)
    write_whole(place.with_suffix(".json"), evaluation_text(again))
    return report.terminal_text(again, known.version, place)


def _with_default_head(evaluation: Evaluation, trial: Trial) -> Evaluation:
    if trial.windows.default is None:
        return evaluation
    cohort, matrix, labels = trial.rows(trial.windows.default.test)
    chance = trial.model.predict(matrix, cohort)["p_defaulted"].to_numpy()
    outcome = labels["defaulted"].to_numpy(dtype=np.float64)
    rows = judge_default(cohort, chance, outcome, trial.params.evaluate.bootstrap_draws, trial.params.seed)
    return replace(evaluation, quality=pd.concat([evaluation.quality, rows], ignore_index=True))


def _with_facts(evaluation: Evaluation, **facts: Any) -> Evaluation:
    return replace(evaluation, facts={**evaluation.facts, **facts})


def _with_studies(evaluation: Evaluation, trial: Trial, evidence: RunEvidence, books: Books | None) -> Evaluation:
    """Backtest, seeds, with and without our own contacts, importance, drift, amounts, fairness;
    then what follows from it all.
    """
    found = side_by_side(*_studies(trial, evidence, books, evaluation.facts["capacities"]))
    frames = {name: frame for part in found for name, frame in part.items()}
    fit_auc = trial.model.facts.get("out_of_fold_auc")
    evaluation = _with_facts(replace(evaluation, frames=frames), **_trial_facts(trial, evidence), fit_auc=fit_auc)
    return _concluded(evaluation, trial.params, fit_auc)


def _studies(
    trial: Trial, evidence: RunEvidence, books: Books | None, capacities: Sequence[float]
) -> list[Callable[[], dict[str, pd.DataFrame]]]:
    """Calls that give frames of the evaluation by name; none depends on another."""
    panel, judged, params = trial.panel, evidence.judged(), trial.params
    studies: list[Callable[[], dict[str, pd.DataFrame]]] = [
        lambda: {"curve": gains_curve(judged, evidence.rivals())},
        lambda: {"listed": listed_money(judged, capacities, params.evaluate.bootstrap_draws, params.seed)},
        lambda: {
            "rolls": roll_rates(
                panel.cohort, panel.labels["recovered_amount"].to_numpy(dtype=np.float64), trial.unit(panel.cohort)
            )
        },
    ]
    if books is not None:
        if books.workable is not None:
            workable = books.workable[trial.windows.recovery.test]
            drawn = 1.0 if trial.panel.sampled is None else trial.panel.sampled.share
            studies.append(lambda: {"worked_list": as_worked(evidence, workable, params, drawn)})
        studies.append(lambda: {"liquidation": books.placements, **fairness(trial, evidence, books.traits)})
    if trial.model.kind != AGE_BAND_TABLE:
        studies += [
            lambda: {"backtest": backtest(trial)},
            lambda: effect_in_the_log(trial),
            lambda: {"ablation": without_contacts(trial, evidence)},
            lambda: {"seeds": other_seeds(trial, evidence)},
            lambda: importance(trial, evidence),
            lambda: {"drift": drift(trial, evidence), "interval": interval_coverage(trial.model, evidence)},
        ]
    return studies


def _concluded(evaluation: Evaluation, params: Params, fit_auc: float | None) -> Evaluation:
    carried, moved = evaluation.frames.get("importance"), evaluation.frames.get("drift")
    if moved is not None:
        moved = moved[moved["family"] != "calendar"]  # a month always moves
    dates = evaluation.facts["windows"]["recovery"]
    first, last = (day_of_text(dates[name]) for name in ("test_first", "test_last"))
    found = warnings(
        evaluation,
        test_first=first,
        test_last=last,
        importance=pd.Series(dtype=float) if carried is None else carried.set_index("feature")["share"],
        drift={} if moved is None else dict(zip(moved["feature"], moved["psi"], strict=True)),
        fit_auc=fit_auc,
        capacity=params.gate.capacity,
    )
    said = statements(evaluation, params.gate.capacity)
    facts = {**evaluation.facts, "too_small_for_gates": too_small(evaluation, params.gate)}
    return replace(evaluation, facts=facts, statements=said, warnings=found, gates=gates(evaluation, params.gate))


def _trial_facts(trial: Trial, evidence: RunEvidence) -> dict[str, Any]:
    """Dates, counts and definitions of the report."""
    panel, model, params, money = trial.panel, trial.model, trial.params, trial.teaching.money
    window = trial.windows.recovery
    judged_nights = panel.cohort["as_of"].between(window.test_first, window.test_last)
    grown = None if model.kind == AGE_BAND_TABLE else trial.grown
    facts = {
        "label_coverage": float(panel.labels["recovered"][judged_nights.to_numpy()].notna().mean()),
        "windows": trial.windows.facts(),
        "complete_through": day_text(panel.complete_through),
        "reporting_currency": money.reporting,
        "rates": dict(money.rates),
        "rates_date": str(params.money.rates_date),
        "label": params.label.model_dump(),
        "gate_capacity": params.gate.capacity,
        "max_money_loss": params.gate.max_money_loss,
        "kind": model.kind,
        "fit": dict(model.facts),
        "test_rows": len(evidence.cohort),
        "test_debtors": int(evidence.cohort["debtor_id"].nunique()),
        "amount_way": None if grown is None else dict(grown.amount_choice),
        "calibration": None if grown is None else grown.recovered.calibrator.card(),
        "default_head": grown is not None and grown.defaulted is not None,
        "effect": None if grown is None or grown.effect is None else dict(grown.effect.facts),
        "data_versions": _delivered(panel),
        "seed": params.seed,
    }
    return facts if grown is None else facts | {"unseen_classes": grown.encoder.unseen(evidence.matrix)}


def _release_facts(trial: Trial, evaluation: Evaluation) -> dict[str, Any]:
    """What the released model's card says of the judged one."""
    digest_of, drawn = getattr(trial.catalogue, "digest", None), trial.panel.sampled
    figures = {name: evaluation.figure(name)[0] for name in ("auc", "money_ratio", "calibration_slope")}
    return {
        "windows": trial.windows.facts(),
        "judged_sha256": digest(trial.model.files()),
        "data_versions": _delivered(trial.panel),
        "catalogue_sha256": digest_of and digest_of(),
        **({} if drawn is None else {"sampled": drawn.facts()}),  # a model of everybody keeps its bytes
        "test": {name: value for name, value in figures.items() if np.isfinite(value)},
    }


def _delivered(panel: Panel) -> dict[str, int]:
    """Versions of the delivered tables alone: what nights write beside them teaches nothing,
    and must not rename a model.
    """
    return {name: version for name, version in panel.versions.items() if name in DELIVERED}


def _recorded(
    trial: Trial,
    release: AnyModel,
    evidence: RunEvidence,
    evaluation: Evaluation,
    drawn: Mapping[str, Any],
    store_path: Path,
) -> str:
    """Write the model folder and the evidence beside the store, then tell the registry; returns the run id."""
    sha256 = write_model(model_folder(store_path, release.version), release.files())
    with registry.run(trial.params) as run_id:
        texts = {
            REPORT: report.render(evaluation, release.version, run_id, drawn),
            CARD: report.model_card(evaluation, release.version, run_id),
            EVALUATION: evaluation_text(evaluation),
        }
        sums = save_evidence(store_path / RUNS / run_id, evidence, trial.model, texts)
        files = {**texts, "card.json": release.files()["card.json"].decode()}
        registry.record(
            trial.params,
            run_id,
            release,
            evaluation,
            {"sha256": sha256, **sums, "store": called(store_path)},
            files,
        )
    return run_id


class _Clock:
    """Seconds per step, for the reader; no result depends on it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def mark(self, step: str) -> None:
        now = time.perf_counter()
        self.seconds[step] = round(now - self._since, 2)
        log.info("train: %s took %.1f s", step, now - self._since)
        self._since = now
