"""benchmarks/effect.py: what is counted of the judged rows, on rows whose true effect is put there by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import effect
from features.tables import NO_DAY


def rows_of(true_slope: float, debtors: int = 400) -> pd.DataFrame:
    """Two nights of two queues. The effect on the log-odds to pay is 0.2 + true_slope x theta, never below 0;
    all accounts are worth the same and pay alike."""
    lines = []
    for night in (10, 40):
        draw = np.random.default_rng(night)
        theta = draw.normal(0, 0.5, debtors)
        half = np.maximum(0.0, 0.2 + true_slope * theta) / 2 if true_slope else np.zeros(debtors)
        if_worked, if_left = 1 / (1 + np.exp(0.4 - half)), 1 / (1 + np.exp(0.4 + half))
        frame = pd.DataFrame({"debtor_id": [f"d{number}" for number in range(debtors)], "as_of": night, "theta": theta})
        lines.append(frame.assign(queue=np.where(np.arange(debtors) % 2, "a", "b"), worked=if_worked, left=if_left))
    rows = pd.concat(lines, ignore_index=True)
    money = {"expected_amount_if_contacted": 100.0 * rows["worked"], "expected_amount_if_left": 100.0 * rows["left"]}
    chances = {"p_recovered_if_contacted": rows["worked"], "p_recovered_if_left": rows["left"]}
    plain = {"owed": 100.0, "amount": 100.0, "p_recovered": 0.4, "placed_on": NO_DAY, "ceiling": rows["theta"]}
    return rows.drop(columns=["worked", "left"]).assign(**plain, **chances, **money)


def world(rows: pd.DataFrame, seed: int = 1) -> SimpleNamespace:
    return SimpleNamespace(seed=seed, nature="natural", rows=lambda: rows)


def test_the_right_order_reaches_all_of_the_best_and_leads_a_blind_one():
    shares, lead = effect.shares_of([world(rows_of(1.0)), world(rows_of(1.0), 2)])
    assert shares.loc[effect.CEILING, "10% mean"] == pytest.approx(1.0)
    assert shares.loc[effect.ADDED, "10% 1"] == pytest.approx(1.0)
    assert shares.loc[effect.BALANCE, "25% mean"] < 0.6  # all owe the same: ties share the places
    over = lead[lead["over"] == effect.BALANCE]
    assert (over["low"] > 0).all()
    of_ceiling = lead[lead["over"] == effect.CEILING]
    assert of_ceiling["lead"].tolist() == pytest.approx([0.0, 0.0])


def test_with_all_of_the_truth_nothing_is_lost():
    """Theta is right here; amount and chance are the same for all, and so told wrong that the order is lost."""
    rows = rows_of(1.0, 4000)
    wrong = rows.assign(amount=np.random.default_rng(5).permutation(np.geomspace(1, 1000, len(rows))))
    shares = effect.lost([world(wrong), world(wrong, 2)])
    assert shares.loc["true amount", "10%"] == pytest.approx(1.0, abs=1e-3)
    assert shares.loc["as taught", "10%"] < 0.8
    assert shares.loc["true theta", "25%"] < shares.loc["true chance and amount", "25%"]


def test_the_draws_hold_as_many_of_both_arms_and_pay_by_the_chance_of_their_side():
    night = rows_of(1.0, 4000).query("as_of == 10").assign(added=1.0)
    arms = effect.drawn_arms(night, 30, np.random.default_rng(1))
    assert len(arms) == 400
    assert arms["debtor_id"].is_unique
    assert arms["worked"].mean() == pytest.approx(0.5, abs=0.1)
    chance = np.where(arms["worked"] == 1, arms["p_recovered_if_contacted"], arms["p_recovered_if_left"])
    assert arms["recovered"].mean() == pytest.approx(chance.mean(), abs=0.08)


def test_years_of_draws_prove_a_large_effect_and_not_one_that_is_not_there(monkeypatch):
    monkeypatch.setattr(effect, "RUNS", 4)
    there, none = (effect.ladder_runs(rows_of(slope, 4000)) for slope in (2.0, 0.0))
    assert there["proven"].all()
    assert none["proven"].sum() <= 1
    assert (there["draws"] == 12 * 400).all()


def test_intervals_of_fifths_hold_the_truth_about_as_often_as_they_say(monkeypatch):
    monkeypatch.setattr(effect, "COVERED", 4)
    (line,) = effect.coverage([world(rows_of(1.0, 4000))]).to_dict("records")
    assert line["blocks"] == 4 * 2 * 5
    assert line["held"] >= 0.8


def test_without_a_spread_of_theta_every_account_gains_little():
    (line,) = effect.words([world(rows_of(0.0).assign(theta=0.0))]).to_dict("records")
    assert line["little"] == 1.0
