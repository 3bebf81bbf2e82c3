"""What holds of an account beside contact law is what features say of it: one answer to kept, broken and open,
and to "in force".
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings

from features.build import build
from features.cohort import known
from features.declarations import Catalogue
from features.spec import Feature, where
from features.statuses import StatusLog
from features.tables import NO_DAY, STATUSES
from features.terms import Terms
from features.vocabulary import Agg
from pipeline.law.holds import BIT, open_promises, plans_running, read_holds
from pipeline.law.log import read_log
from pipeline.law.question import KnownAccounts, Sight
from pipeline.params import Promise
from tests.worlds import worlds
from tests.worlds.worlds import World, day

OPEN = Catalogue([Feature("promises", Agg.COUNT, where=where("open", state="open"), called="promises_open", empty=0)])
TERMS = Terms(promise_grace_unit="days")


def promised_until(world: World, sight: Sight, terms: Terms) -> tuple[pd.DataFrame, np.ndarray]:
    """The accounts known on the night, and until when the law takes a promise of each to be open."""
    tables = world.tables()
    cohort = known(tables, [sight.day])
    accounts = KnownAccounts.of(tables["accounts"], cohort, sight)
    none = np.zeros(accounts.numbers.size, np.int64)
    _, remembered = read_log(tables["contacts"], accounts, none, sight, 31, terms.promise_grace_days)
    promise = Promise(
        grace_days=terms.promise_grace_days, grace_unit=terms.promise_grace_unit, kept_share=terms.promise_kept_share
    )
    living = scorable_places(tables, cohort)
    found = open_promises(
        remembered.promises, tables.get("payments"), accounts, sight, promise, accounts.places(living), terms.holidays
    )
    return cohort, found[accounts.scorable]


def scorable_places(tables, cohort: pd.DataFrame) -> pd.DataFrame:
    """Where the debtor of each row lives, as known on its night."""
    versions = tables["accounts"][(tables["accounts"]["known_on"] < cohort["as_of"].max()).to_numpy()]
    last = versions.sort_values("known_at").drop_duplicates("account_no", keep="last").set_index("account_no")
    return cohort.assign(jurisdiction=last["jurisdiction"].reindex(cohort["account_no"]).to_numpy())


@settings(max_examples=30, deadline=None)
@given(worlds.worlds(absent=False), worlds.nights, worlds.terms)
def test_the_law_and_the_features_agree_on_every_open_promise(world, night, terms):
    cohort, until = promised_until(world, Sight(night), terms)
    features = build(cohort, world.tables(), OPEN, terms)["promises_open"].to_numpy()
    assert ((until != NO_DAY) == (features > 0)).all()


@settings(max_examples=30, deadline=None)
@given(worlds.worlds(contacts=False, absent=False), worlds.nights)
def test_the_law_and_the_features_agree_on_every_status_in_force(world, night):
    tables = world.tables()
    cohort = known(tables, [night])
    accounts = KnownAccounts.of(tables["accounts"], cohort, Sight(night))
    bits = read_holds(tables, accounts, Sight(night)).bits[accounts.scorable]
    log = StatusLog(tables, cohort["account_no"].to_numpy())
    for status in STATUSES:
        assert ((bits & BIT[status] > 0) == log.in_force(cohort["as_of"].to_numpy(), [status])).all(), status


RUN_ON = Catalogue([Feature("plans", Agg.ANY, where=where("on", state="running"), called="plan_on", empty=0)])


@settings(max_examples=30, deadline=None)
@given(worlds.worlds(contacts=False, absent=False, treatments=True), worlds.nights, worlds.terms)
def test_the_law_and_the_features_agree_on_every_plan_that_is_kept_to(world, night, terms):
    tables, sight = world.tables(), Sight(night)
    cohort = known(tables, [night])
    accounts = KnownAccounts.of(tables["accounts"], cohort, sight)
    promise = Promise(
        grace_days=terms.promise_grace_days, grace_unit=terms.promise_grace_unit, kept_share=terms.promise_kept_share
    )
    places = accounts.places(scorable_places(tables, cohort))
    found = plans_running(tables, accounts, sight, promise, places, terms.holidays)[accounts.scorable]
    if "plans" in tables:
        features = build(cohort, tables, RUN_ON, terms)["plan_on"].to_numpy()
        # A plan of the night itself holds contact, and is no feature yet.
        today = set(tables["plans"]["account_no"][tables["plans"]["agreed_on"] == night])
        others = ~cohort["account_no"].isin(today).to_numpy()
        assert (found == (features > 0))[others].all()


def promise_of_100(paid: int, at: str = "2024-03-05 10:00") -> World:
    world = World("Europe/Paris").account(opened_on="2023-01-15").deliver("payments", "contacts")
    world.contact("2024-03-01 18:00", "call", "promise", promise_amount=100_00, promise_due_on="2024-03-10")
    return world.payment(at, paid)


@pytest.mark.parametrize(("share", "least"), [(0.55, 55_00), (0.9, 90_00), (0.07, 7_00)])
def test_the_kept_share_is_exact(share, least):
    """In binary 0.55 of 100.00 is a little more than 55.00: who paid 55.00 kept the promise all the same."""
    terms = Terms(promise_grace_unit="days", promise_kept_share=share)
    assert promised_until(promise_of_100(least), Sight(day("2024-03-08")), terms)[1].tolist() == [NO_DAY]
    assert promised_until(promise_of_100(least - 1), Sight(day("2024-03-08")), terms)[1].tolist() == [day("2024-03-13")]


def test_a_payment_of_today_counts_at_the_phone_and_not_on_the_list():
    world = promise_of_100(100_00, at="2024-03-08 10:00")
    today, noon = day("2024-03-08"), int(pd.Timestamp("2024-03-08 12:00", tz="Europe/Paris").value // 1_000)
    assert promised_until(world, Sight(today), TERMS)[1].tolist() == [day("2024-03-13")]
    assert promised_until(world, Sight(today, noon), TERMS)[1].tolist() == [NO_DAY]
    assert promised_until(world, Sight(today, noon - 3 * 3_600_000_000), TERMS)[1].tolist() == [day("2024-03-13")]


def test_a_promise_is_open_through_its_last_day_of_grace():
    for night, until in (("2024-03-13", day("2024-03-13")), ("2024-03-14", NO_DAY)):
        assert promised_until(promise_of_100(1), Sight(day(night)), TERMS)[1].tolist() == [until]


@pytest.mark.parametrize("joined", [False, True])
def test_a_receipt_number_of_another_record_of_the_person_reopens_no_promise(joined):
    world = promise_of_100(1_00).account("other", "namesake", opened_on="2023-01-15")
    world.payment("2024-03-05 10:00", 100_00, payment_id="R1")
    world.payment("2024-03-06 10:00", 1_00, account_id="other", payment_id="R1")
    world = world.same("d-a", "namesake", "2024-03-06") if joined else world
    assert promised_until(world, Sight(day("2024-03-08")), TERMS)[1].tolist() == [NO_DAY, NO_DAY]
