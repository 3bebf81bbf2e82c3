"""Receipts on their way in: one receipt over several charges and accounts, cash applied later, and what contradicts."""

from __future__ import annotations

import pytest

from features.ledger import history
from features.terms import Terms
from pipeline.intake.ingest import ingest
from pipeline.store.store import Store
from tests.worlds.deliveries import ACCOUNTS, PARAMS, day, payment, same, taken, world, write

LATER = "2026-02-20T09:00:00Z"


def line(amount: str, account_id: str = "A1", charge_id: str = "", **columns) -> dict:
    return payment(payment_id="RCT", account_id=account_id, charge_id=charge_id, amount=amount, **columns)


def next_night(store_path, *lines: dict):
    """What ingest makes of lines that come after a store has its first delivery."""
    source = write(store_path.parent / f"next-{len(list(store_path.parent.iterdir()))}", {"payments": list(lines)})
    return ingest(source, store_path, PARAMS).tables[0]


def applied(store_path, night: str) -> dict[str, int]:
    """Account -> what the ledger takes to be paid of it on a night."""
    tables = Store(store_path).tables()
    paid = history(tables, Terms()).settlements
    names = dict(zip(tables["accounts"]["account_no"], tables["accounts"]["account_id"], strict=True))
    found: dict[str, int] = {}
    for row in range(paid.row.size):
        back = slice(paid.reversal_offsets[row], paid.reversal_offsets[row + 1])
        gone = paid.reversal_amount[back][paid.reversal_known_on[back] < day(night)].sum()
        if paid.known_on[row] < day(night) and paid.amount[row] > gone:
            name = names[paid.accounts[paid.position[row]]]
            found[name] = found.get(name, 0) + int(paid.amount[row] - gone)
    return found


def test_one_receipt_over_charges_and_accounts_comes_in_whole(tmp_path):
    reports, store = taken(tmp_path, payments=[line("30.00", "A1", "C1"), line("10.00", "A1"), line("20.00", "A2")])
    assert (reports["payments"].accepted, reports["payments"].codes) == (3, {})
    assert applied(store.path, "2026-03-01") == {"A1": 4000, "A2": 2000}


def test_cash_applied_later_replaces_the_set_from_its_day_on(tmp_path):
    _, store = taken(tmp_path, payments=[line("60.00")])
    report = next_night(store.path, line("20.00", known_at=LATER), line("40.00", "A2", known_at=LATER))
    assert (report.accepted, report.codes) == (2, {})
    assert applied(store.path, "2026-02-20") == {"A1": 6000}
    assert applied(store.path, "2026-02-21") == {"A1": 2000, "A2": 4000}


def test_a_later_delivery_of_the_same_time_is_the_later_set(tmp_path):
    _, store = taken(tmp_path, payments=[line("60.00")])
    assert next_night(store.path, line("60.00", charge_id="C1")).accepted == 1
    named = Store(store.path).tables()["payments"]
    assert named["known_at"].is_unique
    assert named.sort_values("known_at")["charge_id"].tolist()[-1] == "C1"
    assert next_night(store.path, line("60.00", charge_id="C1", method="giro")).duplicates == 1


@pytest.mark.parametrize("columns", [{"known_at": LATER}, {"method": "giro"}, {"known_at": LATER, "method": "giro"}])
def test_the_same_line_known_or_paid_otherwise_is_there_already(tmp_path, columns):
    _, store = taken(tmp_path, payments=[line("30.00", "A1", "C1"), line("30.00", "A2")])
    report = next_night(store.path, line("30.00", "A1", "C1", **columns))
    assert (report.duplicates, report.accepted, report.codes) == (1, 0, {})


def test_cash_that_goes_back_to_where_it_was_is_news(tmp_path):
    _, store = taken(tmp_path, payments=[line("60.00")])
    next_night(store.path, line("60.00", "A2", known_at=LATER))
    assert next_night(store.path, line("60.00", known_at="2026-02-25T09:00:00Z")).accepted == 1
    nights = ("2026-02-20", "2026-02-21", "2026-02-26")
    assert [applied(store.path, night) for night in nights] == [{"A1": 6000}, {"A2": 6000}, {"A1": 6000}]


@pytest.mark.parametrize(
    ("column", "changed"),
    [
        ("amount", {"amount": "61.00"}),
        ("kind", {"amount": "60.00", "kind": "credit"}),
        ("occurred_at", {"amount": "60.00", "occurred_at": "2026-01-30"}),
    ],
)
def test_what_a_later_set_may_not_change_is_a_conflict_that_names_the_column(tmp_path, column, changed):
    _, store = taken(tmp_path, payments=[line("60.00")])
    source = write(tmp_path / "next", {"payments": [line(**{"known_at": LATER, **changed})]})
    report = ingest(source, store.path, PARAMS)
    assert report.tables[0].codes == {"DUP_CONFLICT": 1}
    assert any(f"differ in {column}." in warning for warning in report.warnings)
    assert applied(store.path, "2026-03-01") == {"A1": 6000}


def test_a_receipt_with_a_faulty_line_waits_whole_and_comes_in_whole(tmp_path):
    lines = [
        payment(payment_id="N1", account_id="A1", charge_id="C1", amount="50.00"),
        payment(payment_id="N1", account_id="A2", amount="12,50"),
        payment(payment_id="N1", account_id="J1", amount="500"),  # of another debtor: another receipt
        payment(payment_id="N2", account_id="A1", amount="7.00"),
    ]
    reports, _ = taken(tmp_path, payments=lines)
    assert reports["payments"].codes == {"AMT_FORMAT": 1, "RECEIPT_PART": 1}
    assert reports["payments"].accepted == 2
    mended = [lines[0], {**lines[1], "amount": "12.50"}]
    again = ingest(write(tmp_path / "again", {"payments": mended}), tmp_path / "store", PARAMS).tables[0]
    assert (again.codes, again.accepted) == ({}, 2)


HALVED = [payment(payment_id="N1", amount="10.00"), payment(payment_id="N1", account_id="A2", amount="5,00")]
MENDED = [HALVED[0], {**HALVED[1], "amount": "5.00"}]


def test_a_mended_line_alone_waits_and_the_receipt_comes_in_whole_after_it(tmp_path):
    _, store = taken(tmp_path, payments=HALVED)
    assert next_night(store.path, MENDED[1]).codes == {"RECEIPT_PART": 1}
    assert next_night(store.path, payment(payment_id="N1", account_id="J1", amount="500")).codes == {}
    whole = next_night(store.path, *MENDED)
    assert (whole.codes, whole.accepted) == ({}, 2)
    assert applied(store.path, "2026-03-01") == {"A1": 1000, "A2": 500, "J1": 500}
    later = next_night(store.path, payment(payment_id="N1", amount="15.00", known_at=LATER))
    assert (later.codes, later.accepted) == ({}, 1)  # what is in may be applied anew, in fewer lines


def test_a_receipt_whose_lines_are_all_faulty_waits_whole_too(tmp_path):
    _, store = taken(tmp_path, payments=[{**HALVED[0], "occurred_at": "03/02/2026"}, HALVED[1]])
    assert next_night(store.path, MENDED[1]).codes == {"RECEIPT_PART": 1}
    assert next_night(store.path, *MENDED).accepted == 2


def test_a_receipt_of_one_line_that_contradicted_itself_comes_in_with_one(tmp_path):
    _, store = taken(tmp_path, payments=[line("60.00"), line("61.00")])
    assert next_night(store.path, line("60.00")).accepted == 1


def test_a_line_of_an_unknown_account_is_of_the_only_debtor_with_its_number(tmp_path):
    strange = payment(payment_id="N1", account_id="A7", amount="5.00")
    reports, store = taken(tmp_path, payments=[HALVED[0], strange])
    assert reports["payments"].codes == {"ACCT_UNKNOWN": 1, "RECEIPT_PART": 1}
    assert next_night(store.path, MENDED[1]).codes == {"RECEIPT_PART": 1}
    assert next_night(store.path, *MENDED).accepted == 2


def test_a_faulty_row_of_a_stranger_holds_up_no_receipt_of_several_debtors(tmp_path):
    rows = [line("60.00"), line("50", "J1"), line("5.00", "A7", known_at="soon")]
    reports, _ = taken(tmp_path, payments=rows)
    assert (reports["payments"].accepted, reports["payments"].codes) == (2, {"ACCT_UNKNOWN": 1, "TS_FORMAT": 1})


def test_a_reversal_in_two_lines_of_which_one_reverses_nothing_waits_whole(tmp_path):
    back = {"payment_id": "BACK", "kind": "reversal", "reverses": "RCT", "amount": "30.00", "occurred_at": "2026-02-08"}
    lines = [payment(**back), payment(**back, account_id="A2")]
    reports, store = taken(tmp_path, payments=[line("60.00"), *lines])
    assert reports["payments"].codes == {"REV_ORPHAN": 1, "RECEIPT_PART": 1}
    assert applied(store.path, "2026-03-01") == {"A1": 6000}


def test_a_reversal_of_a_line_that_waits_reverses_nothing(tmp_path):
    """MIXED has a line that reverses nothing, so its payment waits, which UNDO would take back."""
    part = {"payment_id": "MIXED", "occurred_at": "2026-02-08", "amount": "5.00"}
    rows = [
        payment(**part, kind="reversal", reverses="NONE"),
        payment(**part, account_id="A2"),
        payment(payment_id="UNDO", account_id="A2", kind="reversal", reverses="MIXED", amount="5.00",
                occurred_at="2026-02-09"),
    ]  # fmt: skip
    reports, _ = taken(tmp_path, payments=rows)
    assert reports["payments"].codes == {"REV_ORPHAN": 2, "RECEIPT_PART": 1}


def test_two_debtors_may_use_one_number(tmp_path):
    reports, _ = taken(tmp_path, payments=[line("60.00"), line("9", "J1")])
    assert (reports["payments"].accepted, reports["payments"].codes) == (2, {})


def test_a_reversal_in_one_row_takes_back_all_lines(tmp_path):
    back = payment(payment_id="BACK", kind="reversal", reverses="RCT", amount="60.00", occurred_at="2026-02-10")
    reports, store = taken(tmp_path, payments=[line("20.00"), line("40.00", "A2"), back])
    assert reports["payments"].codes == {}
    assert applied(store.path, "2026-02-10") == {"A1": 2000, "A2": 4000}
    assert applied(store.path, "2026-02-11") == {}
    more = next_night(store.path, {**back, "payment_id": "MORE", "amount": "0.01"})
    assert more.codes == {"REV_EXCESS": 1}


def test_payments_that_name_no_known_charge_are_counted_and_said(tmp_path):
    source = write(tmp_path / "in", world(payments=[line("30.00", "A1", "C1"), line("30.00", "A1", "C-unheard")]))
    report = ingest(source, tmp_path / "store", PARAMS)
    assert any("1 payments name a charge that is not known" in warning for warning in report.warnings)


def test_a_receipt_that_goes_to_another_debtor_of_one_person_would_count_twice_and_is_set_aside(tmp_path):
    """Cash of the former record's invoice, applied to the latter's after the two were found to be one."""
    at_once = [payment(payment_id="BOTH", amount="30.00"), payment(payment_id="BOTH", account_id="J1", amount="30")]
    links = [same("D1", "D2", "2026-02-10")]
    reports, store = taken(tmp_path, payments=[line("60.00"), *at_once], debtors=links)
    assert reports["payments"].codes == {}
    source = write(tmp_path / "next", {"payments": [line("60", "J1", known_at=LATER)]})
    report = ingest(source, store.path, PARAMS)
    assert report.tables[0].codes == {"DUP_CONFLICT": 1}
    assert any(
        "1 lines bring a receipt from one debtor to another that is the same person" in one for one in report.warnings
    )
    assert applied(store.path, "2026-03-01") == {"A1": 9000, "J1": 30}
    again = write(tmp_path / "again", {"payments": [line("60.00", "A2", known_at=LATER)]})
    assert ingest(again, store.path, PARAMS).tables[0].codes == {}


def test_without_a_link_the_same_number_of_two_debtors_stays_two_receipts(tmp_path):
    _, store = taken(tmp_path, payments=[line("60.00")], debtors=[same("D3", "D2", "2026-02-10")])
    assert next_night(store.path, line("60", "J1", known_at=LATER)).codes == {}


LATE = {**ACCOUNTS[0], "account_id": "A9", "opened_on": "2026-02-15", "known_at": "2026-02-15T09:00:00Z"}
OTHER = {**ACCOUNTS[0], "account_id": "B1", "debtor_id": "D2"}
JOINED = [same("D1", "D2", "2026-02-10")]


def test_cash_applied_later_to_an_account_that_opened_after_a_link_counts_once(tmp_path):
    _, store = taken(tmp_path, accounts=[LATE], payments=[line("60.00")], debtors=JOINED)
    assert next_night(store.path, line("60.00", "A9", known_at=LATER)).accepted == 1
    assert applied(store.path, "2026-02-20") == {"A1": 6000}
    assert applied(store.path, "2026-02-25") == {"A9": 6000}


def test_a_receipt_of_another_debtor_with_the_same_number_stays_where_an_account_opened_after_a_link(tmp_path):
    _, store = taken(tmp_path, accounts=[OTHER, LATE], payments=[line("60.00", "B1")], debtors=JOINED)
    assert next_night(store.path, line("45.00", "A9", known_at=LATER, occurred_at="2026-02-18")).accepted == 1
    assert applied(store.path, "2026-02-25") == {"B1": 6000, "A9": 4500}
