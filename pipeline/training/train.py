"""Fit a challenger on matured history, judge it on later nights, refit it on everything, record it. Promotion is a separate act."""

from __future__ import annotations

import importlib.metadata
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.tables import TABLES
from models.baseline import AGE_BANDS, AgeBandTable
from models.boosting import side_by_side
from models.encoding import MONEY
from models.evaluate import MODEL, POOLED, Evaluation, gains_curve, judge_default
from models.folder import digest
from models.lesson import Lesson, Teaching
from models.recovery import AnyModel, RecoveryModel, debtors_with
from models.trade import roll_rates
from models.tuning import tune
from models.verdict import gates, statements, too_small, warnings
from pipeline.panel.dataset import money_scale
from pipeline.params import Params
from pipeline.store.champion import model_folder
from pipeline.training import registry, report
from pipeline.training.books import Books, books_of
from pipeline.training.evidence import (
    CARD,
    EVALUATION,
    REPORT,
    RUNS,
    Evidence,
    assess,
    evaluation_text,
    judge,
    load_evaluation,
    load_evidence,
    run_folder,
    save_evidence,
    truth_of,
)
from pipeline.training.studies import (
    backtest,
    drift,
    fairness,
    importance,
    interval_coverage,
    listed_money,
    other_seeds,
    steady_reasons,
    without_contacts,
)
from pipeline.training.windows import Windows, windows_of

if TYPE_CHECKING:
    from pipeline.panel.dataset import Panel

log = logging.getLogger("recoup")

LIBRARIES = ("lightgbm", "numpy", "pandas", "scipy")


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
    from features.catalogue import CATALOGUE
    from pipeline.panel.dataset import panel
    from pipeline.store.store import Store

    registry.ready(params)
    store = Store(store_path)
    whole = panel(store, params)
    return train(whole, params, CATALOGUE, store_path, tune_trials, books_of(store, whole, money_scale(whole, params)))


def train(
    panel: Panel, params: Params, catalogue: Sequence[Any], store_path: Path, tune_trials: int = 0, books: Books | None = None
) -> Run:
    """Fit, judge, refit, record. Raises InputMissing when history is too short or shows one outcome only, RegistryAway before any work.

    tune_trials: settings tried inside the fit window first; 0 teaches with the params' own.
    """
    registry.ready(params)
    clock = _Clock()
    windows = windows_of(panel, params)
    teaching = teaching_of(panel, params, catalogue)
    tuned = None
    if tune_trials:
        tuned = tune(panel.matrix, windows.fit_labels(panel.labels), panel.cohort, teaching, tune_trials)
        teaching = replace(teaching, settings=tuned.settings)
        clock.mark("tune")
    judged_model, lesson = taught(panel, windows.fit_labels(panel.labels), teaching, params)
    clock.mark("fit")
    standing = registry.standing_champion(store_path)
    evidence = judge(panel, windows, judged_model, teaching, params, standing[0] if standing else None)
    evaluation = assess(evidence, params)
    evaluation = _with_default_head(evaluation, panel, windows, judged_model, params)
    clock.mark("evaluate")
    evaluation = _with_studies(evaluation, panel, windows, judged_model, lesson, teaching, params, catalogue, evidence, books)
    lesson = None  # its numbers are no small part of memory
    evaluation.facts["tuned"] = tuned.facts() if tuned else None
    evaluation.facts["settings"] = dict(teaching.settings)
    clock.mark("studies")
    (release, _), drawn = side_by_side(
        lambda: taught(panel, panel.labels, teaching, params, like=judged_model), lambda: report.pictures(evaluation)
    )
    clock.mark("refit")
    return _kept(panel, params, catalogue, store_path, windows, judged_model, release, evidence, evaluation, drawn, clock)


def fit(panel: Panel, labels: pd.DataFrame, teaching: Teaching, params: Params, like: AnyModel | None = None) -> AnyModel:
    """The model of `taught`."""
    return taught(panel, labels, teaching, params, like)[0]


def taught(
    panel: Panel, labels: pd.DataFrame, teaching: Teaching, params: Params, like: AnyModel | None = None
) -> tuple[AnyModel, Lesson | None]:
    """Three heads and what they were taught on, or the age-band table alone where fewer than model.min_events debtors paid.

    labels: NaN where a row takes no part.
    """
    known = labels["recovered"].notna().to_numpy()
    as_of = panel.cohort["as_of"][known]
    events = debtors_with(labels["recovered"], panel.cohort["debtor_id"])
    facts = {
        "fit_first": int(as_of.min()),
        "fit_last": int(as_of.max()),
        "gap_days": params.label.gap_days,
        "rows": int(known.sum()),
        "debtors": int(panel.cohort["debtor_id"][known].nunique()),
        "debtors_recovered": events,
        "debtors_defaulted": debtors_with(labels["defaulted"], panel.cohort["debtor_id"]),
        "seed": params.seed,
        "label": params.label.model_dump(),
        "params_sha256": params.digest(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    if events < params.model.min_events or (like is not None and like.kind == AGE_BANDS):
        used = known | labels["defaulted"].notna().to_numpy()
        terms = {"default_dpd": params.label.default_dpd, "horizon_days": params.label.horizon_days}
        table = AgeBandTable.fit(labels[used], panel.cohort[used], teaching.money, **terms)
        why = f"{events} debtors with a recovery, model.min_events is {params.model.min_events}"
        return replace(table, facts={**facts, "why": why}), None
    lesson = Lesson.of(panel.matrix, labels, panel.cohort, teaching)
    model = RecoveryModel.taught(lesson, teaching, like)
    return replace(model, facts={**facts, **model.facts}), lesson


def evaluate_again(store_path: Path, run_id: str, params: Params, truth: Path | None = None, out: Path | None = None) -> str:
    """The report of a run again, from its own test rows; with the truth of a made-up portfolio, the best possible too."""
    folder = run_folder(store_path, run_id)
    known = registry.recorded(params, run_id)
    evidence, before = load_evidence(folder, known.evidence_sha256), load_evaluation(folder)
    fresh = assess(evidence, params, truth_of(truth, evidence) if truth else None)
    default_rows = before.quality[before.quality["head"] == "defaulted"]
    again = replace(
        fresh,
        quality=pd.concat([fresh.quality, default_rows], ignore_index=True),
        facts={**before.facts, **fresh.facts},
        frames=before.frames,
    )
    again = _concluded(again, params, before.facts["fit_auc"])
    html = report.render(again, known.version, run_id)
    place = out or folder / REPORT
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(html, encoding="utf-8")
    place.with_suffix(".json").write_text(evaluation_text(again), encoding="utf-8")
    return report.terminal_text(again, known.version, place)


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


def _with_default_head(evaluation: Evaluation, panel: Panel, windows: Windows, model: AnyModel, params: Params) -> Evaluation:
    if windows.default is None:
        return evaluation
    test = windows.default.test
    cohort, matrix = (frame[test].reset_index(drop=True) for frame in (panel.cohort, panel.matrix))
    chance = model.predict(matrix, cohort)["p_defaulted"].to_numpy()
    outcome = panel.labels["defaulted"][test].to_numpy(dtype=np.float64)
    rows = judge_default(cohort, chance, outcome, params.evaluate.bootstrap_draws, params.seed)
    return replace(evaluation, quality=pd.concat([evaluation.quality, rows], ignore_index=True))


def _with_studies(
    evaluation: Evaluation,
    panel: Panel,
    windows: Windows,
    model: AnyModel,
    lesson: Lesson | None,
    teaching: Teaching,
    params: Params,
    catalogue: Sequence[Any],
    evidence: Evidence,
    books: Books | None,
) -> Evaluation:
    """Backtest, seeds, with and without our own contacts, importance, drift, amounts, fairness; then what follows from it all."""
    facts = {**evaluation.facts, **_facts(panel, windows, model, teaching, params, evidence)}
    judged, draws = evidence.judged(), params.evaluate.bootstrap_draws
    unit = teaching.money.per_minor(panel.cohort["currency"])
    studies: dict[str, Callable[[], dict[str, pd.DataFrame]]] = {
        "curve": lambda: {"curve": gains_curve(judged, evidence.rivals())},
        "listed": lambda: {"listed": listed_money(judged, facts["capacities"], draws, params.seed)},
        "rolls": lambda: {"rolls": roll_rates(panel.cohort, panel.labels["recovered_amount"].to_numpy(dtype=np.float64), unit)},
    }
    if books is not None:
        studies["fairness"] = lambda: {"liquidation": books.placements, **fairness(panel, windows, model, params, evidence, books.traits)}
    if model.kind != AGE_BANDS:
        studies |= {
            "backtest": lambda: {"backtest": backtest(panel, windows, model, teaching, params)},
            "ablation": lambda: {"ablation": without_contacts(lesson, model, teaching, params, catalogue, evidence)},
            "seeds": lambda: {"seeds": other_seeds(lesson, model, teaching, params, evidence)},
            "importance": lambda: importance(model, evidence, catalogue),
            "drift": lambda: {"drift": drift(model, evidence, catalogue), "interval": interval_coverage(model, evidence)},
        }
        facts["unseen_classes"] = model.encoder.unseen(evidence.matrix)
    frames = {name: frame for part in side_by_side(*studies.values()) for name, frame in part.items()}
    fit_auc = model.facts.get("out_of_fold_auc")
    return _concluded(replace(evaluation, facts={**facts, "fit_auc": fit_auc}, frames=frames), params, fit_auc)


def _concluded(evaluation: Evaluation, params: Params, fit_auc: float | None) -> Evaluation:
    carried, moved = evaluation.frames.get("importance"), evaluation.frames.get("drift")
    if moved is not None:
        moved = moved[moved["family"] != "calendar"]  # a month always moves
    dates = evaluation.facts["windows"]["recovery"]
    first, last = (int(np.datetime64(dates[name], "D").astype(np.int64)) for name in ("test_first", "test_last"))
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


def _facts(panel: Panel, windows: Windows, model: AnyModel, teaching: Teaching, params: Params, evidence: Evidence) -> dict[str, Any]:
    judged_nights = panel.cohort["as_of"].between(windows.recovery.test_first, windows.recovery.test_last)
    return {
        "label_coverage": float(panel.labels["recovered"][judged_nights.to_numpy()].notna().mean()),
        "windows": windows.facts(),
        "complete_through": str(np.datetime64(panel.complete_through, "D")),
        "reporting_currency": teaching.money.reporting,
        "rates": dict(teaching.money.rates),
        "rates_date": str(params.money.rates_date),
        "label": params.label.model_dump(),
        "gate_capacity": params.gate.capacity,
        "max_money_loss": params.gate.max_money_loss,
        "kind": model.kind,
        "fit": dict(model.facts),
        "test_rows": len(evidence.cohort),
        "test_debtors": int(evidence.cohort["debtor_id"].nunique()),
        "amount_way": None if model.kind == AGE_BANDS else dict(model.amount_choice),
        "calibration": None if model.kind == AGE_BANDS else model.recovered.calibrator.card(),
        "default_head": model.kind != AGE_BANDS and model.defaulted is not None,
        "data_versions": _delivered(panel),
        "seed": params.seed,
    }


def _delivered(panel: Panel) -> dict[str, int]:
    """Versions of the delivered tables alone: what nights write beside them teaches nothing, and must not rename a model."""
    return {name: version for name, version in panel.versions.items() if name in TABLES}


def _kept(
    panel: Panel,
    params: Params,
    catalogue: Sequence[Any],
    store_path: Path,
    windows: Windows,
    judged_model: AnyModel,
    release: AnyModel,
    evidence: Evidence,
    evaluation: Evaluation,
    drawn: Mapping[str, Any],
    clock: _Clock,
) -> Run:
    """Write the model folder and the evidence beside the store, then tell the registry."""
    if isinstance(release, RecoveryModel):
        evaluation.facts["reasons_after_refit"] = steady_reasons(judged_model, release, evidence, catalogue)
    facts = {
        "windows": windows.facts(),
        "judged_sha256": digest(judged_model.files()),
        "data_versions": _delivered(panel),
        "catalogue_sha256": getattr(catalogue, "digest", None) and catalogue.digest(),
        "test": {
            name: evaluation.figure(name)[0]
            for name in ("auc", "money_ratio", "calibration_slope")
            if np.isfinite(evaluation.figure(name)[0])
        },
    }
    release = replace(release, facts={**release.facts, **facts})
    sha256 = release.save(model_folder(store_path, release.version))
    with registry.run(params) as run_id:
        folder = store_path / RUNS / run_id
        html = report.render(evaluation, release.version, run_id, drawn)
        card, told = report.model_card(evaluation, release.version, run_id), evaluation_text(evaluation)
        sums = save_evidence(folder, evidence, judged_model, {EVALUATION: told, REPORT: html, CARD: card})
        tags = {"model_version": release.version, "sha256": sha256, **sums}
        files = {
            REPORT: html.encode(),
            CARD: card.encode(),
            EVALUATION: told.encode(),
            "card.json": release.files()["card.json"],
        }
        curve = evaluation.frames["curve"]
        steps = curve[curve["ranking"] == MODEL][["capacity", "share"]].itertuples(index=False)
        curves = {"curve.share_of_money_by_percent_worked": {round(capacity * 100): share for capacity, share in steps}}
        registry.record(params, run_id, release, _figures(evaluation, params), _plain_params(params, evaluation), tags, files, curves)
    clock.mark("record")
    return Run(run_id, release.version, evaluation, clock.seconds, folder / REPORT)


def _figures(evaluation: Evaluation, params: Params) -> dict[str, float]:
    """The metrics of the registry: pooled quality, money at each capacity, and its gain over each order."""
    found = {}
    for head in ("recovered", "defaulted"):
        table = evaluation.quality
        rows = table[(table["scope"] == POOLED) & (table["head"] == head) & (table["ranking"] == MODEL)] if len(table) else table
        found.update({f"{head}.{row.metric}": row.value for row in rows.itertuples()})
    money = evaluation.money[evaluation.money["scope"] == POOLED]
    for row in money.itertuples():
        name = "".join(letter if letter.isalnum() else "_" for letter in row.ranking)
        found[f"share_of_money.{name}.at_{row.capacity:g}"] = row.share
    found["gates_passed"] = float(all(gate["passed"] for gate in evaluation.gates))
    return found


def _plain_params(params: Params, evaluation: Evaluation) -> dict[str, Any]:
    plain = {
        f"{section}.{key}": value
        for section in ("label", "split", "model", "gate")
        for key, value in getattr(params, section).model_dump().items()
    }
    plain |= {f"model.{key}": value for key, value in evaluation.facts["settings"].items()}  # as taught, tuned or not
    dates = evaluation.facts["windows"]["recovery"]
    versions = {f"data.{table}": version for table, version in evaluation.facts["data_versions"].items()}
    return {**plain, **{f"window.{key}": value for key, value in dates.items()}, **versions, "seed": params.seed}


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
