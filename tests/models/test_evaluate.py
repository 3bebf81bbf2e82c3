"""The whole evaluation: groups, orders, tenths, the truth beside them, and the default head."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.evaluate import (
    BEST,
    HINDSIGHT,
    MODEL,
    NEWEST,
    POOLED,
    SEEN,
    UNSEEN,
    Evaluation,
    Rival,
    Truth,
    evaluate,
    gains_curve,
    judge_default,
    paired_money,
)  # fmt: skip
from models.verdict import statements
from tests.worlds.judged import judged_rows


def test_groups_come_before_the_whole_and_add_up_to_it(evaluation):
    table = evaluation.quality[(evaluation.quality["metric"] == "rate") & (evaluation.quality["ranking"] == MODEL)]
    assert table["scope"].iloc[-1] == POOLED
    assert table["scope"].iloc[0] == "arrears bucket"
    sums = table.groupby("scope")["rows"].sum()
    assert set(sums) == {2_000}
    assert set(sums.index) == {"arrears bucket", "portfolio", "currency", "month", "debtors", POOLED}
    assert set(table[table["scope"] == "month"]["group"]) == {"2024-10", "2024-11", "2024-12", "2025-01"}
    assert table[table["scope"] == "debtors"]["group"].tolist() == [SEEN, UNSEEN]


def test_every_order_is_held_against_the_model(evaluation):
    row = evaluation.money_row("twin", 0.1)
    assert row["gain"] == row["gain_low"] == row["gain_high"] == 0
    assert evaluation.money_row(HINDSIGHT, 0.1)["money"] >= evaluation.money_row(BEST, 0.1)["money"]
    assert evaluation.money_row(MODEL, 0.1)["gain"] == 0
    ours, newest = evaluation.money_row(MODEL, 0.1), evaluation.money_row(NEWEST, 0.1)
    assert newest["gain"] == pytest.approx(ours["money"] - newest["money"])
    assert ours["low"] <= ours["money"] <= ours["high"]
    assert 0 < ours["share"] < 1
    assert evaluation.money_row("nobody", 0.1) is None


def test_the_truth_stands_beside_the_tenths(evaluation):
    assert_allclose(evaluation.tenths["true_p"], evaluation.tenths["mean_p"])
    assert evaluation.tenths["true_held"].all()
    said = statements(evaluation, 0.1)
    assert "The predicted chance lies within its interval of the true one in 10 of 10 tenths." in said
    best, ours = evaluation.money_row(BEST, 0.1), evaluation.money_row(MODEL, 0.1)
    assert f"Reaches {ours['money'] / best['money']:.1%} [" in said[-2]
    assert "of the best possible money at 10% capacity" in said[-2]


def test_an_exaggerated_chance_is_off_the_truth():
    honest, wild = judged_rows(4_000), judged_rows(4_000, honest=2.5)
    truth = Truth(honest.predicted, honest.scores["p_recovered"].to_numpy())
    assert evaluate(wild, {}, (0.1,), 100, 1, truth).tenths["true_held"].sum() <= 5


def test_figures_carry_their_intervals(evaluation):
    value, low, high = evaluation.figure("auc")
    assert low < value < high
    assert high - low < 0.1
    assert all(math.isnan(number) for number in evaluation.figure("auc", group="nowhere"))


def test_tenths_are_honest_for_an_honest_model():
    tenths = evaluate(judged_rows(8_000), {}, (0.1,), 200, 1).tenths
    inside = (tenths["low"] <= tenths["mean_p"]) & (tenths["mean_p"] <= tenths["high"])
    assert len(tenths) == 10
    assert inside.sum() >= 8
    assert tenths["mean_p"].is_monotonic_increasing


def test_the_same_evidence_gives_the_same_numbers_and_survives_json(evaluation):
    plain = evaluation.to_dict()
    text = json.dumps(plain, sort_keys=True, allow_nan=False)
    again = Evaluation.from_dict(json.loads(text))
    assert json.dumps(again.to_dict(), sort_keys=True) == text
    assert again.figure("auc") == evaluation.figure("auc")


def test_the_curve_ends_with_everything(evaluation):
    rows = judged_rows()
    curve = gains_curve(rows, {"twin": Rival(rows.predicted)})
    last = curve[curve["capacity"] == 1.0]
    assert_allclose(last["share"], 1.0)
    share = curve[(curve["ranking"] == MODEL) & (curve["capacity"] == 0.1)]["share"].iloc[0]
    assert share == pytest.approx(evaluation.money_row(MODEL, 0.1)["share"])


def test_default_is_judged_on_its_own_rows():
    rows = judged_rows()
    p = rows.scores["p_recovered"].to_numpy().copy()
    outcome = rows.recovered.copy()
    outcome[:500], p[500:600] = np.nan, np.nan
    found = judge_default(rows.cohort, p, outcome, 100, 1)
    assert set(found["head"]) == {"defaulted"}
    assert found[found["scope"] == POOLED]["rows"].iloc[0] == 1_400
    assert set(found["scope"]) == {"arrears bucket", "portfolio", POOLED}
    assert judge_default(rows.cohort, np.full(2_000, np.nan), outcome, 100, 1).empty


def test_paired_money_sees_a_worse_order_and_forgives_an_equal_one():
    rows = judged_rows()
    worse = rows.predicted * np.exp(np.random.default_rng(9).normal(0, 2.0, 2_000))
    found = paired_money(rows.cohort, worse, rows.predicted, rows.money, 0.1, 200, 1)
    assert found["gain"] < 0
    assert found["gain_high"] < 0
    same = paired_money(rows.cohort, rows.predicted, rows.predicted, rows.money, 0.1, 200, 1)
    assert same["gain"] == same["gain_low"] == same["gain_high"] == 0
