"""What is billed and open, item by item: by hand, and against plain loops over drawn worlds."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from features.days import date_of
from features.evidence import Evidence
from features.open_items import ITEM_COLUMNS, open_items
from features.tables import NO_DAY, account_number
from features.terms import Terms
from tests.judges import oracle_ledger as books
from tests.judges import oracle_rhythm as judge
from tests.judges.oracle import Judge
from tests.worlds import worlds
from tests.worlds.cohorts import DECIMALS, frame_of, nights_of, tables_of
from tests.worlds.worlds import World, day

NIGHT = "2024-05-20"


def items(world: World, night: str = NIGHT, terms: Terms | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    return open_items(Evidence(asked([("a", day(night))]), world.tables(), terms or Terms(decimals=DECIMALS), None, {}))


def asked(pairs: list[tuple[str, int]]) -> pd.DataFrame:
    frame = frame_of(pairs)
    return frame.assign(account_no=account_number(frame["account_id"])).sort_values("account_no", ignore_index=True)


def shop() -> World:
    """Two invoices of one customer, one of them paid in part."""
    world = World().account("a", "firm", opened_on="2024-01-01")
    world.charge("2024-02-01", 300, kind="invoice", charge_id="i1", issued_on="2024-01-01")
    world.charge("2024-06-01", 100, kind="invoice", charge_id="i2", issued_on="2024-05-01")
    return world.payment("2024-02-11", 120, charge_id="i1").deliver("statuses")


def test_every_item_that_is_not_paid_is_told_with_what_is_left_of_it():
    found, untied = items(shop())
    assert list(found) == list(ITEM_COLUMNS)
    assert found[["charge_id", "amount", "open", "is_disputed"]].to_numpy().tolist() == [
        ["i1", 300, 180, False],
        ["i2", 100, 100, False],
    ]
    assert [date_of(due).isoformat() for due in found["due_on"]] == ["2024-02-01", "2024-06-01"]
    assert untied.to_numpy().tolist() == [[0, 0]]


def test_a_disputed_invoice_is_told_as_such_and_the_others_stand():
    found, _ = items(shop().status("dispute", "2024-05-02", charge_id="i2"))
    assert found["is_disputed"].tolist() == [False, True]
    later = items(shop().status("dispute", "2024-05-02", charge_id="i2", known_at="2024-05-20T09:00Z"))
    assert later[0]["is_disputed"].tolist() == [False, False]  # known from the night on


def test_money_beyond_what_is_billed_is_unapplied():
    found, untied = items(shop().payment("2024-05-01", 400))
    assert found.empty
    assert untied.to_numpy().tolist() == [[120, 0]]


def test_a_credit_note_settles_what_it_names_else_the_oldest_due_and_what_is_left_is_told():
    named = shop().charge("2024-05-01", -30, kind="adjustment", charge_id="n1", adjusts="i2")
    assert items(named)[0]["open"].tolist() == [180, 70]
    untied = shop().charge("2024-05-01", -250, kind="adjustment", charge_id="n1")
    found, left = items(untied)
    assert found["charge_id"].tolist() == ["i2"]  # not due yet: the rest of the note waits
    assert left.to_numpy().tolist() == [[0, 70]]


def test_a_book_without_charges_tells_of_nothing():
    terms = Terms(decimals=DECIMALS, delivers={"book": frozenset({"accounts", "payments"})})
    found, untied = items(shop(), terms=terms)
    assert found.empty
    assert untied.to_numpy().tolist() == [[0, 0]]


def expected(world: World, account_id: str, night: int) -> tuple[list[tuple], int]:
    """The open items of an account, and what is left of its credit notes."""
    rows = world.rows
    known = books.in_force(books.rows_of(rows, "charges", account_id), ("charge_id",), night)
    notes = -sum(
        row["amount"]
        for row in known
        if row["amount"] < 0 and NO_DAY < row["due_on"] < night and books.taken_back_by(row, rows) is None
    )
    found, own = [], books.account_row(rows, account_id, night)
    for item in judge.items_of(rows, account_id, night):
        if item["due"] < night:
            taken = min(notes, item["left"])
            item["left"] -= taken
            notes -= taken
        if item["left"]:
            disputed = judge.is_disputed(rows, {**item, "account": own}, night)
            found.append((item["id"], item["due"], item["full"], item["left"], disputed))
    return found, notes


@st.composite
def cases(draw):
    world = draw(worlds.worlds(max_rows=6, contacts=False))
    return world, draw(worlds.nights)


@settings(max_examples=20, deadline=None)
@given(cases(), worlds.terms)
def test_open_items_equal_the_plain_loops(case, terms):
    world, night = case
    pairs = nights_of(world, [night])
    terms = replace(terms, decimals=DECIMALS)
    if not pairs:
        return
    cohort = asked(pairs)
    evidence = Evidence(cohort, tables_of(world), terms, None, {})
    found, untied = open_items(evidence)
    told = Judge(world.rows, pairs, terms, None)
    for row, account_id in enumerate(cohort["account_id"]):
        own = found[found["row"] == row]
        book = books.account_row(world.rows, account_id, night)["portfolio"]
        if not all(told.delivered(table, book, night) for table in ("charges", "payments")):
            assert own.empty
            continue
        wanted, notes = expected(world, account_id, night)
        assert sorted(own[list(ITEM_COLUMNS[1:])].drop(columns="kind").itertuples(index=False, name=None)) == sorted(
            wanted
        )
        assert untied["credit_notes"].iloc[row] == notes
