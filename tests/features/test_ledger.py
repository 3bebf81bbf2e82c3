"""The ledger against hand-computed cases, against plain loops on random worlds, and against its own promises.

Also of replay.py and terms.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.errors import ContractError, UsageError
from features.ledger import figures_at, history, worst_days_past_due
from features.tables import NO_MONEY, account_number
from features.terms import Terms
from tests.judges.oracle_ledger import figures, worst
from tests.worlds.cases import CASES, Case
from tests.worlds.worlds import SPAN, START, World, day, later_rows, nights, small_worlds, terms

EVERY_DAY = np.arange(START - 25, START + SPAN + 25, dtype=np.int32)


FIGURES = ("balance", "arrears", "days_past_due")


NUMBER = int(account_number(["a"])[0])


def ids_of(world: World) -> list[str]:
    return sorted({row["account_id"] for row in world.rows["accounts"]})


def on(ledger, account_id: str, days) -> list[tuple[int, int, int]]:
    """balance, arrears, days past due of an account on each day."""
    found = figures_at(ledger, account_number([account_id] * len(days)), days)
    return list(zip(*(column.tolist() for column in found), strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_hand_computed(case: Case):
    ledger = history(case.world.tables(), case.terms)
    for night, expected in case.nights.items():
        found = dict(zip(FIGURES, on(ledger, "a", [day(night)])[0], strict=True))
        assert {name: found[name] for name in FIGURES if name in expected} == {
            name: expected[name] for name in FIGURES if name in expected
        }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_oracle_agrees_with_the_hand_computed_cases(case: Case):
    for night, expected in case.nights.items():
        found = dict(zip(FIGURES, figures(case.world.rows, "a", day(night), case.terms), strict=True))
        assert {name: found[name] for name in FIGURES if name in expected} == {
            name: expected[name] for name in FIGURES if name in expected
        }


@pytest.mark.parametrize(
    ("taken_back", "applied"),
    [("2024-03-26", "2024-03-28"), ("2024-03-28", "2024-03-26"), ("2024-03-26", "2024-03-26 00:00:01")],
)
def test_what_was_taken_back_after_a_statement_is_owed_once_however_often_the_receipt_was_applied(taken_back, applied):
    world = World("UTC").account(opened_on="2024-02-15").payment("2024-03-20", 100, payment_id="p")
    world.balance("2024-03-25", 0, arrears=0, days_past_due=0).reversal(taken_back, 100, "p")
    world.payment("2024-03-20", 100, payment_id="p", charge_id="c", known_at=applied)
    (told,) = on(history(world.tables(), Terms()), "a", [day("2024-03-30")])
    assert told == (100, 100, 10) == figures(world.rows, "a", day("2024-03-30"), Terms())


@settings(max_examples=40, deadline=None)
@given(small_worlds, terms)
def test_equals_the_oracle_on_every_day(world: World, terms: Terms):
    ledger = history(world.tables(), terms)
    for account_id in ids_of(world):
        assert on(ledger, account_id, EVERY_DAY) == [
            figures(world.rows, account_id, int(day), terms) for day in EVERY_DAY
        ]


@settings(max_examples=20, deadline=None)
@given(small_worlds, terms, nights, st.integers(0, 40))
def test_worst_days_past_due_equals_the_oracle(world: World, terms: Terms, night: int, days: int):
    ledger = history(world.tables(), terms)
    for account_id in ids_of(world):
        number = account_number([account_id])
        assert worst_days_past_due(ledger, number, [night - days], [night])[0] == worst(
            world.rows, account_id, night - days, night, terms
        )


@settings(max_examples=20, deadline=None)
@given(small_worlds, terms, st.integers(0, 1000))
def test_order_of_rows_is_irrelevant(world: World, terms: Terms, seed: int):
    plain, shuffled = history(world.tables(), terms), history(world.tables(shuffle_seed=seed, categorical=True), terms)
    for name in ("accounts", "offsets", "start", "balance", "arrears", "overdue_since"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(shuffled, name))
    for name in ("occurred_at", "amount", "known_on", "reversal_offsets", "reversal_known_on", "reversal_amount"):
        np.testing.assert_array_equal(getattr(plain.settlements, name), getattr(shuffled.settlements, name))


@settings(max_examples=20, deadline=None)
@given(small_worlds, terms)
def test_shards_are_parts_of_the_whole(world: World, terms: Terms):
    whole = history(world.tables(), terms)
    for debtor in {row["debtor_id"] for row in world.rows["accounts"]}:
        shard = world.of_debtors({debtor})
        part = history(shard.tables(), terms)
        for account_id in ids_of(shard):
            assert on(part, account_id, EVERY_DAY) == on(whole, account_id, EVERY_DAY)


@settings(max_examples=20, deadline=None)
@given(small_worlds, terms, nights, nights)
def test_a_ledger_of_some_days_says_the_same_on_them(world: World, terms: Terms, one: int, other: int):
    first, last = sorted((one, other))
    days = np.arange(first, last + 1, dtype=np.int32)
    whole, part = history(world.tables(), terms), history(world.tables(), terms, first, last)
    assert part.start.size <= whole.start.size
    for account_id in ids_of(world):
        assert on(part, account_id, days) == on(whole, account_id, days)


@settings(max_examples=20, deadline=None)
@given(small_worlds, terms)
def test_arrears_are_never_negative_and_days_past_due_come_with_arrears_above_the_tolerance(world: World, terms: Terms):
    ledger = history(world.tables(), terms)
    least = min(terms.dpd_tolerance.values(), default=0)
    for account_id in ids_of(world):
        for balance, arrears, days_past_due in on(ledger, account_id, EVERY_DAY):
            assert arrears >= 0
            assert days_past_due >= 0
            if "balances" in world.rows and not world.rows.get("charges"):
                assert arrears <= max(balance, *(row["arrears"] for row in world.rows["balances"]), 0)
            assert days_past_due == 0 or arrears > min(least, 0)


def check_no_leak(build, examples: int = 60) -> None:
    """Figures of a night do not change when rows known from that night on are added, whenever they happened."""

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(small_worlds, terms, nights, st.data())
    def nothing_known_later_changes_a_figure(world: World, terms: Terms, night: int, data):
        earlier, later = world.known_before(night), data.draw(later_rows(world, night))
        before, after = build(earlier.tables(), terms), build(later.tables(), terms)
        for account_id in ids_of(earlier):
            assert on(before, account_id, [night]) == on(after, account_id, [night]), "figures are different"

    nothing_known_later_changes_a_figure()


def known_at_ignored(tables, terms):
    """Leaky: an event counts from the day it happened."""
    payments = tables.get("payments")
    if payments is None:
        return history(tables, terms)
    return history(
        tables | {"payments": payments.assign(known_on=payments["occurred_on"], known_at=payments["occurred_at"])},
        terms,
    )


def window_closed_at_as_of(tables, terms):
    """Leaky: what becomes known on the night itself counts."""
    return history(
        {name: frame.assign(known_on=frame["known_on"] - np.int32(1)) for name, frame in tables.items()}, terms
    )


def reversal_netted_early(tables, terms):
    """Leaky: a payment is worth its net before the reversal is known."""
    if "payments" not in tables:
        return history(tables, terms)
    payments = tables["payments"].copy()
    known = payments.groupby("payment_id")["known_on"].min()
    taken_back = payments["kind"] == "reversal"
    own = payments.loc[taken_back, "known_on"]
    payments.loc[taken_back, "known_on"] = payments.loc[taken_back, "reverses"].map(known).fillna(own).astype("int32")
    return history(tables | {"payments": payments}, terms)


def versions_ignored(tables, terms):
    """Leaky: the last version of a charge holds on every night."""
    if "charges" not in tables:
        return history(tables, terms)
    charges = tables["charges"].sort_values("known_at")
    first = charges.groupby("charge_id")["known_on"].transform("min")
    return history(
        tables | {"charges": charges.assign(known_on=first).drop_duplicates(["account_no", "charge_id"], keep="last")},
        terms,
    )


LEAKS = (known_at_ignored, window_closed_at_as_of, reversal_netted_early, versions_ignored)


@pytest.mark.slow
def test_nothing_known_from_the_night_on_changes_a_figure():
    check_no_leak(history)


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_the_leak_test_catches_a_leak(leak):
    with pytest.raises(AssertionError, match="figures are different"):
        check_no_leak(leak, examples=400)  # ends at the first failure


@pytest.mark.slow
@pytest.mark.parametrize("leak", LEAKS)
def test_the_hand_computed_cases_catch_a_leak(leak):
    def is_wrong(case) -> bool:
        ledger = leak(case.world.tables(), case.terms)
        for night, told in case.nights.items():
            found = dict(zip(FIGURES, on(ledger, "a", [day(night)])[0], strict=True))
            if any(found[name] != told[name] for name in FIGURES if name in told):
                return True
        return False

    assert any(map(is_wrong, CASES))  # ends at the first


def test_a_reversal_takes_back_only_payments_of_its_own_account():
    world = (
        World()
        .account("a", opened_on=START)
        .account("b", opened_on=START)
        .charge(START, 100)
        .charge(START, 100, account_id="b")
    )
    world.payment(START + 1, 40, payment_id="p").reversal(START + 2, 40, "p", account_id="b")
    ledger = history(world.tables(), Terms())
    assert on(ledger, "a", [START + 9])[0][0] == 60
    assert on(ledger, "b", [START + 9])[0][0] == 100


def test_rows_of_accounts_that_are_not_in_the_accounts_table_are_left_out():
    world = World().account("a", opened_on=START).charge(START, 100).charge(START, 70, account_id="stranger")
    world.payment(START + 1, 30).payment(START + 1, 50, account_id="stranger").balance(
        START + 2, 5, 5, 5, account_id="stranger"
    )
    ledger = history(world.tables(), Terms())
    assert on(ledger, "a", [START + 9]) == [(70, 70, 9)]
    assert ledger.settlements.amount.tolist() == [30]


def test_a_notebook_needs_only_account_ids():
    world = World().account("a", opened_on=START).charge(START, 100)
    bare = {name: frame.drop(columns="account_no") for name, frame in world.tables().items()}
    assert on(history(bare, Terms()), "a", [START + 9]) == [(100, 100, 9)]


def test_an_account_not_held_is_refused():
    ledger = history(World().account("a", opened_on=START).tables(), Terms())
    with pytest.raises(ContractError, match="holds no account number 12. Make it from the accounts table"):
        figures_at(ledger, [12, NUMBER], [START, START])


def test_days_outside_the_ledger_are_refused():
    ledger = history(World().account("a", opened_on=START).tables(), Terms(), first_day=START, last_day=START + 5)
    with pytest.raises(
        UsageError, match="The ledger begins on 2024-02-20, but 2024-02-19 is asked for. Leave first_day out"
    ):
        figures_at(ledger, [NUMBER], [START - 1])
    with pytest.raises(
        UsageError, match="The ledger ends on 2024-02-25, but 2024-02-26 is asked for. Leave last_day out"
    ):
        worst_days_past_due(ledger, [NUMBER], [START], [START + 6])
    with pytest.raises(UsageError, match="but the whole history is asked for"):
        ledger.must_cover(None, START)


def test_a_ledger_needs_accounts():
    with pytest.raises(ContractError, match="The ledger needs the table 'accounts'. Got charges."):
        history(World().charge(START, 100).tables(), Terms())


def test_missing_columns_are_named():
    tables = World().account("a", opened_on=START).charge(START, 100).tables()
    with pytest.raises(ContractError, match="Table 'charges' lacks 'issued_on'"):
        history(tables | {"charges": tables["charges"].drop(columns="issued_on")}, Terms())
    with pytest.raises(ContractError, match="Table 'charges' lacks 'due_on'"):
        history(tables | {"charges": tables["charges"].drop(columns="due_on")}, Terms())
    with pytest.raises(ContractError, match="Table 'charges' lacks 'account_no'"):
        history(tables | {"charges": tables["charges"].drop(columns=["account_no", "account_id"])}, Terms())


@pytest.mark.parametrize(("table", "column"), [("charges", "amount"), ("balances", "balance"), ("balances", "arrears")])
def test_empty_amounts_are_refused(table: str, column: str):
    tables = World().account("a", opened_on=START).charge(START, 100).balance(START, 100, 10, 1).tables()
    with pytest.raises(ContractError, match=f"Table '{table}': column '{column}' must not be empty. Got 1 rows"):
        history(tables | {table: tables[table].assign(**{column: NO_MONEY})}, Terms())


def test_versions_that_cannot_be_told_apart_are_refused():
    world = World().account("a", opened_on=START).charge(START, 100, charge_id="c").charge(START, 70, charge_id="c")
    with pytest.raises(
        ContractError, match=r"'charges' holds two versions of one key \(account_no, charge_id\) with the same known_at"
    ):
        history(world.tables(), Terms())
