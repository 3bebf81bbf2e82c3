"""Every reason code: one row each, everything else about the row being right."""

from __future__ import annotations

import json

import pytest

from features.errors import ContractError
from pipeline.intake import ingest as ingest_room
from pipeline.intake.quarantine import Code, codes_of
from pipeline.store.store import Store
from tests.worlds.deliveries import (
    ACCOUNTS,
    CHARGES,
    PARAMS,
    PAYMENTS,
    account,
    charge,
    contact,
    instalment,
    offer,
    params_with,
    payment,
    placement,
    same,
    statement,
    status,
    taken,
    world,
    write,
)

FAULTS = [
    ("accounts", account(account_id=""), "KEY_NULL"),
    ("accounts", account(debtor_id=""), "KEY_NULL"),
    ("accounts", account(portfolio="", opened_on="2026-01-01"), "KEY_NULL"),
    ("accounts", account(account_id="two words"), "KEY_FORMAT"),
    ("accounts", account(account_id="line\nbreak"), "KEY_FORMAT"),
    ("accounts", account(account_id="zero\u200bwidth"), "KEY_FORMAT"),
    ("accounts", account(account_id="x" * 65), "TEXT_TOO_LONG"),
    ("accounts", account(product="p" * 65), "TEXT_TOO_LONG"),
    ("accounts", account(product="tab\tbed"), "TEXT_FORMAT"),
    ("accounts", account(debtor_type="Consumer"), "ENUM_UNKNOWN"),
    ("accounts", account(debtor_type=""), "ENUM_UNKNOWN"),
    ("accounts", account(time_zone="Europe/Pariss"), "ENUM_UNKNOWN"),
    ("accounts", account(currency="EURO"), "CCY_UNKNOWN"),
    ("accounts", account(currency="eur"), "CCY_UNKNOWN"),
    ("accounts", account(currency=""), "CCY_UNKNOWN"),
    ("accounts", account(opened_on=""), "TS_FORMAT"),
    ("accounts", account(opened_on="05.01.2026"), "TS_FORMAT"),
    ("accounts", account(placed_on="2026-02-30"), "TS_FORMAT"),
    ("accounts", account(placed_on="1899-12-31"), "TS_FORMAT"),
    ("accounts", account(principal="-1.00"), "AMT_SIGN"),
    ("accounts", account(account_id="A1", debtor_id="D9", known_at="2026-03-01"), "ACCT_CHANGED"),
    ("accounts", account(account_id="A1", currency="USD", known_at="2026-03-02"), "ACCT_CHANGED"),
    ("charges", charge(due_on=""), "TS_FORMAT"),
    ("charges", charge(amount="-1.00"), "AMT_SIGN"),
    ("charges", charge(kind="interests"), "ENUM_UNKNOWN"),
    ("charges", charge(account_id="A9"), "ACCT_UNKNOWN"),
    ("charges", charge(account_id="J1", amount="10.5"), "AMT_SCALE"),
    ("charges", charge(account_id="K1", amount="10.5555"), "AMT_SCALE"),
    ("balances", statement(days_past_due="-1"), "NUM_FORMAT"),
    ("balances", statement(days_past_due="1.5"), "NUM_FORMAT"),
    ("balances", statement(arrears="-0.01"), "AMT_SIGN"),
    ("balances", statement(known_at="2026-01-31"), "TS_KNOWN_BEFORE_EVENT"),
    ("payments", payment(amount="0.00"), "AMT_SIGN"),
    ("payments", payment(amount="-5.00"), "AMT_SIGN"),
    ("payments", payment(amount=""), "AMT_FORMAT"),
    ("payments", payment(occurred_at=""), "TS_FORMAT"),
    ("payments", payment(account_id="U1", occurred_at="2026-02-03T10:00:00"), "TS_NAIVE"),
    ("payments", payment(account_id="U1", known_at="2026-02-03T10:00:00"), "TS_NAIVE"),
    ("payments", payment(known_at="2026-02-03T09:59:59+01:00"), "TS_KNOWN_BEFORE_EVENT"),
    ("payments", payment(known_at="2026-02-02"), "TS_KNOWN_BEFORE_EVENT"),
    ("payments", payment(kind="reversal", amount="1.00"), "REV_ORPHAN"),
    ("payments", payment(kind="reversal", amount="1.00", reverses="P9"), "REV_ORPHAN"),
    ("payments", payment(kind="reversal", amount="1.00", reverses="P2"), "REV_ORPHAN"),
    ("payments", payment(reverses="P1"), "REV_ORPHAN"),
    ("payments", payment(kind="reversal", amount="40.01", reverses="P1"), "REV_EXCESS"),
    ("payments", payment(charge_id="c" * 65), "TEXT_TOO_LONG"),
    ("payments", payment(method="line\nbreak"), "TEXT_FORMAT"),
    ("contacts", contact(channel="telepathy"), "ENUM_UNKNOWN"),
    ("contacts", contact(direction=""), "ENUM_UNKNOWN"),
    ("contacts", contact(outcome="promised"), "ENUM_UNKNOWN"),
    ("contacts", contact(promise_due_on="soon"), "TS_FORMAT"),
    ("contacts", contact(promise_amount="NaN"), "AMT_NAN"),
    ("contacts", contact(person_id="a b"), "KEY_FORMAT"),
    ("statuses", status(status="happy"), "ENUM_UNKNOWN"),
    ("statuses", status(from_on=""), "TS_FORMAT"),
    ("statuses", status(detail="d" * 513), "TEXT_TOO_LONG"),
    ("debtors", same("D1", "D2", ""), "TS_FORMAT"),
    ("debtors", same("", "D2", "2026-02-01"), "KEY_NULL"),
    ("debtors", same("D1", "D 2", "2026-02-01"), "KEY_FORMAT"),
    ("debtors", same("D7", "D8", "2026-02-01"), "DEBTOR_CIRCLE"),
    ("debtors", same("D8", "D7", "2026-02-03"), "DEBTOR_CIRCLE"),
    ("offers", offer(account_id="A9"), "ACCT_UNKNOWN"),
    ("offers", offer(kind="gift"), "ENUM_UNKNOWN"),
    ("offers", offer(discount="1.01"), "SHARE_RANGE"),
    ("offers", offer(discount="-0.1"), "SHARE_RANGE"),
    ("offers", offer(discount="30%"), "SHARE_RANGE"),
    ("offers", offer(discount="0.1234567"), "SHARE_RANGE"),
    ("offers", offer(probability="1.5"), "SHARE_RANGE"),
    ("offers", offer(instalments="0"), "NUM_FORMAT"),
    ("offers", offer(valid_until="2026-02-02"), "DAY_ORDER"),
    ("offers", offer(known_at="2026-02-02"), "TS_KNOWN_BEFORE_EVENT"),
    ("plans", instalment(plan_id="X1", amount="89.99"), "PLAN_SUM"),
    ("plans", instalment(plan_id="X2", total="0.00", amount="0.00"), "AMT_SIGN"),
    ("plans", instalment(plan_id="X3", due_on="2026-02-02"), "DAY_ORDER"),
    ("plans", instalment(plan_id="X4", ended_on="2026-02-01"), "DAY_ORDER"),
    ("plans", instalment(plan_id="X5", how="stopped"), "ENUM_UNKNOWN"),
    ("placements", placement(placement_id="X1", account_id="J1", commission="25"), "SHARE_RANGE"),
    ("placements", placement(placement_id="X2", account_id="J1", recalled_on="2026-02-02"), "DAY_ORDER"),
    ("placements", placement(placement_id="X3", account_id="J1", party="nobody"), "PARTY_UNKNOWN"),
    ("placements", placement(placement_id="X4", account_id="J1", route="bin"), "ENUM_UNKNOWN"),
    ("placements", placement(placement_id="X5", placed_on="2026-02-20"), "PLACEMENT_OVERLAP"),
]
TREATED = {"placements": [placement(placement_id="Y1")]}  # a good one, which the last of these overlaps


@pytest.fixture(scope="module")
def faulty_world(tmp_path_factory):
    """All the faulty rows in one delivery, each payment under its own id; reports, store,
    and the line each row was written on.
    """
    tables = {"payments": [*PAYMENTS], **{name: [*rows] for name, rows in TREATED.items()}}
    lines = []
    for number, (table, row, _) in enumerate(FAULTS):
        rows = tables.setdefault(table, [])
        rows.append({**row, "payment_id": f"X{number}"} if table == "payments" else row)
        before = world(**{table: rows})[table][:-1]
        breaks = sum(cell.count("\n") for each in before for cell in each.values())
        lines.append(len(before) + 2 + breaks)
    place = tmp_path_factory.mktemp("faulty")
    return *taken(place, params_with(parties=("acme", "lex")), **tables), lines


def test_good_rows_beside_faulty_ones_come_in(faulty_world):
    reports, store, _ = faulty_world
    expected = {"accounts": len(ACCOUNTS), "charges": len(CHARGES), "payments": len(PAYMENTS)}
    expected |= {name: len(rows) for name, rows in TREATED.items()}
    assert {name: report.accepted for name, report in reports.items() if report.accepted} == expected
    assert sum(report.quarantined for report in reports.values()) == len(FAULTS)


@pytest.mark.parametrize(
    "number", range(len(FAULTS)), ids=[f"{table}-{code}-{number}" for number, (table, _, code) in enumerate(FAULTS)]
)
def test_a_faulty_row_is_set_aside_under_its_code_with_its_raw_text(faulty_world, number):
    _, store, lines = faulty_world
    table, row, code = FAULTS[number]
    quarantine = store.read("quarantine")
    found = quarantine[(quarantine["table"] == table) & (quarantine["line"] == lines[number])]
    assert found[["file", "codes"]].to_numpy().tolist() == [[f"{table}.csv", code]]
    raw = json.loads(found["raw"].item())
    assert {**raw, "payment_id": "X1"} == {**{column: cell for column, cell in row.items() if cell}, "payment_id": "X1"}


def test_only_the_owner_reads_the_quarantine(faulty_world):
    _, store, _ = faulty_world
    (place,) = (store.path / "quarantine").glob("*.parquet")
    assert (place.stat().st_mode & 0o777, place.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_every_code_is_documented_and_has_a_case():
    cased = {code for _, _, code in FAULTS} | {"DUP_CONFLICT", "TS_FUTURE", "AMT_NAN", "LIMIT_AMOUNT", "RECEIPT_PART"}
    assert cased == {code.name for code in Code}
    page = (ingest_room.Path(__file__).parents[2] / "docs" / "ingest.md").read_text()
    assert [code.name for code in Code if f"`{code.name}`" not in page] == []


def test_all_codes_of_a_row_are_named_in_their_stable_order(tmp_path):
    row = contact(contact_id="", channel="smoke", outcome="maybe", promise_amount="1,000.00", known_at="yesterday")
    _, store = taken(tmp_path, contacts=[row])
    assert store.read("quarantine")["codes"].tolist() == ["KEY_NULL ENUM_UNKNOWN AMT_FORMAT TS_FORMAT"]
    assert codes_of(0) == ()
    assert [Code.KEY_NULL.bit, Code.REV_EXCESS.bit] == [1, 1 << 20]  # stored masks keep their meaning


def test_an_accounts_fault_takes_its_events_along(tmp_path):
    reports, store = taken(tmp_path, accounts=[account(currency="XYZ")], charges=[charge(account_id="X1")])
    assert (reports["accounts"].codes, reports["charges"].codes) == ({"CCY_UNKNOWN": 1}, {"ACCT_UNKNOWN": 1})


def test_lines_are_counted_as_an_editor_counts_them(tmp_path):
    """Cells with line breaks, an empty line and CR LF before a faulty row: the line is where the row begins."""
    text = (
        "payment_id,account_id,occurred_at,amount,kind,method\n"
        'P7,A1,2026-02-03,1.00,payment,"two\nlines"\n'
        "\n"
        "P8,A1,2026-02-03,1.00,payment,bank\n"
        'P9,A1,2026-02-03,"1,5",payment,bank\n'
    )
    for name, told in (("lf", text), ("crlf", text.replace("\n", "\r\n"))):
        place = write(tmp_path / name, world())
        (place / "payments.csv").write_bytes(told.encode())
        ingest_room.ingest(place, tmp_path / f"{name}-store", PARAMS)
        held = Store(tmp_path / f"{name}-store").read("quarantine").sort_values("line")
        editor = told.replace("\r\n", "\n").split("\n")
        assert [editor[line - 1][:2] for line in held["line"]] == ["P7", "P9"]


def test_mixed_line_breaks_are_refused_and_said(tmp_path):
    place = write(tmp_path / "in", world(payments=[payment(), payment(payment_id="P2")]))
    text = (place / "payments.csv").read_bytes()
    (place / "payments.csv").write_bytes(text.replace(b"\n", b"\r\n", 1))
    with pytest.raises(ContractError, match="'payments.csv' mixes line breaks, LF and CR LF, or holds a lone CR"):
        ingest_room.ingest(place, tmp_path / "store", PARAMS)
