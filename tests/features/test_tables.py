"""The contract as data, the check of the inner form, and the stable numbers of accounts and shards.

Also of currencies.py and schemas.py.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.currencies import DECIMALS
from features.errors import ContractError, UsageError
from features.tables import NO_DAY, NO_MONEY, NO_TIME, TABLES, Kind, account_number, check, inner_columns


def payments(**columns):
    """Two good payments, with these columns instead."""
    good = {
        "account_no": np.array([7, 7]),
        "payment_id": pd.Series(["P1", "P2"], dtype="str"),
        "charge_id": pd.Series([None, "C1"], dtype="str"),
        "occurred_at": np.array([0, 1]),
        "occurred_on": np.array([0, 0], dtype="int32"),
        "amount": np.array([1, 250]),
        "kind": pd.Categorical(["payment", "credit"]),
        "reverses": pd.Series([None, None], dtype="str"),
        "method": pd.Series(["card", None], dtype="str"),
        "known_at": np.array([0, 1]),
        "known_on": np.array([0, 0], dtype="int32"),
    }
    return pd.DataFrame({**good, **columns})


def contacts(**columns):
    good = {
        "account_no": np.array([7]),
        "occurred_minute": np.array([600], dtype="int16"),
        "promise_amount": np.array([NO_MONEY]),
    }
    return pd.DataFrame({**good, **columns})


def test_every_table_of_the_contract_is_declared_with_its_columns():
    assert {name: " ".join(table.names) for name, table in TABLES.items()} == {
        "accounts": "account_id debtor_id portfolio product debtor_type currency opened_on placed_on principal "
        "placed_amount jurisdiction "
        "time_zone language known_at",
        "charges": "charge_id account_id issued_on due_on amount kind adjusts known_at",
        "balances": "account_id taken_on balance arrears days_past_due known_at",
        "payments": "payment_id account_id charge_id occurred_at amount kind reverses method known_at instrument",
        "contacts": "contact_id account_id occurred_at channel direction outcome promise_amount promise_due_on cost "
        "agent person_id "
        "endpoint_id known_at request",
        "statuses": "account_id status from_on until_on known_at detail charge_id",
        "offers": "offer_id account_id made_at kind amount instalments first_due_on discount valid_until outcome "
        "variant probability known_at",
        "plans": "plan_id account_id agreed_on total due_on amount ended_on how known_at",
        "placements": "placement_id account_id route party placed_on recalled_on commission fixed_cost amount "
        "probability known_at",
    }
    for table in TABLES.values():
        assert set(table.key) <= set(table.names)
        assert table.position in table.names
        assert all(table[column].kind is not Kind.ENUM or table[column].values for column in table.names)
        assert table.money is None or table[table.money].kind is Kind.MONEY


def test_the_empty_marks_fit_their_types():
    assert (np.int32(NO_DAY), np.int64(NO_TIME), np.int64(NO_MONEY)) == (-(2**31), -(2**63), -(2**63))


def test_the_inner_form_gives_each_kind_its_type():
    assert inner_columns("contacts") == {
        "account_no": "int64",
        "contact_id": "str",
        "account_id": "str",
        "occurred_at": "int64",
        "occurred_on": "int32",
        "channel": "str",
        "direction": "str",
        "outcome": "str",
        "promise_amount": "int64",
        "promise_due_on": "int32",
        "cost": "int64",
        "agent": "str",
        "person_id": "str",
        "endpoint_id": "str",
        "request": "str",
        "known_at": "int64",
        "known_on": "int32",
        "occurred_minute": "int16",
        "contact_no": "int64",
    }


def test_currencies_have_the_decimals_of_iso_4217():
    assert {
        code: DECIMALS[code] for code in ("EUR", "USD", "JPY", "KRW", "KWD", "TND", "CLF", "TWD", "NGN", "RUB")
    } == {
        "EUR": 2,
        "USD": 2,
        "JPY": 0,
        "KRW": 0,
        "KWD": 3,
        "TND": 3,
        "CLF": 4,
        "TWD": 2,
        "NGN": 2,
        "RUB": 2,
    }
    assert all(len(code) == 3 and code.isupper() for code in DECIMALS)
    assert len(DECIMALS) > 160


def test_a_good_frame_passes():
    check({"payments": payments()})
    check({"payments": payments()[["account_no", "amount"]]}, {"payments": ["amount"]})
    check({"contacts": contacts()}, {"contacts": ["promise_amount"]})


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (payments(amount=np.array([0, 1])), r"Table 'payments': column 'amount' must be at least 1\. Got 1 rows"),
        (payments(amount=np.array([NO_MONEY, 1])), r"column 'amount' must not be empty"),
        (payments(amount=np.array([10**16, 1])), r"column 'amount' must be at most 9000000000000000"),
        (payments(amount=np.array([1.0, 2.0])), r"column 'amount' must be int64\. Got float64"),
        (payments(kind=["payment", "gift"]), r"column 'kind' must be one of the contract's values\. Got 1 rows"),
        (
            payments(payment_id=pd.Series([None, None], dtype="str")),
            r"column 'payment_id' must not be empty\. Got 2 rows",
        ),
        (payments(occurred_on=np.array([0, NO_DAY], dtype="int32")), r"column 'occurred_on' must not be empty"),
        (
            payments(occurred_on=np.array([0, 9_000_000], dtype="int32")),
            r"column 'occurred_on' must be a day between 1900 and 9999",
        ),
        (payments(known_at=np.array([0, NO_TIME])), r"column 'known_at' must not be empty"),
        (payments().drop(columns="kind"), r"Table 'payments' lacks 'kind'\."),
    ],
)
def test_a_frame_that_breaks_the_contract_is_refused(frame, match):
    with pytest.raises(ContractError, match=match):
        check({"payments": frame})


def test_a_contact_minute_is_of_the_day():
    with pytest.raises(ContractError, match=r"column 'occurred_minute' must be a minute of the day or -1"):
        check({"contacts": contacts(occurred_minute=np.array([1440], dtype="int16"))}, {"contacts": []})


def test_currencies_and_days_past_due_are_checked():
    with pytest.raises(ContractError, match=r"column 'currency' must be codes of ISO 4217"):
        check({"accounts": pd.DataFrame({"currency": ["EUR", "EURO"]})}, {"accounts": []})
    with pytest.raises(ContractError, match=r"column 'days_past_due' must be at least 0"):
        check({"balances": pd.DataFrame({"days_past_due": np.array([-1], dtype="int32")})}, {"balances": []})


def test_all_failures_of_all_tables_come_at_once_and_without_a_value():
    secret = "Zaphod"
    with pytest.raises(ContractError, match="'kind'") as refused:
        check(
            {
                "payments": payments(kind=[secret, "payment"], amount=np.array([-4711, 1])),
                "contacts": contacts(channel=[secret]),
            }
        )
    text = str(refused.value)
    assert all(part in text for part in ("'kind'", "'amount'", "'channel'", "Table 'contacts' lacks", "'direction'"))
    assert secret not in text
    assert "4711" not in text


def test_an_unknown_table_is_named_with_the_nearest():
    with pytest.raises(UsageError, match=r"unknown 'payment' \(nearest: 'payments'\)"):
        check({"payment": payments()})


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_the_number_of_an_account_is_the_head_of_its_md5(ids):
    expected = [int.from_bytes(hashlib.md5(name.encode()).digest()[:8], "big") >> 1 for name in ids]
    assert account_number(ids).tolist() == expected
    assert account_number(["A1"]).dtype == np.int64


def test_numbers_never_change():
    """Stores in the field are partitioned by them."""
    assert account_number(["a", "b"]).tolist() == [459572619813378900, 5293330448730494966]
    assert account_number([]).tolist() == []


def test_numbers_need_ids():
    with pytest.raises(ContractError, match=r"An id must not be empty\. Got 1 empty"):
        account_number(["a", None])


def test_the_contract_is_read_without_waking_pandera():
    program = "import sys, features.tables; print('pandera' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.split() == ["False", "False"]
