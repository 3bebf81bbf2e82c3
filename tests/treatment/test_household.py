"""Debtors of several accounts, by hand (household.py): the one offer that is made, who waits for it, and whose offer is
given up for what leaves.
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from models.routes import AGENCY, INTERNAL, REST
from pipeline.treatment.household import Household, household


def of(*accounts: tuple[str, str, float, float, str, float], unit: list[float] | None = None) -> Household:
    """debtor, proposal, gain, continuation, route, value."""
    names = ("debtor_id", "proposal", "gain", "continuation", "route", "value")
    whole = pd.DataFrame(accounts, columns=names).assign(account_id=[f"A{at}" for at in range(len(accounts))])
    whole = whole if unit is None else whole.assign(unit=unit)
    return household(whole, whole[["proposal", "gain"]], whole[["route", "value"]])


def told(found: Household) -> list[str]:
    parts = {"offered": found.offered, "waits": found.waits, "given up": found.given_up}
    return [next((name for name, rows in parts.items() if rows[at]), "by itself") for at in range(len(found.offered))]


def test_the_other_account_waits_while_the_offer_gains_more_than_its_leaving():
    """30 gained by the offer, against 45 - 20 = 25 by the agency."""
    offered, other = ("D", "settlement", 30, 50, INTERNAL, 80), ("D", "", 0, 20, AGENCY, 45)
    assert told(of(offered, other)) == ["offered", "waits"]
    assert told(of(offered, ("E", "", 0, 20, AGENCY, 45))) == ["offered", "by itself"]


def test_the_offer_is_given_up_where_what_leaves_gains_more_in_all():
    """Two accounts gain 25 and 10 by leaving: 35 against 30. The account of the offer stays tonight."""
    accounts = [("D", "settlement", 30, 50, INTERNAL, 80), ("D", "", 0, 20, AGENCY, 45), ("D", "", 0, -5, AGENCY, 10)]
    assert told(of(*accounts)) == ["given up", "by itself", "by itself"]
    assert told(of(*accounts[:2], ("D", "", 0, -5, AGENCY, 4))) == ["offered", "waits", "waits"]  # 25 + 4
    assert told(of(*accounts[:2], ("D", "", 0, -5, AGENCY, 5))) == ["offered", "waits", "waits"]  # as much: the offer


def test_of_two_offers_the_one_that_gains_more_is_made_by_the_rates():
    both = [("D", "plan", 30, 50, INTERNAL, 80), ("D", "settlement", 40, 50, INTERNAL, 90)]
    assert told(of(*both)) == ["waits", "offered"]
    assert told(of(*both, unit=[0.02, 0.01])) == ["offered", "waits"]
    even = [("D", "plan", 30, 50, INTERNAL, 80), ("D", "settlement", 30, 50, INTERNAL, 80)]
    assert told(of(*even)) == ["offered", "waits"]


def test_an_offer_on_an_account_that_leaves_is_none_and_both_offers_go_where_others_leave():
    leaves = ("D", "plan", 30, 50, AGENCY, 90)
    assert told(of(leaves, ("D", "", 0, 20, INTERNAL, 20))) == ["by itself", "by itself"]
    both = [("D", "plan", 3, 50, INTERNAL, 53), ("D", "plan", 2, 50, INTERNAL, 52)]
    assert told(of(*both, ("D", "", 0, 20, AGENCY, 45))) == ["given up", "given up", "by itself"]


def test_an_offer_that_stands_and_gains_nothing_by_now_stays_where_nobody_leaves():
    assert told(of(("D", "plan", -8, 50, INTERNAL, 42), ("D", "", 0, 20, INTERNAL, 20))) == ["offered", "waits"]


def test_an_account_that_rests_does_not_leave():
    assert told(of(("D", "plan", 3, 50, INTERNAL, 53), ("D", "", 0, -20, REST, 0))) == ["offered", "waits"]


@pytest.mark.parametrize("part", ["waits", "given_up"])
def test_what_may_not_leave_tonight_is_both(part):
    nobody = of(("D", "", 0, 5, INTERNAL, 5))
    assert not nobody.closed.any()
    assert replace(nobody, **{part: ~nobody.waits}).closed.all()
