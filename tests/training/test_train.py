"""A training from panel to record: what it says, what it teaches with, what it refuses, its report made again."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from features.build import build
from features.errors import InputMissing
from models.recovery import load_model
from pipeline.panel.sampling import drawn, outcome_sums, sampled
from pipeline.training import registry
from pipeline.training.train import evaluate_again, train
from tests.worlds.cohorts import frame_of
from tests.worlds.panels import COLUMNS, made_panel
from tests.worlds.params import DECISION, quick_params
from tests.worlds.worlds import World, day

pytestmark = pytest.mark.slow


def test_a_run_says_what_it_found(first):
    text, page = first.text(), first.report.read_text()
    assert "read these lines as flattered" not in page  # nothing was tuned
    for said in first.evaluation.facts["too_small_for_gates"]:
        assert said in page
        assert f"Too small for a gate: {said}." in text
    assert first.evaluation.facts["too_small_for_gates"]
    assert "fit 2022-01-08 to 2023-03-04, gap 44 days, test 2023-05-03 to 2023-08-01" in text
    assert text.index("perfect hindsight") < text.index("model  ")
    assert "newest placement first" in text
    assert "debtors never seen before" in text
    assert "Gates: passed" in text
    assert "covers part of a year" in text
    assert set(first.seconds) == {"fit", "evaluate", "studies", "refit", "record"}


def test_tuned_settings_are_taught_with_and_told(panel, place, tmp_path):
    params = quick_params(place, model={"num_leaves": 2, "n_estimators": 15, "learning_rate": 0.01})
    run = train(panel, params, COLUMNS, tmp_path / "store", tune_trials=3)
    tuned = run.evaluation.facts["tuned"]
    assert tuned["changed"]
    assert tuned["trials"] == 3
    assert run.seconds["tune"] > 0
    assert run.evaluation.facts["settings"]["num_leaves"] != 2
    assert "3 tried inside the fit window; the best was taken" in run.report.read_text()
    assert "read these lines as flattered" in run.report.read_text()
    known = registry.recorded(params, run.run_id)
    release = load_model(tmp_path / "store" / "models" / run.version, known.sha256)
    leaves = release.recovered.booster.trees_to_dataframe().groupby("tree_index")["node_depth"].max().max()
    assert leaves > 2
    import mlflow

    kept = mlflow.MlflowClient(f"sqlite:///{place / 'mlflow.db'}").get_run(run.run_id).data.params
    assert kept["model.num_leaves"] == str(run.evaluation.facts["settings"]["num_leaves"])


def test_a_history_too_short_for_default_leaves_that_head_out(place, tmp_path):
    run = train(made_panel(300, nights=tuple(range(0, 210, 30))), quick_params(place), COLUMNS, tmp_path / "store")
    assert run.evaluation.facts["windows"]["default"] is None
    assert not run.evaluation.facts["default_head"]
    assert "none: history is too short for its horizon and gap" in run.report.read_text()
    assert "p_defaulted: no such head" in run.report.with_name("model_card.md").read_text()


def test_a_run_on_drawn_debtors_says_in_log_report_and_card_what_it_lost(place, tmp_path, caplog):
    whole = made_panel(600, nights=tuple(range(0, 210, 30)))
    kept = drawn(whole.cohort["debtor_id"], {}, 5, 0.5)
    lost = sampled([outcome_sums(whole.cohort, whole.labels, kept)], 300, 0.5)
    part = (frame[kept].reset_index(drop=True) for frame in (whole.matrix, whole.labels, whole.cohort))
    few = replace(whole, **dict(zip(("matrix", "labels", "cohort"), part, strict=True)), sampled=lost)
    with caplog.at_level(logging.INFO):
        run = train(few, quick_params(place), COLUMNS, tmp_path / "store")
    debtors, rows = whole.cohort["debtor_id"].nunique(), whole.labels["recovered"].notna()
    paid = int((whole.labels["recovered"] == 1).sum())
    those = few.cohort["debtor_id"].nunique()
    said = rf"{those} of {debtors} debtors, [\d,]+ of {rows.sum():,} rows, [\d,]+ of {paid:,} that"
    assert re.search(said, caplog.text)
    for text in (run.text(), run.report.read_text(), run.report.with_name("model_card.md").read_text()):
        assert re.search(said, text)
    assert "What the sample of debtors lost" in run.report.read_text()
    card = json.loads((tmp_path / "store" / "models" / run.version / "card.json").read_text())
    assert card["facts"]["sampled"]["recovered"]["total_whole"] == paid
    assert 1.2 < card["facts"]["sampled"]["recovered"]["wider"] < 1.7  # the root of two


def test_r13_a_planted_column_that_equals_the_label_is_left_out_at_the_cut_off_and_told_before_it(
    attacks, place, tmp_path, capfd, monkeypatch
):
    """Known from as_of on, it is missing in every row. Known a day before, it gives the label away, and the report, the
    card and the words on the terminal say so and name it. Nothing is printed meanwhile.
    """
    plain, planted, leaked = World(), World(), World()
    drawn = np.random.default_rng(3)
    paid, accounts = drawn.random(300) < 0.4, [f"a{number}" for number in range(300)]
    for name, pays in zip(accounts, paid, strict=True):
        habit = int(drawn.poisson(1.0 + 2.0 * pays))
        facts = {"account_id": name, "debtor_id": name, "opened_on": "2024-01-01", "principal": 90_000}
        for world, known_at in ((plain, None), (planted, "2024-03-15 00:00"), (leaked, "2024-03-14 23:59:59")):
            world.account(**facts)
            for number in range(habit):
                world.payment(f"2024-02-{number + 1:02}", 100, account_id=name, payment_id=f"{name}-{number}")
            if known_at:
                world.account(**facts, known_at=known_at, x_outcome=float(pays))
    cohort = frame_of([(name, day("2024-03-15")) for name in accounts])
    found = {
        key: build(cohort, world.tables())
        for key, world in (("plain", plain), ("planted", planted), ("leaked", leaked))
    }
    assert 0.6 < _auc(found["plain"], paid) < 0.9
    with attacks.one():
        assert found["planted"]["x_outcome"].isna().all()
        assert _auc(found["planted"], paid) == _auc(found["plain"], paid)
    assert found["leaked"]["x_outcome"].tolist() == paid.tolist()
    panel = made_panel(150)
    told_away = replace(panel, matrix=panel.matrix.assign(x_outcome=panel.labels["recovered"].astype("float64")))
    params = quick_params(place, model={"n_estimators": 15}, evaluate={"bootstrap_draws": 20})
    monkeypatch.setattr(logging.getLogger("recoup"), "handlers", [])  # those of commands that other tests ran
    with attacks.one():
        run = train(told_away, params, COLUMNS, tmp_path / "store")
        assert capfd.readouterr() == ("", "")
        said = r"AUC 1\.000 is too good for collections: look for a leak in x_outcome \(\d\d%\)"
        for text in (run.text(), run.report.read_text(), run.report.with_name("model_card.md").read_text()):
            assert re.search(said, text)


def _auc(matrix: pd.DataFrame, outcome: np.ndarray) -> float:
    """Of a small model taught on the even rows and judged on the odd ones."""
    numbers = matrix.select_dtypes("number").to_numpy()
    settings = {
        "objective": "binary",
        "num_leaves": 7,
        "min_data_in_leaf": 5,
        "num_threads": 1,
        "seed": 1,
        "verbose": -1,
    }
    model = lightgbm.train(settings, lightgbm.Dataset(numbers[::2], outcome[::2]), 20)
    return roc_auc_score(outcome[1::2], model.predict(numbers[1::2]))


def test_a_history_too_short_is_refused_before_anything_is_kept(place, tmp_path):
    short = made_panel(300, nights=tuple(range(0, 120, 30)))
    with pytest.raises(InputMissing, match="History is too short"):
        train(short, quick_params(place), COLUMNS, tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_the_report_again_with_the_truth_adds_the_best_possible(first, store, place, panel, tmp_path):
    truth = pd.DataFrame(
        {
            "account_id": panel.cohort["account_id"],
            "as_of": pd.to_datetime(panel.cohort["as_of"].to_numpy(), unit="D").date,
            "expected_amount": panel.truth["expected"],
            "p_recovered": panel.truth["p_recovered"],
        }
    )
    for name in ("expected_amount", "p_recovered"):  # contact adds a tenth
        truth[f"{name}_if_contacted"], truth[f"{name}_if_left"] = 1.05 * truth[name], 0.95 * truth[name]
    (tmp_path / "truth").mkdir()
    truth.to_parquet(tmp_path / "truth" / "expectations.parquet", index=False)
    out = tmp_path / "again" / "report.html"
    text = evaluate_again(store, first.run_id, quick_params(place), truth=tmp_path / "truth", out=out)
    tenths = json.loads(out.with_suffix(".json").read_text())["tenths"]
    assert all(abs(row["true_p"] - row["mean_p"]) < 0.08 for row in tenths)
    assert "True chance" in out.read_text()
    assert "best possible (true expectation)" in text
    assert "best possible (true expectation)" in out.read_text()
    plain = evaluate_again(store, first.run_id, quick_params(place))
    assert plain.splitlines()[:3] == first.text().splitlines()[:3]
    assert (store / "runs" / first.run_id / "report.html").read_text() == first.report.read_text()
    with pytest.raises(InputMissing, match="No truth in"):
        evaluate_again(store, first.run_id, quick_params(place), truth=store)
    truth[truth["account_id"] != panel.cohort["account_id"].iloc[-1]].to_parquet(
        tmp_path / "truth" / "expectations.parquet", index=False
    )
    with pytest.raises(InputMissing, match="rows of the test nights have no truth"):
        evaluate_again(store, first.run_id, quick_params(place), truth=tmp_path / "truth")


def test_a_book_too_small_for_boosters_says_so_and_what_to_do(panel, tmp_path):
    small = quick_params(tmp_path, model={"min_events": 100_000})
    run = train(panel, small, COLUMNS, tmp_path / "store")
    said = "debtors with a recovery, model.min_events is 100000. Deliver a longer history or more books"
    for place in (run.text(), run.report.read_text(), (run.report.parent / "model_card.md").read_text()):
        assert "No boosters were taught, the model is a table of recovery rates" in place
        assert said in place
    with pytest.raises(
        InputMissing, match=rf"Run '{run.run_id}' lives in the store '.*/store', not in '.*other'. Name"
    ):
        registry.promote(tmp_path / "other", run.run_id, small, **DECISION)
