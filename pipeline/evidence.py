"""What a run leaves beside the store: the judged model, the test rows it was judged on and what every ranking said of them.

STORE/runs/<run_id>/: judged/ (a model folder), test_matrix.parquet, test_cohort.parquet, test_rankings.parquet, evaluation.json,
report.html, model_card.md. Rows of accounts stay here: none goes to the tracking server.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from features.errors import InputMissing, ModelRefused
from models.evaluate import Evaluation, Judged, Rival
from models.recovery import RecoveryModel, load_model

RUNS, JUDGED, EVALUATION, REPORT, CARD = "runs", "judged", "evaluation.json", "report.html", "model_card.md"
TABLES = ("test_matrix", "test_cohort", "test_rankings")
ORDER, CHANCE, PREDICTED = "order|", "chance|", "predicted|"


@dataclass(frozen=True)
class Evidence:
    """Test rows, aligned by position.

    matrix     features
    cohort     account_no, account_id, debtor_id, as_of, portfolio, product, currency, balance, arrears, days_past_due, placed_on
    rankings   recovered, money and unit (reporting units), seen, the model's scores, and `order|`, `chance|`, `predicted|` per rival
    """

    matrix: pd.DataFrame
    cohort: pd.DataFrame
    rankings: pd.DataFrame

    def judged(self) -> Judged:
        held = self.rankings
        scores = held[["p_recovered", "amount_if_recovered", "expected_recovery", "p_defaulted"]]
        outcome, money, unit = (held[name].to_numpy(dtype=np.float64) for name in ("recovered", "money", "unit"))
        return Judged(self.cohort, scores, outcome, money, unit, held["seen"].to_numpy(dtype=bool))

    def rivals(self) -> dict[str, Rival]:
        """The other orders of the test rows, in the order they were given."""
        found = {}
        for column in self.rankings.columns:
            if column.startswith(ORDER):
                name = column.removeprefix(ORDER)
                parts = (
                    self.rankings[part + name].to_numpy() if part + name in self.rankings else None for part in (ORDER, CHANCE, PREDICTED)
                )
                found[name] = Rival(*parts)
        return found


def evidence_of(matrix: pd.DataFrame, cohort: pd.DataFrame, judged: Judged, rivals: dict[str, Rival]) -> Evidence:
    rankings = judged.scores.reset_index(drop=True).assign(
        recovered=judged.recovered, money=judged.money, unit=judged.unit, seen=judged.seen
    )
    for name, rival in rivals.items():
        for part, values in ((ORDER, rival.order), (CHANCE, rival.chance), (PREDICTED, rival.predicted)):
            if values is not None:
                rankings[part + name] = values
    return Evidence(matrix.reset_index(drop=True), cohort.reset_index(drop=True), rankings)


def run_folder(store_path: Path, run_id: str) -> Path:
    """STORE/runs/<run_id>. InputMissing for an id that is no plain name, or whose evidence is not in this store."""
    folder = store_path / RUNS / run_id
    if Path(run_id).name != run_id or run_id in ("", ".", "..") or not folder.is_dir():
        raise InputMissing(
            f"Run {run_id[:64]!r} left no evidence in the store {str(store_path)!r}. Give a run id that `recoup train` printed here."
        )
    return folder


def save_evidence(folder: Path, evidence: Evidence, evaluation: Evaluation, judged_model, texts: dict[str, str]) -> dict[str, str]:
    """Write everything, readable by the owner only; returns the sha256 that the registry keeps: of the judged folder and of the rest."""
    folder.mkdir(parents=True, mode=0o700)
    judged_sha256 = judged_model.save(folder / JUDGED)
    for name, frame in zip(TABLES, (evidence.matrix, evidence.cohort, evidence.rankings), strict=True):
        frame.to_parquet(folder / f"{name}.parquet", index=False, compression="zstd")
        os.chmod(folder / f"{name}.parquet", 0o600)
    write_texts(folder, {EVALUATION: evaluation_text(evaluation), **texts})
    return {"judged_sha256": judged_sha256, "evidence_sha256": _digest(folder)}


def write_texts(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


def evaluation_text(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.to_dict(), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load_evidence(folder: Path, evidence_sha256: str) -> Evidence:
    """The test rows, once they are those that were recorded; ModelRefused otherwise."""
    if not all((folder / f"{name}.parquet").is_file() for name in TABLES) or _digest(folder) != evidence_sha256:
        raise ModelRefused(f"The test rows in {str(folder)!r} are not those of the run. Train again.")
    return Evidence(*(pd.read_parquet(folder / f"{name}.parquet") for name in TABLES))


def load_evaluation(folder: Path) -> Evaluation:
    return Evaluation.from_dict(json.loads((folder / EVALUATION).read_text(encoding="utf-8")))


def load_judged(folder: Path, sha256: str) -> RecoveryModel:
    return load_model(folder / JUDGED, sha256)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for name in TABLES:
        whole.update((folder / f"{name}.parquet").read_bytes())
    return whole.hexdigest()
