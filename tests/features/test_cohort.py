"""The cohort against hand-computed cases and plain loops: who is scorable, and why the others are not.

Also of statuses.py.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.cohort import BUCKETS, COHORT_COLUMNS, REASONS, bucket, scorable
from features.errors import ContractError, UsageError
from features.ledger import history
from features.statuses import StatusLog
from features.tables import NO_DAY
from features.terms import Terms
from tests.judges.oracle_ledger import account_row, figures, reason
from tests.worlds.cases import CASES, COHORT_CASES, Case
from tests.worlds.worlds import START, World, day, later_rows, nights, terms, worlds

some_nights = st.lists(nights, min_size=1, max_size=4)


def cohort_of(world: World, as_of, terms: Terms = Terms(), **how):  # noqa: B008
    return scorable(world.tables(**how), None, as_of, terms)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hand_computed(case: Case):
    for night, expected in case.nights.items():
        if "reason" not in expected:
            continue
        assert reason(case.world.rows, "a", day(night), case.terms) == expected["reason"]
        found = cohort_of(case.world, [day(night)], case.terms).counts
        reasons = found.loc[found["accounts"] > 0, "reason"].tolist()
        assert reasons == ([] if expected["reason"] is None else [expected["reason"]])


@settings(max_examples=30, deadline=None)
@given(worlds(contacts=False, links=True), terms, some_nights)
def test_equals_the_oracle(world: World, terms: Terms, as_of: list[int]):
    cohort = cohort_of(world, as_of, terms)
    counted, expected = Counter(), []
    for account_id in {row["account_id"] for row in world.rows["accounts"]}:
        for night in set(as_of):
            why = reason(world.rows, account_id, night, terms)
            if why is None:
                continue
            account = account_row(world.rows, account_id, night)
            counted[night, account["portfolio"], why] += 1
            if why == "scorable":
                placed_on = account["placed_on"] if account["placed_on"] < night else NO_DAY
                own = [
                    account[name]
                    for name in ("debtor_id", "portfolio", "product", "currency", "debtor_type", "opened_on")
                ]
                expected.append(
                    (account["account_no"], night, *own, placed_on, *figures(world.rows, account_id, night, terms))
                )
    columns = [
        "account_no",
        "as_of",
        "debtor_id",
        "portfolio",
        "product",
        "currency",
        "debtor_type",
        "opened_on",
        "placed_on",
        "balance",
    ]
    found = cohort.frame[[*columns, "arrears", "days_past_due"]].itertuples(index=False, name=None)
    assert list(found) == sorted(expected)
    assert {row[:3]: row[3] for row in cohort.counts.itertuples(index=False, name=None) if row[3]} == dict(counted)


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False, links=True), terms, some_nights, st.integers(0, 1000))
def test_order_of_rows_and_kind_of_text_are_irrelevant(world: World, terms: Terms, as_of: list[int], seed: int):
    plain = cohort_of(world, as_of, terms)
    shuffled = cohort_of(world, as_of[::-1] + as_of, terms, shuffle_seed=seed, categorical=True)
    pd.testing.assert_frame_equal(plain.counts, shuffled.counts)
    pd.testing.assert_frame_equal(plain.frame, shuffled.frame.astype(plain.frame.dtypes.to_dict()))


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False), terms, some_nights)
def test_shards_are_parts_of_the_whole(world: World, terms: Terms, as_of: list[int]):
    whole = cohort_of(world, as_of, terms)
    debtors = sorted({row["debtor_id"] for row in world.rows["accounts"]})
    parts = [cohort_of(world.of_debtors({debtor}), as_of, terms) for debtor in debtors]
    frame = pd.concat([part.frame for part in parts]).sort_values(["account_no", "as_of"], ignore_index=True)
    pd.testing.assert_frame_equal(frame, whole.frame)
    counts = pd.concat([part.counts for part in parts]).groupby(["as_of", "portfolio", "reason"])["accounts"].sum()
    assert counts.to_dict() == whole.counts.groupby(["as_of", "portfolio", "reason"])["accounts"].sum().to_dict()


@settings(max_examples=20, deadline=None)
@given(worlds(contacts=False), terms, nights, st.data())
def test_nothing_known_from_the_night_on_changes_the_cohort(world: World, terms: Terms, night: int, data):
    earlier, later = world.known_before(night), data.draw(later_rows(world, night))
    pd.testing.assert_frame_equal(cohort_of(earlier, [night], terms).frame, cohort_of(later, [night], terms).frame)
    pd.testing.assert_frame_equal(cohort_of(earlier, [night], terms).counts, cohort_of(later, [night], terms).counts)


def test_the_cases_catch_a_status_that_counts_before_it_is_known():
    def is_wrong(case) -> bool:
        tables = case.world.tables()
        if "statuses" not in tables:
            return False
        statuses = tables["statuses"]
        leaky = tables | {
            "statuses": statuses.assign(known_on=np.minimum(statuses["known_on"], statuses["from_on"]) - np.int32(1))
        }
        for night, expected in case.nights.items():
            found = scorable(leaky, None, [day(night)], case.terms).counts
            if found.loc[found["accounts"] > 0, "reason"].tolist() != [expected["reason"]]:
                return True
        return False

    assert any(map(is_wrong, COHORT_CASES))  # ends at the first


def test_a_known_account_is_counted_once_and_every_reason_is_listed():
    world = (
        World()
        .account("a", opened_on=START, portfolio="book")
        .account("b", opened_on=START + 5, portfolio="shop")
        .charge(START, 100)
    )
    counts = cohort_of(world, [START + 3, START + 9]).counts
    assert counts.groupby(["as_of", "portfolio"])["accounts"].sum().to_dict() == {
        (START + 3, "book"): 1,
        (START + 9, "book"): 1,
        (START + 9, "shop"): 1,
    }
    assert counts["reason"].tolist() == list(REASONS) * 3


def test_nobody_known_is_an_empty_cohort_with_all_columns():
    cohort = cohort_of(World().account("a", opened_on=START).charge(START, 100), [START - 10])
    assert cohort.frame.empty
    assert tuple(cohort.frame.columns) == COHORT_COLUMNS
    assert cohort.counts.empty
    assert list(cohort.counts.columns) == ["as_of", "portfolio", "reason", "accounts"]
    assert cohort_of(World().account("a", opened_on=START), []).frame.empty


def test_buckets_divide_days_past_due():
    edges = [0, 1, 29, 30, 59, 60, 89, 90, 179, 180, 4000]
    assert list(bucket(np.array(edges))) == [
        "0",
        "1-29",
        "1-29",
        "30-59",
        "30-59",
        "60-89",
        "60-89",
        "90-179",
        "90-179",
        "180+",
        "180+",
    ]
    assert list(bucket(pd.Series([], dtype="int32")).categories) == list(BUCKETS)


def test_statuses_that_are_not_delivered_are_in_force_for_nobody():
    assert StatusLog({}, np.array([1, 2])).in_force(np.array([START, START]), ["sold"]).tolist() == [False, False]


def test_a_cohort_needs_accounts_and_their_columns():
    tables = World().account("a", opened_on=START).charge(START, 100).tables()
    ledger = history(tables, Terms())
    with pytest.raises(ContractError, match="A cohort needs the table 'accounts'. Got charges."):
        scorable({"charges": tables["charges"]}, ledger, [START], Terms())
    with pytest.raises(ContractError, match="Table 'accounts' lacks 'product'"):
        scorable(tables | {"accounts": tables["accounts"].drop(columns="product")}, ledger, [START], Terms())


def test_a_night_outside_the_ledger_is_refused():
    tables = World().account("a", opened_on=START).charge(START, 100).tables()
    with pytest.raises(UsageError, match="The ledger ends on 2024-02-23, but 2024-02-29 is asked for"):
        scorable(tables, history(tables, Terms(), last_day=START + 3), [START + 9], Terms())
