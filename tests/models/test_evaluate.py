"""Figures against other libraries and plain loops; intervals by debtor; what the evidence says in words and gates."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import ks_2samp
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from features.cohort import bucket
from models.evaluate import (
    BEST,
    HINDSIGHT,
    MODEL,
    NEWEST,
    POOLED,
    SCOPES,
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
from models.resampling import METRICS, captured, debtor_draws, interval, quality
from models.verdict import gates, statements, too_small, warnings
from tests.worlds.judged import DAY, judged_rows


@dataclass(frozen=True)
class Gate:
    money_ratio: tuple[float, float] = (0.7, 1.4)
    bucket_money_ratio: tuple[float, float] = (0.4, 2.5)
    bucket_min_debtors: int = 20
    calibration_slope: tuple[float, float] = (0.7, 1.4)
    max_money_loss: float = 0.02
    capacity: float = 0.1


def one_draw(order, p, outcome, weight=None):
    """METRICS with each row its own debtor and the given weights."""
    weights = np.ones((1, len(order)), dtype=np.uint8) if weight is None else weight[None, :].astype(np.uint8)
    rows = np.arange(len(order))
    return dict(zip(METRICS, quality(order, p, outcome, outcome, p, rows, weights)[0], strict=True))


# Each figure against another library


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weighted", [False, True])
def test_rank_and_level_agree_with_scikit_learn(seed, weighted):
    draw = np.random.default_rng(seed)
    p = np.round(draw.beta(1, 3, 500), 2).clip(0.01, 0.99)  # many ties
    outcome = (draw.random(500) < p).astype(float)
    weight = draw.poisson(1.0, 500) if weighted else np.ones(500, dtype=int)
    found = one_draw(p, p, outcome, weight)
    assert_allclose(found["auc"], roc_auc_score(outcome, p, sample_weight=weight))
    assert_allclose(found["gini"], 2 * found["auc"] - 1)
    assert_allclose(found["average_precision"], average_precision_score(outcome, p, sample_weight=weight))
    assert_allclose(found["brier"], brier_score_loss(outcome, p, sample_weight=weight))
    assert_allclose(found["log_loss"], log_loss(outcome, p, sample_weight=weight))
    assert_allclose(found["rate"], np.average(outcome, weights=weight))
    if not weighted:
        assert_allclose(found["ks"], 100 * ks_2samp(p[outcome == 1], p[outcome == 0]).statistic)
    level = np.log(p / (1 - p))[:, None]
    slope = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(level, outcome, sample_weight=weight).coef_[0, 0]
    assert_allclose(found["calibration_slope"], slope, rtol=2e-4)


def test_the_slope_tells_exaggeration():
    rows = judged_rows(20_000, honest=2.0)
    found = one_draw(rows.scores["p_recovered"].to_numpy(), rows.scores["p_recovered"].to_numpy(), rows.recovered)
    assert found["calibration_slope"] == pytest.approx(0.5, abs=0.05) and found["calibration_error"] > 0.05


def test_one_class_only_has_no_rank_metric_but_a_level():
    found = one_draw(np.array([0.1, 0.2]), np.array([0.1, 0.2]), np.zeros(2))
    assert math.isnan(found["auc"]) and math.isnan(found["calibration_slope"]) and found["rate"] == 0


def test_perfect_separation_has_no_slope_and_does_not_blow_up():
    p = np.array([0.1, 0.2, 0.8, 0.9])
    found = one_draw(p, p, np.array([0.0, 0.0, 1.0, 1.0]))
    assert found["auc"] == 1 and found["ks"] == 100


# Money within capacity


def plainly_captured(order, money, night, capacity):
    """The plain loop: ties share the places left."""
    total = 0.0
    for tonight in np.unique(night):
        rows = np.flatnonzero(night == tonight)
        left = capacity * len(rows)
        for value in sorted(set(order[rows]), reverse=True):
            tied = rows[order[rows] == value]
            total += money[tied].sum() * min(max(left, 0.0) / len(tied), 1.0)
            left -= len(tied)
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 100), st.integers(0, 2)), min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_money_at_capacity_is_the_plain_loop(rows, capacity):
    order, money, night = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    who = np.arange(len(rows))
    (reached,), whole = captured((order,), money, night.astype(np.int64), who, np.ones((1, len(rows)), dtype=np.uint8), (capacity,))
    assert_allclose(reached[0, 0], plainly_captured(order, money, night, capacity), atol=1e-9)
    assert whole[0] == money.sum() and (capacity < 1 or reached[0, 0] == pytest.approx(money.sum()))


def test_money_at_capacity_by_hand():
    order = np.array([3.0, 2.0, 2.0, 1.0, 9.0, 1.0])
    money = np.array([10.0, 20.0, 40.0, 80.0, 5.0, 7.0])
    night = np.array([1, 1, 1, 1, 2, 2])
    weights = np.ones((1, 6), dtype=np.uint8)
    # Half of night 1 is two accounts: the first and half of each of the two tied; half of night 2 is its first.
    (reached,), _ = captured((order,), money, night, np.arange(6), weights, (0.25, 0.5))
    assert reached.tolist() == [[10 + 2.5, 10 + 30 + 5]]


def test_a_debtor_drawn_twice_fills_two_places():
    order, money = np.array([2.0, 1.0]), np.array([10.0, 100.0])
    weights = np.array([[1, 1], [2, 1]], dtype=np.uint8)
    (reached,), whole = captured((order,), money, np.zeros(2, dtype=np.int64), np.arange(2), weights, (0.5,))
    assert reached[:, 0].tolist() == [10.0, 15.0] and whole.tolist() == [110.0, 120.0]


# Intervals by debtor


def test_rows_of_one_debtor_bring_no_certainty():
    rows = judged_rows(800)
    several = pd.concat([rows.cohort] * 4, ignore_index=True)
    p, outcome = np.tile(rows.scores["p_recovered"], 4), np.tile(rows.recovered, 4)
    widths = {}
    for name, debtors in (("once", rows.cohort["debtor_id"]), ("four times", several["debtor_id"]), ("as if new", pd.Series(range(3_200)))):
        count = 800 if name == "once" else 3_200
        who, weights = debtor_draws(debtors, 400, 1)
        table = quality(p[:count], p[:count], outcome[:count], outcome[:count], p[:count], who, weights)
        _, low, high = interval(table[:, 0])
        widths[name] = high - low
    assert widths["four times"] == pytest.approx(widths["once"], rel=0.02)
    assert widths["as if new"] < 0.7 * widths["once"]


def test_intervals_cover_the_truth():
    """A rate of 0.3 with debtors of five equal rows each: about 95 of 100 intervals hold it."""
    held = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        outcome = np.repeat((draw.random(150) < 0.3).astype(float), 5)
        debtors = pd.Series(np.repeat(np.arange(150), 5))
        who, weights = debtor_draws(debtors, 200, seed)
        p = np.full(750, 0.3)
        _, low, high = interval(quality(p, p, outcome, outcome, p, who, weights)[:, METRICS.index("rate")])
        held += low <= 0.3 <= high
    assert 88 <= held <= 99


def test_draws_depend_on_debtors_and_seed_alone():
    debtors = pd.Series(["b", "a", "b", "c"])
    who, weights = debtor_draws(debtors, 5, 1)
    turned, same = debtor_draws(debtors[::-1], 5, 1)
    assert (weights == same).all() and (who[::-1] == turned).all() and (weights[0] == 1).all()
    assert (weights != debtor_draws(debtors, 5, 2)[1]).any()


def test_too_few_draws_give_no_interval():
    assert interval(np.array([1.0, np.nan, np.nan, 2.0]))[0] == 1.0
    assert math.isnan(interval(np.array([1.0, np.nan, np.nan, 2.0]))[1])


# The whole evaluation


@pytest.fixture(scope="module")
def evaluation():
    rows = judged_rows()
    rivals = {
        "balance first": Rival(rows.cohort["balance"].to_numpy() * rows.unit),
        NEWEST: Rival(np.random.default_rng(3).random(2_000)),
        "twin": Rival(rows.predicted, rows.scores["p_recovered"].to_numpy(), rows.predicted),
    }
    truth = rows.predicted * np.exp(np.random.default_rng(4).normal(0, 0.05, 2_000))
    return evaluate(rows, rivals, (0.1, 0.05, 0.2), 200, 7, Truth(truth, rows.scores["p_recovered"].to_numpy()))


def test_groups_come_before_the_whole_and_add_up_to_it(evaluation):
    table = evaluation.quality[(evaluation.quality["metric"] == "rate") & (evaluation.quality["ranking"] == MODEL)]
    assert table["scope"].iloc[-1] == POOLED and table["scope"].iloc[0] == "arrears bucket"
    sums = table.groupby("scope")["rows"].sum()
    assert set(sums) == {2_000} and set(sums.index) == {"arrears bucket", "portfolio", "currency", "month", "debtors", POOLED}
    assert set(table[table["scope"] == "month"]["group"]) == {"2024-10", "2024-11", "2024-12", "2025-01"}
    assert table[table["scope"] == "debtors"]["group"].tolist() == [SEEN, UNSEEN]


def test_every_order_is_held_against_the_model(evaluation):
    row = evaluation.money_row("twin", 0.1)
    assert row["gain"] == row["gain_low"] == row["gain_high"] == 0
    assert evaluation.money_row(HINDSIGHT, 0.1)["money"] >= evaluation.money_row(BEST, 0.1)["money"]
    assert evaluation.money_row(MODEL, 0.1)["gain"] == 0
    ours, newest = evaluation.money_row(MODEL, 0.1), evaluation.money_row(NEWEST, 0.1)
    assert newest["gain"] == pytest.approx(ours["money"] - newest["money"])
    assert ours["low"] <= ours["money"] <= ours["high"] and 0 < ours["share"] < 1
    assert evaluation.money_row("nobody", 0.1) is None


def test_the_truth_stands_beside_the_tenths(evaluation):
    assert_allclose(evaluation.tenths["true_p"], evaluation.tenths["mean_p"])
    assert evaluation.tenths["true_held"].all()
    said = statements(evaluation, 0.1)
    assert "The predicted chance lies within its interval of the true one in 10 of 10 tenths." in said
    best, ours = evaluation.money_row(BEST, 0.1), evaluation.money_row(MODEL, 0.1)
    assert f"Reaches {ours['money'] / best['money']:.1%} [" in said[-2] and "of the best possible money at 10% capacity" in said[-2]


def test_an_exaggerated_chance_is_off_the_truth():
    honest, wild = judged_rows(4_000), judged_rows(4_000, honest=2.5)
    truth = Truth(honest.predicted, honest.scores["p_recovered"].to_numpy())
    assert evaluate(wild, {}, (0.1,), 100, 1, truth).tenths["true_held"].sum() <= 5


def test_figures_carry_their_intervals(evaluation):
    value, low, high = evaluation.figure("auc")
    assert low < value < high and high - low < 0.1
    assert all(math.isnan(number) for number in evaluation.figure("auc", group="nowhere"))


def test_tenths_are_honest_for_an_honest_model():
    tenths = evaluate(judged_rows(8_000), {}, (0.1,), 200, 1).tenths
    inside = (tenths["low"] <= tenths["mean_p"]) & (tenths["mean_p"] <= tenths["high"])
    assert len(tenths) == 10 and inside.sum() >= 8
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
    assert set(found["head"]) == {"defaulted"} and found[found["scope"] == POOLED]["rows"].iloc[0] == 1_400
    assert set(found["scope"]) == {"arrears bucket", "portfolio", POOLED}
    assert judge_default(rows.cohort, np.full(2_000, np.nan), outcome, 100, 1).empty


def test_paired_money_sees_a_worse_order_and_forgives_an_equal_one():
    rows = judged_rows()
    worse = rows.predicted * np.exp(np.random.default_rng(9).normal(0, 2.0, 2_000))
    found = paired_money(rows.cohort, worse, rows.predicted, rows.money, 0.1, 200, 1)
    assert found["gain"] < 0 and found["gain_high"] < 0
    same = paired_money(rows.cohort, rows.predicted, rows.predicted, rows.money, 0.1, 200, 1)
    assert same["gain"] == same["gain_low"] == same["gain_high"] == 0


# Gates, statements, warnings


def test_gates_pass_an_honest_model_and_stop_an_overconfident_one():
    honest = evaluate(judged_rows(6_000), {}, (0.1,), 100, 1)
    found = gates(honest, Gate())
    assert all(gate["passed"] for gate in found)
    assert {gate["gate"] for gate in found} == {
        "realised / predicted money", "calibration slope of p_recovered",
        *(f"realised / predicted money, {name} days past due" for name in ("0", "1-29", "30-59", "60-89", "180+")),
    }  # fmt: skip
    wrong = gates(evaluate(judged_rows(6_000, honest=2.5), {}, (0.1,), 100, 1), Gate())
    assert [gate["gate"] for gate in wrong if not gate["passed"]][-1] == "calibration slope of p_recovered"


def test_a_bucket_with_few_paying_debtors_is_not_judged():
    judged = evaluate(judged_rows(600), {}, (0.1,), 50, 1)
    assert len(gates(judged, Gate(bucket_min_debtors=10_000))) == 2
    named = too_small(judged, Gate(bucket_min_debtors=10_000))
    buckets = judged.quality[judged.quality["scope"] == SCOPES[0]].drop_duplicates("group")
    assert named == [f"{row.group} days past due: {row.events} debtors paid, 10000 are needed" for row in buckets.itertuples()]
    assert len(named) > 1 and too_small(judged, Gate(bucket_min_debtors=1)) == []


def test_a_bucket_in_which_another_order_reaches_more_is_told():
    rows = judged_rows()
    late = np.asarray(bucket(rows.cohort["days_past_due"]), dtype=object)
    knows = np.where(late == "1-29", rows.money, rows.predicted)  # better in one bucket, nowhere else
    said = [line for line in statements(evaluate(rows, {"friend": Rival(knows)}, (0.1,), 100, 1), 0.1) if "friend" in line]
    told = [line for line in said if line.startswith("Among accounts")]
    assert len(told) == 1 and "could be chance" not in told[0]
    assert told[0].startswith("Among accounts 1-29 days past due, friend reaches more than the model at 10% of their number: ")
    taught = evaluate(rows, {"current champion": Rival(knows), "friend": Rival(knows)}, (0.1,), 50, 1)
    assert "friend" in next(line for line in statements(taught, 0.1) if line.startswith("Among accounts"))
    assert not [line for line in statements(evaluate(rows, {"current champion": Rival(knows)}, (0.1,), 50, 1), 0.1) if "Among" in line]
    assert not [line for line in statements(evaluate(rows, {"twin": Rival(rows.predicted)}, (0.1,), 50, 1), 0.1) if "Among" in line]


def test_a_gate_that_cannot_be_measured_does_not_pass():
    rows = judged_rows(200)
    nothing = replace(rows, recovered=np.zeros(200), money=np.zeros(200))
    found = gates(evaluate(nothing, {}, (0.1,), 50, 1), Gate())
    assert [gate["passed"] for gate in found] == [False, False]


def test_statements_say_what_the_intervals_allow(evaluation):
    said = statements(evaluation, 0.1)
    assert any(text.startswith(f"Beats {NEWEST} at 10% capacity: +") for text in said)
    assert any(text.startswith("Does not show that it beats twin at 10% capacity: +0.0%") for text in said)
    rows = judged_rows()
    worse = replace(rows, scores=rows.scores.assign(expected_recovery=-rows.scores["expected_recovery"]))
    lost = statements(evaluate(worse, {"balance first": Rival(rows.cohort["balance"].to_numpy() * rows.unit)}, (0.1,), 100, 1), 0.1)
    assert lost[0].startswith("Does not beat balance first at 10% capacity: -") and lost[0].endswith("it loses.")


def warned(evaluation, **changes):
    usual = {
        "test_first": DAY,
        "test_last": DAY + 90,
        "importance": pd.Series({"a": 0.4, "b": 0.6}),
        "drift": {"a": 0.1},
        "fit_auc": 0.75,
        "capacity": 0.1,
    }
    return " ".join(warnings(evaluation, **{**usual, **changes}))


def test_warnings_name_what_a_reader_must_know(evaluation):
    usual = warned(evaluation)
    assert "covers part of a year" in usual and "under two months" not in usual and "leak" not in usual and "carries" not in usual
    assert "2024-10-04 to 2024-10-14, is under two months" in warned(evaluation, test_last=DAY + 10)
    assert "part of a year" not in warned(evaluation, test_last=DAY + 400)
    assert "b carries 61% of the model" in warned(evaluation, importance=pd.Series({"a": 0.39, "b": 0.61}))
    moved = warned(evaluation, drift={"a": 0.26, "b": 0.9, "c": 0.5, "d": 0.2, "e": 0.3, "f": 0.4, "g": 0.35})
    assert (
        "6 columns have moved between fit and test (PSI above 0.25), furthest: b (0.90), c (0.50), f (0.40), g (0.35), e (0.30) and"
        in moved
    )
    assert "furthest: a (0.26)." in warned(evaluation, drift={"a": 0.26})
    assert "AUC falls from 0.950" in warned(evaluation, fit_auc=0.95)
    assert "newest placement first, which needs no model" not in usual


def test_a_selection_of_outcomes_and_a_list_that_promised_too_much_are_told(evaluation):
    assert "known for 33% of the rows" in warned(replace(evaluation, facts={"label_coverage": 0.33}))
    assert "is known for" not in warned(replace(evaluation, facts={"label_coverage": 0.95}))
    listed = pd.DataFrame(
        [{"capacity": 0.1, "ratio": 0.8, "low": 0.7, "high": 0.9}, {"capacity": 0.2, "ratio": 1.0, "low": 0.9, "high": 1.1}]
    )
    told = replace(evaluation, frames={"listed": listed})
    assert "Of the accounts listed at 10% capacity less came in than predicted: 0.80 of it [0.70, 0.90]." in warned(told)
    assert "accounts listed" not in warned(told, capacity=0.2)


def test_a_score_too_good_names_its_carriers():
    rows = judged_rows()
    leak = replace(rows, scores=rows.scores.assign(p_recovered=np.where(rows.recovered == 1, 0.9, 0.1)))
    said = warned(evaluate(leak, {}, (0.1,), 50, 1), importance=pd.Series({"paid_tomorrow": 0.9, "other": 0.1}))
    assert "AUC 1.000 is too good for collections: look for a leak in paid_tomorrow (90%), other (10%)" in said


def test_a_model_that_does_not_beat_newest_first_is_told_so():
    rows = judged_rows()
    said = warned(evaluate(rows, {NEWEST: Rival(rows.predicted)}, (0.1,), 50, 1))
    assert "the model is not shown to beat newest placement first" in said


def test_few_paying_debtors_are_named():
    assert "debtors of the test window paid" in warned(evaluate(judged_rows(120), {}, (0.1,), 50, 1))
