"""What the evidence says in gates, statements and warnings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from features.cohort import bucket
from models.evaluate import NEWEST, SCOPES, Rival, evaluate
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
    assert named == [
        f"{row.group} days past due: {row.events} debtors paid, 10000 are needed" for row in buckets.itertuples()
    ]
    assert len(named) > 1
    assert too_small(judged, Gate(bucket_min_debtors=1)) == []


def test_a_bucket_in_which_another_order_reaches_more_is_told():
    rows = judged_rows()
    late = np.asarray(bucket(rows.cohort["days_past_due"]), dtype=object)
    knows = np.where(late == "1-29", rows.money, rows.predicted)  # better in one bucket, nowhere else
    said = [
        line for line in statements(evaluate(rows, {"friend": Rival(knows)}, (0.1,), 100, 1), 0.1) if "friend" in line
    ]
    told = [line for line in said if line.startswith("Among accounts")]
    assert len(told) == 1
    assert "could be chance" not in told[0]
    assert told[0].startswith(
        "Among accounts 1-29 days past due, friend reaches more than the model at 10% of their number: "
    )
    taught = evaluate(rows, {"current champion": Rival(knows), "friend": Rival(knows)}, (0.1,), 50, 1)
    assert "friend" in next(line for line in statements(taught, 0.1) if line.startswith("Among accounts"))
    assert not [
        line
        for line in statements(evaluate(rows, {"current champion": Rival(knows)}, (0.1,), 50, 1), 0.1)
        if "Among" in line
    ]
    assert not [
        line
        for line in statements(evaluate(rows, {"twin": Rival(rows.predicted)}, (0.1,), 50, 1), 0.1)
        if "Among" in line
    ]


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
    lost = statements(
        evaluate(worse, {"balance first": Rival(rows.cohort["balance"].to_numpy() * rows.unit)}, (0.1,), 100, 1), 0.1
    )
    assert lost[0].startswith("Does not beat balance first at 10% capacity: -")
    assert lost[0].endswith("it loses.")


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
    assert "covers part of a year" in usual
    assert "under two months" not in usual
    assert "leak" not in usual
    assert "carries" not in usual
    assert "2024-10-04 to 2024-10-14, is under two months" in warned(evaluation, test_last=DAY + 10)
    assert "part of a year" not in warned(evaluation, test_last=DAY + 400)
    assert "b carries 61% of the model" in warned(evaluation, importance=pd.Series({"a": 0.39, "b": 0.61}))
    moved = warned(evaluation, drift={"a": 0.26, "b": 0.9, "c": 0.5, "d": 0.2, "e": 0.3, "f": 0.4, "g": 0.35})
    assert (
        "6 columns have moved between fit and test (PSI above 0.25), "
        "furthest: b (0.90), c (0.50), f (0.40), g (0.35), e (0.30) and"
    ) in moved
    assert "furthest: a (0.26)." in warned(evaluation, drift={"a": 0.26})
    assert "AUC falls from 0.950" in warned(evaluation, fit_auc=0.95)
    assert "newest placement first, which needs no model" not in usual


def test_a_selection_of_outcomes_and_a_list_that_promised_too_much_are_told(evaluation):
    assert "known for 33% of the rows" in warned(replace(evaluation, facts={"label_coverage": 0.33}))
    assert "is known for" not in warned(replace(evaluation, facts={"label_coverage": 0.95}))
    listed = pd.DataFrame(
        [
            {"capacity": 0.1, "ratio": 0.8, "low": 0.7, "high": 0.9},
            {"capacity": 0.2, "ratio": 1.0, "low": 0.9, "high": 1.1},
        ]
    )
    told = replace(evaluation, frames={"listed": listed})
    assert "Of the accounts listed at 10% capacity less came in than predicted: 0.80 of it [0.70, 0.90]." in warned(
        told
    )
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
