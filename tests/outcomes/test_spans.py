"""Debtors in their spans: outcomes, weights and places by hand. Intervals cover the truth in test_findings.py."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from models.effect import Guard
from models.lot import CONTROL, TO_WORK, WORKED
from pipeline.outcomes.spans import (
    difference,
    less_foretold,
    listed_difference,
    listed_spans,
    power_reached_on,
    spans_of,
)

EARLIER = 20_000


def test_a_span_is_one_debtor_from_its_first_night_over_all_its_accounts():
    first = pd.DataFrame(
        {
            "as_of": EARLIER,
            "assigned_on": EARLIER,
            "debtor_id": "d",
            "account_id": ["a0", "a1"],
            "arm": WORKED,
            "probability": 0.5,
            "p_recovered": [0.2, 0.3],
            "expected": [20.0, 30.0],
            "recovered": [1.0, 0.0],
            "money": [30.0, 0.0],
        }
    )
    later = first.assign(as_of=EARLIER + 7, money=999.0)
    unseen = first.assign(debtor_id="u", recovered=np.nan, money=np.nan)
    never = first.assign(debtor_id="n", arm="")
    spans = spans_of(pd.concat([first, later, unseen, never]))
    assert spans.to_dict("records") == [
        {
            "debtor_id": "d",
            "assigned_on": EARLIER,
            "arm": WORKED,
            "probability": 0.5,
            "recovered": 1.0,
            "money": 30.0,
            "expected": 50.0,
            "p_recovered": 0.3,
        }
    ]


def test_the_difference_by_hand():
    """Worked 10, 20, 30: mean 20. Control 0, 8: mean 4. Variances 100 / 3 and 32 / 2:
    standard error sqrt(33.33 + 16) = 7.02.
    """
    spans = pd.DataFrame(
        {
            "debtor_id": list("abcde"),
            "arm": [WORKED] * 3 + [CONTROL] * 2,
            "probability": 0.4,
            "money": [10.0, 20.0, 30.0, 0.0, 8.0],
        }
    )
    effect, error = difference(spans, "money")
    assert (effect, error) == (pytest.approx(16.0), pytest.approx(math.sqrt(100 / 3 + 32 / 2)))


def test_thirty_draws_of_a_debtor_are_one_debtor():
    """The same five, each drawn thirty times and each time with the same outcome, tell no more than five. One that was
    drawn to both arms takes its own level out of the difference: pulls of a, 1/2 x (10 - 15) and -(-1/2) x (0 - 4)
    times the root of 2, cancel in part.
    """
    names, money = list("abcde"), [10.0, 20.0, 30.0, 0.0, 8.0]
    once = pd.DataFrame({"debtor_id": names, "arm": [WORKED] * 3 + [CONTROL] * 2, "probability": 0.4, "money": money})
    often = pd.concat([once.assign(assigned_on=night) for night in range(30)], ignore_index=True)
    assert difference(often, "money") == pytest.approx(difference(once, "money"))
    assert difference(often.assign(debtor_id=range(150)), "money")[1] < difference(once, "money")[1] / 5
    both = once.iloc[[0, 1, 3, 4]].assign(debtor_id=["a", "b", "a", "c"])
    effect, error = difference(both, "money")
    pulls = math.sqrt(2) * np.array([-5 / 2 + 4 / 2, 5 / 2, -4 / 2])
    assert (effect, error) == (pytest.approx(11.0), pytest.approx(math.sqrt((pulls**2).sum())))


def test_intervals_of_debtors_drawn_often_cover_the_truth():
    """Eighty debtors who each pay alike whenever they are drawn, eight times: 95 of 100 intervals hold the truth, of
    rows taken for independent fewer than 70.
    """
    random, held = np.random.default_rng(31), {"by debtor": 0, "by row": 0}
    for _ in range(200):
        usual = np.repeat(random.exponential(50, 80), 8)
        arm = np.repeat(np.where(random.random(80) < 0.5, CONTROL, WORKED), 8)
        spans = pd.DataFrame(
            {
                "debtor_id": np.repeat(np.arange(80), 8),
                "arm": arm,
                "probability": 0.5,
                "money": usual + random.normal(0, 5, 640) + 10.0 * (arm == WORKED),
            }
        )
        for name, each in (("by debtor", spans), ("by row", spans.assign(debtor_id=range(640)))):
            effect, error = difference(each, "money")
            held[name] += abs(effect - 10) <= 1.959964 * error
    assert 180 <= held["by debtor"] <= 198
    assert held["by row"] < 140


def test_a_changed_share_is_weighed_out():
    """Poor debtors were held out at one half, rich ones at a tenth: the plain difference is far off,
    the weighted one is not.
    """
    random = np.random.default_rng(5)
    rich = random.random(40_000) < 0.5
    share = np.where(rich, 0.1, 0.5)
    arm = np.where(random.random(40_000) < share, CONTROL, WORKED)
    spans = pd.DataFrame(
        {
            "debtor_id": range(40_000),
            "arm": arm,
            "probability": share,
            "money": np.where(rich, 100.0, 0.0) + 5.0 * (arm == WORKED),
        }
    )
    effect, error = difference(spans, "money")
    assert abs(effect - 5.0) < 4 * error
    assert error < 1.0
    plain = spans.groupby("arm")["money"].mean()
    assert plain[WORKED] - plain[CONTROL] > 20


def test_what_the_scores_foretell_is_taken_off_by_hand():
    """Money 1, 3, 8 foretold 0, 1, 2: slope 3.5, so 4.5, 3, 4.5 are left;
    a score that is the same for all takes nothing off.
    """
    spans = pd.DataFrame(
        {"money": [1.0, 3.0, 8.0], "expected": [0.0, 1.0, 2.0], "recovered": [0.0, 1.0, 1.0], "p_recovered": 0.5}
    )
    found = less_foretold(spans)
    assert found["money"].tolist() == pytest.approx([4.5, 3.0, 4.5])
    assert found["recovered"].tolist() == [0.0, 1.0, 1.0]


def test_good_scores_make_the_same_effect_far_surer_and_no_larger():
    random = np.random.default_rng(8)
    size = 4000
    arm = np.where(random.random(size) < 0.2, CONTROL, WORKED)
    expected = random.lognormal(4, 1, size)
    money = expected * random.uniform(0.7, 1.3, size) + 10.0 * (arm == WORKED)
    spans = pd.DataFrame(
        {"arm": arm, "probability": 0.2, "money": money, "expected": expected, "recovered": 1.0, "p_recovered": 0.5}
    ).assign(debtor_id=range(size))
    (plain, wide), (effect, error) = difference(spans, "money"), difference(less_foretold(spans), "money")
    assert error < 0.4 * wide
    assert abs(effect - 10) < 3 * error
    assert abs(plain - 10) < 3 * wide


# Whom the list had, or would have had


def of_a_night() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Seven debtors in order of value a to g; b and e are held out, c is worked by lot. The list has room for four by
    value: a, c, d, f; without b before it, e would have had the fourth place itself."""
    matured = pd.DataFrame(
        {
            "as_of": 1,
            "assigned_on": 1,
            "debtor_id": list("abcdefg"),
            "account_id": list("abcdefg"),
            "queue": "loans",
            "arm": [WORKED, CONTROL, TO_WORK, WORKED, CONTROL, WORKED, WORKED],
            "group": ["worklist", "held_out", "worklist", "worklist", "held_out", "worklist", "below_capacity"],
            "rank": [1, 0, 2, 3, 0, 4, 0],
            "probability": [0.2, 0.2, 0.1, 0.2, 0.2, 0.2, 0.2],
            "p_recovered": 0.5,
            "expected": 50.0,
            "recovered": [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0],
            "money": [40.0, 0.0, 300.0, 0.0, 80.0, 0.0, 9.0],
        }
    )
    drawn = matured.loc[[1, 2, 4], ["debtor_id", "assigned_on", "queue", "arm", "probability", "p_recovered"]]
    return matured, drawn.assign(would_rank=[2, 3, 5], places=4, chance_of_work=1 / 3, theta=[0.0, 0.5, np.nan])


def test_held_out_debtors_are_the_lists_where_a_worked_one_of_their_place_is():
    matured, drawn = of_a_night()
    spans = listed_spans(matured, drawn, Guard(0.2, 0.6))
    assert spans["debtor_id"].tolist() == list("abcdef")
    assert spans["worked"].tolist() == [1, 0, 1, 1, 0, 1]
    assert spans["chance"].tolist() == pytest.approx([0.8] * 6)  # the lot held out twice as many as it worked
    assert spans["money"].tolist() == [40.0, 0.0, 100.0, 0.0, 80.0, 0.0]  # 50 at one half: up to 100
    assert spans["added"].round(4).tolist() == pytest.approx(
        [np.nan, 0.0500, 0.1244, np.nan, 0.0500, np.nan], nan_ok=True, abs=2e-4
    )
    assert listed_spans(matured, drawn.assign(places=2), Guard(0.2, 0.6))["debtor_id"].tolist() == list("abc")


def test_only_the_first_night_of_a_span_counts_and_what_cannot_be_seen_does_not():
    matured, drawn = of_a_night()
    later = matured.assign(as_of=2)
    unseen = matured.assign(recovered=np.where(matured["debtor_id"] == "a", np.nan, matured["recovered"]))
    spans = listed_spans(pd.concat([unseen, later]), drawn, Guard(0.2, 0.6))
    assert spans["debtor_id"].tolist() == list("bcdef")
    assert listed_spans(matured.iloc[:0], drawn, Guard(0.2, 0.6)).empty
    assert listed_spans(matured, drawn.iloc[:0], Guard(0.2, 0.6)).empty


def test_the_difference_of_the_list_by_hand_counts_a_debtor_once():
    """Worked 1, 0 (mean 0.5), held out 1, 0, 0, 0 (mean 0.25): pulls 0.25 and 0.1875, -0.0625 three times."""
    spans = pd.DataFrame(
        {"debtor_id": list("abcdef"), "worked": [1.0, 1, 0, 0, 0, 0], "chance": 0.8, "recovered": [1.0, 0, 1, 0, 0, 0]}
    )
    effect, error = listed_difference(spans, "recovered")
    variance = 2 / 1 * 2 * 0.25**2 + 4 / 3 * (0.1875**2 + 3 * 0.0625**2)  # an arm of n: n / (n - 1)
    assert (effect, error) == (pytest.approx(0.25), pytest.approx(math.sqrt(variance)))
    twice = spans.assign(debtor_id=list("aabbcc"))
    assert listed_difference(twice, "recovered")[1] != pytest.approx(error)


def test_power_is_reached_once_the_error_is_small_enough():
    spans = pd.DataFrame({"assigned_on": [100, 156]})
    needed = 0.05 / (1.959964 + 0.841621)
    assert power_reached_on(spans, 0.05, needed, 44) == 200
    assert power_reached_on(spans, 0.05, needed / 2, 44) == 200
    assert power_reached_on(spans, 0.05, 2 * needed, 44) == 200 + 3 * 100
    assert power_reached_on(spans, 0.0, needed, 44) is None
