"""The doors: what others hand to build and labels is refused with all that is wrong,
and what a store read is let in as it is.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from features.build import build
from features.catalogue import CATALOGUE
from features.cohort import FROM_ACCOUNTS, Cohort, scorable
from features.columns import columns_of
from features.doors import for_build, for_history, for_labels, for_scorable
from features.errors import ContractError, UsageError
from features.ledger import history
from features.tables import InnerTables, check
from features.terms import LabelTerms, Terms
from tests.worlds.cohorts import account, frame_of
from tests.worlds.worlds import day

NIGHT = day("2024-03-01")
LABEL = LabelTerms()
OWED = {
    "account_no": [1],
    "as_of": [NIGHT],
    "balance": [100],
    "days_past_due": [3],
    "portfolio": ["book"],
    "currency": ["EUR"],
}


NEEDED = columns_of(CATALOGUE, scorable=False)


def plain() -> dict[str, pd.DataFrame]:
    """Frames as an analyst makes them: nothing says that they were checked."""
    return dict(account().tables())


def cohort(**columns) -> pd.DataFrame:
    return pd.DataFrame({**OWED, **columns})


def with_column(name: str, column: str, values) -> dict[str, pd.DataFrame]:
    tables = plain()
    return {**tables, name: tables[name].assign(**{column: values})}


def test_good_frames_are_let_in_and_give_what_a_store_s_give():
    pairs = frame_of([("a", NIGHT)])
    assert_frame_equal(build(pairs, plain()), build(pairs, InnerTables(plain())))
    assert isinstance(for_labels(cohort(), plain(), [LABEL], NIGHT, by_book=True), InnerTables)


@pytest.mark.parametrize(
    ("own", "tables", "match"),
    [
        (
            frame_of([("a", NIGHT)]).assign(as_of=pd.Timestamp("2024-03-01")),
            {},
            "'cohort': column 'as_of' must be a day number between",
        ),
        (
            frame_of([("a", NIGHT)]).assign(as_of=20_240_301),
            {},
            "'as_of' must be a day number between 1900 and 9999. Got 1 rows",
        ),
        (frame_of([("a", NIGHT)]).assign(account_no="a"), {}, "'cohort': column 'account_no' must be int64. Got str"),
        (pd.DataFrame({"account_id": [None], "as_of": [NIGHT]}), {}, "'cohort': column 'account_id' must not be empty"),
        (pd.DataFrame({"account": ["a"]}), {}, "'cohort' lacks 'account_no' .nearest: 'account'., 'as_of'"),
        (
            frame_of([("a", NIGHT)]),
            with_column("charges", "amount", 12.5),
            "'charges': column 'amount' must be int64. Got float64",
        ),
        (
            frame_of([("a", NIGHT)]),
            with_column("charges", "due_on", np.int32(-90_000)),
            "'due_on' must be a day between 1900 and 9999",
        ),
        (
            frame_of([("a", NIGHT)]),
            with_column("accounts", "currency", "XYZ"),
            "'accounts': column 'currency' must be codes of ISO 4217",
        ),
        (
            frame_of([("a", NIGHT)]),
            with_column("accounts", "product", 7),
            "'accounts': column 'product' must be text. Got 1 rows",
        ),
        (
            frame_of([("a", NIGHT)]),
            with_column("accounts", "known_at", np.int64(-(2**63))),
            "'known_at' must not be empty. Got 1 rows",
        ),
    ],
)
def test_build_refuses_each_kind_of_failure(own, tables, match):
    with pytest.raises(ContractError, match=match):
        build(own, tables or plain())


def test_build_names_a_column_that_lacks_and_a_table_the_contract_does_not_have():
    without = {**plain(), "contacts": plain()["contacts"].drop(columns="direction")}
    with pytest.raises(ContractError, match="'contacts' lacks 'direction'"):
        build(frame_of([("a", NIGHT)]), without)
    with pytest.raises(UsageError, match="unknown 'payment' .nearest: 'payments'"):
        build(frame_of([("a", NIGHT)]), {**plain(), "payment": plain()["payments"]})


@pytest.mark.parametrize(
    ("own", "tables", "match"),
    [
        (cohort(balance=[1.5]), {}, "'cohort': column 'balance' must be whole minor units. Got 1 rows"),
        (cohort(days_past_due=[-1]), {}, "'cohort': column 'days_past_due' must be a number of days from 0 on"),
        (cohort(as_of=["2024-03-01"]), {}, "'cohort': column 'as_of' must be a day number"),
        (cohort(portfolio=[None]), {}, "'cohort': column 'portfolio' must not be empty"),
        (cohort().drop(columns=["portfolio", "currency"]), {}, "'cohort' lacks 'currency', 'portfolio'"),
        (
            cohort(),
            with_column("statuses", "until_on", "2024-03-01"),
            "'statuses': column 'until_on' must be int32. Got",
        ),
        (cohort(), {**plain(), "statuses": plain()["statuses"].drop(columns="status")}, "'statuses' lacks 'status'"),
    ],
)
def test_labels_refuse_each_kind_of_failure(own, tables, match):
    terms = [LABEL, LabelTerms(min_amount=1)]
    with pytest.raises(ContractError, match=match):
        for_labels(own, tables or plain(), terms, {"book": NIGHT}, by_book=True)


def test_all_that_is_wrong_comes_at_once_and_no_value_is_told():
    wrong = with_column("accounts", "currency", "Zaphod")
    wrong["charges"] = wrong["charges"].assign(kind="Beeblebrox", amount=4711.5)
    with pytest.raises(ContractError, match="'cohort' lacks 'as_of'") as refused:
        build(pd.DataFrame({"account_no": ["Arthur"]}), wrong)
    said = str(refused.value)
    assert all(
        part in said
        for part in ("'cohort' lacks 'as_of'", "'account_no'", "'currency'", "'kind'", "'amount' must be int64")
    )
    assert not [secret for secret in ("Zaphod", "Beeblebrox", "4711", "Arthur") if secret in said]


def test_days_in_another_width_are_days_as_long_as_they_fit():
    pairs, tables = frame_of([("a", NIGHT)]), plain()
    wide = {**tables, "charges": tables["charges"].astype({"due_on": "int64", "known_on": "int64"})}
    assert_frame_equal(build(pairs, wide), build(pairs, tables))
    assert for_build(pairs, wide, NEEDED)["charges"].dtypes.equals(account().tables()["charges"].dtypes)
    with pytest.raises(ContractError, match="'due_on' must be int32. Got int64"):
        build(pairs, with_column("charges", "due_on", 2**40))


def test_a_status_log_may_lack_its_details():
    without = {**plain(), "statuses": plain()["statuses"].drop(columns="detail")}
    assert isinstance(for_labels(cohort(), without, [LABEL], NIGHT, by_book=False), InnerTables)
    assert_frame_equal(build(frame_of([("a", NIGHT)]), without), build(frame_of([("a", NIGHT)]), plain()))


def test_what_is_let_in_once_is_not_looked_at_again():
    own, tables = frame_of([("a", NIGHT)]), InnerTables(with_column("accounts", "currency", "XYZ"))
    assert for_build(own, tables, NEEDED) is tables
    assert for_labels(cohort(), tables, [LABEL], NIGHT, by_book=False) is tables
    let_in = for_build(own, plain(), NEEDED)
    assert for_build(own, let_in, NEEDED) is let_in
    assert for_history(tables) is tables
    assert for_scorable(tables, FROM_ACCOUNTS) is tables


def test_a_cohort_is_looked_at_whatever_vouches_for_the_tables():
    let_in = account().tables()
    with pytest.raises(ContractError, match="'cohort': column 'as_of' must be a day number between 1900 and 9999"):
        build(frame_of([("a", NIGHT)]).assign(as_of="2024-03-01"), let_in)
    with pytest.raises(ContractError, match="'cohort' lacks 'balance', 'days_past_due'"):
        for_labels(cohort().drop(columns=["balance", "days_past_due"]), let_in, [LABEL], NIGHT, by_book=False)


@pytest.mark.parametrize("make", [lambda tables: history(tables, Terms()), lambda tables: known_scorable(tables)])
def test_ledger_and_cohort_stand_behind_the_same_door(make):
    wrong = {**with_column("charges", "amount", 12.5), "accounts": plain()["accounts"].assign(currency="XYZ")}
    with pytest.raises(ContractError, match="'currency' must be codes of ISO 4217.*'amount' must be int64"):
        make(wrong)
    with pytest.raises(UsageError, match="unknown 'payment' .nearest: 'payments'"):
        make({**plain(), "payment": plain()["payments"]})


def known_scorable(tables: dict[str, pd.DataFrame]) -> Cohort:
    return scorable(tables, history(account().tables(), Terms()), [NIGHT], Terms())


def test_the_worlds_of_the_tests_say_rightly_that_they_are_of_the_inner_form():
    for categorical in (False, True):
        check(account().tables(categorical=categorical))
    assert isinstance(account().tables(), InnerTables)
