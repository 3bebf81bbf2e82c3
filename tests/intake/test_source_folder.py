"""A folder in the contract's form is known as one, whatever its files are packed in; others need a mapping."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from features.errors import ContractError
from pipeline.intake.source_folder import Begun, in_our_form

ACCOUNTS = "account_id,debtor_id,portfolio,product,debtor_type,currency,opened_on\n"
ROWS = "A,K,trade,invoice,commercial,EUR,2026-01-05\nB,K, loans ,loan,commercial,USD,2026-01-06\n"
CHARGES = "charge_id,account_id,due_on,amount,kind\nA,A,2026-02-05,5.00,invoice\n"


def looked_at(
    place: Path, accounts: str = ACCOUNTS + ROWS, charges: str = CHARGES, ending: str = "csv"
) -> Begun | None:
    for name, text in (("accounts", accounts), ("charges", charges)):
        written = place / f"{name}.csv"
        written.write_text(text, encoding="utf-8")
        if ending == "csv.gz":
            (place / f"{name}.csv.gz").write_bytes(gzip.compress(written.read_bytes()))
        if ending == "parquet":
            with duckdb.connect() as engine:
                rows = f"SELECT * FROM read_csv('{written}', all_varchar = true)"
                engine.execute(f"COPY ({rows}) TO '{place / name}.parquet' (FORMAT parquet)")
        if ending != "csv":
            written.unlink()
    return in_our_form(place, ("portfolio", "currency"), "500MB")


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_the_words_of_its_accounts_are_read(tmp_path, ending):
    found = looked_at(tmp_path, ending=ending)
    assert found == Begun(("accounts", "charges"), {"portfolio": ("loans", "trade"), "currency": ("EUR", "USD")})


@pytest.mark.parametrize(
    "other",
    [
        {"charges": CHARGES.replace(",", ";")},
        {"charges": CHARGES.replace("2026-02-05", "05.02.2026")},
        {"charges": CHARGES + "C9,A,05.02.2026,5.00,invoice\n"},
        {"charges": CHARGES.replace("5.00", '"5,00"')},
        {"charges": CHARGES.replace("due_on", "due")},
    ],
)
def test_what_ingest_would_not_read_as_it_means_it_is_another_systems(tmp_path, other):
    assert looked_at(tmp_path, **other) is None


def test_other_files_and_a_folder_without_accounts_are_another_systems(tmp_path):
    assert in_our_form(tmp_path, ("portfolio",), "500MB") is None
    (tmp_path / "charges.csv").write_text(CHARGES)
    assert in_our_form(tmp_path, ("portfolio",), "500MB") is None
    (tmp_path / "ledger.csv").write_text("a,b\n1,2\n")
    assert looked_at(tmp_path) is None


def test_accounts_that_break_off_are_refused(tmp_path):
    with pytest.raises(ContractError, match=r"'accounts.csv' has too few or too many cells at line 4"):
        looked_at(tmp_path, accounts=ACCOUNTS + ROWS + "C,K\n")
