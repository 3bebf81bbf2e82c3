"""Labels against hand-computed cases and plain loops; their maturity, and what is reported about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from features.cohort import scorable
from features.coverage import recoveries_by_day
from features.errors import ContractError, UsageError
from features.labels import WHY_MISSING, labels, labels_by_terms
from features.ledger import history
from features.terms import LabelTerms, Terms
from tests.judges.oracle_ledger import labels as oracle_labels
from tests.worlds.cases import CASES, FAR, LABEL_CASES, Case
from tests.worlds.labelled import DECIMALS, MARCH, labelled, of_book
from tests.worlds.worlds import SPAN, START, World, day, label_terms, later_rows, terms, worlds

NAMES = ("recovered", "recovered_amount", "defaulted", "recovered_missing", "defaulted_missing")


some_nights = st.lists(st.integers(START, START + SPAN - 15), min_size=1, max_size=4)


complete = st.integers(START + 40, START + SPAN + 90)


def as_values(found) -> dict[str, object]:
    values = {name: getattr(found, name) for name in NAMES}
    return {name: None if isinstance(value, float) and np.isnan(value) else value for name, value in values.items()}


def wrong_cases(make) -> Iterator[str]:
    """Hand-computed expectations that a labeller does not meet."""
    for case in CASES:
        for night, expected in case.nights.items():
            expected = {name: value for name, value in expected.items() if name in NAMES}
            if expected:
                _, found = labelled(case.world, [day(night)], case.label, case.complete_through, case.terms, make)
                values = as_values(next(found.itertuples()))
                yield from (f"{case.name}, {night}: {name}" for name in expected if values[name] != expected[name])


@pytest.mark.parametrize("case", LABEL_CASES, ids=str)
def test_hand_computed(case: Case):
    for night, expected in case.nights.items():
        frame, found = labelled(case.world, [day(night)], case.label, case.complete_through, case.terms)
        judged = oracle_labels(
            case.world.rows, "a", day(night), case.terms, case.label, case.complete_through, DECIMALS
        )
        values = as_values(next(found.itertuples())) | {
            name: frame[name].iloc[0] for name in ("balance", "days_past_due")
        }
        assert {name: values[name] for name in expected if name in values} == {
            name: expected[name] for name in expected if name in values
        }
        assert {name: judged[name] for name in expected if name in judged} == {
            name: expected[name] for name in expected if name in judged
        }


@settings(max_examples=30, deadline=None)
@given(worlds(contacts=False), terms, some_nights, st.lists(label_terms, min_size=1, max_size=3), complete)
def test_equals_the_oracle_for_several_horizons_in_one_pass(
    world: World, terms: Terms, as_of, several: list[LabelTerms], complete: int
):
    def make(*arguments):
        return labels_by_terms(*arguments)

    frame, tables = labelled(world, as_of, several, complete, terms, make)
    for label, found in zip(several, tables, strict=True):
        for row, values in zip(frame.itertuples(), found.itertuples(), strict=True):
            assert as_values(values) == oracle_labels(
                world.rows, row.account_id, row.as_of, terms, label, complete, DECIMALS
            )


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False), some_nights, label_terms, st.integers(0, 100))
def test_order_of_rows_is_irrelevant(world: World, as_of, label: LabelTerms, seed: int):
    frame, found = labelled(world, as_of, label)
    tables = world.tables(shuffle_seed=seed, categorical=True)
    again = labels(frame, tables, history(tables, Terms()), label, FAR, DECIMALS)
    pd.testing.assert_frame_equal(found, again)


@settings(max_examples=15, deadline=None)
@given(worlds(contacts=False), some_nights, label_terms)
def test_shards_are_parts_of_the_whole(world: World, as_of, label: LabelTerms):
    frame, found = labelled(world, as_of, label)
    parts = []
    for debtor in sorted({row["debtor_id"] for row in world.rows["accounts"]}):
        rows, own = labelled(world.of_debtors({debtor}), as_of, label)
        parts.append(pd.concat([rows[["account_no", "as_of"]], own], axis=1))
    whole = pd.concat(parts).sort_values(["account_no", "as_of"], ignore_index=True)
    pd.testing.assert_frame_equal(whole, pd.concat([frame[["account_no", "as_of"]], found], axis=1))


def check_label_window(make, examples: int = 40) -> None:
    """What happens around the window, or becomes known from maturity on, changes no label:
    features and labels share no event.
    """

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate])
    @given(worlds(contacts=False), st.integers(START + 5, START + 30), label_terms, st.data())
    def only_the_window_counts(world: World, night: int, label: LabelTerms, data):
        matured = night + label.horizon_days + label.maturity_days
        frame, found = labelled(world, [night], label, make=make)
        later = data.draw(later_rows(world, max(matured, matured - label.horizon_days + label.default_horizon_days)))
        # counts when ever known
        later = later.only(lambda name, row: row.get("status") != "outcome_unknown" or row in world.rows[name])
        pd.testing.assert_frame_equal(found, labelled(later, [night], label, make=make)[1])
        around = world.only(lambda *_: True)
        for account_id in set(frame["account_id"]) if "payments" in world.rows else ():
            around.payment(night - 1, 70, account_id=account_id, known_at=night)
            around.payment(night + label.horizon_days, 70, account_id=account_id)
            around.payment(night, 70, account_id=account_id, known_at=matured)
        recovered = ["recovered", "recovered_amount", "recovered_missing"]
        pd.testing.assert_frame_equal(found[recovered], labelled(around, [night], label, make=make)[1][recovered])

    only_the_window_counts()


def window_opened_early(cohort_frame, tables, ledger, label, complete_through, decimals):
    """Leaky: the night before belongs to the label too."""
    earlier = cohort_frame.assign(as_of=cohort_frame["as_of"] - np.int32(1))
    return labels(
        earlier, tables, ledger, replace(label, horizon_days=label.horizon_days + 1), complete_through, decimals
    )


def maturity_ignored(cohort_frame, tables, ledger, label, complete_through, decimals):
    """Leaky: reversals and late payments count whenever they become known."""
    return labels(cohort_frame, tables, ledger, replace(label, maturity_days=500), complete_through + 500, decimals)


def credits_counted(cohort_frame, tables, ledger, label, complete_through, decimals):
    """Wrong: a waiver is taken for money."""
    paid = replace(ledger.settlements, kind=np.zeros_like(ledger.settlements.kind))
    return labels(cohort_frame, tables, replace(ledger, settlements=paid), label, complete_through, decimals)


@pytest.mark.slow
def test_only_the_label_window_counts():
    check_label_window(labels)


@pytest.mark.slow
@pytest.mark.parametrize("leak", [window_opened_early, maturity_ignored])
def test_the_window_test_catches_a_leak(leak):
    with pytest.raises(AssertionError, match="are different"):
        check_label_window(leak, examples=200)  # ends at the first failure


@pytest.mark.slow
@pytest.mark.parametrize("leak", [window_opened_early, maturity_ignored, credits_counted])
def test_the_hand_computed_cases_catch_a_leak(leak):
    assert next(wrong_cases(leak), None)  # ends at the first


@settings(max_examples=20, deadline=None)
@given(worlds(contacts=False), some_nights, label_terms, complete)
def test_a_label_is_missing_with_a_reason_or_there_without(world: World, as_of, label: LabelTerms, complete: int):
    frame, found = labelled(world, as_of, label, complete)
    for name in ("recovered", "defaulted"):
        assert (found[name].isna() == (found[f"{name}_missing"] != "")).all()
        assert set(found[f"{name}_missing"]) <= {"", *WHY_MISSING}
    assert (found["recovered_amount"].dropna() <= frame["balance"][found["recovered_amount"].notna()]).all()
    assert (found["recovered_amount"].dropna() >= 0).all()


def test_without_payments_no_label_is_delivered():
    world = of_book()
    del world.rows["payments"]
    _, found = labelled(world, [day("2024-03-01")], MARCH)
    assert set(found["recovered_missing"]) == set(found["defaulted_missing"]) == {"not_delivered"}
    assert found[["recovered", "recovered_amount", "defaulted"]].isna().all(axis=None)


def test_a_status_log_without_details_knows_no_recall():
    world = of_book().status("closed", "2024-03-04", account_id="b", detail="recalled")
    tables = world.tables()
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-03-01")], Terms()).frame
    assert "recalled" in set(labels(frame, tables, ledger, MARCH, FAR, DECIMALS)["recovered_missing"])
    bare = tables | {"statuses": tables["statuses"].drop(columns="detail")}
    assert "recalled" not in set(labels(frame, bare, ledger, MARCH, FAR, DECIMALS)["recovered_missing"])


def test_a_portfolio_that_does_not_deliver_payments_has_no_labels():
    tables = (
        of_book()
        .account("e", opened_on="2024-01-01", portfolio="silent")
        .charge("2024-02-20", 1000, account_id="e")
        .tables()
    )
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-03-01")], Terms()).frame
    delivers = {"book": frozenset({"accounts", "payments"}), "silent": frozenset({"accounts", "charges"})}
    found = labels(frame, tables, ledger, MARCH, FAR, DECIMALS, delivers)
    assert (found["recovered_missing"] == "not_delivered").tolist() == (frame["portfolio"] == "silent").tolist()


def test_a_label_matures_with_the_payments_of_its_own_book():
    """Where one book's feed stops early its silence is not "nothing was paid"; the other book's labels are there."""
    world = World().deliver("payments")
    for name, book in (("a", "book"), ("b", "shop")):
        world.account(name, portfolio=book, opened_on="2024-01-01", placed_on="2024-01-15").charge(
            "2024-02-01", 9_000, account_id=name
        )
    world.payment("2024-03-04", 100)
    reach = {"book": FAR, "shop": day("2024-03-04")}
    frame, found = labelled(world, [day("2024-03-01")], MARCH, complete_through=reach)
    by_account = found.set_index(frame["account_id"])
    assert by_account.loc["b", "recovered_missing"] == "immature"
    assert np.isnan(by_account.loc["b", "recovered"])
    assert by_account.loc["a", "recovered_missing"] == ""
    ledger = history(world.tables(), Terms())
    whole = recoveries_by_day(frame, ledger, MARCH, FAR)
    early = recoveries_by_day(frame, ledger, MARCH, {"book": day("2024-03-04"), "shop": FAR})
    assert whole["accounts_in_the_end"].iloc[0] == 1
    assert early["accounts_in_the_end"].iloc[0] == 0


def test_labels_keep_the_rows_of_the_cohort():
    frame, found = labelled(of_book(), [day("2024-03-01"), day("2024-04-01")], MARCH)
    chosen = frame.iloc[::-2].set_axis(list("wxyz")[: len(frame.iloc[::-2])])
    tables = of_book().tables()
    again = labels(chosen, tables, history(tables, Terms()), MARCH, FAR, DECIMALS)
    assert again.index.tolist() == chosen.index.tolist()
    pd.testing.assert_frame_equal(again.reset_index(drop=True), found.iloc[::-2].reset_index(drop=True))


def test_thresholds_are_exact_whatever_their_binary_form():
    world = (
        World()
        .account("a", opened_on=START)
        .charge(START, 10**15)
        .payment(START + 5, 123456789012346)
        .deliver("payments")
    )
    share = LabelTerms(horizon_days=10, maturity_days=1, min_share=0.123456789012345)
    assert labelled(world, [START + 1], share)[1]["recovered"].tolist() == [1.0]
    world = (
        World()
        .account("a", opened_on=START)
        .charge(START, 10**15)
        .payment(START + 5, 123456789012344)
        .deliver("payments")
    )
    assert labelled(world, [START + 1], share)[1]["recovered"].tolist() == [0.0]


def test_min_amount_needs_decimals():
    world = of_book()
    tables = world.tables()
    ledger = history(tables, Terms())
    frame = scorable(tables, ledger, [day("2024-03-01")], Terms()).frame
    with pytest.raises(
        ContractError, match="min_amount needs each currency's decimals. Got none for JPY. Add them, or set it to 0."
    ):
        labels(frame, tables, ledger, replace(MARCH, min_amount=0.5), FAR, {"EUR": 2})
    assert labels(frame, tables, ledger, MARCH, FAR, {})["recovered"].notna().any()


def test_a_ledger_that_ends_before_the_window_is_refused():
    tables = of_book().tables()
    night = day("2024-03-01")
    ledger = history(tables, Terms(), last_day=night)
    frame = scorable(tables, ledger, [night], Terms()).frame
    with pytest.raises(
        UsageError, match="The ledger ends on 2024-03-01, but 2024-03-07 is asked for. Leave last_day out"
    ):
        labels(frame, tables, ledger, MARCH, FAR, DECIMALS)
    assert set(labels(frame, tables, ledger, MARCH, night, DECIMALS)["defaulted_missing"]) == {"immature"}
