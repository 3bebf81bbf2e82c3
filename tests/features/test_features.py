"""Features equal the plain loops of the oracle, whatever the order of rows, the split into shards and the company of other nights."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.build import build, explain_feature, without_rate
from features.catalogue import CATALOGUE
from features.cohort import scorable
from features.columns import columns_of
from features.declarations import Catalogue
from features.errors import ContractError, UsageError
from features.ledger import history
from features.reference import INTRODUCTION
from features.spec import MISSING, Feature, Noun, Window, where
from features.tables import NO_DAY, TABLES
from features.terms import Terms
from features.vocabulary import FACTS, Agg
from tests.judges.oracle import Judge
from tests.worlds import worlds
from tests.worlds.cohorts import DECIMALS, EVERYTHING, RATES, frame_of, nights_of, tables_of, with_rates
from tests.worlds.worlds import World, day


def differences(
    matrix: pd.DataFrame, world: World, pairs: list[tuple[str, int]], terms: Terms, catalogue: Catalogue, complete: dict | None = None
) -> list[str]:
    """Every cell that is not the judge's, in words."""
    judge = Judge(world.rows, pairs, terms, catalogue, complete)
    found = []
    for name in matrix.columns:
        for (account_id, night), value in zip(pairs, matrix[name], strict=True):
            expected = judge.value(name, account_id, night)
            if expected is None or isinstance(expected, str) or pd.isna(value):
                same = pd.isna(value) if expected is None else value == expected
            else:
                same = math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)
            if not same:
                found.append(f"{name} of {account_id} on {worlds.date(night)}: {value!r}, not {expected!r}")
    return found


def check(
    world: World, nights: list[int], terms: Terms, catalogue: Catalogue, seed: int | None = None, categorical: bool = False,
    complete: dict | None = None,
) -> None:  # fmt: skip
    pairs = nights_of(world, nights)
    tables = tables_of(world, seed, categorical)
    matrix = build(frame_of(pairs), tables, catalogue, terms, complete_through=complete)
    assert differences(matrix, world, pairs, terms, catalogue.with_attributes(tables["accounts"]), complete) == []


@st.composite
def cases(draw, max_rows: int = 6, max_accounts: int = 3) -> tuple[World, list[int]]:
    """A world, and up to three nights, most of them on or just after a day on which something happens or becomes known."""
    world = draw(worlds.worlds(max_rows=max_rows, max_accounts=max_accounts))
    told = {row[name] for rows in world.rows.values() for row in rows for name in row if name.endswith("_on") and row[name] != NO_DAY}
    near = st.builds(lambda number, shift: number + shift, st.sampled_from(sorted(told)), st.sampled_from((0, 1, 1, 2, 9, 10)))
    return world, sorted(draw(st.lists(st.one_of(near, near, worlds.nights), min_size=1, max_size=3, unique=True)))


# What each of the two books declares, and how far its feeds reach.
declared = st.dictionaries(st.sampled_from(("book", "shop")), st.sampled_from([frozenset(TABLES) - {name} for name in TABLES]), max_size=2)
feeds = st.dictionaries(
    st.sampled_from(("charges", "balances", "payments", "contacts", "statuses")),
    st.fixed_dictionaries({"book": worlds.nights, "shop": worlds.nights}), max_size=2,
)  # fmt: skip


def plain(matrix: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: which values a category could take may depend on the shard, the cells may not."""
    return matrix.astype({name: "str" for name in matrix if isinstance(matrix[name].dtype, pd.CategoricalDtype)})


@settings(max_examples=25, deadline=None)
@given(cases(), worlds.terms, st.sampled_from((RATES, {"EUR": 1.0}, {})), st.booleans(), declared, feeds)
def test_the_catalogue_equals_the_plain_loops(case, terms, rates, categorical, delivers, complete):
    world, nights = case
    terms = replace(with_rates(terms, rates), delivers=delivers)
    check(world, nights, terms, CATALOGUE, categorical=categorical, complete=complete)


@settings(max_examples=15, deadline=None)
@given(cases(max_rows=8, max_accounts=2), worlds.terms, st.integers(0, 99))
def test_every_aggregate_of_every_event_equals_the_plain_loops(case, terms, seed):
    world, nights = case
    check(world, nights, with_rates(terms), EVERYTHING, seed)


@settings(max_examples=8, deadline=None)
@given(cases(), worlds.terms, st.integers(0, 99), st.booleans())
def test_the_order_of_rows_and_the_company_of_other_columns_are_irrelevant(case, terms, seed, categorical):
    world, nights = case
    cohort, terms = frame_of(nights_of(world, nights)), with_rates(terms)
    for catalogue in (CATALOGUE, EVERYTHING):
        straight = build(cohort, tables_of(world), catalogue, terms)
        assert_frame_equal(build(cohort, tables_of(world, seed, categorical), catalogue, terms), straight)
    windowed = Catalogue([entry for entry in EVERYTHING if entry.window])
    names = list(windowed.names)
    assert_frame_equal(build(cohort, tables_of(world), windowed, terms)[names], straight[names])
    shuffled = cohort.sample(frac=1, random_state=seed)
    assert_frame_equal(build(shuffled, tables_of(world), EVERYTHING, terms), straight.loc[shuffled.index])


@settings(max_examples=10, deadline=None)
@given(cases(), worlds.terms)
def test_the_whole_is_the_concatenation_of_its_shards(case, terms):
    world, nights = case
    pairs, terms = nights_of(world, nights), with_rates(terms)
    whole = plain(build(frame_of(pairs), tables_of(world), CATALOGUE, terms))
    for debtor in sorted({row["debtor_id"] for row in world.rows["accounts"]}):
        shard = world.of_debtors({debtor})
        own = [place for place, (account, _) in enumerate(pairs) if account in {row["account_id"] for row in shard.rows["accounts"]}]
        if own:
            part = plain(build(frame_of([pairs[place] for place in own]), tables_of(shard), CATALOGUE, terms))
            assert_frame_equal(part, whole.iloc[own].reset_index(drop=True))


@settings(max_examples=10, deadline=None)
@given(cases(), worlds.terms)
def test_a_training_row_is_the_nightly_row_bit_for_bit(case, terms):
    """The panel, made of the scorable cohort and its ledger, against each night alone, made of keys and the rows known by then."""
    world, nights = case
    terms = with_rates(terms)
    tables = tables_of(world)
    ledger = history(tables, terms)
    cohort = scorable(tables, ledger, nights, terms).frame
    panel = plain(build(cohort, tables, CATALOGUE, terms, ledger))
    for night in nights:
        own = cohort[cohort["as_of"] == night]
        if len(own):
            alone = build(own[["account_no", "as_of"]].reset_index(drop=True), tables_of(world.known_before(night)), CATALOGUE, terms)
            assert_frame_equal(plain(alone), panel.loc[own.index].reset_index(drop=True))


def test_threads_share_the_rows_and_change_nothing(monkeypatch):
    world = World().account("a", opened_on="2024-01-01").account("b", opened_on="2024-01-01").account("c", opened_on="2024-01-01")
    for number, account in enumerate("abcabc"):
        world.payment(f"2024-02-{number + 1:02}", 100 + number, account_id=account)
    pairs = nights_of(world, [day("2024-02-05"), day("2024-02-20")])
    alone = build(frame_of(pairs), world.tables())
    monkeypatch.setattr("features.build.SPLIT_ROWS", 1)
    assert_frame_equal(build(frame_of(pairs), world.tables(), threads=4), alone)


# Named cases of the contract, computed by hand.


def cell(world: World, name: str, night: str, account_id: str = "a", terms: Terms | None = None):
    matrix = build(frame_of([(account_id, day(night))]), world.tables(), CATALOGUE, terms or Terms(decimals=DECIMALS))
    return matrix[name].iloc[0]


def account() -> World:
    return World("Europe/Paris").account(opened_on="2023-01-15").charge("2024-01-31", 100_000).deliver("payments", "contacts", "statuses")


def test_a_window_holds_its_first_day_and_not_as_of():
    world = account().payment("2024-02-14", 1).payment("2024-02-15", 10).payment("2024-03-15", 100).payment("2024-03-16 00:00", 1_000)
    assert cell(world, "payments_sum_30d", "2024-03-16") == 110
    assert cell(world, "payments_count_30d", "2024-03-16") == 2
    assert cell(world, "payments_count_30d", "2024-03-17") == 2


def test_the_longest_window_alone_ends_where_it_should():
    world = account().payment("2024-03-05", 1).payment("2024-03-06", 10)
    alone = [Feature("payments", Agg.SUM, Window(10), empty=0)]
    found = build(frame_of([("a", day("2024-03-16")), ("a", day("2024-03-17"))]), world.tables(), alone)
    assert found["payments_sum_10d"].tolist() == [10, 0]


def test_a_reversal_counts_from_the_day_after_it_is_known_and_in_its_payments_window():
    world = account().payment("2024-02-01", 500, payment_id="p", method="card").reversal("2024-03-20", 200, "p", known_at="2024-03-21")
    world.reversal("2024-03-25", 300, "p", known_at="2024-03-25")
    found = build(frame_of([("a", day(f"2024-03-{night}")) for night in (21, 22, 25, 26)]), world.tables())
    assert found["payments_sum_90d"].tolist() == [500, 300, 300, 0]
    assert found["payments_count_90d"].tolist() == [1, 1, 1, 0]
    assert found["payments_months_paid_365d"].tolist() == [1, 1, 1, 0]
    assert found["payments_sum_30d"].tolist() == [0, 0, 0, 0]
    assert found["payments_days_since_last"].isna().tolist() == [False, False, False, True]
    assert found["reversals_sum_90d"].tolist() == [0, 200, 200, 500]


def test_credits_are_no_payments():
    world = account().credit("2024-03-01", 500)
    assert cell(world, "payments_count_30d", "2024-03-16") == 0
    assert np.isnan(cell(world, "payments_days_since_last", "2024-03-16"))
    assert cell(world, "credits_sum_365d", "2024-03-16") == 500


def test_a_contact_about_two_accounts_counts_once_in_each_and_its_correction_replaces_it():
    world = account().account("b", opened_on="2024-01-01")
    for account_id in ("a", "b"):
        world.contact("2024-03-01 10:00", "call", "no_answer", account_id=account_id, contact_id="k")
    world.contact("2024-03-01 10:00", "call", "right_party", account_id="a", contact_id="k", known_at="2024-03-05")
    found = build(frame_of([("a", day("2024-03-05")), ("a", day("2024-03-06")), ("b", day("2024-03-06"))]), world.tables())
    assert found["contacts_count_call_30d"].tolist() == [1, 1, 1]
    assert found["right_party_count_90d"].tolist() == [0, 1, 0]
    assert found["right_party_rate_call_180d"].tolist() == [1 / 11, 2 / 11, 1 / 11]


def test_the_call_rate_takes_outbound_calls_and_autodials_only():
    world = account().contact("2024-03-01", "call", "promise", direction="inbound").contact("2024-03-02", "autodial", "dispute")
    world.contact("2024-03-03", "sms", "right_party").contact("2024-03-04", "call", "busy")
    assert cell(world, "right_party_rate_call_180d", "2024-03-16") == (1 + 1) / (2 + 10)
    assert cell(world, "right_party_count_90d", "2024-03-16") == 3


@pytest.mark.parametrize(
    ("night", "kept", "broken", "is_open"),
    [("2024-03-02", 0, 0, 1), ("2024-03-13", 0, 0, 1), ("2024-03-14", 0, 1, 0), ("2024-03-16", 1, 0, 0), ("2024-03-18", 0, 1, 0)],
)
def test_a_promise_is_open_through_its_grace_then_kept_or_broken_by_what_is_known(night, kept, broken, is_open):
    """Due on the 10th, 3 days of grace, nine tenths of 1,000: the last 400 come on the 13th, are known on the 15th, shrink on the 17th."""
    world = account().contact("2024-03-01 18:00", "call", "promise", promise_amount=1_000, promise_due_on="2024-03-10")
    world.payment("2024-02-29", 1_000, known_at="2024-03-01").payment("2024-03-01 09:00", 500).payment("2024-03-14", 500)
    world.payment("2024-03-13 12:00", 400, payment_id="p", known_at="2024-03-15").reversal("2024-03-17", 1, "p")
    found = build(frame_of([("a", day(night))]), world.tables(), CATALOGUE, Terms()).iloc[0]
    assert (found["promises_kept_365d"], found["promises_broken_365d"], found["promise_open"]) == (kept, broken, is_open)
    assert found["promises_made_365d"] == 1
    assert found["promises_kept_ratio_365d"] == (kept + 1) / (kept + broken + 2)


def test_nine_tenths_are_exact_and_one_payment_serves_two_promises_and_a_credit_none():
    world = account().credit("2024-03-05", 100)
    for number in (1, 2):
        world.contact(f"2024-03-0{number}", "call", "promise", promise_amount=10 * number, promise_due_on="2024-03-10")
    world.payment("2024-03-05", 9)
    assert cell(world, "promises_kept_365d", "2024-03-20") == 1
    assert cell(world.payment("2024-03-06", 9), "promises_kept_365d", "2024-03-20") == 2


def test_a_promise_without_amount_or_day_is_made_but_neither_kept_nor_broken_nor_open():
    world = account().contact("2024-03-01", "call", "promise").contact("2024-03-02", "call", "promise", promise_amount=10)
    world.payment("2024-03-03", 100)
    found = build(frame_of([("a", day("2024-03-20"))]), world.tables()).iloc[0]
    assert (found["promises_made_365d"], found["promises_kept_365d"], found["promises_broken_365d"], found["promise_open"]) == (2, 0, 0, 0)


def test_days_past_due_max_looks_at_both_ends_of_its_year():
    """Overdue since 31 January 2023; on 2 March 2023 the news of the day before ends it at 29 days."""
    world = World().account(opened_on="2023-01-01").charge("2023-01-31", 100).payment("2023-03-01", 100).charge("2025-01-31", 10)
    assert cell(world, "days_past_due_max_365d", "2024-02-29") == 29  # 365 days before is 1 March 2023, when 29 days stood
    assert cell(world, "days_past_due_max_365d", "2024-03-01") == 0
    assert cell(world, "days_past_due_max_ever", "2024-03-01") == 29
    assert cell(world, "days_past_due_max_365d", "2025-02-02") == 2


def test_a_moved_due_date_is_no_cure_and_a_payment_is():
    world = World().account(opened_on="2024-01-01").charge("2024-01-31", 100, charge_id="c").deliver("payments")
    world.charge("2024-03-31", 100, charge_id="c", known_at="2024-02-20").payment("2024-04-10", 100)
    assert cell(world, "cures_count_365d", "2024-03-01") == 0
    assert cell(world, "days_past_due", "2024-03-01") == 0
    assert cell(world, "cures_count_365d", "2024-04-11") == 1
    assert cell(world, "cures_days_since_last", "2024-04-11") == 1


def test_months_are_complete_and_missing_without_a_placement():
    world = World().account("a", opened_on="2024-01-31", placed_on="2024-01-31").account("b", opened_on="2024-01-31")
    assert [cell(world, "months_since_placed", night) for night in ("2024-02-29", "2024-03-01", "2024-03-31", "2025-01-31")] == [
        0,
        1,
        2,
        12,
    ]
    assert np.isnan(cell(world, "months_since_placed", "2024-03-31", "b"))
    ahead = World().account(opened_on="2024-01-31", placed_on="2024-03-01", known_at="2024-02-01")
    assert np.isnan(cell(ahead, "months_since_placed", "2024-03-01"))
    assert cell(ahead, "days_since_placed", "2024-03-02") == 1


def test_a_status_beginning_on_as_of_is_in_force_and_one_ending_then_still_is():
    world = account().status("plan", "2024-03-10", known_at="2024-03-01").status("dispute", "2024-03-01", "2024-03-09")
    found = build(frame_of([("a", day(f"2024-03-{night:02}")) for night in (9, 10, 11)]), world.tables())
    assert found["status_plan"].tolist() == [0, 1, 1]
    assert found["status_plan_days"].tolist()[1:] == [0, 1]
    assert found["status_dispute"].tolist() == [1, 0, 0]
    assert found["status_dispute_episodes"].tolist() == [1, 1, 1]


def test_a_part_payment_leaves_arrears_as_they_stood_when_it_became_known():
    """200 fall due on 31 January: 50 paid before are for nothing due, 80 of 150 are a part, 70 of 70 are all, 10 more for nothing due."""
    world = World().account(opened_on="2024-01-01").charge("2024-01-31", 200)
    for on, amount in (("2024-01-20", 50), ("2024-02-05", 80), ("2024-02-10", 70), ("2024-02-15", 10)):
        world.payment(on, amount)
    found = build(frame_of([("a", day(f"2024-02-{night:02}")) for night in (6, 11, 16)]), world.tables())
    assert found["payments_count_part_90d"].tolist() == [1, 1, 1]
    assert found["payments_count_90d"].tolist() == [2, 3, 4]


def two_currencies(third: int = 95) -> World:
    world = World().account("a", "d", opened_on="2024-01-01", currency="EUR").account("b", "d", opened_on="2024-01-01", currency="JPY")
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


def test_what_a_portfolio_does_not_deliver_is_missing_and_never_nothing():
    world = account().account("b", portfolio="shop", opened_on="2024-01-01")
    tables = world.tables()
    pairs = [("a", day("2024-03-01")), ("b", day("2024-03-01"))]
    found = build(frame_of(pairs), tables, terms=Terms(delivers={"shop": frozenset({"accounts", "charges", "contacts"})}))
    for name in ("payments_count_30d", "payments_days_since_last", "promises_kept_365d", "promise_open", "status_plan", "cures_count_365d"):
        assert np.isnan(found[name].iloc[1]), name
    for name in ("contacts_count_30d", "promises_made_365d", "balance"):
        assert found[name].tolist()[1] == 0, name
    assert found["payments_count_30d"].iloc[0] == 0
    absent = build(frame_of(pairs), {name: frame for name, frame in tables.items() if name != "contacts"})
    assert absent["contacts_count_30d"].isna().all()
    assert absent["contacts_last_outcome"].isna().all()


def test_a_feed_that_is_not_complete_through_the_day_before_is_missing():
    cohort = frame_of([("a", day("2024-03-01")), ("a", day("2024-03-02"))])
    found = build(cohort, account().tables(), complete_through={"payments": day("2024-02-29")})
    assert found["payments_count_30d"].isna().tolist() == [False, True]
    assert found["balance"].isna().tolist() == [False, True]
    assert found["contacts_count_30d"].tolist() == [0, 0]


def test_a_book_whose_feed_stops_early_is_missing_and_the_others_are_not():
    world = account().account("b", portfolio="shop", opened_on="2024-01-01").account("c", portfolio="new", opened_on="2024-01-01")
    cohort = frame_of([(name, day("2024-03-01")) for name in "abc"])
    reach = {"book": day("2024-02-29"), "shop": day("2024-02-28")}
    found = build(cohort, world.tables(), complete_through={"payments": reach})
    assert found["payments_count_30d"].isna().tolist() == [False, True, False]  # a book without a row yet reaches as far as the others
    assert found["contacts_count_30d"].tolist() == [0, 0, 0]


def test_statements_of_another_book_that_are_late_leave_a_book_without_statements_alone():
    world = account().account("b", portfolio="cards", opened_on="2024-01-01").deliver("balances")
    terms = Terms(
        delivers={"book": frozenset({"accounts", "charges", "payments"}), "cards": frozenset({"accounts", "balances", "payments"})}
    )
    late = {"balances": {"book": day("2024-02-01"), "cards": day("2024-02-01")}}
    found = build(frame_of([(name, day("2024-03-01")) for name in "ab"]), world.tables(), terms=terms, complete_through=late)
    assert found["balance"].isna().tolist() == [False, True]


def test_a_promise_is_what_its_outcome_says():
    """An amount noted under another outcome is no promise, here as in the rules of contact."""
    world = account().contact("2024-03-01", "call", "refusal", promise_amount=10, promise_due_on="2024-03-20")
    world.contact("2024-03-02", "call", None, promise_amount=10).contact("2024-03-03", "call", "promise", promise_due_on="2024-03-20")
    found = build(frame_of([("a", day("2024-03-16"))]), world.tables()).iloc[0]
    assert (found["promises_made_365d"], found["promise_open"], found["promises_open_amount"]) == (1, 0, 0)


def test_settled_accounts_of_the_debtor_tell_how_late_they_were():
    world = account().account("early", "d-a", opened_on="2023-01-01", principal=500)
    world.account("late", "d-a", opened_on="2023-02-01", principal=300)
    world.account("yen", "d-a", opened_on="2023-03-01", principal=900, currency="JPY").account("other", "d9", opened_on="2022-01-01")
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
    assert (now["debtor_accounts_settled"], now["debtor_accounts_settled_late"], before["debtor_accounts_settled"]) == (3, 2, 2)
    assert now["debtor_settled_days_late_mean"] == (-5 + 100 + 2) / 3
    assert now["debtor_settled_days_late_max"] == now["debtor_last_settled_days_late"] == 100
    assert before["debtor_last_settled_days_late"] == 2
    assert now["debtor_days_since_last_settled"] == day("2024-03-01") - day("2023-07-10")
    assert now["debtor_largest_settled_principal"] == 500
    told = explain_feature("debtor_accounts_settled", "a", day("2024-03-01"), world.tables())
    settled = told.loc[told["what"] == "account", ["account_id", "settled_on"]].dropna().values.tolist()
    assert sorted(settled) == [["early", "2023-02-24"], ["late", "2023-07-10"], ["yen", "2023-05-03"]]


def two_books() -> World:
    """A debtor with an open account in one book and accounts settled in another, one of them billed by statement only."""
    world = account().account("billed", "d-a", portfolio="shop", opened_on="2023-02-01").deliver("balances")
    world.charge("2023-03-01", 100, account_id="billed").payment("2023-03-10", 100, account_id="billed")
    world.account("stated", "d-a", portfolio="shop", opened_on="2023-02-01", principal=100)
    return world.balance("2023-03-01", 100, 100, 5, account_id="stated").payment("2023-03-05", 100, account_id="stated")


WHOLE_DEBTOR = [name for name, fact in FACTS.items() if fact.family == "debtor"]


def test_settled_accounts_without_a_due_day_are_neither_early_nor_late():
    found = build(frame_of([("a", day("2024-03-01"))]), two_books().tables()).iloc[0]
    assert (found["debtor_accounts_settled"], found["debtor_accounts_settled_dated"], found["debtor_accounts_settled_late"]) == (2, 1, 1)
    assert (found["debtor_settled_late_share"], found["debtor_settled_days_late_mean"]) == (1, 9)
    shop = Terms(delivers={"shop": frozenset({"accounts", "balances", "payments"})})
    found = build(frame_of([("a", day("2024-03-01"))]), two_books().tables(), terms=shop).iloc[0]
    assert found["debtor_accounts_settled"] == 2
    assert found[[name for name in (*WHOLE_DEBTOR, "debtor_settled_late_share") if "late" in name or "dated" in name]].isna().all()


@pytest.mark.parametrize("late", ["charges", "balances", "payments", "all"])
def test_another_book_of_the_debtor_that_is_late_or_without_ledger_leaves_the_whole_debtor_unknown(late):
    world, night = two_books(), day("2024-03-01")
    of_accounts = ["debtor_accounts_ever", "debtor_days_since_first_opened"]
    of_ledger = [name for name in WHOLE_DEBTOR if name not in of_accounts]
    assert len(of_ledger) == 10
    if late == "all":
        found = build(frame_of([("a", night)]), world.tables(), terms=Terms(delivers={"shop": frozenset({"accounts", "payments"})}))
    else:
        reach = {late: {"book": night, "shop": night - 2}}
        found = build(frame_of([("a", night), ("a", night - 1)]), world.tables(), complete_through=reach)
        assert found[of_ledger].iloc[1].notna().all()
    assert found[of_ledger].iloc[0].isna().all()
    assert found[of_accounts].iloc[0].tolist() == [3, night - day("2023-01-15")] and found["balance"].notna().all()


def test_a_late_book_of_settled_accounts_leaves_the_figures_over_scorable_accounts_alone():
    """As docs/features.md says."""
    world, night = two_books().payment("2024-02-01", 5), day("2024-03-01")
    cohort = scorable(world.tables(), None, [night], Terms()).frame
    assert cohort["account_id"].tolist() == ["a"]
    found = build(cohort, world.tables(), complete_through={"payments": {"book": night, "shop": night - 3}}).iloc[0]
    assert (found["debtor_payments_365d"], found["debtor_days_since_last_payment"]) == (1, 29)
    assert np.isnan(found["debtor_accounts_settled"]) and np.isnan(found["debtor_days_past_due_max_ever"])
    told = " ".join(INTRODUCTION.split())
    assert "over the debtor's scorable accounts is missing where the portfolio of one of these does not deliver it, a figure of the" in told


def test_the_last_payment_on_any_account_is_unknown_where_a_book_of_the_debtor_is_late():
    world = account().account("b", "d-a", portfolio="shop", opened_on="2023-02-01").charge("2024-01-31", 100, account_id="b")
    world.payment("2024-02-01", 5).account("other", portfolio="shop", opened_on="2023-02-01")
    cohort = frame_of([(name, day("2024-03-01")) for name in ("a", "b", "other")])
    columns = ["debtor_days_since_last_payment", "debtor_days_past_due_max", "debtor_days_since_newest_placement"]
    whole = build(cohort, world.tables())[columns]
    assert whole.iloc[0].tolist()[:2] == [29, 30] and np.isnan(whole.iloc[2, 0])
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


@pytest.mark.parametrize("late", ["charges", "balances", "payments", "contacts", "statuses"])
def test_the_events_behind_a_cell_know_that_a_feed_is_late(late):
    """Every cell is the matrix's; one that only the late table empties says so, with the day through which it is there."""
    world, night = two_books(), day("2024-03-01")
    world.charge("2024-01-31", 100, account_id="billed").charge("2024-01-31", 100, account_id="stated")
    world.payment("2024-02-01", 5, account_id="billed").contact("2024-02-02", "call", "right_party", account_id="billed")
    world.status("plan", "2024-02-03", account_id="billed")
    tables, reach = world.tables(), {late: {"book": night, "shop": night - 3}}
    cohort = scorable(tables, None, [night], Terms()).frame
    own = int(np.flatnonzero(cohort["account_id"] == "billed")[0])
    matrix, whole = build(cohort, tables, complete_through=reach), build(cohort, tables)
    emptied = [name for name in matrix if pd.isna(matrix[name].iloc[own]) and pd.notna(whole[name].iloc[own])]
    one_of_a_kind = {(type(CATALOGUE[name]), CATALOGUE[name].family, getattr(CATALOGUE[name], "event", "")): name for name in emptied}
    assert one_of_a_kind
    for name in [*one_of_a_kind.values(), "debtor_days_since_last_payment", "month"]:
        told = explain_feature(name, "billed", night, tables, complete_through=reach)
        value, expected = told["value"].iloc[0], matrix[name].iloc[own]
        assert value == expected or (pd.isna(value) and pd.isna(expected)), name
        reason = told["what"].str.contains(f"{late} complete through 2024-02-27 only", regex=False)
        assert (name in emptied) == (reason | (told["what"] == "account without a ledger")).any(), (name, told)


def test_an_account_of_a_late_book_is_told_as_one_without_a_ledger():
    reach = {"payments": {"book": day("2024-02-29"), "shop": day("2024-02-28")}}
    told = explain_feature("debtor_accounts_settled", "a", day("2024-03-01"), two_books().tables(), complete_through=reach)
    assert told["what"].tolist() == ["value", "account", "account without a ledger", "account without a ledger"]
    assert np.isnan(told["value"].iloc[0])
    told = explain_feature("payments_count_ever", "a", day("2024-03-02"), two_books().tables(), complete_through=reach)
    assert told["what"].tolist() == ["value", "payments complete through 2024-02-29 only"]


@settings(max_examples=10, deadline=None)
@given(cases(), worlds.terms, st.integers(0, 2**20))
def test_the_columns_named_are_enough(case, terms, seed):
    """Any part of a catalogue, made from no more than the columns it says it needs, is what it is in full company."""
    world, nights = case
    cohort, tables = frame_of(nights_of(world, nights)), tables_of(world, categorical=True)
    drawn = np.random.default_rng(seed)
    entries = [replace(entry, says=None) for entry in (*EVERYTHING, *CATALOGUE) if not entry.parts and drawn.random() < 0.02]
    part = Catalogue({entry.name: entry for entry in entries}.values())
    needed = columns_of(part, scorable=False)
    needed["accounts"] += ["x_score", "x_segment"]
    fewer = {name: tables[name][columns] for name, columns in needed.items() if name in tables}
    assert_frame_equal(build(cohort, fewer, part, with_rates(terms)), build(cohort, tables, part, with_rates(terms)))


def test_one_declaration_more_is_one_column_more():
    more = CATALOGUE + [Feature("contacts", Agg.COUNT, Window(45), where=where("chat", channel="chat"), empty=0)]
    world = account().contact("2024-03-01", "chat").contact("2024-01-15", "chat")
    found = build(frame_of([("a", day("2024-03-01"))]), world.tables(), more)
    assert found["contacts_count_chat_45d"].tolist() == [0]
    assert build(frame_of([("a", day("2024-03-02"))]), world.tables(), more)["contacts_count_chat_45d"].tolist() == [1]
    ten = build(frame_of([("a", day("2024-03-02"))]), world.tables(), [Feature("payments", Agg.COUNT, Window(10), empty=MISSING)])
    assert list(ten) == ["payments_count_10d"]


def test_attributes_of_the_sender_are_features_and_audit_columns_never():
    world = World().account(opened_on="2024-01-01", x_score=2.5, x_region="north", audit_sex="f")
    found = build(frame_of([("a", day("2024-03-01"))]), world.tables())
    assert found["x_score"].tolist() == [2.5]
    assert found["x_region"].tolist() == ["north"]
    assert not [name for name in found if name.startswith("audit_")]


def test_a_ledger_cut_at_the_front_is_refused():
    tables = account().tables()
    ledger = history(tables, Terms(), first_day=day("2024-02-01"))
    with pytest.raises(UsageError, match="the whole history is asked for"):
        build(frame_of([("a", day("2024-03-01"))]), tables, ledger=ledger)


def test_a_cohort_row_given_twice_or_not_yet_known_is_refused():
    tables = account().tables()
    with pytest.raises(ContractError, match="each account once per as_of. Got 1 rows"):
        build(frame_of([("a", day("2024-03-01"))] * 2), tables)
    with pytest.raises(ContractError, match="known before its as_of. Got 1 rows"):
        build(frame_of([("a", day("2023-01-15"))]), tables)
    with pytest.raises(ContractError, match="lacks 'account_no' .nearest: 'account'., 'as_of'"):
        build(pd.DataFrame({"account": ["a"]}), tables)
    with pytest.raises(ContractError, match="need the table 'accounts'. Got charges"):
        build(frame_of([("a", day("2024-03-01"))]), {"charges": tables["charges"]})
    with pytest.raises(ContractError, match="'contacts' lacks 'direction'"):
        build(frame_of([("a", day("2024-03-01"))]), {**tables, "contacts": tables["contacts"].drop(columns="direction")})


def test_an_empty_cohort_gives_an_empty_matrix_with_all_columns():
    found = build(frame_of([]), account().tables())
    assert found.shape == (0, len(CATALOGUE))


def test_the_events_behind_a_cell_add_up_to_it():
    world = account().payment("2024-03-01", 700, payment_id="p", method="card").payment("2024-03-02", 300).payment("2023-03-02", 5)
    world.reversal("2024-03-05", 100, "p").credit("2024-03-03", 9).contact("2024-03-01", "call", "right_party")
    tables = world.tables()
    night = day("2024-03-15")
    found = explain_feature("payments_sum_90d", "a", night, tables)
    assert found["value"].tolist()[0] == 900
    assert found["amount"].sum() == 900
    assert found["on"].tolist()[1:] == ["2024-03-01", "2024-03-02"]
    parts = explain_feature("right_party_rate_call_180d", "a", night, tables)
    assert set(parts["column"]) == {"right_party_rate_call_180d", "contacts_count_reached_180d", "contacts_count_dialled_180d"}
    assert (parts["what"] == "contacts").sum() == 2
    assert explain_feature("days_past_due_max_365d", "a", night, tables)["overdue_since"].dropna().unique().tolist() == ["2024-01-31"]
    assert explain_feature("debtor_arrears", "a", night, tables)["value"].tolist() == [99_086, 99_086]
    assert explain_feature("attempts_since_last_payment", "a", night, tables)["what"].tolist() == ["value", "contacts", *["payments"] * 3]
    with pytest.raises(UsageError, match="No feature is called 'payment_sum_90d' .nearest: 'payments_sum_90d'"):
        explain_feature("payment_sum_90d", "a", night, tables)
    with pytest.raises(UsageError, match="Account 'z' is not scorable on 2024-03-15"):
        explain_feature("payments_sum_90d", "z", night, tables)


def test_many_events_of_one_account_stay_in_order():
    """More than FEW ids of one account, same-second contacts in any order, and a class seen only in a later version."""
    world = account()
    for number in range(200):
        world.contact(
            ("2024-03-01 10:00", "2024-03-02")[number % 2], ("call", "sms", "email")[number % 3], "no_answer", contact_id=f"k{number}"
        )
    pairs = [("a", day("2024-03-10"))]
    check(world, [day("2024-03-10")], Terms(), CATALOGUE, seed=3)
    world.contact("2024-03-01 10:00", "letter", "delivered", contact_id="k7", known_at="2024-03-09")
    assert build(frame_of(pairs), world.tables())["contacts_count_30d"].tolist() == [200]
    check(world, [day("2024-03-09"), day("2024-03-10")], Terms(), CATALOGUE)
