"""Features equal the plain loops of the oracle, whatever the order of rows,
the split into shards and the company of other nights.

Also of agreements.py, columns.py, debtor.py, events.py, evidence.py, facts.py, kernel.py, plan.py and standing.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from features.build import build
from features.catalogue import CATALOGUE, TREATED
from features.cohort import scorable
from features.columns import columns_of
from features.declarations import Catalogue
from features.errors import ContractError, UsageError
from features.ledger import history
from features.spec import MISSING, Feature, Window, where
from features.tables import NO_DAY, TABLES
from features.terms import Terms
from features.vocabulary import Agg
from tests.judges.oracle import differences
from tests.worlds import worlds
from tests.worlds.cohorts import EVERYTHING, RATES, account, cell, frame_of, nights_of, tables_of, with_rates
from tests.worlds.worlds import World, day


def check(
    world: World,
    nights: list[int],
    terms: Terms,
    catalogue: Catalogue,
    seed: int | None = None,
    categorical: bool = False,
    complete: dict | None = None,
) -> None:
    pairs = nights_of(world, nights)
    tables = tables_of(world, seed, categorical)
    matrix = build(frame_of(pairs), tables, catalogue, terms, complete_through=complete)
    assert differences(matrix, world, pairs, terms, catalogue.with_attributes(tables["accounts"]), complete) == []


@st.composite
def cases(draw, max_rows: int = 6, max_accounts: int = 3) -> tuple[World, list[int]]:
    """A world, and up to three nights, most of them on or just after a day on which something
    happens or becomes known.
    """
    world = draw(worlds.worlds(max_rows=max_rows, max_accounts=max_accounts, links=True, treatments=True))
    told = {
        row[name]
        for rows in world.rows.values()
        for row in rows
        for name in row
        if name.endswith("_on") and row[name] != NO_DAY
    }
    near = st.builds(
        lambda number, shift: number + shift, st.sampled_from(sorted(told)), st.sampled_from((0, 1, 1, 2, 9, 10))
    )
    return world, sorted(draw(st.lists(st.one_of(near, near, worlds.nights), min_size=1, max_size=3, unique=True)))


# What each of the two books declares, and how far its feeds reach.
declared = st.dictionaries(
    st.sampled_from(("book", "shop")), st.sampled_from([frozenset(TABLES) - {name} for name in TABLES]), max_size=2
)


feeds = st.dictionaries(
    st.sampled_from(("charges", "balances", "payments", "contacts", "statuses")),
    st.fixed_dictionaries({"book": worlds.nights, "shop": worlds.nights}),
    max_size=2,
)


def plain(matrix: pd.DataFrame) -> pd.DataFrame:
    """Categories as text: which values a category could take may depend on the shard, the cells may not."""
    return matrix.astype({name: "str" for name in matrix if isinstance(matrix[name].dtype, pd.CategoricalDtype)})


@settings(max_examples=25, deadline=None)
@given(cases(), worlds.terms, st.sampled_from((RATES, {"EUR": 1.0}, {})), st.booleans(), declared, feeds)
def test_the_catalogue_equals_the_plain_loops(case, terms, rates, categorical, delivers, complete):
    world, nights = case
    terms = replace(with_rates(terms, rates), delivers=delivers)
    check(world, nights, terms, TREATED, categorical=categorical, complete=complete)


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
    for catalogue in (TREATED, EVERYTHING):
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
        own = [
            place
            for place, (account, _) in enumerate(pairs)
            if account in {row["account_id"] for row in shard.rows["accounts"]}
        ]
        if own:
            part = plain(build(frame_of([pairs[place] for place in own]), tables_of(shard), CATALOGUE, terms))
            assert_frame_equal(part, whole.iloc[own].reset_index(drop=True))


@settings(max_examples=10, deadline=None)
@given(cases(), worlds.terms)
def test_a_training_row_is_the_nightly_row_bit_for_bit(case, terms):
    """The panel, made of the scorable cohort and its ledger, against each night alone,
    made of keys and the rows known by then.
    """
    world, nights = case
    terms = with_rates(terms)
    tables = tables_of(world)
    ledger = history(tables, terms)
    cohort = scorable(tables, ledger, nights, terms).frame
    panel = plain(build(cohort, tables, CATALOGUE, terms, ledger))
    for night in nights:
        own = cohort[cohort["as_of"] == night]
        if len(own):
            alone = build(
                own[["account_no", "as_of"]].reset_index(drop=True),
                tables_of(world.known_before(night)),
                CATALOGUE,
                terms,
            )
            assert_frame_equal(plain(alone), panel.loc[own.index].reset_index(drop=True))


def test_threads_share_the_rows_and_change_nothing(monkeypatch):
    world = (
        World()
        .account("a", opened_on="2024-01-01")
        .account("b", opened_on="2024-01-01")
        .account("c", opened_on="2024-01-01")
    )
    for number, name in enumerate("abcabc"):
        world.payment(f"2024-02-{number + 1:02}", 100 + number, account_id=name)
    pairs = nights_of(world, [day("2024-02-05"), day("2024-02-20")])
    alone = build(frame_of(pairs), world.tables())
    monkeypatch.setattr("features.build.SPLIT_ROWS", 1)
    assert_frame_equal(build(frame_of(pairs), world.tables(), threads=4), alone)


def test_a_window_holds_its_first_day_and_not_as_of():
    world = (
        account()
        .payment("2024-02-14", 1)
        .payment("2024-02-15", 10)
        .payment("2024-03-15", 100)
        .payment("2024-03-16 00:00", 1_000)
    )
    assert cell(world, "payments_sum_30d", "2024-03-16") == 110
    assert cell(world, "payments_count_30d", "2024-03-16") == 2
    assert cell(world, "payments_count_30d", "2024-03-17") == 2


def test_the_longest_window_alone_ends_where_it_should():
    world = account().payment("2024-03-05", 1).payment("2024-03-06", 10)
    alone = [Feature("payments", Agg.SUM, Window(10), empty=0)]
    found = build(frame_of([("a", day("2024-03-16")), ("a", day("2024-03-17"))]), world.tables(), alone)
    assert found["payments_sum_10d"].tolist() == [10, 0]


def test_a_reversal_counts_from_the_day_after_it_is_known_and_in_its_payments_window():
    world = (
        account()
        .payment("2024-02-01", 500, payment_id="p", method="card")
        .reversal("2024-03-20", 200, "p", known_at="2024-03-21")
    )
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
    found = build(
        frame_of([("a", day("2024-03-05")), ("a", day("2024-03-06")), ("b", day("2024-03-06"))]), world.tables()
    )
    assert found["contacts_count_call_30d"].tolist() == [1, 1, 1]
    assert found["right_party_count_90d"].tolist() == [0, 1, 0]
    assert found["right_party_rate_call_180d"].tolist() == [1 / 11, 2 / 11, 1 / 11]


def test_the_call_rate_takes_outbound_calls_and_autodials_only():
    world = (
        account()
        .contact("2024-03-01", "call", "promise", direction="inbound")
        .contact("2024-03-02", "autodial", "dispute")
    )
    world.contact("2024-03-03", "sms", "right_party").contact("2024-03-04", "call", "busy")
    assert cell(world, "right_party_rate_call_180d", "2024-03-16") == (1 + 1) / (2 + 10)
    assert cell(world, "right_party_count_90d", "2024-03-16") == 3


def test_days_past_due_max_looks_at_both_ends_of_its_year():
    """Overdue since 31 January 2023; on 2 March 2023 the news of the day before ends it at 29 days."""
    world = (
        World()
        .account(opened_on="2023-01-01")
        .charge("2023-01-31", 100)
        .payment("2023-03-01", 100)
        .charge("2025-01-31", 10)
    )
    # 365 days before is 1 March 2023, when 29 days stood
    assert cell(world, "days_past_due_max_365d", "2024-02-29") == 29
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
    assert [
        cell(world, "months_since_placed", night) for night in ("2024-02-29", "2024-03-01", "2024-03-31", "2025-01-31")
    ] == [
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
    """200 fall due on 31 January: 50 paid before are for nothing due, 80 of 150 are a part, 70 of 70 are all,
    10 more for nothing due.
    """
    world = World().account(opened_on="2024-01-01").charge("2024-01-31", 200)
    for on, amount in (("2024-01-20", 50), ("2024-02-05", 80), ("2024-02-10", 70), ("2024-02-15", 10)):
        world.payment(on, amount)
    found = build(frame_of([("a", day(f"2024-02-{night:02}")) for night in (6, 11, 16)]), world.tables())
    assert found["payments_count_part_90d"].tolist() == [1, 1, 1]
    assert found["payments_count_90d"].tolist() == [2, 3, 4]


def test_what_a_portfolio_does_not_deliver_is_missing_and_never_nothing():
    world = account().account("b", portfolio="shop", opened_on="2024-01-01")
    tables = world.tables()
    pairs = [("a", day("2024-03-01")), ("b", day("2024-03-01"))]
    found = build(
        frame_of(pairs), tables, terms=Terms(delivers={"shop": frozenset({"accounts", "charges", "contacts"})})
    )
    for name in (
        "payments_count_30d",
        "payments_days_since_last",
        "promises_kept_365d",
        "promise_open",
        "status_plan",
        "cures_count_365d",
    ):
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
    world = (
        account()
        .account("b", portfolio="shop", opened_on="2024-01-01")
        .account("c", portfolio="new", opened_on="2024-01-01")
    )
    cohort = frame_of([(name, day("2024-03-01")) for name in "abc"])
    reach = {"book": day("2024-02-29"), "shop": day("2024-02-28")}
    found = build(cohort, world.tables(), complete_through={"payments": reach})
    # a book without a row yet reaches as far as the others
    assert found["payments_count_30d"].isna().tolist() == [False, True, False]
    assert found["contacts_count_30d"].tolist() == [0, 0, 0]


@settings(max_examples=10, deadline=None)
@given(cases(), worlds.terms, st.integers(0, 2**20))
def test_the_columns_named_are_enough(case, terms, seed):
    """Any part of a catalogue, made from no more than the columns it says it needs, is what it is in full company."""
    world, nights = case
    cohort, tables = frame_of(nights_of(world, nights)), tables_of(world, categorical=True)
    drawn = np.random.default_rng(seed)
    entries = [
        replace(entry, says=None) for entry in (*EVERYTHING, *CATALOGUE) if not entry.parts and drawn.random() < 0.02
    ]
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
    ten = build(
        frame_of([("a", day("2024-03-02"))]),
        world.tables(),
        [Feature("payments", Agg.COUNT, Window(10), empty=MISSING)],
    )
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
        build(
            frame_of([("a", day("2024-03-01"))]), {**tables, "contacts": tables["contacts"].drop(columns="direction")}
        )


def test_an_empty_cohort_gives_an_empty_matrix_with_all_columns():
    found = build(frame_of([]), account().tables())
    assert found.shape == (0, len(CATALOGUE))


def test_many_events_of_one_account_stay_in_order():
    """More than FEW ids of one account, same-second contacts in any order, and a class seen only in a later version."""
    world = account()
    for number in range(200):
        world.contact(
            ("2024-03-01 10:00", "2024-03-02")[number % 2],
            ("call", "sms", "email")[number % 3],
            "no_answer",
            contact_id=f"k{number}",
        )
    pairs = [("a", day("2024-03-10"))]
    check(world, [day("2024-03-10")], Terms(), CATALOGUE, seed=3)
    world.contact("2024-03-01 10:00", "letter", "delivered", contact_id="k7", known_at="2024-03-09")
    assert build(frame_of(pairs), world.tables())["contacts_count_30d"].tolist() == [200]
    check(world, [day("2024-03-09"), day("2024-03-10")], Terms(), CATALOGUE)
