"""Params under which a test can teach and rank in seconds: the house's own, with small models,
few draws and wide gates.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from pipeline.params import Params, load

DECISION = {"who": "ann", "why": "better", "when": "2026-01-01T00:00:00+00:00"}  # an approval

HOUSE = Path(__file__).parents[2]
SMALL = {
    "num_leaves": 6,
    "learning_rate": 0.2,
    "n_estimators": 40,
    "min_child_samples": 30,
    "feature_fraction": 0.3,
    "min_events": 50,
}


def written_params(place: Path, folder: Path, **changes: object) -> Path:
    """At `place`, for a portfolio whose source, store, lists and tracking lie in `folder`; `changes` by section."""
    params = yaml.safe_load((HOUSE / "params.yaml").read_text())
    params["paths"] = {
        "source": str(folder / "source"), "store": str(folder / "store"), "out": str(folder / "out"),
        "tracking_uri": f"sqlite:///{folder / 'mlflow.db'}",
    }  # fmt: skip
    params["store"]["shards"] = 2
    params["model"] |= {"n_estimators": 40, "min_events": 40}
    params["split"] |= {"backtest_folds": 0}
    params["evaluate"] |= {"bootstrap_draws": 40}
    params["gate"] |= {"money_ratio": [0.2, 5.0], "bucket_money_ratio": [0.05, 20.0], "calibration_slope": [0.2, 3.0]}
    params["worklist"] |= {"capacity": {"default": 12}, "control_share": 0.1, "channel_capacity": {"call": 35}}
    params["worklist"]["demonstration"] = None
    params["worklist"]["dialler_columns"] = {"agent": "user", "account_id": "ref"}
    params["worklist"]["agents"] = {"card_gb": {"ann": 5, "bob": 5}, "loan_eu": {"cem": 6, "dia": 6}}
    for section in (
        "watch",
        "reminders",
        "receivables",
        "treatments",
        "unusual",
    ):  # they cost every night: a test says so
        params[section] = None
    for section, values in changes.items():
        params[section] = {**(params.get(section) or {}), **values}
    place.write_text(yaml.safe_dump(params, sort_keys=False))
    return place


def quick_params(
    folder: Path, *, model: dict | None = None, gate: dict | None = None, evaluate: dict | None = None
) -> Params:
    """For a made-up panel: nothing is read from disk, tracking lies in `folder`."""
    whole = load(HOUSE / "params.yaml")
    return whole.model_copy(
        update={
            "reminders": None,
            "paths": whole.paths.model_copy(update={"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}),
            "model": whole.model.model_copy(update={**SMALL, **(model or {})}),
            "split": whole.split.model_copy(update={"backtest_folds": 1}),
            "evaluate": whole.evaluate.model_copy(update={"bootstrap_draws": 80, **(evaluate or {})}),
            "watch": None,
            "receivables": None,
            "gate": whole.gate.model_copy(update={"bucket_min_debtors": 60, "max_money_loss": 0.1, **(gate or {})}),
        }
    )
