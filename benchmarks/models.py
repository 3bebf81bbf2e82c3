"""What the choices of the models rest on, measured: python -m benchmarks.models [--params
FILE] [--rows N] [--columns N].

On the store of the params (`make run` fills one): target encoding against LightGBM's native categories, recency
weights, settings, a slope on the product by its size, and the fast contributions against LightGBM's own. On made-up
numbers of the given
size: seconds and peak memory of a whole fit. Prints plain tables. Seconds are of CPU.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import log_loss, roc_auc_score
from woodelf import WoodelfExplainer

from features.catalogue import CATALOGUE
from models.amount import LEAST_SHARE, MEAN_SHARE, OBJECTIVES
from models.boosting import (
    FIXED,
    OURS,
    FitWindow,
    exact_contributions,
    portfolio_contributions,
    raw_scores,
    row_weights,
)
from models.calibration import expit
from models.encoding import CLASS, Encoder
from models.lesson import Teaching, fit_rows
from models.money import MoneyScale
from models.recovery import RecoveryModel, recovery_objective
from models.resampling import listed_shares
from models.tuning import cut_offs
from pipeline.panel.panel import panel
from pipeline.params import Params, load
from pipeline.store.store import Store
from pipeline.training.fit import taught, teaching_of
from pipeline.training.trial import windows_of

SETTINGS = (
    {},
    {"num_leaves": 8, "learning_rate": 0.12, "feature_fraction": 0.2, "bagging_fraction": 1.0},
    {"num_leaves": 8, "learning_rate": 0.12},
    {"learning_rate": 0.16},
    {"num_leaves": 4},
)
HALF_LIVES = (None, 730.0, 365.0, 180.0)  # days


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--params", type=Path, default=Path("params.yaml"))
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--columns", type=int, default=150)
    arguments.add_argument(
        "--only", nargs="*", default=["encoding", "weights", "settings", "slope", "contributions", "size"]
    )
    chosen = arguments.parse_args()
    params = load(chosen.params)
    if set(chosen.only) - {"size"}:
        asked = Asked(params)
        measures = (encodings, weights, settings, slope, contributions)
        for name, measure in zip(("encoding", "weights", "settings", "slope", "contributions"), measures, strict=True):
            if name in chosen.only:
                print(f"\n{measure.__doc__}\n{measure(asked).to_string(index=False)}")
    if "size" in chosen.only:
        print(f"\n{size.__doc__}\n{size(params, chosen.rows, chosen.columns).to_string(index=False)}")


class Asked:
    """The panel of the params' store, its windows, and the judged model of it."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.panel = panel(Store(params.paths.store), params)
        windows = windows_of(self.panel, params)
        self.teaching = teaching_of(self.panel, params, CATALOGUE)
        labels = windows.fit_labels(self.panel.labels)
        self.matrix, self.labels, self.cohort = fit_rows(
            self.panel.matrix, labels.assign(defaulted=np.nan), self.panel.cohort
        )
        self.outcome = self.labels["recovered"].to_numpy(dtype=np.float64)
        test = windows.recovery.test
        whole = (self.panel.matrix, self.panel.labels, self.panel.cohort)
        self.test_matrix, test_labels, self.test_cohort = (frame[test].reset_index(drop=True) for frame in whole)
        self.test_outcome = test_labels["recovered"].to_numpy(dtype=np.float64)
        unit = self.teaching.money.per_minor(self.test_cohort["currency"])
        self.test_money, self.test_owed = (
            test_labels["recovered_amount"].to_numpy(dtype=np.float64) * unit,
            self.test_cohort["balance"].to_numpy() * unit,
        )
        self.model, self.lesson = taught(self.panel, labels.assign(defaulted=np.nan), self.teaching, params)

    def encoded(self) -> tuple[Encoder, np.ndarray]:
        teaching = self.teaching
        return Encoder.learn(
            self.matrix, self.cohort, self.outcome, teaching.money_columns, teaching.money, teaching.seed
        )

    def judged(self, score: np.ndarray) -> dict[str, float]:
        """On the test nights: rank, level, and the money in the best tenth of each night by chance x balance."""
        chance = expit(score)
        listed = listed_shares(chance * self.test_owed, self.test_cohort["as_of"].to_numpy(), self.params.gate.capacity)
        money = float((listed * self.test_money).sum() / self.test_money.sum())
        return {
            "auc": round(roc_auc_score(self.test_outcome, chance), 4),
            "log_loss": round(log_loss(self.test_outcome, chance), 4),
            "money": round(money, 4),
        }


def encodings(asked: Asked) -> pd.DataFrame:
    """Classes as log-odds (ours) or as LightGBM's native categories; P(recovered), same trees, uncalibrated."""
    encoder, numbers = asked.encoded()
    test = encoder.encode(asked.test_matrix, asked.test_cohort)
    classes = [place for place, kind in enumerate(encoder.kinds) if kind == CLASS]
    codes, test_codes = numbers.copy(order="F"), test.copy(order="F")
    for place in classes:
        known = pd.Index(asked.matrix[encoder.names[place]].dropna().astype("str").unique()).sort_values()
        for held, matrix in ((codes, asked.matrix), (test_codes, asked.test_matrix)):
            found = known.get_indexer(matrix[encoder.names[place]].astype("str"))
            held[:, place] = np.where(found < 0, np.nan, found)
    own = {key: value for key, value in asked.teaching.settings.items() if key not in (*OURS, "n_estimators")}
    settings = {**own, **FIXED, "seed": asked.teaching.seed % (2**31 - 1), "objective": "binary"}
    rows = []
    for name, numbers_taught, judged, native in (
        ("log-odds", numbers, test, []),
        ("native", codes, test_codes, classes),
    ):
        data = lightgbm.Dataset(numbers_taught, asked.outcome, categorical_feature=native, params=settings)
        booster, grown = _timed(lambda data=data: lightgbm.train(settings, data, asked.model.recovered.trees))
        many = np.tile(judged, (max(100_000 // len(judged), 1), 1))
        _, scored = _timed(lambda booster=booster, many=many: raw_scores(booster, many))
        found = asked.judged(raw_scores(booster, judged))
        rows.append(
            {
                "classes": name,
                "columns": len(classes),
                **found,
                "grow_s": grown,
                "score_100k_s": round(scored * 1e5 / len(many), 2),
            }
        )
    return pd.DataFrame(rows)


def weights(asked: Asked) -> pd.DataFrame:
    """Recency weights: rows count half as much per so many days of age; P(recovered), same trees, uncalibrated."""
    encoder, numbers = asked.encoded()
    test = encoder.encode(asked.test_matrix, asked.test_cohort)
    rows = []
    for days in HALF_LIVES:
        weight = row_weights(asked.cohort, days)
        window = FitWindow(numbers, asked.cohort, weight, asked.teaching.settings, asked.teaching.seed, encoder.names)
        everyone = np.ones(len(numbers), dtype=bool)
        booster = window.grow({"objective": "binary"}, asked.outcome, everyone, asked.model.recovered.trees)
        rows.append({"half_life_days": days or "none", **asked.judged(raw_scores(booster, test))})
    return pd.DataFrame(rows)


def settings(asked: Asked) -> pd.DataFrame:
    """Settings judged on two later windows inside the fit window, mean of four seeds; P(recovered), uncalibrated;
    those of the params first.
    """
    window, outcome = asked.lesson.window, asked.outcome
    objective = recovery_objective(asked.teaching, asked.lesson.encoder.names)
    rows = []
    for own in SETTINGS:
        started, losses, areas, trees = time.process_time(), [], [], []
        for seed in range(1, 5):
            held = window.with_settings({**asked.teaching.settings, **own}, seed)
            for early, later in cut_offs(window.as_of, outcome, asked.teaching.gap_days):
                counted, booster = held.count_trees(objective, outcome, early, later)
                chance = expit(raw_scores(booster, window.numbers[later]))
                losses.append(log_loss(outcome[later], chance))
                areas.append(roc_auc_score(outcome[later], chance))
                trees.append(counted)
        figures = {
            "log_loss": round(np.mean(losses), 5),
            "auc": round(np.mean(areas), 4),
            "trees": round(np.mean(trees)),
        }
        rows.append({**{name: own.get(name, asked.teaching.settings[name]) for name in SETTINGS[1]}, **figures})
        rows[-1]["grow_s"] = round(time.process_time() - started, 1)
    return pd.DataFrame(rows)


def slope(asked: Asked) -> pd.DataFrame:
    """Would a slope on log(P x amount), beside the factor, bring predicted money nearer to the realised? On rows out of
    fold, inside the fit window: the slope that Poisson regression finds on each half of the debtors,
    and the deviance it takes off on the other half.
    """
    lesson, model, found = asked.lesson, asked.model, asked.lesson.found
    target = np.where(found.rows, np.maximum(found.share, LEAST_SHARE), 1.0)
    _, raw = lesson.window.grow_and_score(
        recovery_objective(asked.teaching, lesson.encoder.names), asked.outcome, lesson.known, model.recovered.trees
    )
    chance = model.recovered.calibrator.probability(raw, lesson.window.cohort["portfolio"])
    if model.amount.kind == MEAN_SHARE:
        share = model.amount.share(lesson.window.numbers, lesson.window.cohort["portfolio"])
    else:
        _, logs = lesson.window.grow_and_score(
            OBJECTIVES[model.amount.kind], target, found.rows, model.amount_choice["trees"]
        )
        share = np.clip(np.exp(logs) * model.amount.smearing * model.amount.factor, LEAST_SHARE, 1.0)
    expected, money, folds = chance * share * found.balance, found.money, lesson.window.folds
    who = pd.factorize(lesson.window.cohort["debtor_id"])[0]
    size = (np.log(np.maximum(expected, 1e-9)) - np.log(expected.mean()))[:, None]
    rows = []
    for fold in np.unique(folds):
        held = folds == fold
        bent = PoissonRegressor(alpha=0, max_iter=1000, tol=1e-8).fit(size[~held], money[~held])
        plain = expected[held] * (money[~held].sum() / expected[~held].sum())
        off = [predicted - money[held] * np.log(predicted) for predicted in (plain, bent.predict(size[held]))]
        better = np.bincount(who[held], weights=off[0] - off[1]) / money[held].sum()
        rows.append(
            {
                "slope": round(bent.coef_[0], 3),
                "deviance_off": better.sum(),
                "standard_error": np.sqrt((better**2).sum()),
            }
        )
    listed = listed_shares(expected, lesson.window.as_of, asked.params.gate.capacity)
    return pd.DataFrame(rows).assign(listed_realised_to_predicted=(listed @ money) / (listed @ expected))


def contributions(asked: Asked) -> pd.DataFrame:
    """Exact contributions of the judged model: LightGBM's own, WOODELF over all trees at once,
    and in parts as the product adds them.
    """
    numbers = asked.model.encoder.encode(asked.panel.matrix, asked.panel.cohort)
    booster, rows = asked.model.recovered.booster, []
    portfolio_contributions(booster, numbers[:10])  # compiled before the clock runs
    for count in (300, 1_000, 5_000, len(numbers)):
        part = np.ascontiguousarray(numbers[:count])
        exact, own = _timed(lambda part=part: exact_contributions(booster, part))
        columns = pd.DataFrame(part, columns=booster.feature_name())
        whole, at_once = _timed(lambda columns=columns: WoodelfExplainer(booster).shap_values(columns, verbose=False))
        parts, in_parts = _timed(lambda part=part: portfolio_contributions(booster, part))
        off = [float(np.abs(found - exact[:, :-1]).max()) for found in (whole, parts[:, :-1])]
        figures = {"lightgbm_s": own, "at_once_s": at_once, "in_parts_s": in_parts}
        rows.append({"rows": count, **figures, "at_once_off": f"{off[0]:.1e}", "in_parts_off": f"{off[1]:.1e}"})
    return pd.DataFrame(rows)


def size(params: Params, rows: int, columns: int) -> pd.DataFrame:
    """A whole fit (three heads, maps, amount, calibration) on made-up numbers: CPU seconds,
    and the process's peak memory.
    """
    draw = np.random.default_rng(params.seed)
    names = [f"x{number}" for number in range(columns)]
    values = draw.normal(size=(rows, columns))
    values[draw.random((rows, columns)) < 0.1] = np.nan
    level = np.nan_to_num(values[:, :8]) @ np.linspace(1.0, 0.2, 8) - 1.5
    recovered = (draw.random(rows) < expit(level)).astype(np.float64)
    balance = np.round(np.exp(draw.normal(11, 1, rows)))
    paid = recovered * np.round(balance * draw.uniform(0.05, 1.0, rows))
    nights = 24
    who = draw.integers(0, rows // 12, rows)
    cohort = pd.DataFrame(
        {
            "account_no": who,
            "debtor_id": pd.Series(who).astype("str"),
            "as_of": 20_000 + 30 * draw.integers(0, nights, rows),
            "portfolio": pd.Categorical.from_codes(draw.integers(0, 3, rows), ["a", "b", "c"]),
            "currency": pd.Categorical.from_codes(np.zeros(rows, dtype=np.int8), ["EUR"]),
            "balance": balance,
            "days_past_due": draw.integers(0, 200, rows),
        }
    )
    defaulted = np.where(cohort["days_past_due"] < 90, (draw.random(rows) < expit(-level)).astype(np.float64), np.nan)
    labels = pd.DataFrame({"recovered": recovered, "recovered_amount": paid, "defaulted": defaulted})
    matrix = pd.DataFrame(values, columns=names)
    terms = {
        "gap_days": params.label.gap_days,
        "default_gap_days": params.label.default_gap_days,
        "default_dpd": params.label.default_dpd,
    }
    teaching = Teaching(
        params.model.model_dump(), params.seed, money=MoneyScale("EUR", {"EUR": 1.0}, {"EUR": 2}), **terms
    )
    before = _peak_gib()
    model, seconds = _timed(lambda: RecoveryModel.fit(matrix, labels, cohort, teaching))
    _, scored = _timed(lambda: model.predict(matrix, cohort))
    found = {"rows": rows, "columns": columns, "trees": model.recovered.trees, "fit_s": seconds, "score_s": scored}
    return pd.DataFrame([{**found, "peak_before_gib": before, "peak_gib": _peak_gib()}])


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    found = work()
    return found, round(time.process_time() - started, 2)


def _peak_gib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


if __name__ == "__main__":
    main()
