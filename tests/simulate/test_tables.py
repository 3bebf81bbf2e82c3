"""The tables of the contract, as the simulator writes them."""

from __future__ import annotations

import json
from decimal import Decimal

import pandas as pd
import pyarrow.parquet as pq

from pipeline.simulate.portfolio import LAST_DAY, simulate
from tests.judges.naive_books import TABLES, day_of, net_settlements
from tests.worlds.sample import SAMPLE

# Written down from the contract by hand, so that a slip in the declarations shows.
COLUMNS = {
    "accounts": "account_id debtor_id portfolio product debtor_type currency opened_on placed_on principal "
    "placed_amount jurisdiction "
    "time_zone known_at",
    "charges": "charge_id account_id issued_on due_on amount kind known_at",
    "balances": "account_id taken_on balance arrears days_past_due known_at",
    "payments": "payment_id account_id charge_id occurred_at amount kind reverses method known_at",
    "contacts": "contact_id account_id occurred_at channel direction outcome promise_amount promise_due_on cost "
    "agent person_id "
    "endpoint_id known_at",
    "statuses": "account_id status from_on until_on known_at detail",
}


WORDS = {
    ("accounts", "debtor_type"): "consumer commercial",
    ("charges", "kind"): "principal instalment invoice fee interest adjustment",
    ("payments", "kind"): "payment reversal credit",
    ("contacts", "channel"): "call autodial voicemail sms email letter visit chat portal social debit legal other",
    ("contacts", "direction"): "outbound inbound",
    (
        "contacts",
        "outcome",
    ): "not_connected no_answer busy voicemail wrong_number third_party right_party promise refusal dispute complaint "
    "delivered bounced opened unsubscribed paid rejected",
    (
        "statuses",
        "status",
    ): "cease_contact attorney bankruptcy moratorium deceased identity_theft dispute wrong_party hardship vulnerable "
    "minor litigation prescribed emergency inconvenient opt_out_call opt_out_sms opt_out_email opt_out_letter "
    "opt_out_visit consent_call "
    "consent_sms consent_email notice_sent default charged_off sold agency legal plan callback closed outcome_unknown",
}


MONEY_OF = {
    "accounts": "principal",
    "charges": "amount",
    "balances": "balance",
    "payments": "amount",
    "contacts": "promise_amount",
}


STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:00[+-]\d\d:\d\d"


# Tables of the contract


def test_columns_words_stamps_and_keys_are_the_contracts(sample):
    for name, columns in COLUMNS.items():
        names = [column for column in sample[name] if not column.endswith(("_day", "_minor")) and column != "known"]
        own = [column for column in names if column.startswith(("x_", "audit_"))]
        assert names == columns.split() + own
        assert sample[name]["known_at"].dropna().str.fullmatch(STAMP).all()
        assert not sample[name].duplicated().any()
    for (name, column), words in WORDS.items():
        assert set(sample[name][column].dropna()) <= set(words.split())
    for name in ("payments", "contacts"):
        assert sample[name]["occurred_at"].str.fullmatch(STAMP).all()
        assert (sample[name]["known"] >= sample[name]["occurred_at_day"]).all()
    for name, key in {
        "payments": ["payment_id"],
        "contacts": ["contact_id", "account_id"],
        "balances": ["account_id", "taken_on"],
    }.items():
        assert not sample[name].duplicated(key).any()
    for name, key in {
        "accounts": "account_id",
        "charges": "charge_id",
        "statuses": ["account_id", "status", "from_on"],
    }.items():
        assert not sample[name].duplicated([*([key] if isinstance(key, str) else key), "known_at"]).any()


def test_money_has_the_decimals_of_its_currency_and_the_right_sign(sample):
    yen = sample["accounts"].set_index("account_id")["currency"].eq("JPY").to_dict()
    for name, column in [
        *MONEY_OF.items(),
        ("accounts", "placed_amount"),
        ("balances", "arrears"),
        ("contacts", "cost"),
    ]:
        rows = sample[name].dropna(subset=[column])
        whole = rows["account_id"].map(yen).astype(bool)
        assert rows[column][whole].str.fullmatch(r"-?\d+").all()
        assert rows[column][~whole].str.fullmatch(r"-?\d+\.\d\d").all()
    assert (sample["payments"]["amount_minor"] > 0).all()
    negative = sample["charges"]["amount_minor"] < 0
    assert set(sample["charges"]["kind"][negative]) == {"adjustment"}


def test_nothing_is_known_after_the_last_day_and_reversals_name_a_payment(sample):
    last = day_of(LAST_DAY)
    assert all((rows["known"] <= last).all() for rows in sample.values())
    assert all(sample[feed]["known"].max() > last - 3 for feed in ("payments", "contacts", "statuses"))
    payments = sample["payments"].set_index("payment_id")
    back = payments[payments["kind"] == "reversal"]
    taken = payments.loc[back["reverses"]]
    assert (taken["kind"] == "payment").all()
    assert (taken["account_id"].to_numpy() == back["account_id"].to_numpy()).all()
    assert (net_settlements(sample["payments"], last + 1)["net"] >= 0).all()


def test_control_files_count_and_add_up_what_was_written(tmp_path, sample):
    currency = sample["accounts"].set_index("account_id")["currency"].to_dict()
    for name in TABLES:
        control = json.loads((SAMPLE / f"{name}.control.json").read_text())
        sums: dict[str, Decimal] = {}
        if name in MONEY_OF:
            for account, amount in zip(sample[name]["account_id"], sample[name][MONEY_OF[name]], strict=True):
                if isinstance(amount, str):
                    sums[currency[account]] = sums.get(currency[account], Decimal(0)) + Decimal(amount)
        assert control["rows"] == len(sample[name])
        assert {code: Decimal(text) for code, text in control["sums"].items() if Decimal(text)} == sums
        assert control["complete_through"] == LAST_DAY.isoformat()


def test_the_trade_is_all_there(sample):
    """What the product must cope with occurs: late and back-dated news, versions, joint calls, promises of every fate,
    stops, gaps.
    """
    payments, contacts, statuses = sample["payments"], sample["contacts"], sample["statuses"]
    assert {"reversal", "credit"} <= set(payments["kind"])
    assert (payments["known"] - payments["occurred_at_day"]).max() >= 10
    assert sample["charges"].duplicated("charge_id").any()
    assert sample["accounts"].duplicated("account_id").any()
    assert contacts.duplicated("contact_id").any()
    assert (contacts["promise_due_on_day"] > day_of(LAST_DAY)).any()
    late = statuses["known"] - statuses["from_on_day"]
    assert late[statuses["status"] == "deceased"].max() > 10
    wanted = (
        "plan dispute bankruptcy deceased cease_contact hardship vulnerable "
        "opt_out_sms consent_sms notice_sent callback sold agency closed"
    )
    assert set(wanted.split()) <= set(statuses["status"])
    assert statuses[statuses["status"] == "callback"]["detail"].str.fullmatch(r"\d\d:\d\d").all()
    accounts = sample["accounts"]
    assert accounts["currency"].nunique() == 4
    assert accounts["jurisdiction"].isna().any()
    assert accounts["time_zone"].isna().any()
    assert accounts.groupby("debtor_id")["portfolio"].nunique().max() == 2


def test_parquet_says_the_same(tmp_path, sample):
    simulate(debtors=60, seed=7, out=tmp_path, file_format="parquet")
    payments = pq.read_table(tmp_path / "payments.parquet")
    assert str(payments.schema.field("occurred_at").type) == "timestamp[us, tz=UTC]"
    rows = payments.to_pandas()
    same = sample["payments"][sample["payments"]["payment_id"].isin(rows["payment_id"])]
    assert len(rows) == len(same) > 300
    assert (pd.to_datetime(same["occurred_at"].to_numpy(), utc=True) == pd.DatetimeIndex(rows["occurred_at"])).all()
    assert (same["amount"].to_numpy() == rows["amount"].to_numpy()).all()
