"""Ingest: every reason code, every refusal, sums that always add up, and a store that does not depend on how files were cut."""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.currencies import DECIMALS
from features.errors import CannotWrite, ContractError, InputMissing, LockHeld, RecoupError, UsageError
from features.tables import NO_DAY, NO_MINUTE, TABLES, account_number
from pipeline.intake import ingest as ingest_room
from pipeline.intake.ingest import ingest
from pipeline.intake.quarantine import Code, codes_of
from pipeline.intake.report import TableReport
from pipeline.store import commit
from pipeline.store.delta import DeltaTables
from pipeline.store.files import FileWriter
from pipeline.store.locks import only_run
from pipeline.store.store import Store
from pipeline.store.verify import examine_store
from tests.worlds.deliveries import (
    ACCOUNTS,
    CHARGES,
    PARAMS,
    PAYMENTS,
    account,
    charge,
    codes,
    contact,
    content,
    day,
    micros,
    payment,
    refusal,
    statement,
    status,
    taken,
    world,
    write,
)

# Reason codes: one row each, everything else about the row being right


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
]


@pytest.fixture(scope="module")
def faulty_world(tmp_path_factory):
    """All the faulty rows in one delivery, each payment under its own id; reports, store, and the line each row was written on."""
    tables = {"payments": [*PAYMENTS]}
    lines = []
    for number, (table, row, _) in enumerate(FAULTS):
        rows = tables.setdefault(table, [])
        rows.append({**row, "payment_id": f"X{number}"} if table == "payments" else row)
        lines.append(len(world(**{table: rows})[table]) + 1)
    place = tmp_path_factory.mktemp("faulty")
    return *taken(place, **tables), lines


def test_good_rows_beside_faulty_ones_come_in(faulty_world):
    reports, store, _ = faulty_world
    expected = {"accounts": len(ACCOUNTS), "charges": len(CHARGES), "payments": len(PAYMENTS)}
    assert {name: report.accepted for name, report in reports.items() if report.accepted} == expected
    assert sum(report.quarantined for report in reports.values()) == len(FAULTS)


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=[f"{table}-{code}-{number}" for number, (table, _, code) in enumerate(FAULTS)])
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
    cased = {code for _, _, code in FAULTS} | {"DUP_CONFLICT", "TS_FUTURE", "AMT_NAN", "LIMIT_AMOUNT"}
    assert cased == {code.name for code in Code}
    page = (ingest_room.Path(__file__).parents[2] / "docs" / "ingest.md").read_text()
    assert [code.name for code in Code if f"`{code.name}`" not in page] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_column_is_documented_with_whether_it_may_be_empty_and_its_values(table):
    page = (ingest_room.Path(__file__).parents[2] / "docs" / "ingest.md").read_text()
    section = page.partition("\n## Columns\n")[2].partition("\n## ")[0].partition(f"\n### {table.name}\n")[2].partition("\n### ")[0]
    told = {cells[1].strip(" `"): cells for line in section.splitlines() if (cells := line.split("|"))[1:] and "`" in cells[1]}
    assert list(told) == [*(name for name in table.names if name != "known_at"), "known_at"]
    for column in table.columns:
        *_, empty, meaning, _ = told[column.name]
        assert (empty.strip() != "no") == column.empty
        assert set(column.values) <= set(re.findall(r"`(\w+)`", meaning))


def test_all_codes_of_a_row_are_named_in_their_stable_order(tmp_path):
    row = contact(contact_id="", channel="smoke", outcome="maybe", promise_amount="1,000.00", known_at="yesterday")
    _, store = taken(tmp_path, contacts=[row])
    assert store.read("quarantine")["codes"].tolist() == ["KEY_NULL ENUM_UNKNOWN AMT_FORMAT TS_FORMAT"]
    assert codes_of(0) == ()
    assert [Code.KEY_NULL.bit, Code.REV_EXCESS.bit] == [1, 1 << 20]  # stored masks keep their meaning


def test_an_accounts_fault_takes_its_events_along(tmp_path):
    reports, store = taken(tmp_path, accounts=[account(currency="XYZ")], charges=[charge(account_id="X1")])
    assert (reports["accounts"].codes, reports["charges"].codes) == ({"CCY_UNKNOWN": 1}, {"ACCT_UNKNOWN": 1})


# Amounts: forty forms

AMOUNT_FORMS = [
    ("1234.50", 123450), ("1234.5", 123450), ("1234", 123400), ("0.01", 1), ("007.50", 750), (" 12.50 ", 1250), ("-12.50", -1250),
    ("-0", 0), ("0", 0), ("-0.00", 0), ("90000000000000.00", 9 * 10**15), ("12.345", "AMT_SCALE"), ("12.500", "AMT_SCALE"),
    ("0.001", "AMT_SCALE"), ("NaN", "AMT_NAN"), ("nan", "AMT_NAN"), ("-nan", "AMT_NAN"), ("inf", "AMT_NAN"), ("-inf", "AMT_NAN"),
    ("Infinity", "AMT_NAN"), ("NULL", "AMT_NAN"), ("None", "AMT_NAN"), ("N/A", "AMT_NAN"), ("#N/A", "AMT_NAN"), ("", "AMT_FORMAT"),
    ("1e5", "AMT_FORMAT"), ("1E-2", "AMT_FORMAT"), ("1,000.00", "AMT_FORMAT"), ("1.000,00", "AMT_FORMAT"), ("1 000.00", "AMT_FORMAT"),
    ("1_000", "AMT_FORMAT"), ("12,50", "AMT_FORMAT"), ("+12.50", "AMT_FORMAT"), ("12.", "AMT_FORMAT"), (".5", "AMT_FORMAT"),
    ("--5", "AMT_FORMAT"), ("12.50-", "AMT_FORMAT"), ("(12.50)", "AMT_FORMAT"), ("€12.50", "AMT_FORMAT"), ("12.50 EUR", "AMT_FORMAT"),
    ("٣٤", "AMT_FORMAT"), ("１２", "AMT_FORMAT"), ("\u221212", "AMT_FORMAT"), ("0x1F", "AMT_FORMAT"), ("\u00a012", 1200),
    ("1/2", "AMT_FORMAT"), ("twelve", "AMT_FORMAT"), ("12.5.0", "AMT_FORMAT"), ("90000000000000.01", "LIMIT_AMOUNT"),
    ("1000000000000000000", "LIMIT_AMOUNT"), ("9" * 60, "LIMIT_AMOUNT"),
]  # fmt: skip


def test_every_form_of_an_amount_becomes_its_documented_value_or_code(tmp_path):
    """Statement balances may have either sign, so only the form decides."""
    rows = [statement(taken_on=f"2026-03-{number % 28 + 1:02}", account_id=("A1", "A2")[number // 28], balance=form)
            for number, (form, _) in enumerate(AMOUNT_FORMS)]  # fmt: skip
    reports, store = taken(tmp_path, balances=rows)
    frame = store.tables()["balances"]
    values = dict(zip(zip(frame["account_no"], frame["taken_on"], strict=True), frame["balance"], strict=True))
    number = dict(zip(("A1", "A2"), account_number(["A1", "A2"]), strict=True))
    faulty = {(json.loads(raw)["account_id"], json.loads(raw)["taken_on"]): code for raw, code in codes(tmp_path / "store").items()}
    found = [
        values.get((number[row["account_id"]], day(row["taken_on"])), faulty.get((row["account_id"], row["taken_on"]))) for row in rows
    ]
    assert len(AMOUNT_FORMS) >= 40
    assert dict(zip([form for form, _ in AMOUNT_FORMS], found, strict=True)) == dict(AMOUNT_FORMS)


@pytest.mark.parametrize(
    ("account_id", "text", "minor"), [("J1", "5000", 5000), ("K1", "1.234", 1234), ("K1", "1.2", 1200), ("A1", "1.2", 120)]
)
def test_money_has_the_decimals_of_its_currency(tmp_path, account_id, text, minor):
    _, store = taken(tmp_path, payments=[payment(account_id=account_id, amount=text)])
    assert store.tables()["payments"]["amount"].tolist() == [minor]


def test_currencies_are_never_added(tmp_path):
    reports, _ = taken(tmp_path, payments=PAYMENTS)
    assert reports["payments"].money == {"EUR": (4000, 4000, 0, 0), "JPY": (5000, 5000, 0, 0)}
    assert DECIMALS["JPY"] == 0 and DECIMALS["KWD"] == 3 and DECIMALS["EUR"] == 2


# Days and instants

TIME_FORMS = [
    ("2026-02-03T10:00:00Z", "2026-02-03T10:00:00+00:00", "2026-02-03", 660),
    ("2026-02-03 10:00:00+01:00", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00+0100", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00:00+01", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),
    ("2026-02-03T10:00:00.123456789Z", "2026-02-03T10:00:00+00:00", "2026-02-03", 660),
    ("2026-02-03T23:30:00Z", "2026-02-03T23:30:00+00:00", "2026-02-04", 30),
    ("2026-02-03T00:15:00+14:00", "2026-02-02T10:15:00+00:00", "2026-02-02", 675),
    ("2026-02-03T12:00:00-11:00", "2026-02-03T23:00:00+00:00", "2026-02-04", 0),
    ("2026-02-03T10:00:00", "2026-02-03T09:00:00+00:00", "2026-02-03", 600),  # naive: the clock of Paris
    ("2026-02-03", "2026-02-02T23:00:00+00:00", "2026-02-03", NO_MINUTE),
    ("2028-02-29", "2028-02-28T23:00:00+00:00", "2028-02-29", NO_MINUTE),
    ("2026-03-29T01:59:59", "2026-03-29T00:59:59+00:00", "2026-03-29", 119),  # the last second of winter
    ("2026-03-29T02:30:00", "2026-03-29T01:30:00+00:00", "2026-03-29", 150),  # never occurs: read with winter's offset
    ("2026-03-29T03:00:00", "2026-03-29T01:00:00+00:00", "2026-03-29", 180),
    ("2026-10-25T02:30:00", "2026-10-25T00:30:00+00:00", "2026-10-25", 150),  # occurs twice: the first
    ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30:00+00:00", "2026-10-25", 150),  # the second
    ("2026-10-24T22:00:00Z", "2026-10-24T22:00:00+00:00", "2026-10-25", 0),
    ("2026-10-25T22:59:59Z", "2026-10-25T22:59:59+00:00", "2026-10-25", 1439),
    ("1969-12-31T23:30:00Z", "1969-12-31T23:30:00+00:00", "1970-01-01", 30),
]


def test_instants_local_days_and_minutes_are_those_of_the_portfolios_clock(tmp_path):
    rows = [contact(contact_id=f"T{number:02}", occurred_at=form) for number, (form, *_) in enumerate(TIME_FORMS)]
    _, store = taken(tmp_path, contacts=rows)
    frame = store.tables()["contacts"].sort_values("contact_id")
    assert frame["contact_id"].tolist() == [row["contact_id"] for row in rows]
    assert (frame["occurred_at"] // 1_000_000 * 1_000_000).tolist() == [micros(utc) for _, utc, _, _ in TIME_FORMS]
    assert frame["occurred_on"].tolist() == [day(local) for _, _, local, _ in TIME_FORMS]
    assert frame["occurred_minute"].tolist() == [minute for *_, minute in TIME_FORMS]
    assert (frame["known_at"] == frame["occurred_at"]).all() and (frame["known_on"] == frame["occurred_on"]).all()


BAD_TIMES = [
    "2026-02-03T24:00:00Z", "2026-02-03T10:60:00Z", "2026-02-30T10:00:00Z", "2026-2-3", "03/02/2026", "20260203", "2026-02-03T10Z",
    "2026-02-03T10:00:00 Europe/Paris", "infinity", "epoch", "now", "1770112800", "0001-01-01", "9999-12-31", "2026-02-03T10:00:00z",
    "2026-02-03T10:00:00 +01:00",
]  # fmt: skip


def test_what_is_no_instant_is_refused_whatever_the_engine_would_make_of_it(tmp_path):
    reports, _ = taken(tmp_path, contacts=[contact(contact_id=f"T{number}", occurred_at=form) for number, form in enumerate(BAD_TIMES)])
    assert reports["contacts"].codes == {"TS_FORMAT": len(BAD_TIMES)}


ZONES = ["Europe/Paris", "America/Santiago", "Pacific/Apia", "Australia/Lord_Howe", "Africa/Casablanca", "America/New_York"]


@given(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2099, 12, 30)), st.sampled_from(ZONES))
@settings(max_examples=300, deadline=None)
def test_offsets_are_those_of_the_time_zone_database(moment, name):
    from pipeline.intake.clocks import DAY, offsets

    zone, table = ZoneInfo(name), offsets([name])
    instant = round(moment.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    row = table.slice(instant // DAY, 1).to_pylist()[0]
    utc = row["utc_before"] if instant < row["utc_change"] else row["utc_after"]
    local = row["local_before"] if instant < row["local_change"] else row["local_after"]
    assert utc == dt.datetime.fromtimestamp(instant // 1_000_000, zone).utcoffset().total_seconds() * 1_000_000
    assert local == zone.utcoffset(moment.replace(microsecond=0)).total_seconds() * 1_000_000


def test_an_empty_known_at_is_what_the_contract_says(tmp_path):
    rows = [
        charge(charge_id="issued", issued_on="2026-01-20"),
        charge(charge_id="opened", issued_on=""),
        charge(charge_id="due", issued_on="", kind="fee"),
        charge(charge_id="given", known_at="2026-01-25T23:30:00Z"),
    ]
    _, store = taken(tmp_path, charges=rows, balances=[statement()], statuses=[status()])
    tables = store.tables()
    assert dict(zip(tables["charges"]["charge_id"], tables["charges"]["known_on"], strict=True)) == {
        "C1": day("2026-01-10"), "C2": day("2026-01-10"), "issued": day("2026-01-20"), "opened": day("2026-01-05"),
        "due": day("2026-02-01"), "given": day("2026-01-26"),
    }  # fmt: skip
    assert tables["balances"]["known_on"].tolist() == [day("2026-02-01")]
    assert tables["statuses"]["known_on"].tolist() == [day("2026-02-01")]
    opened = dict(zip(tables["accounts"]["account_id"], tables["accounts"]["known_on"], strict=True))
    assert opened["A1"] == day("2026-01-05") and tables["accounts"]["placed_on"].eq(NO_DAY).all()


def test_dates_far_ahead_and_dates_with_midnight_are_dates(tmp_path):
    rows = [
        status(until_on="9999-12-31"),
        status(status="dispute", from_on="2026-02-01T00:00:00"),
        status(status="hardship", until_on="2026-02-03 09:00"),
    ]
    reports, store = taken(tmp_path, statuses=rows)
    assert reports["statuses"].codes == {"TS_FORMAT": 1}
    assert store.tables()["statuses"]["until_on"].tolist() == [NO_DAY, 2_932_896]


# Rows beside other rows


def test_conflicting_payments_of_one_delivery_all_go(tmp_path):
    rows = [payment(), payment(), payment(amount="41.00"), payment(payment_id="X2"), payment(payment_id="X2")]
    reports, _ = taken(tmp_path, payments=rows)
    found = reports["payments"]
    assert (found.codes, found.accepted, found.duplicates) == ({"DUP_CONFLICT": 3}, 1, 1)


def test_against_the_store_the_stored_payment_stays(tmp_path):
    taken(tmp_path / "first", payments=PAYMENTS)
    store = tmp_path / "first" / "store"
    source = write(tmp_path / "second", world(payments=[PAYMENTS[0], {**PAYMENTS[1], "amount": "5001"}]))
    report = {table.name: table for table in ingest(source, store, PARAMS).tables}["payments"]
    assert (report.codes, report.duplicates, report.accepted) == ({"DUP_CONFLICT": 1}, 1, 0)
    assert sorted(Store(store).tables()["payments"]["amount"]) == [4000, 5000]


def test_the_same_payment_id_under_another_account_is_a_conflict(tmp_path):
    reports, _ = taken(tmp_path, payments=[payment(), payment(account_id="A2")])
    assert reports["payments"].codes == {"DUP_CONFLICT": 2}


def test_a_charge_id_is_a_key_within_its_account(tmp_path):
    reports, _ = taken(tmp_path, charges=[charge(account_id="A2", charge_id="C1")])
    assert reports["charges"].accepted == 3


def test_versions_are_stored_and_the_same_moment_twice_is_a_conflict(tmp_path):
    rows = [
        charge(known_at="2026-01-10"), charge(known_at="2026-01-20", due_on="2026-03-01"),
        charge(charge_id="X2", known_at="2026-01-20"), charge(charge_id="X2", known_at="2026-01-20", due_on="2026-03-01"),
    ]  # fmt: skip
    reports, store = taken(tmp_path, charges=rows)
    assert (reports["charges"].accepted, reports["charges"].codes) == (4, {"DUP_CONFLICT": 2})
    frame = store.tables()["charges"]
    assert frame.loc[frame["charge_id"] == "X1", "known_on"].tolist() == [day("2026-01-10"), day("2026-01-20")]


def test_a_row_without_known_at_is_the_stored_row_of_the_same_content(tmp_path):
    """History came with --backfill; tonight's full extract without it repeats the same rows and is no conflict."""
    history = write(tmp_path / "history", world(payments=PAYMENTS))
    ingest(history, tmp_path / "store", PARAMS, backfill=True)
    tonight = write(tmp_path / "tonight", world(payments=[*PAYMENTS, payment()]))
    found = {table.name: (table.accepted, table.duplicates) for table in ingest(tonight, tmp_path / "store", PARAMS).tables}
    assert found == {"accounts": (0, 5), "charges": (0, 2), "payments": (1, 2)}


def test_a_reversal_finds_its_payment_in_an_earlier_delivery(tmp_path):
    taken(tmp_path, payments=PAYMENTS)
    back = payment(payment_id="R1", kind="reversal", amount="30.00", reverses="P1", occurred_at="2026-02-10")
    more = payment(payment_id="R2", kind="reversal", amount="10.01", reverses="P1", occurred_at="2026-02-11")
    first = ingest(write(tmp_path / "second", {"payments": [back]}), tmp_path / "store", PARAMS).tables[0]
    second = ingest(write(tmp_path / "third", {"payments": [more]}), tmp_path / "store", PARAMS).tables[0]
    assert (first.accepted, second.codes) == (1, {"REV_EXCESS": 1})


def test_a_credit_may_be_reversed(tmp_path):
    rows = [payment(kind="credit"), payment(payment_id="X2", kind="reversal", reverses="X1", amount="40.00")]
    reports, _ = taken(tmp_path, payments=rows)
    assert reports["payments"].accepted == 2


def test_one_call_about_three_debts_is_three_rows(tmp_path):
    reports, _ = taken(tmp_path, contacts=[contact(account_id=name) for name in ("A1", "A2", "J1")])
    assert reports["contacts"].accepted == 3


@pytest.mark.parametrize(("control", "expected"), [
    ({"complete_through": "2026-02-04"}, {"TS_FUTURE": 1}),
    ({"complete_through": "2026-02-05"}, {}),
])  # fmt: skip
def test_known_after_the_feeds_last_day_is_the_future(tmp_path, control, expected):
    rows = [payment(known_at="2026-02-06")]
    reports, _ = taken(tmp_path, payments=rows, controls={"payments": control})
    assert reports["payments"].codes == expected


def test_a_control_file_that_speaks_of_years_to_come_is_refused(tmp_path):
    """The newest row is known on 2026-02-04; of an increment without rows, the store's newest counts."""
    sentence = r"Table 'payments': its control file says complete through 2062-10-01, more than 366 days after 2026-02-04.*Correct"
    refusal(tmp_path / "first", ContractError, sentence, payments=PAYMENTS, controls={"payments": {"complete_through": "2062-10-01"}})
    _, store = taken(tmp_path, payments=PAYMENTS, controls={"payments": {"complete_through": "2027-02-05"}})
    assert store.complete_through()["payments"] == day("2027-02-05")
    later = write(tmp_path / "later", {"payments": []}, controls={"payments": {"rows": 0, "complete_through": "2027-02-06"}})
    with pytest.raises(ContractError, match=r"through 2027-02-06, more than 366 days after 2026-02-04"):
        ingest(later, store.path, PARAMS)


def test_without_a_control_file_a_lone_row_years_ahead_is_the_future(tmp_path):
    usual = [contact(contact_id=f"K{number}", occurred_at=f"2026-02-{number % 28 + 1:02}") for number in range(1500)]
    reports, store = taken(tmp_path, contacts=[*usual, contact(occurred_at="2062-02-01")])
    assert reports["contacts"].codes == {"TS_FUTURE": 1}
    assert store.complete_through()["contacts"] == day("2026-02-28")


def test_a_changed_row_is_refused_with_what_a_change_needs(tmp_path):
    strict = PARAMS.model_copy(update={"ingest": PARAMS.ingest.model_copy(update={"max_fault_rows": 0.0})})
    _, store = taken(tmp_path, payments=PAYMENTS)
    changed = {"charges": [{**CHARGES[0], "amount": "101.00"}], "payments": [{**PAYMENTS[0], "amount": "41.00"}]}
    with pytest.raises(ContractError, match=r"a row that changed needs a later known_at.*a payment never changes; deliver a reversal"):
        ingest(write(tmp_path / "next", changed), store.path, strict)


def test_the_report_says_where_the_first_five_rows_set_aside_stand(tmp_path):
    reports, store = taken(tmp_path, payments=[*PAYMENTS, *(payment(payment_id=f"B{number}", kind="x") for number in range(7))])
    places = ", ".join(f"'payments.csv' line {line}" for line in (4, 5, 6, 7, 8))
    assert reports["payments"].text().endswith(f"quarantined: ENUM_UNKNOWN 7; first in {places}")
    (record,) = store.deliveries()
    earlier = [{name: value for name, value in table.items() if name != "places"} for table in record.tables]
    assert TableReport(**earlier[0]).places == ()  # a record from before


# Adding up


@pytest.mark.parametrize("broken", [{"accepted": 3}, {"money": {"EUR": (3, 1, 1, 0)}}])
def test_sums_that_do_not_add_up_stop_everything(broken):
    """The canary of the reconciliation."""
    good = {"name": "payments", "files": 1, "rows_in": 4, "accepted": 2, "quarantined": 1, "duplicates": 1, "codes": {}}
    TableReport(**good).check_adds_up()
    with pytest.raises(RecoupError, match=r"Table 'payments' does not add up"):
        TableReport(**{**good, **broken}).check_adds_up()


def test_a_row_lost_on_the_way_to_disk_is_noticed(tmp_path, monkeypatch):
    """The canary of the second count: an intake that drops a row must not get through."""
    from pipeline.intake import sql as judging

    honest = judging.accepted_rows
    monkeypatch.setattr(judging, "accepted_rows", lambda *given: honest(*given).replace("ORDER BY", "WHERE account_id <> 'A2' ORDER BY"))
    refusal(tmp_path, RecoupError, r"Table 'accounts': what was written is not what was accepted")


CELLS = st.sampled_from([
    "", "A1", "J1", "U1", "A9", "1.00", "12.345", "NaN", "7", "-3.50", "2026-02-01", "2026-02-01T10:00:00", "2026-02-03T10:00:00Z",
    "payment", "reversal", "credit", "P0", "P1", "x y", "call", "outbound", "\u0663", "=1+1", "'", '"', "a,b",
])  # fmt: skip
USUAL = {
    "payment_id": st.sampled_from(["P0", "P1", "P2", "P3", "P4"]), "account_id": st.sampled_from(["A1", "A2", "J1", "K1"]),
    "occurred_at": st.sampled_from(["2026-02-01", "2026-02-02T10:00:00Z"]), "amount": st.sampled_from(["10.00", "7", "5.5"]),
    "kind": st.sampled_from(["payment", "reversal", "credit"]), "reverses": st.sampled_from(["", "P0", "P1"]),
}  # fmt: skip


ROWS = st.lists(
    st.fixed_dictionaries({name: st.one_of(usual, usual, usual, CELLS) for name, usual in USUAL.items()}), min_size=1, max_size=40
)
CURRENCY_OF = {"A1": "EUR", "A2": "EUR", "J1": "JPY", "K1": "KWD", "U1": "USD"}
DECIMALS_OF = {"1.00": 2, "12.345": 3, "7": 0, "-3.50": 2, "10.00": 2, "5.5": 1}


def check_adds_up_whatever_the_cut(place, rows, data):
    """Each row is accepted, quarantined or a duplicate, money likewise; shuffled and cut otherwise, the store is the same."""
    report = ingest(write(place / "one", world(payments=rows)), place / "first", PARAMS).tables[-1]
    assert report.rows_in == len(rows) == report.accepted + report.quarantined + report.duplicates
    sums: dict[str, Decimal] = {}
    for row in rows:
        currency = CURRENCY_OF.get(row["account_id"])
        if currency and DECIMALS_OF.get(row["amount"], 9) <= DECIMALS[currency]:
            sums[currency] = sums.get(currency, Decimal(0)) + Decimal(row["amount"])
    assert {name: Decimal(amounts[0]).scaleb(-DECIMALS[name]) for name, amounts in report.money.items()} == sums
    assert all(total == sum(parts) for total, *parts in report.money.values())
    parts, form = data.draw(st.integers(2, 4)), data.draw(st.sampled_from(["csv.gz", "parquet"]))
    controls = {name: {"rows": len(found)} for name, found in world(payments=rows).items()}
    other = write(place / "other", world(payments=data.draw(st.permutations(rows))), form, parts, controls)
    ingest(other, place / "second", PARAMS)
    assert content(place / "first") == content(place / "second")


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]


@given(ROWS, st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=SLOW)
def test_rows_and_money_always_add_up_and_nothing_depends_on_the_cut(tmp_path_factory, rows, data):
    check_adds_up_whatever_the_cut(tmp_path_factory.mktemp("generated"), rows, data)


@pytest.mark.stress
@given(ROWS, st.data())
@settings(max_examples=1_000, deadline=None, suppress_health_check=SLOW)
def test_rows_and_money_add_up_in_a_thousand_files(tmp_path_factory, rows, data):
    check_adds_up_whatever_the_cut(tmp_path_factory.mktemp("generated"), rows, data)


# The same again, in other files and forms


def test_the_same_delivery_again_changes_no_byte(tmp_path):
    source = write(tmp_path / "source", world(payments=[*PAYMENTS, payment(kind="x")]))
    first = ingest(source, tmp_path / "store", PARAMS)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted((tmp_path / "store").rglob("*")) if path.is_file()}
    again = ingest(source, tmp_path / "store", PARAMS)
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in sorted((tmp_path / "store").rglob("*")) if path.is_file()}
    assert (again.already, again.number, again.versions) == (True, 1, first.versions)
    assert before == after
    assert "is in the store already (number 1)" in again.text()


# The sender's own columns


def test_own_columns_are_numbers_or_text_by_what_they_hold(tmp_path):
    rows = [
        account(account_id="N1", x_score="1.5", audit_age="44", x_tag="a"),
        account(account_id="N2", x_score="nan", audit_age="", x_tag="7"),
    ]
    _, store = taken(tmp_path, accounts=rows)
    frame = store.tables()["accounts"].set_index("account_id")
    assert frame.loc[["N1", "N2"], "x_score"].tolist()[0] == 1.5 and frame["x_score"].isna().sum() == 6
    assert frame["audit_age"].dtype == "float64" and frame["x_tag"].dtype == "str" and frame.loc["N2", "x_tag"] == "7"
    later = write(
        tmp_path / "later", {"accounts": [account(account_id="N3", x_score="high", x_new="1"), account(account_id="N4", x_new="2")]}
    )
    report = ingest(later, tmp_path / "store", PARAMS).tables[0]
    assert (report.codes, report.accepted) == ({"NUM_FORMAT": 1}, 1)
    reopened = Store(tmp_path / "store")
    assert reopened.tables()["accounts"].set_index("account_id")["x_new"].dropna().to_dict() == {"N4": 2.0}
    first = dict.fromkeys(reopened.versions(), 1)
    assert "x_new" not in reopened.tables(versions=first)["accounts"].columns


# History


def test_backfill_stamps_the_params_lag_and_marks_the_rows(tmp_path):
    rows = [
        payment(occurred_at="2026-03-28T12:00:00"),
        payment(payment_id="X2", known_at="2026-02-03T12:00:00Z"),
        payment(payment_id="X3", occurred_at="2026-02-03"),
    ]
    source = write(tmp_path / "source", world(payments=rows, statuses=[status()]))
    ingest(source, tmp_path / "store", PARAMS, backfill=True)
    tables = Store(tmp_path / "store").tables()
    frame = tables["payments"].set_index("payment_id")
    assert frame["backfilled"].to_dict() == {"X1": True, "X2": False, "X3": True}
    assert frame.loc["X1", "known_at"] == micros("2026-03-29T12:00:00+02:00")  # a day later on the clock, though only 23 hours passed
    assert frame["known_on"].to_dict() == {"X1": day("2026-03-29"), "X2": day("2026-02-03"), "X3": day("2026-02-04")}
    assert tables["statuses"]["known_on"].tolist() == [day("2026-02-02")]  # lag_days.statuses is 1
    assert tables["accounts"]["known_on"].tolist() == tables["accounts"]["opened_on"].tolist()  # lag_days.accounts is 0


def dated(table: str, number: int, on: str, **cells) -> dict:
    """A row of any table, the number-th, that lies on a day."""
    return {
        "accounts": lambda: account(account_id=f"H{number}", opened_on=on, **cells),
        "charges": lambda: charge(charge_id=f"H{number}", issued_on=on if number % 2 else "", due_on=on, **cells),
        "balances": lambda: statement(taken_on=on, **cells),
        "payments": lambda: payment(payment_id=f"H{number}", occurred_at=on, **cells),
        "contacts": lambda: contact(contact_id=f"H{number}", occurred_at=on, **cells),
        "statuses": lambda: status(from_on=on, **cells),
    }[table]()


YEAR = [f"2025-{number % 12 + 1:02}-{number // 12 + 3:02}" for number in range(60)]
STAMP = {"known_at": "2026-06-01T03:00:00Z"}


@pytest.mark.parametrize("table", TABLES)
def test_history_stamped_with_its_load_time_is_refused_with_the_remedy(tmp_path, table):
    rows = [dated(table, number, on, **STAMP) for number, on in enumerate(YEAR)]
    sentence = rf"Table '{table}': 60 rows that happened over \d+ days all became known within 1 days.*Empty known_at.*--backfill"
    refusal(tmp_path, ContractError, sentence, **{table: rows})


@pytest.mark.parametrize("table", TABLES)
def test_a_history_known_as_it_happened_comes_in(tmp_path, table):
    rows = [dated(table, number, on, known_at=f"{on}T22:00:00Z") for number, on in enumerate(YEAR)]
    assert taken(tmp_path, **{table: rows})[0][table].accepted >= 60


def test_rows_as_new_as_the_night_are_no_load_stamp(tmp_path):
    """Accounts placed yesterday with what was owed on them for a year; a plan whose days are to come."""
    placed = [account(account_id=f"H{number}", opened_on=on, placed_on="2026-05-31", **STAMP) for number, on in enumerate(YEAR)]
    owed = [dated("charges", number, on, account_id=f"H{number}", **STAMP) for number, on in enumerate(YEAR)]
    plan = [charge(charge_id=f"F{number}", issued_on="", due_on=f"2027-{number % 12 + 1:02}-03", **STAMP) for number in range(60)]
    reports, _ = taken(tmp_path, accounts=placed, charges=[*owed, *plan])
    assert [reports[name].accepted - len(rows) for name, rows in world().items()] == [60, 120]


def test_versions_and_late_finds_beside_a_longer_record_are_no_load_stamp(tmp_path):
    rows = [dated("statuses", number, on, known_at=on) for number, on in enumerate(YEAR)]
    _, store = taken(tmp_path, statuses=rows)
    ended = [{**row, "until_on": "2026-05-30", **STAMP} for row in rows]
    found = [dated("statuses", number, on, account_id="A2", **STAMP) for number, on in enumerate(YEAR[:30])]
    report = ingest(write(tmp_path / "next", {"statuses": [*ended, *found]}), store.path, PARAMS)
    assert report.tables[0].accepted == 90


def test_late_rows_in_a_live_feed_are_no_load_stamp(tmp_path):
    rows = [
        payment(payment_id=f"H{number}", occurred_at=f"2025-{number % 12 + 1:02}-03", known_at=f"2025-{number % 12 + 1:02}-04")
        for number in range(60)
    ]
    late = [payment(payment_id="L1", occurred_at="2025-01-03", known_at="2026-06-01")]
    reports, _ = taken(tmp_path, payments=[*rows, *late])
    assert reports["payments"].accepted == 61


# Volume


def nightly(number: int, count: int) -> dict:
    """Payments of one Wednesday each."""
    on = dt.date(2026, 1, 7) + dt.timedelta(days=7 * number)
    return {"payments": [payment(payment_id=f"V{number}-{each}", occurred_at=on.isoformat()) for each in range(count)]}


def test_a_volume_outside_the_usual_is_refused_unless_accepted(tmp_path):
    ingest(write(tmp_path / "base", world()), tmp_path / "store", PARAMS)
    for number in range(4):
        ingest(write(tmp_path / f"night-{number}", nightly(number, 100)), tmp_path / "store", PARAMS)
    for count, share in ((69, "69%"), (151, "151%")):
        source = write(tmp_path / f"odd-{count}", nightly(4, count))
        with pytest.raises(
            ContractError, match=rf"Table 'payments' has {count} rows, {share} of the usual 100 for a Wednesday.*--accept-volume"
        ):
            ingest(source, tmp_path / "store", PARAMS)
    report = ingest(tmp_path / "odd-69", tmp_path / "store", PARAMS, accept_volume="bank holiday")
    assert report.accepted_volume == "bank holiday" and any("Accepted: bank holiday" in warning for warning in report.warnings)
    assert "Unusual volume accepted: bank holiday" in report.text()
    assert Store(tmp_path / "store").deliveries()[-1].accepted_volume == "bank holiday"
    assert ingest(write(tmp_path / "next", nightly(5, 130)), tmp_path / "store", PARAMS).number == 7


def test_too_few_earlier_nights_or_rows_say_nothing_about_volume(tmp_path):
    ingest(write(tmp_path / "base", world()), tmp_path / "store", PARAMS)
    for number, count in enumerate((10, 40, 10, 40, 90)):  # a usual of 25 swings by chance
        ingest(write(tmp_path / f"night-{number}", nightly(number, count)), tmp_path / "store", PARAMS)


# Whole or not at all


def test_a_dry_run_writes_nothing(tmp_path):
    source = write(tmp_path / "source", world(payments=[*PAYMENTS, payment(kind="x")]))
    report = ingest(source, tmp_path / "store", PARAMS, dry_run=True)
    assert not (tmp_path / "store").exists()
    assert [table.accepted for table in report.tables] == [5, 2, 2] and "would come in" in report.text()
    ingest(source, tmp_path / "store", PARAMS)
    more = write(tmp_path / "more", world(payments=[payment()]))
    report = ingest(more, tmp_path / "store", PARAMS, dry_run=True)
    assert [(table.accepted, table.duplicates) for table in report.tables] == [(0, 5), (0, 2), (1, 0)]
    assert len(Store(tmp_path / "store").deliveries()) == 1


STEPS = [(commit, "_make_room"), (DeltaTables, "move_in"), (DeltaTables, "_transact"), (DeltaTables, "seal")]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """A delivery and the store it should become."""
    place = tmp_path_factory.mktemp("undisturbed")
    source = write(place / "source", world(payments=[*PAYMENTS, payment(kind="x")]))
    ingest(source, place / "store", PARAMS)
    return source, place / "store"


@pytest.mark.parametrize(("owner", "step"), STEPS)
@pytest.mark.parametrize("call", [0, 3])
def test_an_ingest_cut_off_at_any_step_is_ended_by_the_next(tmp_path, monkeypatch, expected, owner, step, call):
    source, undisturbed = expected
    honest, calls = getattr(owner, step), []

    def cut(*given):
        calls.append(given)
        if len(calls) == call + 1:
            raise KeyboardInterrupt("cut off")
        return honest(*given)

    monkeypatch.setattr(owner, step, cut)
    with pytest.raises(KeyboardInterrupt, match="cut off"):
        ingest(source, tmp_path / "store", PARAMS)
    monkeypatch.undo()
    with pytest.raises(InputMissing, match=r"An ingest into store .* was cut off. Run `recoup ingest` again"):
        Store(tmp_path / "store").tables()
    again = ingest(source, tmp_path / "store", PARAMS)
    assert again.already and again.number == 1
    assert content(tmp_path / "store") == content(undisturbed)
    assert examine_store(tmp_path / "store") == examine_store(undisturbed)


def test_a_refused_delivery_leaves_the_store_as_it_was(tmp_path):
    ingest(write(tmp_path / "good", world(payments=PAYMENTS)), tmp_path / "store", PARAMS)
    before = content(tmp_path / "store")
    source = write(tmp_path / "bad", world(payments=[payment()]), controls={"payments": {"rows": 1, "sums": {"EUR": "1"}}})
    with pytest.raises(ContractError, match=r"The delivery is refused, nothing was changed"):
        ingest(source, tmp_path / "store", PARAMS)
    assert content(tmp_path / "store") == before


@pytest.mark.parametrize(("owner", "name"), [(FileWriter, "write"), (FileWriter, "close"), (DeltaTables, "move_in"), (commit, "deliver")])
def test_a_full_disk_is_said_so_and_nothing_is_lost(tmp_path, monkeypatch, owner, name):
    source = write(tmp_path / "source", world(payments=PAYMENTS))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owner, name, full)
    with pytest.raises(CannotWrite, match=r"Store .* cannot be written \(No space left on device\)") as refused:
        ingest(source, tmp_path / "store", PARAMS)
    assert refused.value.exit_code == 74
    monkeypatch.undo()
    ingest(source, tmp_path / "store", PARAMS)
    assert len(Store(tmp_path / "store").tables()["payments"]) == 2
    assert not (tmp_path / "store" / ".staging").exists()


def test_a_store_that_cannot_be_created_is_said_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CannotWrite, match=r"Store .* cannot be created \(Not a directory\)") as refused:
        ingest(write(tmp_path / "source", world()), tmp_path / "file" / "store", PARAMS)
    assert refused.value.exit_code == 73


def test_what_the_engine_says_stays_inside(tmp_path, monkeypatch):
    """The canary: errors of the engine hold cells and never come out."""
    import duckdb

    source = write(tmp_path / "source", world())
    for error, raised, match in (
        (duckdb.ConversionException("Zaphod"), RecoupError, r"could not be checked \(ConversionException\)"),
        (duckdb.IOException("No space left: Zaphod"), CannotWrite, r"The disk has no room"),
        (duckdb.IOException("Zaphod"), ContractError, r"cannot be read while checking"),
        (duckdb.OutOfMemoryException("Zaphod"), UsageError, r"needs more than engine.memory_limit '4GB'"),
        (duckdb.InterruptException("Zaphod"), KeyboardInterrupt, "^$"),
    ):

        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(ingest_room._Intake, "_open_books", fail)
        with pytest.raises(raised, match=match) as refused:
            ingest(source, tmp_path / "store", PARAMS)
        assert "Zaphod" not in str(refused.value)


def test_a_second_ingest_at_the_same_time_is_turned_away(tmp_path):
    import threading

    source = write(tmp_path / "source", world())
    store = commit.create(tmp_path / "store", PARAMS.store.shards)
    found = []

    def other():
        try:
            ingest(source, tmp_path / "store", PARAMS)
        except LockHeld as error:
            found.append(str(error))

    with only_run(store.path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        ingest(source, tmp_path / "store", PARAMS)  # the holder itself may
    assert len(found) == 1 and "Another run works on" in found[0]


# Params


def test_a_portfolio_keeps_its_zone(tmp_path):
    source = write(tmp_path / "source", world())
    ingest(source, tmp_path / "store", PARAMS)
    book = PARAMS.portfolio("paris")
    moved = PARAMS.model_copy(update={"portfolios": {**PARAMS.portfolios, "paris": book.model_copy(update={"time_zone": "Europe/London"})}})
    with pytest.raises(UsageError, match=r"change time_zone of 'paris'"):
        ingest(source, tmp_path / "store", moved)


def test_other_params_look_at_the_same_files_again(tmp_path):
    """A zone declared later lets quarantined rows in; rows that are there stay."""
    source = write(tmp_path / "source", world(payments=[*PAYMENTS, payment(account_id="U1", occurred_at="2026-02-03T10:00:00")]))
    ingest(source, tmp_path / "store", PARAMS)
    declared = PARAMS.model_copy(update={"portfolios": {**PARAMS.portfolios, "undeclared": PARAMS.portfolio_defaults}})
    report = {table.name: table for table in ingest(source, tmp_path / "store", declared).tables}["payments"]
    assert (report.accepted, report.duplicates, report.quarantined) == (1, 2, 0)


def test_a_memory_limit_that_is_none_is_a_mistake_in_the_params(tmp_path):
    odd = PARAMS.model_copy(update={"engine": PARAMS.engine.model_copy(update={"memory_limit": "plenty"})})
    refusal(tmp_path, UsageError, r"engine.memory_limit of the params must be a number with a unit", params=odd)


def test_shards_cannot_change(tmp_path):
    source = write(tmp_path / "source", world())
    ingest(source, tmp_path / "store", PARAMS)
    other = PARAMS.model_copy(update={"store": PARAMS.store.model_copy(update={"shards": 5})})
    with pytest.raises(UsageError, match=r"has 4 shards, store.shards of the params says 5"):
        ingest(source, tmp_path / "store", other)


def test_every_table_of_the_contract_comes_in(tmp_path):
    promise = contact(outcome="promise", promise_amount="5", promise_due_on="2026-02-09", cost="1.2")
    rows = {"payments": PAYMENTS, "balances": [statement()], "contacts": [promise], "statuses": [status()]}
    reports, store = taken(tmp_path, **rows)
    assert list(reports) == list(TABLES) == list(store.tables())
    assert all(report.quarantined == 0 for report in reports.values())
