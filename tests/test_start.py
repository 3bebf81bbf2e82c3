"""A folder to begin in: params and mapping for the books in a user's files, nothing written over, nothing guessed."""

from __future__ import annotations

import datetime as dt
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from features.errors import InputMissing, UsageError
from pipeline.books import Answers
from pipeline.intake.convert import convert
from pipeline.intake.ingest import ingest
from pipeline.intake.mapping import load_mapping, place_of
from pipeline.intake.mapping_lines import Decided
from pipeline.messages.texts import SHIPPED
from pipeline.params import load
from pipeline.schema import params_schema
from pipeline.start import begin, begin_with_database, begin_with_sample
from pipeline.treatment.policy import SHIPPED as POLICY
from tests.worlds.commands import exit_code
from tests.worlds.strangers import LAST, german_ledger, german_workbook, loan_book

TODAY = dt.date(2026, 10, 1)
GERMAN = Decided(currency="EUR", debtor_type="commercial", place="DE", none=("contacts", "statuses"))
SPANISH = Decided(debtor_type="consumer", place="ES", time_zone="Europe/Madrid", none=("contacts",))


def taken_in(folder: Path, decided: Decided, **answers: object) -> dict[str, int]:
    """Rows of each table after init, convert and a dry ingest of the files in `exports`."""
    told = begin(folder / "mine", [folder / "exports"], Answers(decided, **answers), TODAY, None)
    assert "Every line of mapping.yaml is decided" in told
    params = load(folder / "mine" / "params.yaml")
    mapping = load_mapping(folder / "mine" / "mapping.yaml")
    rows = convert(mapping, folder / "exports", folder / "mine" / "source", LAST).rows
    report = ingest(folder / "mine" / "source", folder / "store", params, backfill=True, dry_run=True)
    assert {table.name: table.accepted for table in report.tables} == rows
    return rows


@pytest.mark.parametrize("make", [german_ledger, german_workbook])
def test_a_german_ledger_is_understood_whatever_it_is_saved_as(tmp_path, make):
    make(tmp_path / "exports", customers=12, months=6)
    rows = taken_in(tmp_path, GERMAN, capacity=7)
    assert rows["accounts"] == rows["charges"] > rows["payments"] > 0
    assert rows["contacts"] == rows["statuses"] == 0
    params = load(tmp_path / "mine" / "params.yaml")
    assert list(params.portfolios) == ["op_liste"]
    assert params.portfolio("op_liste").time_zone == "Europe/Berlin"
    assert params.portfolio("op_liste").delivers == ("accounts", "charges", "payments", "contacts", "statuses")
    assert params.worklist.capacity == {"default": 7}
    assert (params.money.reporting_currency, params.money.rates) == ("EUR", {"EUR": 1.0})
    assert (params.eligibility.signed_off, params.eligibility.sign_offs) == ((), "sign-offs.jsonl")
    assert (tmp_path / "mine" / "sign-offs.jsonl").read_bytes() == b""


def test_a_loan_book_of_three_files_finds_its_accounts_where_they_are_listed(tmp_path):
    loan_book(tmp_path / "exports", loans=48)
    rows = taken_in(tmp_path, SPANISH, role="third_party_collector")
    assert (rows["accounts"], rows["charges"], rows["statuses"]) == (48, 48 * 12, 2)
    params = load(tmp_path / "mine" / "params.yaml")
    assert sorted(params.portfolios) == ["Granada", "Sevilla"]
    assert {book.role for book in params.portfolios.values()} == {"third_party_collector"}
    assert params.messages == "messages.yaml"
    assert [step.message for step in params.reminders.steps if step.day == 3] == ["overdue"]
    assert (tmp_path / "mine" / "messages.yaml").read_bytes() == SHIPPED.read_bytes()
    assert params.treatments is None
    assert (tmp_path / "mine" / "treatments.yaml").read_bytes() == POLICY.read_bytes()
    mapping = yaml.safe_load((tmp_path / "mine" / "mapping.yaml").read_text())
    (payments,) = mapping["tables"]["payments"]
    assert payments["columns"]["kind"]["values"] == {"Repayment": "payment", "Waive Interest": "credit"}


def test_a_kind_of_transaction_that_nobody_knows_is_asked_for(tmp_path):
    loan_book(tmp_path / "exports", loans=48)
    place = tmp_path / "exports" / "transactions.csv"
    place.write_text(place.read_text().replace("Waive Interest", "Sundry"))
    told = begin(tmp_path / "mine", [tmp_path / "exports"], Answers(SPANISH), TODAY, None)
    assert "To decide by hand in mapping.yaml: 1" in told
    assert '"Sundry": "?"' in told
    with pytest.raises(UsageError, match="kind.*undecided"):
        load_mapping(tmp_path / "mine" / "mapping.yaml")


def test_what_the_files_do_not_say_is_asked_all_at_once(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text(
        "Invoice No;Customer;Invoice Date;Due Date;Amount\nA;1;01/02/2026;03/04/2026;1,234\n"
        "B;2;01/02/2026;03/04/2026;1,234\n"
    )
    lacking = r"--debtor-type.*--currency.*--dates.*'03/04/2026'.*--decimal.*'1,234'.*--zone"
    with pytest.raises(UsageError, match=lacking):
        begin(tmp_path / "mine", [tmp_path / "exports"], Answers(), TODAY, None)
    assert not (tmp_path / "mine").exists()
    said = {"--debtor-type": "consumer", "--currency": "USD", "--dates": "MM/DD/YYYY", "--decimal": "."}
    said |= {"--place": "US-MA", "--role": "debt_buyer", "--capacity": "9", "--none": "yes"}
    asked = []

    def ask(flag: str, question: str, default: str | None) -> str:
        asked.append(flag)
        return said[flag]

    begin(tmp_path / "mine", [tmp_path / "exports" / "a.csv"], Answers(), TODAY, ask)
    mine = ["--place", "--none", "--none", "--role", "--capacity"]
    assert asked == ["--debtor-type", "--currency", "--dates", "--decimal", *mine]
    (file,) = load_mapping(tmp_path / "mine" / "mapping.yaml").files.values()
    assert (file.dates, file.decimal, file.thousands) == ("MM/DD/YYYY", ".", ",")
    params = load(tmp_path / "mine" / "params.yaml")
    assert params.portfolio("a").time_zone == "America/New_York"
    assert params.portfolio("a").role == "debt_buyer"


def test_nothing_is_written_over(tmp_path):
    german_ledger(tmp_path / "exports", customers=4, months=3)
    begin(tmp_path / "mine", [tmp_path / "exports"], Answers(GERMAN), TODAY, None)
    held = {place: place.read_bytes() for place in (tmp_path / "mine").iterdir()}
    with pytest.raises(UsageError, match=r"holds params.yaml, mapping.yaml, README.md.*nothing is written over"):
        begin(tmp_path / "mine", [tmp_path / "exports"], Answers(GERMAN), TODAY, None)
    with pytest.raises(UsageError, match="nothing is written over"):
        begin_with_sample(tmp_path / "mine")
    assert {place: place.read_bytes() for place in (tmp_path / "mine").iterdir()} == held


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"place": "US"}, "made by its parts"),
        ({"place": "Atlantis"}, "--place has unknown 'Atlantis'"),
        ({"currency": "EURO"}, "--currency has unknown 'EURO' .nearest: 'EUR'"),
        ({"time_zone": "Berlin"}, "--zone has unknown 'Berlin'"),
        ({"decimal": "comma"}, "--decimal must be"),
        ({"dates": "YYYY/DD/MM"}, "--dates has unknown 'YYYY/DD/MM'"),
    ],
)
def test_an_answer_that_cannot_be_is_refused(tmp_path, changes, sentence):
    german_ledger(tmp_path / "exports", customers=4, months=3)
    said = Decided(**{"currency": "EUR", "debtor_type": "commercial", "place": "DE", **changes})
    with pytest.raises(UsageError, match=sentence):
        begin(tmp_path / "mine", [tmp_path / "exports"], Answers(said), TODAY, None)
    assert not (tmp_path / "mine").exists()


def test_several_currencies_need_their_rates(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "a.csv").write_text(
        "Invoice No,Customer,Due Date,Amount,Currency\nA,1,2026-01-05,10.50,EUR\nB,2,2026-01-05,10.50,JPY\n"
    )
    said = Decided(debtor_type="consumer", time_zone="UTC")
    with pytest.raises(UsageError, match="what is one unit worth in EUR. Say it by --rate JPY="):
        begin(tmp_path / "mine", [tmp_path / "exports"], Answers(said), TODAY, None)
    begin(tmp_path / "mine", [tmp_path / "exports"], Answers(said, rates={"JPY": 0.006}), TODAY, None)
    params = load(tmp_path / "mine" / "params.yaml")
    assert params.money.rates == {"EUR": 1.0, "JPY": 0.006}
    assert {code: int(amount) for code, amount in params.portfolio_defaults.dpd_tolerance.items()} == {
        "EUR": 1,
        "JPY": 100,
    }


def test_what_blocks_is_said_before_it_does(tmp_path):
    german_ledger(tmp_path / "exports", customers=4, months=3)
    said = Decided(currency="EUR", debtor_type="commercial", place="DE")
    told = begin(tmp_path / "mine", [tmp_path / "exports"], Answers(said, signed_off=("DE",)), TODAY, None)
    assert "Not signed off: EU." in told
    assert load(tmp_path / "mine" / "params.yaml").eligibility.sign_offs is None
    told = begin(tmp_path / "other", [tmp_path / "exports"], Answers(said), TODAY, None)
    assert "Not signed off: DE, EU. " in told
    assert "`recoup rules sign --place DE --place EU --by NAME`" in told
    assert "Not among what is delivered: contacts, statuses." in told
    assert "--none contacts" in (tmp_path / "mine" / "README.md").read_text()


def test_files_are_named_as_a_shell_hands_them_over(tmp_path, monkeypatch, capsys):
    german_ledger(tmp_path / "exports", customers=4, months=3)
    german_ledger(tmp_path / "other", customers=4, months=3)
    (tmp_path / "other" / "OP-Liste.csv").rename(tmp_path / "exports" / "OP-2.csv")
    monkeypatch.chdir(tmp_path)
    said = ("--debtor-type", "commercial", "--currency", "EUR", "--place", "DE")
    assert exit_code("init", "mine", "--from", "exports/OP-2.csv", "exports/OP-Liste.csv", *said) == 0
    assert list(load_mapping(Path("mine/mapping.yaml")).files) == ["op_2", "op_liste"]
    assert "--from ../exports --to source" in Path("mine/README.md").read_text()
    assert exit_code("init", "more", "other", "--from", "exports/OP-2.csv", *said) == 2
    assert exit_code("init", "more") == 2
    assert exit_code("init", "more", "--from", "absent") == 66
    assert "There is no 'absent'" in capsys.readouterr().err


def test_the_sample_comes_whole_with_its_params(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code("init", "--sample") == 0
    assert "recoup run --as-of 2026-10-01" in capsys.readouterr().out
    assert json.loads(Path("params.schema.json").read_text()) == params_schema()
    assert exit_code("ingest", "--dry-run") == 0
    assert "accounts" in capsys.readouterr().out


def test_a_folder_without_files_is_told(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputMissing, match="no file to convert"):
        begin(tmp_path / "mine", [tmp_path / "empty"], Answers(GERMAN), TODAY, None)


def test_tables_said_to_be_empty_need_their_last_day(tmp_path):
    german_ledger(tmp_path / "exports", customers=4, months=3)
    begin(tmp_path / "mine", [tmp_path / "exports"], Answers(GERMAN), TODAY, None)
    with pytest.raises(UsageError, match="no contacts, statuses: through which day"):
        convert(load_mapping(tmp_path / "mine" / "mapping.yaml"), tmp_path / "exports", tmp_path / "ours")


def test_the_folder_s_readme_runs_as_it_is_written(tmp_path):
    """Who signs the law, and through which day an empty table is empty, stand in the commands themselves."""
    german_ledger(tmp_path / "exports", customers=4, months=3)
    said = Decided(currency="EUR", debtor_type="commercial", place="DE", none=("contacts", "statuses"))
    begin(tmp_path / "mine", [tmp_path / "exports"], Answers(said), TODAY, None)
    commands = re.findall(r"^    (recoup .+?) +# ", (tmp_path / "mine" / "README.md").read_text(), flags=re.M)
    assert commands[0].endswith("--to source --complete-through YYYY-MM-DD")
    assert commands[2] == "recoup rules sign --place DE --place EU --by NAME"
    begin(tmp_path / "signed", [tmp_path / "exports"], Answers(said, signed_off=("DE", "EU")), TODAY, None)
    assert "rules sign" not in (tmp_path / "signed" / "README.md").read_text()


def test_queries_are_begun_with_what_there_must_be_and_refused_until_they_are_written(tmp_path):
    with closing(sqlite3.connect(tmp_path / "books.sqlite")) as connection:
        connection.execute("CREATE TABLE invoices (no TEXT)")
    said = Decided(currency="EUR", debtor_type="commercial", place="DE")
    begin_with_database(tmp_path / "mine", tmp_path / "books.sqlite", Answers(said), TODAY)
    params = load(tmp_path / "mine" / "params.yaml")
    assert "? AS known_at" in params.queries["payments"]
    assert "-- where you have them (docs/ingest.md):" in params.queries["charges"]
    with pytest.raises(UsageError, match=r"queries.accounts, queries.charges, queries.payments of .* still hold `\?`"):
        ingest(tmp_path / "books.sqlite", tmp_path / "store", params)


def test_files_in_the_contracts_form_are_read_where_they_lie(tmp_path):
    german_ledger(tmp_path / "exports", customers=12, months=6)
    begin(tmp_path / "first", [tmp_path / "exports"], Answers(GERMAN), TODAY, None)
    convert(load_mapping(tmp_path / "first" / "mapping.yaml"), tmp_path / "exports", tmp_path / "ours", LAST)
    with pytest.raises(UsageError, match="--zone"):
        begin(tmp_path / "mine", [tmp_path / "ours"], Answers(), TODAY, None)
    with pytest.raises(UsageError, match=r"--none balances: .* balances.csv of its header alone"):
        begin(tmp_path / "mine", [tmp_path / "ours"], Answers(Decided(place="DE", none=("balances",))), TODAY, None)
    told = begin(tmp_path / "mine", [tmp_path / "ours"], Answers(Decided(place="DE")), TODAY, None)
    assert "Tables of the contract: accounts, charges, payments, contacts, statuses; no mapping is needed" in told
    assert not (tmp_path / "mine" / "mapping.yaml").exists()
    assert "recoup convert" not in (tmp_path / "mine" / "README.md").read_text()
    params = load(tmp_path / "mine" / "params.yaml")
    assert (list(params.portfolios), params.money.rates) == (["op_liste"], {"EUR": 1.0})
    assert params.paths.source == (tmp_path / "ours").resolve()
    report = ingest(params.paths.source, tmp_path / "store", params, backfill=True, dry_run=True)
    assert not any(table.quarantined for table in report.tables)


def test_the_contracts_columns_in_other_forms_are_converted(tmp_path):
    german_ledger(tmp_path / "exports", customers=12, months=6)
    begin(tmp_path / "first", [tmp_path / "exports"], Answers(GERMAN), TODAY, None)
    convert(load_mapping(tmp_path / "first" / "mapping.yaml"), tmp_path / "exports", tmp_path / "ours", LAST)
    charges = tmp_path / "ours" / "charges.csv"
    before = charges.read_text()
    charges.write_text(re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", before))
    for place in (tmp_path / "ours").glob("*.json"):
        place.unlink()
    told = begin(tmp_path / "mine", [tmp_path / "ours"], Answers(Decided(place="DE")), TODAY, None)
    assert "Every line of mapping.yaml is decided" in told
    convert(load_mapping(tmp_path / "mine" / "mapping.yaml"), tmp_path / "ours", tmp_path / "again", LAST)
    assert (tmp_path / "again" / "charges.csv").read_text() == before


def test_a_shipped_mapping_is_shown_to_be_copied(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert exit_code("convert", "--map", "erpnext", "--show") == 0
    Path("mapping.yaml").write_text(capsys.readouterr().out)
    assert load_mapping(Path("mapping.yaml")) == load_mapping(place_of("erpnext"))
    assert exit_code("convert", "--map", "erpnextt", "--show") == 66
    assert exit_code("convert", "--map", "erpnext") == 2
