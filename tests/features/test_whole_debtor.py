"""Features of all accounts of a debtor, and what is unknown where a book of the debtor is late."""

from __future__ import annotations

import numpy as np
import pytest

from features.build import build, explain_feature, without_rate
from features.cohort import scorable
from features.columns import columns_of
from features.declarations import Catalogue
from features.reference import INTRODUCTION
from features.spec import Noun
from features.terms import Terms
from features.vocabulary import FACTS
from tests.worlds.cohorts import DECIMALS, RATES, account, frame_of, two_books
from tests.worlds.worlds import World, day


def two_currencies(third: int = 95) -> World:
    world = (
        World()
        .account("a", "d", opened_on="2024-01-01", currency="EUR")
        .account("b", "d", opened_on="2024-01-01", currency="JPY")
    )
    world.account("c", "d", opened_on="2024-01-01", currency="EUR")
    return (
        world.charge("2024-02-01", 1_005, account_id="a")
        .charge("2024-02-01", 2_050, account_id="b")
        .charge("2024-02-01", third, account_id="c")
    )


def test_debtor_arrears_are_in_the_accounts_own_currency_rounded_half_to_even():
    """2,050 yen are 12.505 euros: 1,100 + 1,250.5 cents, or 1,101 + 1,250.5; 11.00 euros are 1,803.28 yen."""
    pairs = [(name, day("2024-03-01")) for name in "abc"]
    found = build(frame_of(pairs), two_currencies().tables(), terms=Terms(rates=RATES, decimals=DECIMALS))
    assert found["debtor_accounts"].tolist() == [3, 3, 3]
    assert found["debtor_arrears"].tolist() == [2_350, 3_853, 2_350]
    found = build(frame_of(pairs), two_currencies(96).tables(), terms=Terms(rates=RATES, decimals=DECIMALS))
    assert found["debtor_arrears"].tolist() == [2_352, 3_855, 2_352]


def test_debtor_arrears_are_missing_and_counted_where_a_rate_is_needed_and_not_given():
    terms = Terms(rates={"EUR": 1.0}, decimals=DECIMALS)
    tables = two_currencies().tables()
    cohort = scorable(tables, None, [day("2024-03-01")], terms).frame
    assert build(cohort, tables, terms=terms)["debtor_arrears"].isna().all()
    assert without_rate(cohort, terms) == {"JPY": 1}
    same = build(frame_of([("a", day("2024-03-01")), ("c", day("2024-03-01"))]), tables, terms=Terms())
    assert same["debtor_arrears"].tolist() == [1_100, 1_100]


def test_statements_of_another_book_that_are_late_leave_a_book_without_statements_alone():
    world = account().account("b", portfolio="cards", opened_on="2024-01-01").deliver("balances")
    terms = Terms(
        delivers={
            "book": frozenset({"accounts", "charges", "payments"}),
            "cards": frozenset({"accounts", "balances", "payments"}),
        }
    )
    late = {"balances": {"book": day("2024-02-01"), "cards": day("2024-02-01")}}
    found = build(
        frame_of([(name, day("2024-03-01")) for name in "ab"]), world.tables(), terms=terms, complete_through=late
    )
    assert found["balance"].isna().tolist() == [False, True]


def test_settled_accounts_of_the_debtor_tell_how_late_they_were():
    world = account().account("early", "d-a", opened_on="2023-01-01", principal=500)
    world.account("late", "d-a", opened_on="2023-02-01", principal=300)
    world.account("yen", "d-a", opened_on="2023-03-01", principal=900, currency="JPY").account(
        "other", "d9", opened_on="2022-01-01"
    )
    days = {
        "early": ("2023-01-02", "2023-03-01", "2023-02-24"),
        "late": ("2023-02-02", "2023-04-01", "2023-07-10"),
        "yen": ("2023-03-02", "2023-05-01", "2023-05-03"),
        "other": ("2022-01-02", "2022-02-01", "2022-06-01"),
    }
    for name, (known, due, paid) in days.items():
        world.charge(due, 100, account_id=name, known_at=known).payment(paid, 100, account_id=name)
    found = build(frame_of([("a", day("2024-03-01")), ("a", day("2023-07-10"))]), world.tables()).filter(like="settled")
    now, before = found.iloc[0], found.iloc[1]
    assert (now["debtor_accounts_settled"], now["debtor_accounts_settled_late"], before["debtor_accounts_settled"]) == (
        3,
        2,
        2,
    )
    assert now["debtor_settled_days_late_mean"] == (-5 + 100 + 2) / 3
    assert now["debtor_settled_days_late_max"] == now["debtor_last_settled_days_late"] == 100
    assert before["debtor_last_settled_days_late"] == 2
    assert now["debtor_days_since_last_settled"] == day("2024-03-01") - day("2023-07-10")
    assert now["debtor_largest_settled_principal"] == 500
    told = explain_feature("debtor_accounts_settled", "a", day("2024-03-01"), world.tables())
    settled = told.loc[told["what"] == "account", ["account_id", "settled_on"]].dropna().values.tolist()
    assert sorted(settled) == [["early", "2023-02-24"], ["late", "2023-07-10"], ["yen", "2023-05-03"]]


WHOLE_DEBTOR = [name for name, fact in FACTS.items() if fact.family == "debtor"]


def test_an_adjustment_of_what_is_itself_an_adjustment_cancels_nothing():
    """Its -100 settled the debt, and nobody paid: under the id it names lies no charge that it could take back."""
    world = World().account(opened_on="2024-01-01").charge("2024-01-10", 100, charge_id="c1", kind="principal")
    world.charge("2024-03-29", -150, charge_id="c0", kind="adjustment", issued_on="2024-01-12")
    world.charge("2024-02-01", -100, charge_id="c3", kind="adjustment", adjusts="c0").deliver("payments", "statuses")
    world.balance("2024-01-05", 100, 0, 0).balance("2024-02-02", 0, 0, 0)
    matrix = build(frame_of([("a", day("2024-02-10"))]), world.tables(), Catalogue([Noun("debtor_accounts_settled")]))
    assert matrix["debtor_accounts_settled"].tolist() == [0]


def test_settled_accounts_without_a_due_day_are_neither_early_nor_late():
    found = build(frame_of([("a", day("2024-03-01"))]), two_books().tables()).iloc[0]
    assert (
        found["debtor_accounts_settled"],
        found["debtor_accounts_settled_dated"],
        found["debtor_accounts_settled_late"],
    ) == (2, 1, 1)
    assert (found["debtor_settled_late_share"], found["debtor_settled_days_late_mean"]) == (1, 9)
    shop = Terms(delivers={"shop": frozenset({"accounts", "balances", "payments"})})
    found = build(frame_of([("a", day("2024-03-01"))]), two_books().tables(), terms=shop).iloc[0]
    assert found["debtor_accounts_settled"] == 2
    assert (
        found[[name for name in (*WHOLE_DEBTOR, "debtor_settled_late_share") if "late" in name or "dated" in name]]
        .isna()
        .all()
    )


@pytest.mark.parametrize("late", ["charges", "balances", "payments", "all"])
def test_another_book_of_the_debtor_that_is_late_or_without_ledger_leaves_the_whole_debtor_unknown(late):
    world, night = two_books(), day("2024-03-01")
    of_accounts = ["debtor_accounts_ever", "debtor_days_since_first_opened"]
    of_ledger = [name for name in WHOLE_DEBTOR if name not in of_accounts]
    assert len(of_ledger) == 11
    if late == "all":
        found = build(
            frame_of([("a", night)]),
            world.tables(),
            terms=Terms(delivers={"shop": frozenset({"accounts", "payments"})}),
        )
    else:
        reach = {late: {"book": night, "shop": night - 2}}
        found = build(frame_of([("a", night), ("a", night - 1)]), world.tables(), complete_through=reach)
        assert found[of_ledger].iloc[1].notna().all()
    assert found[of_ledger].iloc[0].isna().all()
    assert found[of_accounts].iloc[0].tolist() == [3, night - day("2023-01-15")]
    assert found["balance"].notna().all()


def test_a_late_book_of_settled_accounts_leaves_the_figures_over_scorable_accounts_alone():
    """As docs/features.md says."""
    world, night = two_books().payment("2024-02-01", 5), day("2024-03-01")
    cohort = scorable(world.tables(), None, [night], Terms()).frame
    assert cohort["account_id"].tolist() == ["a"]
    found = build(cohort, world.tables(), complete_through={"payments": {"book": night, "shop": night - 3}}).iloc[0]
    assert (found["debtor_payments_365d"], found["debtor_days_since_last_payment"]) == (1, 29)
    assert np.isnan(found["debtor_accounts_settled"])
    assert np.isnan(found["debtor_days_past_due_max_ever"])
    told = " ".join(INTRODUCTION.split())
    assert (
        "over the debtor's scorable accounts is missing where the "
        "portfolio of one of these does not deliver it, a figure of the"
    ) in told


def test_the_last_payment_on_any_account_is_unknown_where_a_book_of_the_debtor_is_late():
    world = (
        account()
        .account("b", "d-a", portfolio="shop", opened_on="2023-02-01")
        .charge("2024-01-31", 100, account_id="b")
    )
    world.payment("2024-02-01", 5).account("other", portfolio="shop", opened_on="2023-02-01")
    cohort = frame_of([(name, day("2024-03-01")) for name in ("a", "b", "other")])
    columns = ["debtor_days_since_last_payment", "debtor_days_past_due_max", "debtor_days_since_newest_placement"]
    whole = build(cohort, world.tables())[columns]
    assert whole.iloc[0].tolist()[:2] == [29, 30]
    assert np.isnan(whole.iloc[2, 0])
    late = {"payments": {"book": day("2024-02-29"), "shop": day("2024-02-28")}}
    found = build(cohort, world.tables(), complete_through=late)
    assert found["payments_days_since_last"].iloc[0] == 29
    assert found[columns[:2]].isna().all(axis=None)


def test_who_the_debtor_is_needs_no_ledger():
    tables = two_books().tables()
    found = build(frame_of([("a", day("2024-03-01"))]), {"accounts": tables["accounts"]})
    assert found["debtor_accounts_ever"].tolist() == [3]
    assert found["debtor_days_since_first_opened"].tolist() == [day("2024-03-01") - day("2023-01-15")]
    assert found["debtor_accounts_settled"].isna().all()
    alone = Catalogue([Noun("debtor_accounts_ever"), Noun("debtor_days_since_first_opened")])
    needed = columns_of(alone, scorable=False)
    assert list(needed) == ["accounts"]
    fewer = build(frame_of([("a", day("2024-03-01"))]), {"accounts": tables["accounts"][needed["accounts"]]}, alone)
    assert fewer.iloc[0].tolist() == [3, day("2024-03-01") - day("2023-01-15")]
    shop = Terms(delivers={"shop": frozenset({"accounts"})})
    told = explain_feature("debtor_accounts_settled", "a", day("2024-03-01"), tables, terms=shop)
    assert told["what"].tolist() == ["value", "account", "account without a ledger", "account without a ledger"]
    assert np.isnan(told["value"].iloc[0])
