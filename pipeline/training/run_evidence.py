"""What a run leaves beside the store: the judged model, the test rows it was judged on and
what every ranking said of them.

STORE/runs/<run_id>/: judged/ (a model folder), test_matrix.parquet, test_cohort.parquet, test_rankings.parquet,
evaluation.json, report.html, model_card.md. Rows of accounts stay here: none goes to the tracking server.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.days import day_texts
from models.baseline import AGE_BAND_TABLE, AgeBandTable, Scorecard, plain_orders
from models.effect import UNPROVEN_GUARD, added_scores
from models.evaluate import CHAMPION, SCORECARD, Evaluation, Judged, Rival, Truth, evaluate
from models.recovery import SCORE_COLUMNS, AnyModel
from pipeline.params import Params
from pipeline.store.files import only_owner_reads, whole_folder, write_model
from pipeline.store.forgotten import forgotten
from pipeline.training.refusals import NotPromoted, RunMissing
from pipeline.training.trial import Trial

RUNS, JUDGED_FOLDER, EVALUATION, REPORT, CARD = "runs", "judged", "evaluation.json", "report.html", "model_card.md"
TABLES = ("test_matrix", "test_cohort", "test_rankings")
BOTH, SIDES = ("expected_amount", "p_recovered"), ("contacted", "left")  # of the truth
ORDER, CHANCE, PREDICTED = "order|", "chance|", "predicted|"


@dataclass(frozen=True)
class RunEvidence:
    """The test rows of a run and what every ranking said of them, aligned by position.

    matrix     features
    cohort     account_no, account_id, debtor_id, as_of, portfolio, product, currency, balance, arrears, days_past_due,
               placed_on
    rankings   recovered, money and unit (reporting units), seen, theta (NaN where no effect was taught), the model's
               scores, and `order|`, `chance|`, `predicted|` per rival
    """

    matrix: pd.DataFrame
    cohort: pd.DataFrame
    rankings: pd.DataFrame

    def judged(self) -> Judged:
        held = self.rankings
        scores = held[list(SCORE_COLUMNS)]
        outcome, money, unit = (held[name].to_numpy(dtype=np.float64) for name in ("recovered", "money", "unit"))
        return Judged(self.cohort, scores, outcome, money, unit, held["seen"].to_numpy(dtype=bool))

    def added(self) -> np.ndarray:
        """What working adds, minor units, as the judged model foretold it before any draw: the order of a list by
        added value."""
        chance, amount, theta = (
            self.rankings[name].to_numpy(dtype=np.float64) for name in ("p_recovered", "amount_if_recovered", "theta")
        )
        known = None if np.isnan(theta).any() else theta
        return added_scores(chance, amount, known, UNPROVEN_GUARD)["added_recovery"].to_numpy()

    def rivals(self) -> dict[str, Rival]:
        """The other orders of the test rows, in the order they were given."""
        found = {}
        for column in self.rankings.columns:
            if column.startswith(ORDER):
                name = column.removeprefix(ORDER)
                parts = (
                    self.rankings[part + name].to_numpy() if part + name in self.rankings else None
                    for part in (ORDER, CHANCE, PREDICTED)
                )
                # pyrefly: ignore[bad-argument-type]
                found[name] = Rival(*parts)
        return found


def rank_test_rows(trial: Trial, standing: AnyModel | None) -> RunEvidence:
    """The test rows with the scores of the model and of every other order of them. standing:
    the champion as it was judged.
    """
    split = trial.windows.recovery
    cohort, matrix, labels = trial.rows(split.test)
    unit = trial.unit(cohort)
    seen = ~split.unseen(trial.panel.cohort["debtor_id"])[split.test]
    money = labels["recovered_amount"].to_numpy(dtype=np.float64) * unit
    outcome = labels["recovered"].to_numpy(dtype=np.float64)
    judged = Judged(cohort, trial.model.predict(matrix, cohort), outcome, money, unit, seen)
    rivals = {name: Rival(order) for name, order in plain_orders(cohort, unit).items()}
    rivals.update(_taught_rivals(trial, cohort, matrix))
    if standing is not None and comparable(standing, cohort).all() and set(standing.columns) <= set(matrix.columns):
        rivals[CHAMPION] = _rival(standing.predict(matrix[list(standing.columns)], cohort), unit)
    theta = None if trial.model.kind == AGE_BAND_TABLE else trial.grown.theta(matrix, cohort)
    return _evidence_of(matrix, judged, rivals, theta)


def assess(evidence: RunEvidence, params: Params, truth: Truth | None = None) -> Evaluation:
    """Quality and money of the evidence under the params' capacities and draws. truth: of a made-up portfolio."""
    capacities = sorted({*params.evaluate.capacities, params.gate.capacity})
    return evaluate(
        evidence.judged(), evidence.rivals(), capacities, params.evaluate.bootstrap_draws, params.seed, truth
    )


def truth_of(truth: Path, evidence: RunEvidence) -> Truth:
    """What the expectations of truth/ know of the test rows; InputMissing where rows have none."""
    files = sorted(truth.glob("expectations*.parquet"))
    if not files:
        raise RunMissing.no_truth(truth)
    columns = [
        "account_id",
        "as_of",
        "expected_amount",
        "p_recovered",
        *(f"{name}_if_{side}" for name in BOTH for side in SIDES),
    ]
    known = pd.concat([pd.read_parquet(file, columns=columns) for file in files], ignore_index=True)
    keys = evidence.cohort[["account_id"]].assign(as_of=day_texts(evidence.cohort["as_of"]))
    known = known.assign(as_of=pd.to_datetime(known["as_of"]).dt.strftime("%Y-%m-%d"))
    joined = keys.merge(known, on=["account_id", "as_of"], how="left", validate="many_to_one")
    lacking = int(joined["expected_amount"].isna().sum())
    if lacking:
        raise RunMissing.rows_without_truth(lacking, truth)
    money, chance = (joined[name].to_numpy(dtype=np.float64) for name in ("expected_amount", "p_recovered"))
    unit = evidence.rankings["unit"].to_numpy()
    added, effect = (joined[f"{name}_if_contacted"].to_numpy() - joined[f"{name}_if_left"].to_numpy() for name in BOTH)
    return Truth(money * unit, chance, added * unit, effect)


def _taught_rivals(trial: Trial, cohort: pd.DataFrame, matrix: pd.DataFrame) -> dict[str, Rival]:
    """The age-band table and the scorecard, taught on the same fit window."""
    model, label = trial.model, trial.params.label
    if model.kind == AGE_BAND_TABLE:
        return {}
    rows, unit = trial.windows.recovery.fit, trial.unit(cohort)
    labels, held = trial.windows.fit_labels(trial.panel.labels)[rows], trial.panel.cohort[rows]
    table = AgeBandTable.fit(
        labels, held, trial.teaching.money, default_dpd=label.default_dpd, horizon_days=label.horizon_days
    )
    names = model.encoder.names
    numbers = model.encoder.encode(trial.panel.matrix[rows], held)
    card = Scorecard.fit(numbers, names, labels["recovered"].to_numpy(dtype=np.float64), np.ones(int(rows.sum())))
    chance = card.probability(model.encoder.encode(matrix, cohort), names)
    money = chance * cohort["balance"].to_numpy(dtype=np.float64) * unit
    return {"age-band rate x balance": _rival(table.predict(matrix, cohort), unit), SCORECARD: Rival(money, chance)}


def _rival(scores: pd.DataFrame, unit: np.ndarray) -> Rival:
    money = scores["expected_recovery"].to_numpy() * unit
    return Rival(money, scores["p_recovered"].to_numpy(), money)


def comparable(model: AnyModel, cohort: pd.DataFrame) -> np.ndarray:
    """Rows of nights on which every label the model was taught on was known:
    there it is judged as it would have scored.
    """
    return (cohort["as_of"] >= int(model.facts["fit_last"]) + int(model.facts["gap_days"])).to_numpy()


def _evidence_of(
    matrix: pd.DataFrame, judged: Judged, rivals: dict[str, Rival], theta: np.ndarray | None
) -> RunEvidence:
    outcome = {"recovered": judged.recovered, "money": judged.money, "unit": judged.unit, "seen": judged.seen}
    rankings = judged.scores.reset_index(drop=True).assign(**outcome, theta=np.nan if theta is None else theta)
    for name, rival in rivals.items():
        for part, values in ((ORDER, rival.order), (CHANCE, rival.chance), (PREDICTED, rival.predicted)):
            if values is not None:
                rankings[part + name] = values
    return RunEvidence(matrix.reset_index(drop=True), judged.cohort.reset_index(drop=True), rankings)


def run_folder(store_path: Path, run_id: str) -> Path:
    """STORE/runs/<run_id>. InputMissing for an id that is no plain name, or whose evidence is not in this store."""
    folder = store_path / RUNS / run_id
    if Path(run_id).name != run_id or run_id in ("", ".", "..") or not folder.is_dir():
        raise RunMissing.without_evidence(run_id, store_path)
    return folder


def save_evidence(folder: Path, evidence: RunEvidence, judged_model: AnyModel, texts: dict[str, str]) -> dict[str, str]:
    """Write everything, readable by the owner only; returns the sha256 that the registry keeps:
    of the judged folder and of the rest.
    """
    with only_owner_reads(), whole_folder(folder) as draft:
        judged_sha256 = write_model(draft / JUDGED_FOLDER, judged_model.files())
        for name, frame in zip(TABLES, (evidence.matrix, evidence.cohort, evidence.rankings), strict=True):
            frame.to_parquet(draft / f"{name}.parquet", index=False, compression="zstd")
        for name, text in texts.items():
            (draft / name).write_text(text, encoding="utf-8")
    return {"judged_sha256": judged_sha256, "evidence_sha256": _digest(folder)}


def evaluation_text(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load_evidence(folder: Path, evidence_sha256: str) -> RunEvidence:
    """The test rows, once they are those that were recorded, but for people who were forgotten since;
    ModelRefused otherwise.
    """
    there = all((folder / f"{name}.parquet").is_file() for name in TABLES)
    if not there or _digest(folder) not in forgotten(folder.parents[1]).became(evidence_sha256):
        raise NotPromoted.other_rows(folder)
    return RunEvidence(*(pd.read_parquet(folder / f"{name}.parquet") for name in TABLES))


def without_rows(folder: Path, goes: np.ndarray, announce: Callable[[str, str], None]) -> None:
    """Take test rows out of a run's evidence, whole or not at all. goes: which rows of test_cohort.
    announce: told what the rows hash to before and after, first.
    """
    was = _digest(folder)
    with only_owner_reads(), whole_folder(folder) as draft:
        shutil.copytree(folder, draft, dirs_exist_ok=True)
        for name in TABLES:
            frame = pd.read_parquet(draft / f"{name}.parquet")
            frame[~goes].reset_index(drop=True).to_parquet(draft / f"{name}.parquet", index=False, compression="zstd")
        announce(was, _digest(draft))


def load_evaluation(folder: Path) -> Evaluation:
    return Evaluation.from_dict(json.loads((folder / EVALUATION).read_text(encoding="utf-8")))


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for name in TABLES:
        whole.update((folder / f"{name}.parquet").read_bytes())
    return whole.hexdigest()
