"""Debtors who tire: the second and the fifth contact do their share of the first, and the truth stays exact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import NO_DAY
from pipeline.simulate.books import DAYS_IN_MONTH, DEBTOR, MONTH
from pipeline.simulate.fatigue import COUNTED_DAYS, FIFTH, WORTH, counted, respond_tired
from pipeline.simulate.portfolio import Nature
from pipeline.simulate.response import BUDGET, NIGHT, Touch
from tests.worlds.markets import MOVED, by_the_coin, log_odds, market, misses

pytestmark = pytest.mark.slow


def moved_by_one_call(before: list[int], full: float) -> float:
    """log of what one certain call, answered and paid after on the same day, does to the daily odds,
    with talks so many days before.
    """
    debtor, month, night = (np.zeros(1, kind).view(np.recarray)[0] for kind in (DEBTOR, MONTH, NIGHT))
    month.first, month.length, month.next_pay[:] = 20_000, 1, 20_010
    debtor.messages_on[:] = debtor.talks_on[:] = NO_DAY
    for place, days in enumerate(sorted(before)[:FIFTH]):
        debtor.talks_on[place] = 20_000 - days
    night.rate, night.worked, night.profile[0] = 0.2, 1, 1.0
    chances, rates = np.zeros((3, 75)), []
    for calls_on in (-1, 0):
        touch = Touch(0.0, 0.0, calls_on, 1.0, 0.0, 0.0, 0.0, 0.0, 1.6, full, True, False, True, True, False)
        respond_tired.py_func(30, month, night, debtor, False, touch, chances)
        rates.append(-np.log(1 - chances[BUDGET, 0]))
    return float(np.log(rates[1] / rates[0]))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=8), st.sampled_from([3.4, 0.3]))
def test_the_nth_conversation_of_a_month_is_worth_its_share_of_the_first(before, full):
    number = sum(days < COUNTED_DAYS for days in before)
    share = WORTH[0 if number == 0 else 1 if number < 4 else 2]
    assert moved_by_one_call(before, full) / np.log(full) == pytest.approx(
        share, abs=2e-3
    )  # some stop paying on the day


def test_only_the_last_days_and_no_more_than_matters_are_counted():
    assert counted(np.array([99, 70, 69, NO_DAY]), 100) == 2
    assert counted(np.array([99, 99, 98, 97]), 100) == FIFTH
    assert COUNTED_DAYS >= DAYS_IN_MONTH
    assert (WORTH == [1, 0.13, 0.035]).all()


@pytest.fixture(scope="module")
def tired() -> pd.DataFrame:
    return market(3_500, 47, Nature(slice=1.0, fatigue=True), months=18)


def test_what_the_coin_decided_bears_out_the_truth_of_tired_debtors(tired):
    thrown = by_the_coin(tired)
    thrown = thrown[thrown["type"].isin(MOVED)]
    assert thrown.groupby("talks").size().loc[[0, 1, 2, 3]].min() > 100
    side = thrown["heads"].astype(str)
    for groups in (
        side + thrown["type"],
        side + thrown["talks"].clip(upper=2).astype(str),
        side + thrown["messages"].astype(str),
    ):
        assert misses(thrown, "said", groups).abs().max() < 3.5


def test_working_adds_less_to_those_who_were_worked_before_and_less_than_where_nobody_tires(tired):
    added = tired[(tired["drawable"] == 1) & (tired["type"] == "pays_if_contacted")]
    gain = (
        (log_odds(added["if_contacted"]) - log_odds(added["if_left"]))
        .groupby(pd.cut(added["talks"], [-1, 0, 3, FIFTH]))
        .mean()
    )
    assert (
        gain.iloc[0] > 1.4 * gain.iloc[1] > 1.4 * gain.iloc[2] > 0
    )  # none, one to three, four and more before the night
    fresh = market(1_000, 47, Nature(slice=1.0), months=18)
    fresh = fresh[(fresh["drawable"] == 1) & (fresh["type"] == "pays_if_contacted")]
    lasting = (
        (log_odds(fresh["if_contacted"]) - log_odds(fresh["if_left"])).groupby(fresh["talks"].clip(upper=2)).mean()
    )
    assert lasting[2] > 0.9 * lasting[0]  # the canary: without fatigue nothing of the kind is seen
