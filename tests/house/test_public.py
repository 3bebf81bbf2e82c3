"""The adapters of published sets: every rule on a few invented rows,
then the counts and the contract on the real files where they lie.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import real
from benchmarks.outcomes import Answer
from benchmarks.public import (
    cash_advances,
    credit_cards_taiwan,
    email_experiment,
    mobile_loans,
    receivables,
    utility_contacts,
)
from benchmarks.public.delivery import Counts, stamps
from features.cohort import scorable
from features.currencies import DECIMALS
from features.days import day_number
from features.errors import ContractError, InputMissing
from features.labels import labels
from features.ledger import history
from features.tables import NO_DAY
from pipeline.intake.ingest import ingest
from pipeline.panel.view import terms_of
from pipeline.store.store import Store

pytestmark = pytest.mark.slow

REAL = Path(__file__).parents[3] / "shared" / "data"
SETS = (cash_advances, mobile_loans, utility_contacts, credit_cards_taiwan)

REQUEST = {
    "amount": "100.0",
    "status": "active",
    "created_at": "2020-08-01 08:00:00.000001+00:00",
    "user_id": "u1",
    "deleted_account_id": "",
    "reimbursement_date": "",
    "money_back_date": "",
    "transfer_type": "instant",
    "send_at": "2020-08-01 22:30:00.5+00:00",
    "recovery_status": "",
    "reco_creation": "",
    "reco_last_update": "",
}
FEE = {
    "type": "instant_payment",
    "status": "accepted",
    "category": "",
    "total_amount": "5.0",
    "created_at": "2020-08-01 08:00:01+00:00",
    "paid_at": "",
    "from_date": "",
    "to_date": "",
}


def write_raw(folder: Path, name: str, rows: list[dict]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(folder / name, "wt", encoding="utf-8") as stream:
        pd.DataFrame(rows).to_csv(stream, index=False)


def converted_advances(
    folder: Path, requests: list[dict], fees: list[dict] | None = None
) -> tuple[dict[str, pd.DataFrame], Counts]:
    write_raw(
        folder / "raw",
        "cash_requests.csv.gz",
        [REQUEST | {"id": str(number)} | own for number, own in enumerate(requests, 1)],
    )
    fees = [FEE | {"id": str(number), "cash_request_id": "1"} | own for number, own in enumerate(fees or [], 1)]
    write_raw(folder / "raw", "fees.csv.gz", fees or [dict.fromkeys(["id", "cash_request_id", *FEE])])
    counts = cash_advances.convert(folder / "raw", folder / "out")
    return tables_in(folder / "out"), counts


def tables_in(folder: Path) -> dict[str, pd.DataFrame]:
    return {
        path.name.split(".")[0]: pd.read_csv(path, dtype=str, keep_default_na=False) for path in folder.glob("*.csv")
    }


def test_money_never_lent_is_left_out_and_counted(tmp_path):
    tables, counts = converted_advances(
        tmp_path, [{}, {"status": "rejected"}, {"status": "canceled"}, {"status": "transaction_declined"}]
    )
    assert list(tables["accounts"]["account_id"]) == ["1"]
    reasons = {"never lent, rejected": 1, "never lent, canceled": 1, "never lent, transaction_declined": 1}
    assert counts.facts["cash_requests.csv.gz"] == (4, 1, reasons)


def test_an_advance_opens_on_the_local_day_it_was_sent_and_falls_due_13_days_later(tmp_path):
    tables, _ = converted_advances(tmp_path, [{}])
    account, charge = tables["accounts"].iloc[0], tables["charges"].iloc[0]
    assert (account["opened_on"], account["known_at"]) == ("2020-08-02", "2020-08-01T22:30:00.500000+00:00")
    assert (charge["due_on"], charge["amount"], charge["known_at"]) == ("2020-08-15", "100.00", account["known_at"])


def test_a_postponement_tells_the_first_due_date_and_moves_it_from_the_instant_it_was_made(tmp_path):
    moved = {
        "type": "postpone",
        "created_at": "2020-08-10 09:00:00+00:00",
        "paid_at": "2020-08-10 09:00:05+00:00",
        "from_date": "2020-08-17 22:00:00+00:00",
        "to_date": "2020-08-30 22:00:00+00:00",
    }
    instant = {}
    refused = moved | {
        "status": "cancelled",
        "created_at": "2020-08-11 09:00:00+00:00",
        "to_date": "2020-09-20 22:00:00+00:00",
        "paid_at": "",
    }
    tables, counts = converted_advances(
        tmp_path, [{"reimbursement_date": "2020-08-31 10:00:00+00:00"}], [moved, instant, refused]
    )
    versions = tables["charges"].set_index(["charge_id", "known_at"])["due_on"]
    assert versions.to_dict() == {
        ("advance-1", "2020-08-01T22:30:00.500000+00:00"): "2020-08-18",
        ("advance-1", "2020-08-10T09:00:00+00:00"): "2020-08-31",
        ("fee-2", "2020-08-01T22:30:00.500000+00:00"): "2020-08-18",  # collected with the advance, so it moves with it
        ("fee-2", "2020-08-10T09:00:00+00:00"): "2020-08-31",
        ("fee-1", "2020-08-10T09:00:00+00:00"): "2020-08-10",
    }
    assert set(zip(tables["contacts"]["contact_id"], tables["contacts"]["direction"], strict=True)) == {
        ("fee-1", "inbound"),
        ("fee-3", "inbound"),
    }
    assert counts.facts["postponements"] == (2, 1, {"not accepted (a contact all the same)": 1})


def test_a_fee_is_owed_from_the_day_it_was_raised_whatever_became_of_it(tmp_path):
    """Accepted means collected: a charge for accepted fees only would tell the outcome months before it is known."""
    debit = {"type": "incident", "category": "rejected_direct_debit", "created_at": "2020-08-20 21:00:00+00:00"}
    fees = [debit | {"paid_at": "2020-11-02 09:00:00+00:00"}, debit | {"cash_request_id": "2", "status": "rejected"}]
    tables, _ = converted_advances(tmp_path, [{}, {"user_id": "u2"}], fees)
    raised = tables["charges"][tables["charges"]["kind"] == "fee"].drop(columns=["charge_id", "account_id"])
    assert len(raised) == 2
    assert len(raised.drop_duplicates()) == 1
    assert list(tables["payments"]["charge_id"]) == ["fee-1"]
    seen = tables["contacts"][["channel", "direction", "outcome"]].drop_duplicates()
    assert seen.to_numpy().tolist() == [["debit", "outbound", "rejected"]]


def test_a_case_completed_within_minutes_is_technical_and_a_slow_one_is_placed(tmp_path):
    case = {"recovery_status": "completed", "reco_creation": "2020-09-01 22:00:00+00:00"}
    technical = case | {"reco_last_update": "2020-09-01 22:00:03+00:00", "money_back_date": "2020-09-01 22:00:03+00:00"}
    slow = case | {"reco_last_update": "2020-09-05 10:00:00+00:00"}
    still_open = case | {"recovery_status": "pending", "reco_last_update": "2020-09-01 22:00:03+00:00"}
    tables, counts = converted_advances(tmp_path, [technical, slow, still_open])
    assert list(tables["accounts"]["placed_on"]) == ["", "2020-09-02", "2020-09-02"]
    assert counts.facts["recovery cases"] == (3, 2, {"technical: completed within 15 minutes": 1})
    paid = tables["payments"].set_index("account_id")["known_at"].to_dict()
    assert paid == {"1": "2020-09-01T22:00:03+00:00", "2": "2020-09-05T10:00:00+00:00"}
    closed = tables["statuses"][["account_id", "status", "from_on", "known_at"]].to_numpy().tolist()
    assert closed == [["2", "closed", "2020-09-05", "2020-09-05T10:00:00+00:00"]]


def test_a_payment_the_bank_took_back_leaves_the_advance_unpaid(tmp_path):
    pending = {"recovery_status": "pending", "reco_creation": "2020-09-01 22:00:00+00:00"}
    before = pending | {"money_back_date": "2020-08-29 10:00:00+00:00"}
    bounced = pending | {"money_back_date": "2020-09-09 10:00:00+00:00", "status": "direct_debit_rejected"}
    real = pending | {"money_back_date": "2020-09-09 10:00:00+00:00"}
    tables, counts = converted_advances(tmp_path, [before, bounced, real])
    assert list(tables["payments"]["account_id"]) == ["3"]
    assert counts.facts["payment dates of advances"] == (3, 1, {"taken back: the case is still open": 2})


def test_an_outcome_nobody_knows_is_marked_from_the_opening_and_known_only_at_the_end(tmp_path):
    tables, _ = converted_advances(tmp_path, [{}, {"money_back_date": "2020-08-12 10:00:00+00:00"}])
    unknown = tables["statuses"].drop(columns=["until_on", "detail"]).to_numpy().tolist()
    assert unknown == [["1", "outcome_unknown", "2020-08-02", "2020-11-17T23:59:59+01:00"]]


def test_what_describes_the_end_of_the_extract_is_no_attribute(tmp_path):
    tables, _ = converted_advances(tmp_path, [{}])
    assert [name for name in tables["accounts"].columns if name.startswith(("x_", "audit_"))] == ["x_transfer_type"]


def test_the_choice_of_due_date_is_shown_with_what_hangs_on_it(tmp_path):
    paid = {"money_back_date": "2020-11-14 10:00:00+00:00"}  # 91 days after 15 August, 88 after 18 August
    told = converted_advances(tmp_path, [paid])[1].lines()
    assert any("1.0000 of 1: opened + 13 days" in line for line in told)
    assert any("opened + 30 days" in line and "1.0000" not in line for line in told)


def loans(folder: Path, earlier: list[dict]) -> dict[str, pd.DataFrame]:
    loan = {
        "customerid": "c1",
        "systemloanid": "1",
        "loannumber": "1",
        "approveddate": "2017-01-02 08:00:00.000000",
        "loanamount": "10000.0",
        "totaldue": "11500.01",
        "termdays": "30",
        "referredby": "",
        "closeddate": "2017-02-03 10:00:00.000000",
        "firstduedate": "2017-02-01 00:00:00.000000",
        "firstrepaiddate": "2017-02-03 09:00:00.000000",
    }
    write_raw(
        folder / "raw",
        "prev_loans.csv.gz",
        [loan | {"systemloanid": str(number)} | own for number, own in enumerate(earlier, 1)],
    )
    judged = {
        name: loan[name] for name in ("customerid", "loannumber", "loanamount", "totaldue", "termdays", "referredby")
    }
    judged |= {"systemloanid": "900", "approveddate": "2017-07-05 08:00:00.000000", "good_bad_flag": "Bad"}
    write_raw(folder / "raw", "perf.csv.gz", [judged])
    person = {
        "customerid": "c1",
        "bank_account_type": "Savings",
        "bank_name_clients": "A Bank",
        "employment_status_clients": "Permanent",
    }
    person |= {"level_of_education_clients": "Graduate", "birth_year": "1980"}
    write_raw(folder / "raw", "demographics_nogps.csv.gz", [person, person, person | {"customerid": "stranger"}])
    counts = mobile_loans.convert(folder / "raw", folder / "out")
    reasons = {"the same row again": 1, "has no loan in the set": 1}
    assert counts.facts["demographics_nogps.csv.gz"] == (3, 1, reasons)
    return tables_in(folder / "out")


def test_a_loan_repaid_on_two_days_has_half_of_its_total_on_each(tmp_path):
    tables = loans(tmp_path, [{}, {"firstrepaiddate": "2017-01-20 09:00:00.000000"}])
    paid = tables["payments"][["payment_id", "amount", "known_at"]].to_numpy().tolist()
    assert sorted(paid) == [
        ["1-2", "11500.01", "2017-02-03T10:00:00+01:00"],
        ["2-1", "5750.00", "2017-01-20T09:00:00+01:00"],
        ["2-2", "5750.01", "2017-02-03T10:00:00+01:00"],
    ]


def test_a_plan_of_which_only_the_first_day_is_given_falls_due_at_its_end(tmp_path):
    tables = loans(tmp_path, [{}, {"termdays": "60"}])
    assert tables["charges"].set_index("account_id")["due_on"].to_dict() == {
        "1": "2017-02-01",
        "2": "2017-03-03",
        "900": "2017-08-04",
    }


def test_the_judged_loan_has_an_outcome_of_its_own_and_no_label_from_missing_payments(tmp_path):
    tables = loans(tmp_path, [{}])
    assert tables["statuses"][["account_id", "status", "from_on"]].to_numpy().tolist() == [
        ["900", "outcome_unknown", "2017-07-05"]
    ]
    outcome = mobile_loans.outcomes(tmp_path / "raw").iloc[0]
    assert (outcome["account_id"], str(outcome["as_of"]), outcome["defaulted"]) == ("900", "2017-07-06", 1.0)
    assert {"audit_birth_year", "audit_education"} <= set(tables["accounts"].columns)


def test_a_month_precise_measure_is_known_when_its_month_is_over(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    log = [
        ("7", "2025-08-01", "email"),
        ("7", "2025-08-01", "email"),
        ("7", "2025-08-05", "operator_call"),
        ("8", "2026-03-01", "sms"),
    ]
    write_raw(raw, "contacts.csv.gz", [dict(zip(("account_id", "date", "action"), row, strict=True)) for row in log])
    write_raw(raw, "account_universe.csv.gz", [{"account_id": "7"}, {"account_id": "8"}, {"account_id": "8"}])
    write_raw(raw, "debt_2025-09-01.csv.gz", [{"account_id": "7", "debt": "10.005"}])
    write_raw(raw, "debt_2026-02-01.csv.gz", [{"account_id": "7", "debt": "20.5", "months_in_debt": "14"}])
    (raw / "monthly_capacity_limits.csv").write_text("measure_ru,monthly_limit,action\nx,1550,operator_call\n")
    counts = utility_contacts.convert(raw, out)
    contacts = pd.read_parquet(out / "contacts.parquet")
    seen = contacts[["contact_id", "occurred_at", "known_at", "channel"]].to_numpy().tolist()
    assert seen == [
        ["line-2", "2025-08-01", "2025-08-31", "email"],
        ["line-3", "2025-08-01", "2025-08-31", "email"],
        ["line-4", "2025-08-05", "2025-08-05", "call"],
        ["line-5", "2026-03-01", "2026-03-01", "sms"],
    ]
    balances = tables_in(out)["balances"][["taken_on", "balance", "days_past_due"]].to_numpy().tolist()
    assert balances == [["2025-09-01", "10.00", "30"], ["2026-03-01", "20.50", "420"]]  # half-even
    assert "1 sums have more decimals" in " ".join(counts.notes)
    assert counts.facts["account_universe.csv.gz"] == (3, 2, {"the same account again": 1})


def test_cards_become_statements_and_payments_and_protected_facts_stay_out_of_features(tmp_path):
    card = {"ID": "1", "LIMIT_BAL": "1.00E+05", "SEX": "2", "EDUCATION": "1", "MARRIAGE": "3", "AGE": ""}
    card |= {f"BILL_AMT{month}": str(100 * month) for month in range(1, 7)} | {
        f"PAY_AMT{month}": "0" for month in range(1, 7)
    }
    card |= {f"PAY_{month}": "-1" for month in (0, 2, 3, 4, 5, 6)} | {
        "PAY_0": "2",
        "PAY_AMT1": "70",
        "default.payment.next.month": "1",
    }
    write_raw(tmp_path / "raw", "UCI_Credit_Card.csv.gz", [card])
    credit_cards_taiwan.convert(tmp_path / "raw", tmp_path / "out")
    tables = tables_in(tmp_path / "out")
    newest, oldest = tables["balances"].iloc[0], tables["balances"].iloc[-1]
    assert newest[["taken_on", "balance", "arrears", "days_past_due"]].tolist() == ["2005-09-30", "100", "100", "60"]
    assert oldest[["taken_on", "balance", "arrears", "days_past_due"]].tolist() == ["2005-04-30", "600", "0", "0"]
    assert tables["payments"][["occurred_at", "amount"]].to_numpy().tolist() == [["2005-09-15", "70"]]
    extra = {name for name in tables["accounts"].columns if name.startswith(("x_", "audit_"))}
    assert extra == {"x_credit_limit", "audit_sex", "audit_education", "audit_marriage", "audit_age"}


def test_an_invoice_is_an_account_with_one_charge_and_its_outcome_is_no_attribute(tmp_path):
    invoice = {"countryCode": "391", "customerID": "0379", "PaperlessDate": "4/6/2013", "invoiceNumber": "611365"}
    invoice |= {"InvoiceDate": "1/2/2013", "DueDate": "2/1/2013", "InvoiceAmount": "55.94", "Disputed": "No"}
    invoice |= {"SettledDate": "1/15/2013", "PaperlessBill": "Paper", "DaysToSettle": "13", "DaysLate": "0"}
    write_raw(tmp_path / "raw", "receivables.csv.gz", [invoice])
    receivables.convert(tmp_path / "raw", tmp_path / "out")
    tables = tables_in(tmp_path / "out")
    charge, payment = tables["charges"].iloc[0], tables["payments"].iloc[0]
    assert charge[["issued_on", "due_on", "amount"]].tolist() == ["2013-01-02", "2013-02-01", "55.94"]
    assert payment[["occurred_at", "charge_id", "amount"]].tolist() == ["2013-01-15", "611365", "55.94"]
    assert not [name for name in tables["accounts"] if name.startswith(("x_", "audit_"))]


def test_counts_that_do_not_add_up_are_refused():
    with pytest.raises(
        ContractError, match=r"log\.csv: 10 rows in, 7 used and 2 left out with a reason\. They must add up"
    ):
        Counts().record("log.csv", 10, 7, {"again": 2})


@pytest.mark.parametrize("adapter", SETS, ids=lambda adapter: adapter.NAME)
def test_a_folder_without_the_set_is_named(adapter, tmp_path):
    with pytest.raises(InputMissing, match="is not there. Give the folder that holds the published sets"):
        adapter.convert(tmp_path, tmp_path / "out")


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """Every real set as a source folder, with its counts."""
    if not REAL.is_dir():
        pytest.skip("the folder of published sets is not beside the project")
    out = tmp_path_factory.mktemp("delivered")
    return out, {adapter.NAME: adapter.convert(REAL / adapter.NAME, out / adapter.NAME) for adapter in SETS}


def test_real_rows_are_all_used_or_left_out_with_a_reason(delivered):
    _, counts = delivered
    advances = counts["cash_advances"].facts
    assert advances["cash_requests.csv.gz"][:2] == (23_970, 17_321)
    assert advances["fees.csv.gz"][0] == 21_061
    technical = {"advance never lent": 1, "technical: completed within 15 minutes": 391}
    assert advances["recovery cases"] == (2_299, 1_907, technical)
    assert counts["mobile_loans"].made["accounts"] == 18_183 + 4_368
    assert counts["utility_contacts"].made["contacts"] == 348_205
    assert counts["utility_contacts"].facts["account_universe.csv.gz"][1] == 150_787
    assert counts["credit_cards_taiwan"].made["accounts"] == 30_000


def test_real_outcomes_have_their_published_rates():
    if not REAL.is_dir():
        pytest.skip("the folder of published sets is not beside the project")
    assert mobile_loans.outcomes(REAL / "mobile_loans")["defaulted"].mean() == pytest.approx(0.2179, abs=1e-4)
    assert credit_cards_taiwan.outcomes(REAL / "credit_cards_taiwan")["defaulted"].mean() == pytest.approx(
        0.2212, abs=1e-4
    )


def test_real_fees_tell_nothing_of_their_end_before_it(delivered):
    """Among placed advances, whether a debit incident is a charge must not hang on how it ended."""
    out, _ = delivered
    fees = pd.read_csv(REAL / "cash_advances" / "fees.csv.gz", dtype=str)
    incidents = fees[
        fees["type"].isin(["incident", "instant_payment"])
        & fees["cash_request_id"].isin(tables_in(out / "cash_advances")["accounts"]["account_id"])
    ]
    charged = ("fee-" + incidents["id"]).isin(tables_in(out / "cash_advances")["charges"]["charge_id"])
    assert charged.groupby(incidents["status"]).mean().eq(1).all()


@pytest.mark.parametrize("adapter", SETS, ids=lambda adapter: adapter.NAME)
def test_real_controls_vouch_for_what_was_written(adapter, delivered):
    out, counts = delivered
    for place in sorted((out / adapter.NAME).glob("*.control.json")):
        control = json.loads(place.read_text())
        assert control["rows"] == counts[adapter.NAME].made[place.name.split(".")[0]]
        assert control["complete_through"] == adapter.COMPLETE_THROUGH


@pytest.fixture(scope="module")
def stored(delivered, tmp_path_factory):
    """Every real set in a store of its own, with the report of its delivery."""
    out, _ = delivered
    work = tmp_path_factory.mktemp("stored")
    found = {}
    for adapter in SETS:
        (work / adapter.NAME).mkdir()
        params = real.params_of(adapter, work / adapter.NAME)
        found[adapter.NAME] = (params, ingest(out / adapter.NAME, params.paths.store, params))
    return found


@pytest.mark.parametrize("adapter", SETS, ids=lambda adapter: adapter.NAME)
def test_a_real_delivery_comes_in_whole(adapter, stored, delivered):
    _, report = stored[adapter.NAME]
    faulty = {table.name: dict(table.codes) for table in report.tables if table.quarantined or table.duplicates}
    assert faulty == {}
    assert {table.name: table.accepted for table in report.tables} == delivered[1][adapter.NAME].made


def test_real_nights_show_the_placed_cases_that_a_plain_count_shows(stored, delivered):
    """Placed before the night, not closed and not repaid before it, straight from the delivered text."""
    params, _ = stored["cash_advances"]
    tables = tables_in(delivered[0] / "cash_advances")
    night = dt.date(2020, 10, 8)
    before = pd.Timestamp(night, tz=cash_advances.ZONE)
    accounts, payments, charges, statuses = (tables[name] for name in ("accounts", "payments", "charges", "statuses"))
    known = (
        charges[stamps(charges["known_at"]) < before].sort_values("known_at").drop_duplicates("charge_id", keep="last")
    )
    owed = known.groupby("account_id")["amount"].agg(lambda text: text.astype(float).sum())
    paid = (
        payments[stamps(payments["known_at"]) < before]
        .groupby("account_id")["amount"]
        .agg(lambda text: text.astype(float).sum())
    )
    open_balance = owed.sub(paid, fill_value=0)
    closed = set(statuses.loc[statuses["status"].eq("closed") & (stamps(statuses["known_at"]) < before), "account_id"])
    placed = accounts[accounts["placed_on"].ne("") & (accounts["placed_on"] < str(night))]["account_id"]
    expected = {name for name in placed if name not in closed and open_balance.get(name, 0) > 0}

    store = Store(params.paths.store)
    terms = terms_of(store, params)
    shown = [scorable(store.tables(shard), None, [day_number(night)], terms).frame for shard in range(store.shards)]
    frame = pd.concat(shown)
    assert set(frame.loc[frame["placed_on"] != NO_DAY, "account_id"]) == expected
    assert len(expected) > 300


def test_real_labels_are_missing_where_the_outcome_is_unknown(stored):
    """Lent, neither placed nor paid by the end of the extract: such a row must not read as not recovered."""
    params, _ = stored["cash_advances"]
    store = Store(params.paths.store)
    night, complete = day_number(dt.date(2020, 10, 12)), store.complete_through()["payments"]
    missing = []
    for shard in range(store.shards):
        tables = store.tables(shard)
        ledger = history(tables, terms_of(store, params))
        cohort = scorable(tables, ledger, [night], terms_of(store, params)).frame
        found = labels(cohort, tables, ledger, params.label_terms(), complete, DECIMALS)
        statuses = tables["statuses"]
        unknown = set(statuses.loc[(statuses["status"] == "outcome_unknown").to_numpy(), "account_no"])
        rows = cohort["account_no"].isin(unknown).to_numpy()
        missing.append((rows.sum(), found["recovered"][rows].notna().sum(), found["recovered"][~rows].isna().sum()))
    rows, labelled_unknown, unlabelled_known = (sum(part) for part in zip(*missing, strict=True))
    assert rows > 1000
    assert (labelled_unknown, unlabelled_known) == (0, 0)


def test_the_overlay_of_a_set_leaves_the_rest_of_the_params_alone(tmp_path):
    params = real.params_of(cash_advances, tmp_path)
    assert list(params.portfolios) == ["cash_advances"]
    assert params.label.horizon_days == 14
    assert params.label.default_dpd == 90
    assert params.eligibility.signed_off == ()
    assert params.paths.store == tmp_path / "store"


def test_the_table_shows_a_dash_where_a_set_has_no_money_to_reach():
    money = Answer(
        "advances",
        1200,
        300,
        "recovered",
        0.25,
        0.9,
        (0.75, 0.7, 0.8),
        1.02,
        {"model": 0.451, "balance first": 0.1},
        {},
        ("said",),
    )
    given = Answer("loans", 50, 40, "defaulted (given)", 0.2, 1.0, (0.7, 0.6, 0.8))
    lines = real.table_of([money, given]).splitlines()
    assert lines[3].split()[:3] == ["advances", "1,200", "300"]
    assert "0.750 [0.700, 0.800]" in lines[3]
    assert "45.1%" in lines[3]
    assert lines[4].split()[-7:] == ["-"] * 7


def test_a_folder_without_any_published_set_is_named(tmp_path):
    names = "cash_advances, mobile_loans, credit_cards_taiwan, utility_contacts, email_experiment"
    with pytest.raises(InputMissing, match=f"None of {names} lies in"):
        real.main([str(tmp_path), "--work", str(tmp_path / "work")])


def test_the_qini_is_one_for_the_best_order_nothing_for_none_and_less_for_the_worst():
    sent = np.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    visited = np.array([1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    best = visited * sent - visited * (1 - sent)
    assert email_experiment.normalised_qini(best, sent, visited) == pytest.approx(1.0)
    assert email_experiment.normalised_qini(np.zeros(6), sent, visited) == pytest.approx(0.0)
    assert email_experiment.normalised_qini(-best, sent, visited) < 0


def test_the_lead_of_the_head_has_an_interval_wider_than_its_splits_alone_would_give():
    head, response = np.array([0.06, 0.08, 0.07]), np.array([0.02, 0.02, 0.02])
    table = pd.DataFrame({"effect head": head, "response model": response, "random": np.zeros(3)})
    said = email_experiment.text_of(table).splitlines()
    assert said[1].split()[-3:] == ["0.070", "+/-", "0.010"]
    # lead 0.05, sd 0.01: 0.01 x sqrt(1/3 + 0.3/0.7) x 4.303 = 0.0376
    assert "+0.050 [+0.012, +0.088], in 3 of 3 splits" in said[-1]
